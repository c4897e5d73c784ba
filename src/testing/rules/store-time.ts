/** Rules on the lifetimes a key-value store keeps. */

import { expect, expectEqual, expectRangeError, optional, show, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

/** Everything that is neither `undefined` nor a finite number above 0. */
export const BAD_TTLS: readonly unknown[] = [0, -0, -1, -0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, "100", "", true, {}, [], 5n];

/** A value that must still be there; on the machine's clock only if the answer came in time. */
export async function expectAlive(c: StoreContext, since: number, ttlMs: number, read: () => Promise<unknown>, expected: unknown, what: string): Promise<void> {
  const value = await read();
  if (!c.time.driven && c.time.now() - since >= ttlMs * 0.9) return;
  expectEqual(value, expected, what);
}

export const timeRules: readonly Rule<StoreContext>[] = [
  {
    rule: "time/set-refuses-a-bad-ttl",
    async run(c) {
      const store = await c.store();
      for (const ttl of BAD_TTLS) {
        const [fresh, old] = [c.key(), c.key()];
        await store.set(old, "old");
        await expectRangeError(() => store.set(fresh, 1, ttl as number), `set with the TTL ${show(ttl)}`);
        await expectRangeError(() => store.set(old, 1, ttl as number), `set with the TTL ${show(ttl)}`);
        expectEqual(await store.get(fresh), undefined, `get after set with the TTL ${show(ttl)} was refused`);
        expectEqual(await store.get(old), "old", `get of the old value after set with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/incr-refuses-a-bad-ttl",
    async run(c) {
      const store = await c.store();
      for (const ttl of BAD_TTLS) {
        const key = c.key();
        await expectRangeError(() => store.incr(key, ttl as number), `incr with the TTL ${show(ttl)}`);
        expectEqual(await store.get(key), undefined, `get after incr with the TTL ${show(ttl)} was refused`);
        await store.incr(key);
        await expectRangeError(() => store.incr(key, ttl as number), `second incr with the TTL ${show(ttl)}`);
        expectEqual(await store.get(key), 1, `the count after incr with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/compare-and-set-refuses-a-bad-ttl",
    async run(c) {
      const store = await c.store();
      for (const ttl of BAD_TTLS) {
        const key = c.key();
        await expectRangeError(() => store.compareAndSet(key, undefined, 1, ttl as number), `compareAndSet with the TTL ${show(ttl)}`);
        expectEqual(await store.get(key), undefined, `get after compareAndSet with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/lease-refuses-a-bad-ttl",
    async run(c) {
      const store = await c.store();
      const lease = optional(store.lease?.bind(store), "lease");
      for (const ttl of [undefined, ...BAD_TTLS]) {
        const key = c.key();
        await expectRangeError(() => lease(key, { token: "a", limit: 1, ttlMs: ttl as number }), `lease with the TTL ${show(ttl)}`);
        expectEqual((await lease(key, { token: "b", limit: 1, ttlMs: c.ttlMs })).held, true, `a lease after one with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/expiry",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const since = c.time.now();
      await a.set(key, "short", c.ttlMs);
      await expectAlive(c, since, c.ttlMs, () => b.get(key), "short", "get at once");
      await c.time.until("a value past its TTL is gone", c.ttlMs * 2, async () => (await b.get(key)) === undefined);
      expectEqual(await a.get(key), undefined, "get by the writer after the TTL");
    },
  },
  {
    rule: "time/no-ttl-is-no-expiry",
    async run(c) {
      const store = await c.store();
      const [value, counter] = [c.key(), c.key()];
      await store.set(value, "stays");
      await store.incr(counter);
      await c.time.pass(c.time.driven ? 400 * 86_400_000 : c.ttlMs * 3);
      expectEqual(await store.get(value), "stays", "get of a value without TTL, later");
      expectEqual(await store.get(counter), 1, "get of a counter without TTL, later");
    },
  },
  {
    rule: "time/boundary",
    async run(c) {
      c.time.needDriven();
      const store = await c.store();
      const key = c.key();
      await store.set(key, "edge", 100);
      await c.time.pass(99);
      expectEqual(await store.get(key), "edge", "get 1 ms before the deadline");
      await c.time.pass(1);
      expectEqual(await store.get(key), undefined, "get at the deadline");
    },
  },
  {
    rule: "time/one-millisecond",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.set(key, "blink", 1);
      if (c.time.driven) expectEqual(await store.get(key), "blink", "get at once, with a TTL of 1 ms");
      await c.time.pass(1);
      if (c.time.driven) expectEqual(await store.get(key), undefined, "get after 1 ms");
      await c.time.until("a value with a TTL of 1 ms is gone", 20, async () => (await store.get(key)) === undefined);
    },
  },
  {
    rule: "time/fraction-is-rounded-up",
    async run(c) {
      const store = await c.store();
      const [tiny, key] = [c.key(), c.key()];
      await store.set(tiny, "tiny", 0.01);
      await store.set(key, "fraction", 10.2);
      if (c.time.driven) {
        expectEqual(await store.get(tiny), "tiny", "get at once, with a TTL of 0.01 ms");
        await c.time.pass(10);
        expectEqual(await store.get(tiny), undefined, "get after 10 ms, with a TTL of 0.01 ms");
        expectEqual(await store.get(key), "fraction", "get after 10 ms, with a TTL of 10.2 ms");
        await c.time.pass(1);
        expectEqual(await store.get(key), undefined, "get after 11 ms, with a TTL of 10.2 ms");
      }
      await c.time.until("a value with a TTL of 10.2 ms is gone", 50, async () => (await store.get(key)) === undefined);
    },
  },
  {
    rule: "time/long-ttl",
    async run(c) {
      const store = await c.store();
      const ttls = [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 400 * 86_400_000, Number.MAX_SAFE_INTEGER, 1e300];
      const keys = ttls.map((ttl) => c.key(String(ttl)));
      for (const [i, ttl] of ttls.entries()) {
        await store.set(keys[i] as string, ttl, ttl);
        await store.incr(`${keys[i]}n`, ttl);
      }
      await c.time.pass(c.time.driven ? 2 ** 31 - 2 : 20);
      for (const [i, ttl] of ttls.entries()) {
        expectEqual(await store.get(keys[i] as string), ttl, `get of a value with a TTL of ${ttl} ms, before its end`);
        expectEqual(await store.get(`${keys[i]}n`), 1, `get of a counter with a TTL of ${ttl} ms, before its end`);
      }
    },
  },
  {
    rule: "time/overwrite-clears-the-ttl",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.set(key, "short", c.ttlMs);
      await store.set(key, "stays");
      await c.time.pass(c.ttlMs * 2);
      expectEqual(await store.get(key), "stays", "get of a value written without TTL over one with a TTL");
    },
  },
  {
    rule: "time/overwrite-sets-the-new-ttl",
    async run(c) {
      const store = await c.store();
      const [longer, shorter] = [c.key(), c.key()];
      await store.set(longer, "short", c.ttlMs);
      await store.set(longer, "long", c.ttlMs * 1000);
      await store.set(shorter, "stays");
      await store.set(shorter, "short", c.ttlMs);
      await c.time.pass(c.ttlMs);
      await c.time.until("a value that was given a TTL by an overwrite is gone", c.ttlMs, async () => (await store.get(shorter)) === undefined);
      expectEqual(await store.get(longer), "long", "get of a value whose TTL was made longer by an overwrite");
    },
  },
  {
    rule: "time/expired-is-absent-everywhere",
    async run(c) {
      const store = await c.store();
      const [swap, keep, count] = [c.key(), c.key(), c.key()];
      // The one that is waited for is set last: when it has ended by the store's clock, the others have.
      await store.set(keep, "old", c.ttlMs);
      await store.set(count, { not: "a counter" }, c.ttlMs);
      await store.set(swap, "old", c.ttlMs);
      await c.time.pass(c.ttlMs);
      await c.time.until("compareAndSet of an expired value finds it absent", c.ttlMs, () => store.compareAndSet(swap, undefined, "new"));
      expect(!(await store.compareAndSet(keep, "old", "new")), "compareAndSet matched a value past its TTL");
      expectEqual(await store.incr(count), 1, "incr over a value past its TTL");
    },
  },
];
