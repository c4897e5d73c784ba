/** Rules on `check`, the same for every algorithm. */

import type { LimitDecision, LimitPolicy } from "../../state/contracts/limits.ts";
import { expect, expectEqual, expectRangeError, show, violated, type Rule } from "../report.ts";
import { sweep, type Admission } from "./limit-bounds.ts";
import { LIMIT_KINDS, checkOf, policyOf, recoveryMs, type Check, type LimitContext, type LimitKind } from "./limit-context.ts";

async function one(c: LimitContext): Promise<Check> {
  return checkOf(await c.store());
}

/** Long enough that nothing comes back by itself while a rule runs. */
const LONG_MS = 86_400_000;

const SHAPES: readonly (readonly [max: number, windowMs: number])[] = [[1, 1000], [5, 64], [40, 777], [100, 1000], [7, 60_000], [250, 16]];

function rulesFor(kind: LimitKind): Rule<LimitContext>[] {
  const policy = (max: number, windowMs: number): LimitPolicy => policyOf(kind, max, windowMs);
  return [
    {
      rule: `${kind}/limit`,
      async run(c) {
        const [a, b] = (await c.clients()).map(checkOf) as [Check, Check];
        const key = c.key();
        for (let left = 9; left >= 0; left--) {
          const { allowed, remaining, limit, retryAfterMs } = await (left % 2 === 0 ? a : b)(key, policy(10, LONG_MS), 1);
          expectEqual({ allowed, remaining, limit, retryAfterMs }, { allowed: true, remaining: left, limit: 10, retryAfterMs: 0 }, `call ${10 - left} of 10 under a limit of 10`);
        }
        const { allowed, remaining } = await a(key, policy(10, LONG_MS), 1);
        expectEqual({ allowed, remaining }, { allowed: false, remaining: 0 }, "call 11 under a limit of 10");
      },
    },
    {
      rule: `${kind}/never-above`,
      async run(c) {
        const check = await one(c);
        for (const [max, windowMs] of c.time.driven ? SHAPES : ([[5, c.ttlMs]] as const)) {
          const limit = policy(max, windowMs);
          const key = c.key();
          const admissions: Admission[] = [];
          const end = c.time.now() + windowMs * 6;
          for (let i = 0; i < 1500 && (c.time.driven || c.time.now() < end); i++) {
            if (c.time.driven) await c.time.pass(gap(c, windowMs));
            const cost = c.pick(1, Math.min(max, 3));
            const sentAt = c.time.now();
            const { allowed } = await check(key, limit, cost);
            if (allowed) admissions.push({ sentAt, knownAt: c.time.now(), cost });
          }
          expect(admissions.length > 0, `nothing at all was admitted under ${show(limit)}`);
          sweep(admissions, limit, show(limit));
        }
      },
    },
    {
      rule: `${kind}/never-below`,
      async run(c) {
        c.time.needDriven();
        const check = await one(c);
        for (const [max, windowMs] of [[10, 1000], [3, 100], [100, 1000], [60, 64], [1, 333]] as const) {
          const limit = policy(max, windowMs);
          const key = c.key();
          let granted = 0;
          const spanMs = windowMs * 12;
          // As many polls as it takes between two milliseconds: a refused poll must not eat what is coming back.
          for (let ms = 0; ms < spanMs; ms++) {
            while ((await check(key, limit, 1)).allowed) granted++;
            await c.time.pass(1);
          }
          const ideal = kind === "token-bucket" ? max + Math.floor((max * (spanMs - 1)) / windowMs) - 1 : kind === "fixed-window" ? max * 12 : Math.floor(max * (1 + (11 * 15) / 16));
          expect(granted >= ideal, `polled every millisecond for 12 windows of ${show(limit)}: expected at least ${ideal} grants, got ${granted}`);
        }
      },
    },
    {
      rule: `${kind}/recovers`,
      async run(c) {
        const check = await one(c);
        for (const [max, windowMs] of c.time.driven ? SHAPES : ([[5, c.ttlMs]] as const)) {
          const limit = policy(max, windowMs);
          const key = c.key();
          if (c.time.driven) {
            await c.time.pass(c.random());
            expect((await check(key, limit, max)).allowed, `a cost of ${max} on a fresh key under ${show(limit)}`);
            await c.time.pass(recoveryMs(limit));
            expect((await check(key, limit, max)).allowed, `a cost of ${max} after ${recoveryMs(limit)} ms of rest under ${show(limit)}`);
            continue;
          }
          await check(key, limit, max);
          await c.time.pass(recoveryMs(limit));
          await c.time.until("everything is back after a rest", windowMs, async () => (await check(key, limit, max)).allowed);
        }
      },
    },
    {
      rule: `${kind}/refusal-costs-nothing`,
      async run(c) {
        const check = await one(c);
        const key = c.key();
        await check(key, policy(5, LONG_MS), 3);
        for (let i = 0; i < 10; i++) expectEqual((await check(key, policy(5, LONG_MS), 3)).allowed, false, "a cost of 3 where 2 are left");
        expectEqual((await check(key, policy(5, LONG_MS), 2)).allowed, true, "a cost of 2 where 2 are left, after ten refusals");
      },
    },
    {
      rule: `${kind}/cost-of-zero-reads`,
      async run(c) {
        const check = await one(c);
        const key = c.key();
        expectEqual((await check(key, policy(5, LONG_MS), 0)).remaining, 5, "remaining of a fresh key");
        await check(key, policy(5, LONG_MS), 2);
        for (let i = 0; i < 5; i++) expectEqual((await check(key, policy(5, LONG_MS), 0)).remaining, 3, "remaining read by a cost of 0");
        expectEqual((await check(key, policy(5, LONG_MS), 3)).allowed, true, "a cost of all that is left, after reading");
      },
    },
    {
      rule: `${kind}/cost-above-the-limit`,
      async run(c) {
        const check = await one(c);
        const key = c.key();
        const { allowed, retryAfterMs } = await check(key, policy(5, LONG_MS), 6);
        expectEqual({ allowed, retryAfterMs }, { allowed: false, retryAfterMs: null }, "a cost of 6 under a limit of 5");
        expectEqual((await check(key, policy(5, LONG_MS), 5)).allowed, true, "a cost of 5 afterwards");
        if (kind !== "token-bucket") {
          const none = await check(c.key(), policy(0, LONG_MS), 1);
          expectEqual([none.allowed, none.retryAfterMs], [false, null], "allowed and retryAfterMs under a limit of 0");
        }
      },
    },
    {
      rule: `${kind}/promise`,
      async run(c) {
        const check = await one(c);
        if (!c.time.driven) {
          const { key, limit, retryAfterMs } = await refusedAtOnce(c, check, (windowMs) => policy(2, windowMs));
          expect(Number.isSafeInteger(retryAfterMs) && (retryAfterMs as number) > 0 && (retryAfterMs as number) <= recoveryMs(limit), `retryAfterMs of a refusal: expected 1 to ${recoveryMs(limit)}, got ${show(retryAfterMs)}`);
          await c.time.pass(retryAfterMs as number);
          await c.time.until("the same cost passes after retryAfterMs", 50, async () => (await check(key, limit, 2)).allowed);
          return;
        }
        for (const [max, windowMs] of SHAPES) {
          const limit = policy(max, windowMs);
          // Two keys with one history: one is asked a millisecond early, the other keeps the promise.
          const [early, due] = [c.key(), c.key()];
          for (let i = 0; i < 60; i++) {
            await c.time.pass(gap(c, windowMs));
            const cost = c.pick(1, max);
            const [answer, same] = [await check(early, limit, cost), await check(due, limit, cost)];
            expectEqual(same, answer, "the decisions on two keys with one history");
            if (answer.allowed) {
              expectEqual(answer.retryAfterMs, 0, "retryAfterMs of an admission");
              continue;
            }
            const { retryAfterMs } = answer;
            expect(Number.isSafeInteger(retryAfterMs) && (retryAfterMs as number) > 0, `retryAfterMs of a refusal: expected a whole number above 0, got ${show(retryAfterMs)}`);
            await c.time.pass((retryAfterMs as number) - 1);
            expectEqual((await check(early, limit, cost)).allowed, false, `a cost of ${cost} 1 ms before the promised time under ${show(limit)}`);
            await c.time.pass(1);
            expectEqual((await check(due, limit, cost)).allowed, true, `a cost of ${cost} at the promised time (${retryAfterMs} ms) under ${show(limit)}`);
            await check(early, limit, cost);
          }
        }
      },
    },
    {
      rule: `${kind}/reset`,
      async run(c) {
        c.time.needDriven();
        const check = await one(c);
        for (const [max, windowMs] of SHAPES) {
          const limit = policy(max, windowMs);
          const key = c.key();
          for (let i = 0; i < 10; i++) {
            await c.time.pass(gap(c, windowMs));
            await check(key, limit, c.pick(1, max));
          }
          const { resetAfterMs } = await check(key, limit, 0);
          expect(resetAfterMs >= 0 && resetAfterMs <= recoveryMs(limit), `resetAfterMs under ${show(limit)}: expected 0 to ${recoveryMs(limit)}, got ${resetAfterMs}`);
          const before = (await check(key, limit, 0)).remaining;
          await c.time.pass(resetAfterMs);
          expectEqual((await check(key, limit, 0)).remaining, max, `remaining after resetAfterMs (${resetAfterMs} ms) under ${show(limit)}, from ${before}`);
        }
      },
    },
    {
      rule: `${kind}/domain`,
      async run(c) {
        const check = await one(c);
        const key = c.key();
        const good = policy(5, LONG_MS);
        const costs: unknown[] = [-1, Number.NaN, Number.POSITIVE_INFINITY, "1", undefined, null];
        if (kind !== "token-bucket") costs.push(0.5);
        for (const bad of costs) await expectRangeError(() => check(key, good, bad as number), `check with the cost ${show(bad)}`);
        for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, "5", undefined] as number[]) await expectRangeError(() => check(key, { ...good, max: bad }, 1), `check with max ${show(bad)}`);
        for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5", undefined] as number[]) await expectRangeError(() => check(key, { ...good, windowMs: bad }, 1), `check with windowMs ${show(bad)}`);
        await expectRangeError(() => check(key, { ...good, algorithm: "no-such-thing" } as unknown as LimitPolicy, 1), "check with an unknown algorithm");
        expectEqual((await check(key, good, 5)).allowed, true, "the whole limit after invalid calls");
      },
    },
    {
      rule: `${kind}/concurrent`,
      async run(c) {
        const [a, b] = (await c.clients()).map(checkOf) as [Check, Check];
        const key = c.key();
        const decisions = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? a : b)(key, policy(10, LONG_MS), 1)));
        const remaining = decisions.filter(({ allowed }) => allowed).map((decision) => decision.remaining);
        expectEqual(remaining.sort((x, y) => x - y), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "what the admitted ones of 64 concurrent calls under a limit of 10 were told to remain, sorted");
      },
    },
    {
      rule: `${kind}/clock-steps-back`,
      async run(c) {
        const check = await one(c);
        for (const stepMs of [1, 1000, 86_400_000]) {
          const limit = policy(40, 1000);
          const key = c.key();
          await check(key, limit, 40);
          c.time.step(-stepMs);
          expectEqual((await check(key, limit, 20)).allowed, false, `a cost of 20 of 40 right after the clock was set back by ${stepMs} ms`);
          await c.time.pass(recoveryMs(limit) + 64);
          expectEqual((await check(key, limit, 40)).allowed, true, `everything, a window after the clock was set back by ${stepMs} ms`);
        }
      },
    },
    {
      rule: `${kind}/clock-steps-forward`,
      async run(c) {
        const check = await one(c);
        const limit = policy(40, 1000);
        const key = c.key();
        await check(key, limit, 40);
        c.time.step(86_400_000);
        expectEqual([(await check(key, limit, 40)).allowed, (await check(key, limit, 40)).allowed], [true, false], "everything twice after the clock was set forward by a day");
      },
    },
    {
      rule: `${kind}/keys`,
      async run(c) {
        const check = await one(c);
        const stem = c.key();
        for (const tail of ["", "\u0000", ":", "%", " ", "*", "ü", "u\u0308", "😀", "'", "{x}", "x".repeat(600), `${"x".repeat(600)}y`]) {
          expectEqual((await check(stem + tail, policy(2, LONG_MS), 1)).remaining, 1, `remaining after the first call of the key ${show(tail)}`);
        }
      },
    },
  ];
}

