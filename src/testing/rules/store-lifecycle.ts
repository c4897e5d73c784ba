/** Rules on closing a store, and on its bound. */

import type { StitchStore } from "../../state/contracts/key-value.ts";
import { expect, expectCode, expectEqual, failureOf, optional, skipRule, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

const MAX_ENTRIES = 32;

async function boundedStore(c: StoreContext, maxEntries: number): Promise<StitchStore> {
  const store = await optional(c.options.bounded, "bound to choose (option bounded)")(maxEntries);
  c.after(() => store.close?.());
  return store;
}

export const lifecycleRules: readonly Rule<StoreContext>[] = [
  {
    rule: "lifecycle/close-twice",
    async run(c) {
      const store = await c.another();
      optional(store.close, "close");
      await store.set(c.key(), 1, c.ttlMs);
      await Promise.all([store.close?.(), store.close?.()]);
      await store.close?.();
    },
  },
  {
    rule: "lifecycle/use-after-close",
    async run(c) {
      const store = await c.another();
      optional(store.close, "close");
      await store.close?.();
      const key = c.key();
      await failureOf(() => store.get(key), "get after close");
      await failureOf(() => store.set(key, 1), "set after close");
      await failureOf(() => store.incr(key), "incr after close");
      await failureOf(() => store.compareAndSet(key, undefined, 1), "compareAndSet after close");
    },
  },
  {
    rule: "lifecycle/close-leaves-the-others",
    async run(c) {
      const [a, b] = await c.clients();
      if (!(await c.shared())) return skipRule("the store shares nothing");
      optional(b.close, "close");
      const key = c.key();
      await b.set(key, "kept");
      await b.close?.();
      expectEqual(await a.get(key), "kept", "get by the other client after one was closed");
    },
  },
  {
    rule: "bound/entries",
    async run(c) {
      const store = await boundedStore(c, MAX_ENTRIES);
      const keys = Array.from({ length: MAX_ENTRIES * 20 }, () => c.key());
      for (const key of keys) await store.set(key, key);
      let left = 0;
      for (const key of keys) if ((await store.get(key)) !== undefined) left++;
      expect(left > 0 && left <= MAX_ENTRIES, `entries left after ${keys.length} writes into a store of ${MAX_ENTRIES}: ${left}`);
      expectEqual(await store.get(keys.at(-1) as string), keys.at(-1), "get of the newest entry");
    },
  },
  {
    rule: "bound/least-recently-used-goes",
    async run(c) {
      const store = await boundedStore(c, MAX_ENTRIES);
      const keys = Array.from({ length: MAX_ENTRIES }, () => c.key());
      for (const key of keys) await store.set(key, key);
      for (let i = 0; i < MAX_ENTRIES / 2; i++) {
        await store.get(keys[0] as string);
        await store.set(c.key(), i);
      }
      expectEqual(await store.get(keys[0] as string), keys[0], "get of an old entry that was read all the time");
      expectEqual(await store.get(keys[1] as string), undefined, "get of an old entry that was never read");
    },
  },
  {
    rule: "bound/expired-go-first",
    async run(c) {
      c.time.needDriven();
      const store = await boundedStore(c, MAX_ENTRIES);
      const old = Array.from({ length: MAX_ENTRIES / 2 }, () => c.key());
      for (const key of old) await store.set(key, key);
      for (let i = 0; i < MAX_ENTRIES / 2; i++) await store.set(c.key(), i, 10);
      await c.time.pass(10);
      for (let i = 0; i < MAX_ENTRIES / 2; i++) await store.set(c.key(), i);
      for (const key of old) expectEqual(await store.get(key), key, "get of a live entry, which is older than entries that had ended");
    },
  },
  {
    rule: "bound/live-counters-stay",
    async run(c) {
      const store = await boundedStore(c, MAX_ENTRIES);
      const [counter, place] = [c.key(), c.key()];
      await store.incr(counter, c.ttlMs * 10_000);
      await store.lease?.(place, { token: "holder", limit: 1, ttlMs: c.ttlMs * 10_000 });
      for (let i = 0; i < MAX_ENTRIES * 20; i++) await store.set(c.key(), i);
      expectEqual(await store.incr(counter, c.ttlMs * 10_000), 2, "incr of a live counter after a flood of values");
      if (store.lease !== undefined) expectEqual((await store.lease(place, { token: "other", limit: 1, ttlMs: 1 })).held, false, "a held place after a flood of values");
    },
  },
  {
    rule: "bound/full-is-refused",
    async run(c) {
      const store = await boundedStore(c, MAX_ENTRIES);
      const counters = Array.from({ length: MAX_ENTRIES }, () => c.key());
      for (const key of counters) await store.incr(key, c.ttlMs * 10_000);
      for (let i = 0; i < 5; i++) await expectCode(() => store.incr(c.key(), c.ttlMs * 10_000), ["STORE_FULL"], "a new counter in a store full of live ones");
      for (const key of counters) expectEqual(await store.incr(key), 2, "incr of a live counter in a full store");
    },
  },
];
