import { expect, test } from "vitest";
import { memoryStore } from "../drivers/memory/memory-store.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import { type ManualClock, manualClock } from "../testing/manual-clock.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import { Lanes } from "./limits/lanes.ts";
import { SharedEntries } from "./cache/shared-entries.ts";
import { StoreAccess } from "./store-access.ts";

/** A shared store, and what was asked of its leases. */
function setup(): { clock: ManualClock; store: StitchStore & Required<Pick<StitchStore, "lease" | "release">>; access: StoreAccess; asked: { key: string; token: string; at: number }[] } {
  const clock = manualClock();
  const inner = memoryStore({ clock });
  const asked: { key: string; token: string; at: number }[] = [];
  const store = {
    capabilities: { ...inner.capabilities, shared: true },
    get: inner.get.bind(inner), set: inner.set.bind(inner), incr: inner.incr.bind(inner), compareAndSet: inner.compareAndSet.bind(inner), release: inner.release.bind(inner),
    lease: (key: string, command: { token: string; limit: number; ttlMs: number }) => {
      asked.push({ key, token: command.token, at: clock.monotonic() });
      return inner.lease(key, command);
    },
  };
  const access = new StoreAccess(store, { clock, random: seededRandom(1), timeoutMs: 1000, failMode: {}, onChange: () => undefined });
  return { clock, store, access, asked };
}

test("who holds a lock learns that it was lost, and asks for it no more", async () => {
  const { clock, store, access, asked } = setup();
  const seen: boolean[] = [];
  const work = access.exclusively("k", 3000, new AbortController().signal, async (locked, lost) => {
    seen.push(locked, lost.aborted);
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 5000));
    seen.push(lost.aborted);
    expect(() => lost.throwIfAborted()).toThrow(expect.objectContaining({ code: "STORE_UNAVAILABLE" }));
  });
  await clock.advanceAsync(0);
  const { key, token } = asked[0]!;
  // As if this process had stood still: its lease has ended, and another process has the lock.
  await store.release(key, token);
  await store.lease(key, { token: "other", limit: 1, ttlMs: 60_000 });
  await clock.advanceAsync(5000);
  await work;
  expect(seen).toEqual([true, false, true]);
  expect(asked.filter((one) => one.token === token).map(({ at }) => at)).toEqual([0, 1000]);
  expect((await store.lease(key, { token: "third", limit: 1, ttlMs: 1 })).held).toBe(false);
});

test("a lock that another process had in between is lost, too", async () => {
  const { clock, store, access, asked } = setup();
  let aborted = false;
  const work = access.exclusively("k", 3000, new AbortController().signal, async (_, lost) => {
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 2000));
    aborted = lost.aborted;
  });
  await clock.advanceAsync(0);
  const { key, token } = asked[0]!;
  await store.release(key, token);
  await store.lease(key, { token: "other", limit: 1, ttlMs: 60_000 });
  await store.release(key, "other");
  await clock.advanceAsync(2000);
  await work;
  expect(aborted).toBe(true);
  expect((await store.lease(key, { token: "third", limit: 1, ttlMs: 1 })).held).toBe(true);
});

test("after a timeout a lock is asked for under another token, and the first one is given back", async () => {
  const { clock, store, access, asked } = setup();
  const { lease } = store;
  let slow = true;
  store.lease = async (key, command) => {
    const reply = await lease(key, command);
    if (!slow) return reply;
    slow = false;
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 1500));
    return reply;
  };
  const done = access.exclusively("k", 60_000, new AbortController().signal, async (locked) => locked);
  await clock.advanceAsync(3000);
  expect(await done).toBe(true);
  expect(new Set(asked.map(({ token }) => token)).size).toBe(2);
});

test("a lost place on the wire is taken back as soon as there is one", async () => {
  const { clock, store, access, asked } = setup();
  const lanes = new Lanes("lanes", { limit: 1, leaseMs: 9000, maxQueue: 1, maxWaitMs: 1000, wait: true }, access, clock);
  const place = await lanes.take({ onCancel: () => () => undefined, cancelled: undefined } as never, () => undefined);
  const { key, token } = asked[0]!;
  await store.release(key, token);
  await store.lease(key, { token: "other", limit: 1, ttlMs: 3100 });
  await clock.advanceAsync(3200);
  expect(asked.filter((one) => one.token === token).map(({ at }) => at)).toEqual([0, 3000, 3100]);
  expect((await store.lease(key, { token: "third", limit: 1, ttlMs: 1 })).held).toBe(false);
  place.release();
  await clock.advanceAsync(10_000);
  expect(clock.pendingTimers).toBe(0);
});

test("the lock of an entry that was lost is not held, and its late reply leaves none", async () => {
  const { clock, store, access, asked } = setup();
  const shared = new SharedEntries("n", access);
  const scope = { throwIfCancelled: () => undefined } as never;
  const lock = await shared.lockOrEntry("k", 3000, scope, async () => undefined);
  const { key, token } = asked[0]!;
  await store.release(key, token);
  await store.lease(key, { token: "other", limit: 1, ttlMs: 1500 });
  await clock.advanceAsync(1000);
  const before = asked.length;
  await clock.advanceAsync(5000);
  expect([await lock.stillHeld(), asked.length]).toEqual([false, before]);
  await lock.release();
  const { lease } = store;
  store.lease = async (name, command) => {
    const reply = await lease(name, command);
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 1500));
    return reply;
  };
  const late = shared.lockOrEntry("k", 60_000, scope, async () => undefined);
  await clock.advanceAsync(2000);
  await late;
  expect((await lease(key, { token: "third", limit: 1, ttlMs: 1 })).held).toBe(true);
});