/** Mostly short gaps, some at the edges of a window, some long ones. */
function gap(c: LimitContext, windowMs: number): number {
  const kind = c.pick(0, 9);
  if (kind < 4) return 0;
  if (kind < 6) return c.pick(0, Math.ceil(windowMs / 10));
  if (kind < 7) return c.random();
  if (kind < 8) return c.pick(0, windowMs);
  return c.pick(Math.max(0, windowMs - 2), windowMs + 2) * (kind === 9 ? c.random() : 1);
}

/**
 * A refusal of a cost of 2 on the real clock. The window is doubled until two calls fit into one, so that it depends on the speed of
 * neither the machine nor the store, and a wait for what comes back is no longer than it has to be.
 */
async function refusedAtOnce(c: LimitContext, check: Check, policy: (windowMs: number) => LimitPolicy): Promise<{ key: string; limit: LimitPolicy; retryAfterMs: LimitDecision["retryAfterMs"] }> {
  for (let windowMs = c.ttlMs; windowMs <= LONG_MS; windowMs *= 2) {
    const [key, limit] = [c.key(), policy(windowMs)];
    await check(key, limit, 2);
    const { allowed, retryAfterMs } = await check(key, limit, 2);
    if (!allowed) return { key, limit, retryAfterMs };
  }
  return violated(`a second cost of 2 under a limit of 2 was never refused, in windows of up to ${LONG_MS} ms`);
}

export const checkRules: readonly Rule<LimitContext>[] = LIMIT_KINDS.flatMap(rulesFor);
