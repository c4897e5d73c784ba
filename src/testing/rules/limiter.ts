/** Rules on a token bucket limiter. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { RateLimitDecision, RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import { expect, expectEqual, expectRangeError, failureOf, optional, show, skipRule, type ContractOptions, type Rule, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export interface RateLimiterContractOptions extends ContractOptions {
  /** A limiter that keeps at most `maxKeys` keys. Without it: no rule on the bound. */
  readonly bounded?: (policy: TokenBucketPolicy, maxKeys: number) => MaybePromise<RateLimiter>;
}

export interface LimiterContext extends RuleBase {
  readonly options: RateLimiterContractOptions;
  make(policy: TokenBucketPolicy): Promise<RateLimiter>;
  limiters(policy: TokenBucketPolicy): Subjects<RateLimiter>;
}

/** So slow that nothing comes back while a rule runs. */
const SLOW = 1e-6;

/** Gaps in ms between polls, for a rate of `perSecond`. */
const PATTERNS: readonly (readonly [name: string, gap: (c: LimiterContext, i: number) => number])[] = [
  ["every millisecond", () => 1],
  ["every 7 ms", () => 7],
  ["at a prime distance", () => 97],
  ["at random", (c) => c.pick(0, 40)],
  ["in bursts", (_, i) => (i % 20 === 0 ? 400 : 0)],
  ["many times at one instant, then a millisecond later", (_, i) => (i % 10 === 0 ? 1 : 0)],
];

