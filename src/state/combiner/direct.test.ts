import { expect, it } from "vitest";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { counter } from "../algorithms/counter.ts";
import { createCombiner } from "../combiner.ts";
import type { Operation, StateDriver } from "../contracts/driver.ts";
import { guard } from "../guard.ts";
import { keyValueStoreOn } from "../stores/key-value-store.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { scriptedDriver } from "../../testing/scripted-driver.ts";

/** A driver behind a wire that says it combines by itself. */
function combining(): { driver: StateDriver; batches: (readonly Operation[])[]; fail: { error?: Error } } {
  const inner = memoryDriver();
  const batches: (readonly Operation[])[] = [];
  const fail: { error?: Error } = {};
  const driver: StateDriver = {
    name: "own",
    capabilities: { ...inner.capabilities, combining: true },
    async run(batch, options) {
      batches.push(batch);
      options?.signal?.throwIfAborted();
      await Promise.resolve();
      if (fail.error !== undefined) throw fail.error;
      return inner.run(batch);
    },
    get: (key) => inner.get(key),
    set: (key, value) => inner.set(key, value),
    delete: (key) => inner.delete(key),
    close: () => inner.close(),
  };
  return { driver, batches, fail };
}

it("passes every call on at once, in call order", async () => {
  const { driver, batches } = combining();
  const combiner = createCombiner(driver);
  const replies = await Promise.all([1, 2, 3].map(() => combiner.run(counter, "k", { by: 1 })));
  expect(replies.map(({ value }) => value)).toEqual([1, 2, 3]);
  expect(batches.length).toBe(3);
  expect(combiner.stats()).toMatchObject({ commands: 3, onWire: 0 });
});

it("refuses after close, and close waits for what is on the wire", async () => {
  const { driver } = combining();
  const combiner = createCombiner(driver);
  const reply = combiner.run(counter, "k", { by: 1 });
  let closed = false;
  const closing = combiner.close().then(() => (closed = true));
  expect(closed).toBe(false);
  expect((await reply).value).toBe(1);
  await closing;
  await expect(combiner.run(counter, "k", { by: 1 })).rejects.toMatchObject({ code: "STORE_CLOSED", outcome: "not-applied" });
});

it("counts failures with the guard, and refuses while it is suspended", async () => {
  const { driver, fail } = combining();
  const combiner = createCombiner(driver, { guard: guard(driver, { threshold: 2, cooldownMs: 60_000 }) });
  fail.error = new Error("down");
  for (let i = 0; i < 2; i++) await expect(combiner.run(counter, "k", { by: 1 })).rejects.toBeDefined();
  await expect(combiner.run(counter, "k", { by: 1 })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(combiner.stats().dropped).toBe(1);
});

it("rejects with the reason of an aborted signal, and gives a refused key's error", async () => {
  const { driver } = combining();
  const combiner = createCombiner(driver);
  await expect(combiner.run(counter, "k", { by: 1 }, { signal: AbortSignal.abort("gone") })).rejects.toBe("gone");
  driver.set("plain", Uint8Array.of(1));
  await expect(combiner.run(counter, "plain", { by: 1 })).rejects.toMatchObject({ code: "STORE_WRONG_TYPE" });
});

it("holds a call's deadline, and hands a later reply to its hook, with and without a guard", async () => {
  for (const guarded of [false, true]) {
    const clock = manualClock();
    const driver = scriptedDriver({ clock, capabilities: { combining: true } });
    const combiner = createCombiner(driver, { clock, guard: guarded ? guard(driver, { clock, timeoutMs: 50 }) : undefined });
    const late: number[] = [];
    const call = combiner.run(counter, "k", { by: 1 }, { deadlineMs: 100, onLateReply: ({ value }) => late.push(value as number) });
    const failed = expect(call).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await clock.advanceAsync(100);
    await failed;
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    expect([late, combiner.stats().onWire, clock.pendingTimers]).toEqual([[1], 0, 0]);
    await expect(combiner.run(counter, "k", { by: 1 }, { deadlineMs: 0 })).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "not-applied" });
    await expect(combiner.run(counter, "k", { by: 1 }, { deadlineMs: Number.NaN })).rejects.toThrow(/deadlineMs/);
  }
});

it("hands the reply that comes after an abort to the hook", async () => {
  const clock = manualClock();
  const driver = scriptedDriver({ clock, capabilities: { combining: true } });
  const combiner = createCombiner(driver, { clock, timeoutMs: 100 });
  const late: number[] = [];
  const caller = new AbortController();
  const call = combiner.run(counter, "k", { by: 1 }, { signal: caller.signal, onLateReply: ({ value }) => late.push(value as number) });
  caller.abort("gone");
  await expect(call).rejects.toBe("gone");
  driver.pending[0]!.answer();
  await clock.advanceAsync(0);
  expect(late).toEqual([1]);
  const slow = expect(combiner.run(counter, "k", { by: 1 })).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
  await clock.advanceAsync(100);
  await slow;
});

it("bounds the deadline of a key-value store over such a driver", async () => {
  const clock = manualClock();
  const driver = scriptedDriver({ clock, capabilities: { combining: true } });
  const store = keyValueStoreOn(driver, { run: createCombiner(driver, { clock }).run, deadlineMs: 200 });
  const failed = expect(store.get("k")).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
  await clock.advanceAsync(200);
  await failed;
});

it("refuses options of batches by name", () => {
  const { driver } = combining();
  for (const option of ["maxQueued", "lanes", "maxBatchKeys", "maxBatchCommands"]) expect(() => createCombiner(driver, { [option]: 2 })).toThrow(expect.objectContaining({ option }));
});
