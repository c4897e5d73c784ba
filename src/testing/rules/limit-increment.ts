/** Rules on `increment`: a counter in the fixed window that its first count starts. */

import { expect, expectEqual, expectRangeError, show, type Rule } from "../report.ts";
import type { LimitContext } from "./limit-context.ts";

export const incrementRules: readonly Rule<LimitContext>[] = [
  {
    rule: "increment/count-up",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const counts = [(await a.increment(key, 600)).count, (await b.increment(key, 600)).count, (await a.increment(key, 600)).count];
      expectEqual(counts, [1, 2, 3], "three counts");
    },
  },
  {
    rule: "increment/reset-at",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const start = Math.floor(c.time.now());
      const { resetAt } = await a.increment(key, 600);
      expect(Number.isFinite(resetAt), `resetAt: expected epoch milliseconds, got ${show(resetAt)}`);
      if (c.time.driven) expectEqual(resetAt, start + 600_000, "resetAt of the first count");
      // A backend's clock may be off, but not by the factor between seconds and milliseconds.
      else expect(Math.abs(resetAt - start - 600_000) < 300_000, `resetAt of the first count: expected about ${start + 600_000}, got ${resetAt}`);
      await c.time.pass(c.time.driven ? 599_999 : c.ttlMs);
      expectEqual((await b.increment(key, 600)).resetAt, resetAt, "resetAt of a later count of the window");
    },
  },
  {
    rule: "increment/window-ends",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      if (c.time.driven) {
        for (let window = 0; window < 3; window++) {
          expectEqual((await store.increment(key, 10)).count, 1, "the first count of a window");
          await c.time.pass(9999);
          expectEqual((await store.increment(key, 10)).count, 2, "a count 1 ms before the end");
          await c.time.pass(1);
        }
        return;
      }
      const windowMs = c.ttlMs * 5;
      let last = (await store.increment(key, windowMs / 1000)).count;
      // Counting goes on all the while, so a window that slides never ends.
      await c.time.until("a window ends although counting goes on", windowMs * 2, async () => {
        const { count } = await store.increment(key, windowMs / 1000);
        const ended = count <= last;
        last = count;
        return ended;
      });
    },
  },
  {
    rule: "increment/fractional-window",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const start = Math.floor(c.time.now());
      const { resetAt } = await store.increment(key, 0.25);
      if (c.time.driven) {
        expectEqual(resetAt, start + 250, "resetAt of a window of 0.25 s");
        await c.time.pass(249);
        expectEqual((await store.increment(key, 0.25)).count, 2, "the count after 249 ms");
        await c.time.pass(1);
      } else {
        // Two ends by one clock, the backend's, of windows that began one after the other.
        const apart = (await store.increment(c.key(), 600)).resetAt - resetAt - 599_750;
        expect(apart >= -1 && apart <= c.time.now() - start + 1, `resetAt of a window of 0.25 s: ${apart} ms off against a window of 600 s`);
        await c.time.pass(250);
      }
      let count = (await store.increment(key, 0.25)).count;
      await c.time.until("a window of 0.25 s ends", 500, async () => count === 1 || (count = (await store.increment(key, 0.25)).count) === 1);
      if (c.time.driven) expectEqual([count, (await store.increment(key, 0.25)).count], [1, 2], "the counts after 250 ms");
    },
  },
  {
    rule: "increment/each-number-once",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const counts = await Promise.all(Array.from({ length: 64 }, async (_, i) => (await (i % 2 === 0 ? a : b).increment(key, 600)).count));
      expectEqual(counts.sort((x, y) => x - y), Array.from({ length: 64 }, (_, i) => i + 1), "the counts of 64 concurrent calls, sorted");
    },
  },
  {
    rule: "increment/keys",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      for (const tail of ["", "\u0000", ":", "::", "%", "%3a", " ", "*", "?", "ü", "u\u0308", "😀", "'", "{x}", "x".repeat(600), `${"x".repeat(600)}y`, "A", "a"]) {
        expectEqual((await store.increment(stem + tail, 600)).count, 1, `the first count of the key ${show(tail)}`);
      }
      // These cannot carry a prefix of this run: another run may have counted them, so only the steps are looked at.
      const firsts: [key: string, count: number][] = [];
      for (const key of ["__proto__", "constructor", "toString"]) {
        const { count } = await store.increment(key, 600);
        expect(Number.isSafeInteger(count) && count >= 1, `the first count of the key ${key}: expected an integer from 1, got ${show(count)}`);
        firsts.push([key, count]);
      }
      for (const [key, count] of firsts) expectEqual((await store.increment(key, 600)).count, count + 1, `the next count of the key ${key}`);
    },
  },
  {
    rule: "increment/domain",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "60", undefined, null] as number[]) {
        await expectRangeError(async () => store.increment(key, bad), `increment with a window of ${show(bad)} seconds`);
      }
      expectEqual((await store.increment(key, 600)).count, 1, "the first count after invalid calls");
    },
  },
  {
    rule: "increment/clock-steps-back",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (let i = 0; i < 3; i++) await store.increment(key, 10);
      c.time.step(-86_400_000);
      const { count, resetAt } = await store.increment(key, 10);
      expectEqual(count, 4, "the count after the clock was set back by a day");
      expect(resetAt <= c.time.now() + 10_000, `resetAt after that: expected at most a window from now, got ${resetAt - c.time.now()} ms from now`);
      await c.time.pass(10_000);
      expectEqual((await store.increment(key, 10)).count, 1, "the count a window later");
    },
  },
];