export const limiterRules: readonly Rule<LimiterContext>[] = [
  {
    rule: "policy/domain",
    async run(c) {
      for (const bad of [0, 0.5, -1, Number.NaN, Number.POSITIVE_INFINITY, "10", undefined, null] as number[]) {
        await expectRangeError(() => c.make({ capacity: bad, tokensPerSecond: 1 }), `a limiter with the capacity ${show(bad)}`);
      }
      for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1", undefined, null] as number[]) {
        await expectRangeError(() => c.make({ capacity: 10, tokensPerSecond: bad }), `a limiter with tokensPerSecond ${show(bad)}`);
      }
      const prefix = 7 as unknown as string;
      await failureOf(() => c.make({ capacity: 10, tokensPerSecond: 1, prefix }), "a limiter with the prefix 7");
    },
  },
  {
    rule: "policy/copied-and-frozen",
    async run(c) {
      const policy = { capacity: 3, tokensPerSecond: SLOW };
      const limiter = await c.make(policy);
      policy.capacity = 1000;
      expectEqual([limiter.getPolicy().capacity, limiter.getPolicy().tokensPerSecond], [3, SLOW], "getPolicy after the object given was changed");
      expect(Object.isFrozen(limiter.getPolicy()), "what getPolicy gives is not frozen");
      expectEqual((await limiter.consume(c.key(), 4)).allowed, false, "a cost of 4 after the capacity of the object given was raised from 3");
    },
  },
  {
    rule: "consume/first",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      expectEqual(await limiter.consume(c.key(), 1), { allowed: true, remaining: 9 }, "the first call");
    },
  },
  {
    rule: "consume/exhaustion",
    async run(c) {
      const [a, b] = await c.limiters({ capacity: 10, tokensPerSecond: SLOW }).clients();
      const key = c.key();
      for (let left = 9; left >= 0; left--) expectEqual(await (left % 2 === 0 ? a : b).consume(key, 1), { allowed: true, remaining: left }, `call ${10 - left} of 10`);
      const refused = await a.consume(key, 1);
      expectEqual([refused.allowed, refused.remaining], [false, 0], "allowed and remaining of call 11");
    },
  },
  {
    rule: "consume/weights",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      const key = c.key();
      expectEqual(await limiter.consume(key, 7), { allowed: true, remaining: 3 }, "a cost of 7 of 10");
      expectEqual((await limiter.consume(key, 4)).allowed, false, "a cost of 4 where 3 are left");
      expectEqual(await limiter.consume(key, 3), { allowed: true, remaining: 0 }, "a cost of 3 where 3 are left");
    },
  },
  {
    rule: "consume/refusal-costs-nothing",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      const key = c.key();
      await limiter.consume(key, 5);
      for (let i = 0; i < 20; i++) expectEqual((await limiter.consume(key, 6)).remaining, 5, "remaining after a refusal");
      expectEqual((await limiter.consume(key, 5)).allowed, true, "a cost of 5 after twenty refusals");
    },
  },
  {
    rule: "consume/cost-above-capacity",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: 5 });
      const key = c.key();
      expectEqual(await limiter.consume(key, 11), { allowed: false, remaining: 10, retryAfterMs: null }, "a cost of 11 of a capacity of 10");
      const within = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      await within.consume(key, 10);
      const { retryAfterMs } = (await within.consume(key, 10)) as { retryAfterMs: number | null };
      expect(retryAfterMs !== null, "a cost equal to the capacity can pass one day, yet retryAfterMs is null");
    },
  },
  {
    rule: "consume/bad-cost",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      const key = c.key();
      for (const bad of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "1", undefined, null] as number[]) {
        await expectRejectedRangeError(limiter, key, bad, `consume with the cost ${show(bad)}`);
      }
      expectEqual(await limiter.consume(key, 10), { allowed: true, remaining: 0 }, "the whole capacity after invalid calls");
    },
  },
  {
    rule: "consume/bad-key",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      for (const bad of ["", "x".repeat(513), "é".repeat(257), undefined, null, 7] as string[]) await expectRejectedRangeError(limiter, bad, 1, `consume with the key ${show(bad)}`);
      const stem = c.key();
      expectEqual((await limiter.consume(stem + "x".repeat(512 - stem.length), 1)).allowed, true, "consume with a key of 512 bytes");
    },
  },
  {
    rule: "consume/keys",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: SLOW });
      const stem = c.key();
      for (const tail of ["", "\u0000", ":", "::", "%", "%3a", " ", "*", "ü", "u\u0308", "😀", "'", "{x}", "A", "a"]) {
        expectEqual((await limiter.consume(stem + tail, 1)).remaining, 9, `remaining after the first call of the key ${show(tail)}`);
      }
    },
  },
  {
    rule: "consume/prefixes",
    async run(c) {
      const stem = c.key();
      const policy = { capacity: 10, tokensPerSecond: SLOW };
      const first = await c.make({ ...policy, prefix: `${stem}a` });
      const second = await c.make({ ...policy, prefix: `${stem}a:b` });
      await first.consume("b:c", 10);
      expectEqual((await second.consume("c", 1)).remaining, 9, "remaining of the first call under another prefix");
    },
  },
  {
    rule: "consume/concurrent",
    async run(c) {
      const [a, b] = await c.limiters({ capacity: 10, tokensPerSecond: SLOW }).clients();
      const key = c.key();
      const decisions = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? a : b).consume(key, 1)));
      const remaining = decisions.filter(({ allowed }) => allowed).map((decision) => decision.remaining);
      expectEqual(remaining.sort((x, y) => x - y), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "what the admitted ones of 64 concurrent calls were told to remain, sorted");
    },
  },
  {
    rule: "consume/sync-is-the-same",
    async run(c) {
      const limiter = await c.make({ capacity: 5, tokensPerSecond: SLOW });
      const consumeSync = optional(limiter.consumeSync?.bind(limiter), "consumeSync");
      const key = c.key();
      const counts = [consumeSync(key, 1).remaining, (await limiter.consume(key, 1)).remaining, consumeSync(key, 2).remaining, consumeSync(key, 2).allowed];
      expectEqual(counts, [4, 3, 1, false], "consumeSync and consume in turn");
      await expectRangeError(() => consumeSync(key, 0), "consumeSync with the cost 0");
      await expectRangeError(() => consumeSync("", 1), "consumeSync with the key \"\"");
    },
  },
  {
    rule: "time/long-run-rate",
    async run(c) {
      c.time.needDriven();
      for (const [capacity, perSecond] of [[1, 10], [10, 3], [5, 1000], [1, 1 / 3], [20, 7.5]] as const) {
        for (const [name, gap] of PATTERNS) {
          const limiter = await c.make({ capacity, tokensPerSecond: perSecond, prefix: c.key() });
          const key = c.key();
          let [granted, elapsed, overflow, level]: [number, number, boolean, number] = [0, 0, false, capacity];
          for (let i = 0; i < 1200; i++) {
            const ms = i === 0 ? 0 : gap(c, i);
            await c.time.pass(ms);
            elapsed += ms;
            // What a bucket loses by being full is its definition, so the bound from below holds until then.
            level = Math.min(capacity, level + (ms * perSecond) / 1000);
            if (i > 0 && level >= capacity) overflow = true;
            if ((await limiter.consume(key, 1)).allowed) {
              granted++;
              level -= 1;
            }
          }
          const most = capacity + (elapsed * perSecond) / 1000;
          const what = `polled ${name} for ${elapsed} ms at ${show(perSecond)} per second, capacity ${capacity}`;
          expect(granted <= most + 1e-6, `${what}: ${granted} granted, at most ${most} may be`);
          const least = Math.floor(Math.min(1200, most)) - 1;
          expect(overflow || granted >= least, `${what}: ${granted} granted, at least ${least} must be`);
        }
      }
    },
  },
  {
    rule: "time/promise",
    async run(c) {
      if (!c.time.driven) {
        const limiter = await c.make({ capacity: 1, tokensPerSecond: 1000 / c.ttlMs });
        const key = c.key();
        let refused: RateLimitDecision | undefined;
        await c.time.until("a second call is refused", 1000, async () => !(refused = await limiter.consume(key, 1)).allowed);
        const { retryAfterMs } = refused as { retryAfterMs: number };
        expect(retryAfterMs >= 1 && retryAfterMs <= c.ttlMs, `retryAfterMs: expected 1 to ${c.ttlMs}, got ${retryAfterMs}`);
        await c.time.pass(retryAfterMs);
        await c.time.until("the call passes after retryAfterMs", 50, async () => (await limiter.consume(key, 1)).allowed);
        return;
      }
      for (const [capacity, perSecond] of [[1, 10], [10, 3], [5, 1000], [1, 1 / 3], [20, 7.5], [100, 1 / 86_400]] as const) {
        const limiter = await c.make({ capacity, tokensPerSecond: perSecond, prefix: c.key() });
        for (let round = 0; round < 20; round++) {
          const [early, due] = [c.key(), c.key()];
          for (const key of [early, due]) await limiter.consume(key, capacity);
          await c.time.pass(c.pick(0, 200));
          const cost = c.pick(1, capacity);
          const refused = await limiter.consume(due, cost);
          await limiter.consume(early, cost);
          if (refused.allowed) continue;
          const { retryAfterMs } = refused;
          expect(Number.isSafeInteger(retryAfterMs) && (retryAfterMs as number) > 0, `retryAfterMs: expected a whole number above 0, got ${show(retryAfterMs)}`);
          await c.time.pass((retryAfterMs as number) - 1);
          expectEqual((await limiter.consume(early, cost)).allowed, false, `a cost of ${cost} 1 ms before the promised time at ${show(perSecond)} per second`);
          await c.time.pass(1);
          expectEqual((await limiter.consume(due, cost)).allowed, true, `a cost of ${cost} at the promised time (${retryAfterMs} ms) at ${show(perSecond)} per second`);
        }
      }
    },
  },
  {
    rule: "time/refill-is-capped",
    async run(c) {
      const limiter = await c.make({ capacity: 5, tokensPerSecond: c.time.driven ? 100 : 100_000 });
      const key = c.key();
      await limiter.consume(key, 5);
      await c.time.pass(c.time.driven ? 40 * 86_400_000 : c.ttlMs);
      expectEqual((await limiter.consume(key, 6)).allowed, false, "a cost above the capacity after a long rest");
      expectEqual(await limiter.consume(key, 5), { allowed: true, remaining: 0 }, "the capacity after a long rest");
    },
  },
  {
    rule: "time/clock-steps-back",
    async run(c) {
      for (const stepMs of [1, 1000, 86_400_000]) {
        const limiter = await c.make({ capacity: 10, tokensPerSecond: 10, prefix: c.key() });
        const key = c.key();
        await limiter.consume(key, 10);
        c.time.step(-stepMs);
        expectEqual((await limiter.consume(key, 1)).allowed, false, `a call right after the clock was set back by ${stepMs} ms`);
        await c.time.pass(100);
        expectEqual((await limiter.consume(key, 1)).allowed, true, `a call 100 ms later, at 10 per second`);
        expectEqual((await limiter.consume(key, 1)).allowed, false, "one more");
      }
    },
  },
  {
    rule: "time/clock-steps-forward",
    async run(c) {
      const limiter = await c.make({ capacity: 10, tokensPerSecond: 10 });
      const key = c.key();
      await limiter.consume(key, 10);
      c.time.step(86_400_000);
      expectEqual([(await limiter.consume(key, 11)).allowed, (await limiter.consume(key, 10)).allowed, (await limiter.consume(key, 1)).allowed], [false, true, false], "11, 10 and 1 of 10 after the clock was set forward by a day");
    },
  },
  {
    rule: "time/model",
    async run(c) {
      c.time.needDriven();
      for (const [capacity, perSecond] of [[1, 1], [10, 3], [7, 11], [1000, 999], [3, 1_000_000], [5, 250]] as const) {
        const limiter = await c.make({ capacity, tokensPerSecond: perSecond, prefix: c.key() });
        const keys = [c.key(), c.key()];
        // Thousandths of a token, exact: integer rates and integer milliseconds leave no fraction.
        const owed = [0, 0];
        for (let i = 0; i < 400; i++) {
          const ms = c.pick(0, 3) === 0 ? c.pick(0, 3000) : c.pick(0, 3);
          await c.time.pass(ms);
          for (const k of [0, 1]) owed[k] = Math.max(0, (owed[k] as number) - ms * perSecond);
          const k = c.pick(0, 1);
          const cost = c.pick(1, capacity + 1);
          const over = (owed[k] as number) + cost * 1000 - capacity * 1000;
          if (over <= 0) owed[k] = (owed[k] as number) + cost * 1000;
          const remaining = Math.floor((capacity * 1000 - (owed[k] as number)) / 1000);
          const expected = over <= 0 ? { allowed: true, remaining } : { allowed: false, remaining, retryAfterMs: cost > capacity ? null : Math.ceil(over / perSecond) };
          expectEqual(await limiter.consume(keys[k] as string, cost), expected, `call ${i + 1} of a random history at ${perSecond} per second, capacity ${capacity}, cost ${cost}`);
        }
      }
    },
  },
  {
    rule: "time/ten-years",
    async run(c) {
      c.time.needDriven();
      const limiter = await c.make({ capacity: 3, tokensPerSecond: 3 });
      const key = c.key();
      for (let year = 0; year < 10; year++) {
        await c.time.pass(365 * 86_400_000 + c.pick(0, 999));
        expectEqual(await limiter.consume(key, 3), { allowed: true, remaining: 0 }, `the capacity in year ${year + 1}`);
        expectEqual(await limiter.consume(key, 1), { allowed: false, remaining: 0, retryAfterMs: 334 }, `one more in year ${year + 1}`);
        await c.time.pass(333);
        expectEqual((await limiter.consume(key, 1)).allowed, false, `a token 1 ms early in year ${year + 1}`);
        await c.time.pass(1);
        expectEqual((await limiter.consume(key, 1)).allowed, true, `a token in time in year ${year + 1}`);
      }
    },
  },
  {
    rule: "bound/flood-frees-no-key",
    async run(c) {
      const bounded = optional(c.options.bounded, "bound to choose (option bounded)");
      const limiter = await bounded({ capacity: 10, tokensPerSecond: SLOW }, 16);
      c.after(() => limiter.dispose?.());
      const victim = c.key();
      await limiter.consume(victim, 10);
      for (let i = 0; i < 2000; i++) await limiter.consume(c.key(), 1);
      expectEqual((await limiter.consume(victim, 1)).allowed, false, "a call under a used up key after a flood of 2000 other keys");
    },
  },
  {
    rule: "lifecycle/dispose-twice",
    async run(c) {
      const limiter = await c.make({ capacity: 1, tokensPerSecond: 1 });
      if (limiter.dispose === undefined) return skipRule("the limiter has no dispose");
      limiter.dispose();
      limiter.dispose();
    },
  },
];

/** The promise of `consume` rejects; a throw in the caller's face is another way to fail. */
async function expectRejectedRangeError(limiter: RateLimiter, key: string, cost: number, what: string): Promise<void> {
  let answer: Promise<unknown> | undefined;
  try {
    answer = limiter.consume(key, cost);
  } catch (error) {
    expect(false, `${what}: expected a rejected promise, but it threw ${show(error)}`);
  }
  await expectRangeError(() => answer, what);
}
