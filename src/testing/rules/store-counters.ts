/** Rules on `incr`. */

import { expect, expectCode, expectEqual, optional, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";
import { expectAlive } from "./store-time.ts";

export const counterRules: readonly Rule<StoreContext>[] = [
  {
    rule: "counters/count-up",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      expectEqual([await a.incr(key), await b.incr(key), await a.incr(key)], [1, 2, 3], "three calls of incr");
      expectEqual(await b.get(key), 3, "get of a counter");
    },
  },
  {
    rule: "counters/each-number-once",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const counts = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? a : b).incr(key, c.ttlMs * 1000)));
      expectEqual(counts.sort((x, y) => x - y), Array.from({ length: 64 }, (_, i) => i + 1), "the counts of 64 concurrent calls, sorted");
      expectEqual(await b.get(key), 64, "get afterwards");
    },
  },
  {
    rule: "counters/ttl-of-the-creation",
    async run(c) {
      const store = await c.store();
      const [key, single] = [c.key(), c.key()];
      const since = c.time.now();
      await store.incr(key, c.ttlMs);
      await store.incr(single, c.ttlMs);
      await store.incr(key);
      await expectAlive(c, since, c.ttlMs, () => store.get(key), 2, "get at once");
      await c.time.pass(c.ttlMs);
      await c.time.until("a counter incremented once ends with the TTL of its creation", c.ttlMs, async () => (await store.get(single)) === undefined);
      await c.time.until("a counter ends with the TTL of its creation, after a later incr without one", c.ttlMs, async () => (await store.get(key)) === undefined);
    },
  },
  {
    rule: "counters/ttl-never-slides",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const ttlMs = c.time.driven ? c.ttlMs : c.ttlMs * 5;
      let last = await store.incr(key, ttlMs);
      if (c.time.driven) {
        await c.time.pass(ttlMs - 1);
        expectEqual(await store.incr(key, ttlMs), 2, "incr 1 ms before the end");
        await c.time.pass(1);
        expectEqual(await store.incr(key, ttlMs), 1, "incr at the end of the first TTL");
        return;
      }
      // A TTL that slides is kept alive by calls that come faster than it ends, so it has to be long for a busy machine.
      await c.time.until("a counter that is in use ends with its first TTL", ttlMs * 2, async () => {
        const next = await store.incr(key, ttlMs);
        const restarted = next <= last;
        last = next;
        return restarted;
      });
    },
  },
  {
    rule: "counters/later-ttl-is-ignored",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.incr(key);
      await store.incr(key, c.ttlMs);
      await c.time.pass(c.ttlMs * 2);
      expectEqual(await store.get(key), 2, "get of a counter created without TTL and incremented with one");
    },
  },
  {
    rule: "counters/restart-after-the-ttl",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i <= round; i++) await store.incr(key, c.ttlMs);
        await c.time.pass(c.ttlMs);
        await c.time.until(`the counter of round ${round + 1} ends`, c.ttlMs, async () => (await store.get(key)) === undefined);
      }
      expectEqual(await store.incr(key, c.ttlMs), 1, "incr after the counter ended");
    },
  },
  {
    rule: "counters/64-creators",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? a : b).incr(key, c.ttlMs)));
      await c.time.pass(c.ttlMs);
      await c.time.until("a counter made by 64 concurrent creators ends with its TTL", c.ttlMs, async () => (await a.get(key)) === undefined);
    },
  },
  {
    rule: "counters/wrong-type",
    async run(c) {
      const store = await c.store();
      for (const value of [{ n: 1 }, "words", null, [1], Uint8Array.of(1)]) {
        const key = c.key();
        await store.set(key, value, c.ttlMs * 1000);
        await expectCode(() => store.incr(key, c.ttlMs), ["STORE_WRONG_TYPE"], "incr over a value that is no counter");
        expectEqual(await store.get(key), value, "get after that incr");
      }
    },
  },
  {
    rule: "counters/set-replaces-a-counter",
    async run(c) {
      const store = await c.store();
      const [key, deleted] = [c.key(), c.key()];
      await store.incr(key, c.ttlMs);
      await store.set(key, "value");
      await store.incr(deleted);
      await store.set(deleted, undefined);
      expectEqual(await store.incr(deleted), 1, "incr after the counter was deleted");
      await c.time.pass(c.ttlMs * 2);
      expectEqual(await store.get(key), "value", "get of a value written over a counter with a TTL");
    },
  },
  {
    rule: "counters/increment-is-incr",
    async run(c) {
      const store = await c.store();
      const increment = optional(store.increment?.bind(store), "increment");
      const key = c.key();
      const counts = [await increment(key, c.ttlMs), await store.incr(key), await increment(key)];
      expect(c.time.driven ? counts.join() === "1,2,3" : counts[0] === 1, `increment, incr, increment gave ${counts.join()}`);
      await c.time.pass(c.ttlMs);
      await c.time.until("a counter made by increment ends with its TTL", c.ttlMs, async () => (await store.get(key)) === undefined);
    },
  },
];
