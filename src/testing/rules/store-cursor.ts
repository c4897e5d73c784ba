/** Rules on the optional verb `reserve`: even pacing from a shared cursor. */

import type { CursorReply, StitchStore } from "../../state/contracts/key-value.ts";
import { expect, expectEqual, expectRangeError, optional, show, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

type Reserve = NonNullable<StitchStore["reserve"]>;

async function reserveOf(c: StoreContext): Promise<Reserve> {
  const store = await c.store();
  return optional(store.reserve?.bind(store), "reserve");
}

/** Exact on a driven clock; on the machine's clock the wait may have shrunk by what a slow rule takes. */
function expectWait(c: StoreContext, reply: CursorReply, waitMs: number, what: string): void {
  expect(reply.granted, `${what}: expected a grant, got ${show(reply)}`);
  const exact = Math.abs(reply.waitMs - waitMs) < 0.001;
  const near = reply.waitMs <= waitMs + 1 && (waitMs === 0 || reply.waitMs > Math.max(0, waitMs - SLOWEST_RULE_MS));
  expect(c.time.driven ? exact : near, `${what}: expected a wait of ${waitMs} ms, got ${reply.waitMs}`);
}

const SLOWEST_RULE_MS = 10_000;
/** Long enough that a slow machine does not get to the end of it. */
const SPACING_MS = 60_000;

export const cursorRules: readonly Rule<StoreContext>[] = [
  {
    rule: "cursor/cold",
    async run(c) {
      const reserve = await reserveOf(c);
      expectWait(c, await reserve(c.key(), { spacingMs: SPACING_MS }), 0, "the first turn");
    },
  },
  {
    rule: "cursor/warm",
    async run(c) {
      const [a, b] = await c.clients();
      optional(a.reserve, "reserve");
      const key = c.key();
      for (let i = 0; i < 6; i++) expectWait(c, await ((i % 2 === 0 ? a : b) as Required<StitchStore>).reserve(key, { spacingMs: SPACING_MS }), i * SPACING_MS, `turn ${i + 1}`);
    },
  },
  {
    rule: "cursor/idle-saves-nothing",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      const spacingMs = c.time.driven ? 1000 : c.ttlMs;
      await reserve(key, { spacingMs });
      await c.time.pass(spacingMs * 20);
      expectWait(c, await reserve(key, { spacingMs }), 0, "the turn after a rest");
      expectWait(c, await reserve(key, { spacingMs }), spacingMs, "the turn after that one");
    },
  },
  {
    rule: "cursor/burst",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      for (const turns of [0, 0, 0, 1, 2]) expectWait(c, await reserve(key, { spacingMs: SPACING_MS, burst: 3 }), turns * SPACING_MS, `a turn with a burst of 3`);
    },
  },
  {
    rule: "cursor/fractional-spacing",
    async run(c) {
      c.time.needDriven();
      const reserve = await reserveOf(c);
      const key = c.key();
      for (let i = 0; i <= 300; i++) expectWait(c, await reserve(key, { spacingMs: 100 / 3 }), (i * 100) / 3, `turn ${i + 1} of a spacing of 100/3 ms`);
    },
  },
  {
    rule: "cursor/cost",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      await reserve(key, { spacingMs: SPACING_MS });
      await reserve(key, { spacingMs: SPACING_MS, cost: 3 });
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 4 * SPACING_MS, "the turn after costs of 1 and 3");
    },
  },
  {
    rule: "cursor/backlog-outlives-every-ttl",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      const spacingMs = c.time.driven ? 3_600_000 : c.ttlMs * 2;
      const since = c.time.now();
      for (let i = 0; i < 50; i++) await reserve(key, { spacingMs });
      await c.time.pass(spacingMs * (c.time.driven ? 49 : 2));
      const reply = await reserve(key, { spacingMs });
      if (c.time.driven) expectWait(c, reply, spacingMs, "the turn after a backlog of 50, 49 spacings later");
      else if (c.time.now() - since < spacingMs * 40) expect(reply.waitMs > spacingMs, `the turn after a backlog of 50: expected a long wait, got ${reply.waitMs} ms`);
    },
  },
  {
    rule: "cursor/too-long-a-wait-reserves-nothing",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      await reserve(key, { spacingMs: SPACING_MS });
      for (let i = 0; i < 5; i++) expectEqual((await reserve(key, { spacingMs: SPACING_MS, maxWaitMs: 10 })).granted, false, "a turn later than maxWaitMs");
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS, maxWaitMs: SPACING_MS }), SPACING_MS, "a turn at maxWaitMs exactly, after five refusals");
    },
  },
  {
    rule: "cursor/refund",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      await reserve(key, { spacingMs: SPACING_MS });
      const { ticket } = await reserve(key, { spacingMs: SPACING_MS });
      expect(ticket !== undefined, "a grant carries no ticket");
      await reserve(key, { refund: ticket as NonNullable<typeof ticket>, spacingMs: SPACING_MS });
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), SPACING_MS, "the turn after a refund");
    },
  },
  {
    rule: "cursor/refund-counts-once",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      for (let i = 0; i < 3; i++) await reserve(key, { spacingMs: SPACING_MS });
      const ticket = optional((await reserve(key, { spacingMs: SPACING_MS })).ticket, "ticket");
      for (let i = 0; i < 3; i++) await reserve(key, { refund: ticket, spacingMs: SPACING_MS });
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 3 * SPACING_MS, "the turn after one ticket was refunded three times");
    },
  },
  {
    rule: "cursor/refund-of-an-older-turn",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      await reserve(key, { spacingMs: SPACING_MS });
      const ticket = optional((await reserve(key, { spacingMs: SPACING_MS })).ticket, "ticket");
      await reserve(key, { spacingMs: SPACING_MS });
      await reserve(key, { refund: ticket, spacingMs: SPACING_MS });
      // Turn 3 was promised at two spacings: a credit would put turn 4 beside it.
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 3 * SPACING_MS, "the turn after an older turn was refunded");
    },
  },
  {
    rule: "cursor/pause",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      await reserve(key, { pauseMs: 5 * SPACING_MS, spacingMs: SPACING_MS });
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 5 * SPACING_MS, "the first turn after a pause");
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 6 * SPACING_MS, "the second turn after a pause");
    },
  },
  {
    rule: "cursor/longest-pause-wins",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      for (const turns of [2, 5, 3]) await reserve(key, { pauseMs: turns * SPACING_MS, spacingMs: SPACING_MS });
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 5 * SPACING_MS, "the first turn after pauses of 2, 5 and 3 spacings");
    },
  },
  {
    rule: "cursor/concurrent-turns-differ",
    async run(c) {
      const [a, b] = await c.clients();
      optional(a.reserve, "reserve");
      const key = c.key();
      const replies = await Promise.all(Array.from({ length: 32 }, (_, i) => ((i % 2 === 0 ? a : b) as Required<StitchStore>).reserve(key, { spacingMs: SPACING_MS })));
      replies.sort((x, y) => x.waitMs - y.waitMs);
      for (const [i, reply] of replies.entries()) expectWait(c, reply, i * SPACING_MS, `turn ${i + 1} of 32 concurrent ones`);
    },
  },
  {
    rule: "cursor/domain",
    async run(c) {
      const reserve = await reserveOf(c);
      const key = c.key();
      for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5"] as number[]) await expectRangeError(() => reserve(key, { spacingMs: bad }), `reserve with the spacing ${show(bad)}`);
      for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, "5"] as number[]) await expectRangeError(() => reserve(key, { spacingMs: SPACING_MS, cost: bad }), `reserve with the cost ${show(bad)}`);
      expectWait(c, await reserve(key, { spacingMs: SPACING_MS }), 0, "the first turn after invalid ones");
    },
  },
];
