/** Rules on `compareAndSet`. */

import { expectEqual, show, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

export const compareAndSetRules: readonly Rule<StoreContext>[] = [
  {
    rule: "compare-and-set/absent",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      expectEqual(await a.compareAndSet(key, undefined, "first"), true, "creating what is absent");
      expectEqual(await b.compareAndSet(key, undefined, "second"), false, "creating what is present");
      expectEqual(await b.get(key), "first", "get afterwards");
      expectEqual(await b.compareAndSet(c.key(), "something", "x"), false, "replacing what is absent");
    },
  },
  {
    rule: "compare-and-set/equal",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.set(key, { v: 1 });
      expectEqual(await b.compareAndSet(key, { v: 1 }, { v: 2 }), true, "replacing an equal value");
      expectEqual(await a.get(key), { v: 2 }, "get afterwards");
    },
  },
  {
    rule: "compare-and-set/different",
    async run(c) {
      const store = await c.store();
      for (const [stored, expected] of [[{ v: 1 }, { v: 2 }], [1, "1"], [0, false], ["", null], [[], {}], [[1, 2], [1]]] as const) {
        const key = c.key();
        await store.set(key, stored);
        expectEqual(await store.compareAndSet(key, expected, "new"), false, `replacing ${show(expected)} where ${show(stored)} is stored`);
        expectEqual(await store.get(key), stored, "get afterwards");
      }
    },
  },
  {
    rule: "compare-and-set/null-is-not-absent",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      expectEqual(await store.compareAndSet(key, null, "new"), false, "expecting null where nothing is stored");
      await store.set(key, null);
      expectEqual(await store.compareAndSet(key, undefined, "new"), false, "expecting nothing where null is stored");
      expectEqual(await store.compareAndSet(key, null, "new"), true, "expecting null where null is stored");
    },
  },
  {
    rule: "compare-and-set/what-get-gave-matches",
    async run(c) {
      const store = await c.store();
      for (const value of [{ b: 1, a: [2, { d: 1, c: 2 }] }, Uint8Array.of(0, 255), { bytes: Uint8Array.of(7) }, "ü", 0.1, { gone: undefined, here: 1 }, new Date(0)]) {
        const key = c.key();
        await store.set(key, value);
        expectEqual(await store.compareAndSet(key, await store.get(key), "new"), true, `compareAndSet with what get gave for ${show(value)}`);
      }
      const counter = c.key();
      await store.incr(counter);
      await store.incr(counter);
      expectEqual(await store.compareAndSet(counter, await store.get(counter), "new"), true, "compareAndSet with the number that get gave for a counter");
    },
  },
  {
    rule: "compare-and-set/delete",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.set(key, "old");
      expectEqual(await store.compareAndSet(key, "other", undefined), false, "deleting a different value");
      expectEqual(await store.get(key), "old", "get afterwards");
      expectEqual(await store.compareAndSet(key, "old", undefined), true, "deleting an equal value");
      expectEqual(await store.get(key), undefined, "get afterwards");
    },
  },
  {
    rule: "compare-and-set/one-winner",
    async run(c) {
      const [a, b] = await c.clients();
      for (const first of [undefined, "start"]) {
        const key = c.key();
        if (first !== undefined) await a.set(key, first);
        const wins = await Promise.all(Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? a : b).compareAndSet(key, first, i)));
        expectEqual(wins.filter(Boolean).length, 1, `winners of 32 concurrent calls that expect ${show(first)}`);
        expectEqual(await b.get(key), wins.indexOf(true), "get afterwards");
      }
    },
  },
  {
    rule: "compare-and-set/sets-the-ttl",
    async run(c) {
      const store = await c.store();
      const [created, replaced] = [c.key(), c.key()];
      await store.set(replaced, "old");
      await store.compareAndSet(created, undefined, "new", c.ttlMs);
      await store.compareAndSet(replaced, "old", "new", c.ttlMs);
      await c.time.pass(c.ttlMs);
      for (const key of [created, replaced]) await c.time.until("a value set by compareAndSet with a TTL is gone", c.ttlMs, async () => (await store.get(key)) === undefined);
    },
  },
  {
    rule: "compare-and-set/clears-the-ttl",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      // Long enough that the second call comes in time on a slow machine.
      await store.set(key, "short", c.ttlMs * 2);
      if (!(await store.compareAndSet(key, "short", "stays")) && !c.time.driven) return;
      await c.time.pass(c.ttlMs * 4);
      expectEqual(await store.get(key), "stays", "get of a value written by compareAndSet without TTL");
    },
  },
  {
    rule: "compare-and-set/false-keeps-the-ttl",
    async run(c) {
      const store = await c.store();
      const [ends, stays] = [c.key(), c.key()];
      await store.set(ends, "short", c.ttlMs);
      await store.set(stays, "stays");
      await store.compareAndSet(ends, "other", "x");
      await store.compareAndSet(stays, "other", "x", c.ttlMs);
      await c.time.pass(c.ttlMs * 2);
      await c.time.until("a value keeps its TTL when compareAndSet is false", c.ttlMs, async () => (await store.get(ends)) === undefined);
      expectEqual(await store.get(stays), "stays", "get of a value without TTL after compareAndSet with a TTL was false");
    },
  },
];
