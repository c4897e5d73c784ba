import { describe, expect, it } from "vitest";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { createCombiner } from "../combiner.ts";
import type { Operation, Reply, StateDriver } from "../contracts/driver.ts";
import { keyValueStoreOn } from "./key-value-store.ts";

/** A driver behind a wire whose batches are answered when the test says so. */
function held(clock: ReturnType<typeof manualClock>) {
  const inner = memoryDriver({ clock });
  const batches: { readonly batch: readonly Operation[]; aborted(): boolean; answer(): void }[] = [];
  const driver: StateDriver = {
    name: "held",
    capabilities: { ...inner.capabilities, shared: true, lanes: 1 },
    run: (batch, options) => new Promise<Reply[][]>((resolve) => {
      batches.push({ batch, aborted: () => options?.aborted === true, answer: () => void Promise.resolve(inner.run(batch)).then(resolve) });
    }),
    get: (key) => inner.get(key),
    set: (key, value, ttlMs) => inner.set(key, value, ttlMs),
    delete: (key) => inner.delete(key),
    close: () => inner.close(),
  };
  const combiner = createCombiner(driver, { clock, timeoutMs: 1000 });
  const store = keyValueStoreOn(driver, { run: combiner.run });
  return { store, batches, combiner };
}

describe("a key-value call on a store that hangs", () => {
  it("has one deadline from when it was asked, also behind a batch, and the batch goes on without it", async () => {
    const clock = manualClock();
    const { store, batches } = held(clock);
    const began = clock.monotonic();
    const ends: (readonly [string, number, string])[] = [];
    const watch = (name: string, call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => ends.push([name, clock.monotonic() - began, "answered"]),
        (error: { code: string; outcome: string }) => ends.push([name, clock.monotonic() - began, `${error.code} ${error.outcome}`]),
      );
    const first = watch("first", store.get("a"));
    await clock.advanceAsync(400);
    const second = watch("second", store.incr("a"));
    await clock.advanceAsync(1000);
    // The second left when the first was given up on, and is given up on in turn 1 s after it was asked.
    expect(ends).toEqual([["first", 1000, "STORE_TIMEOUT unknown"], ["second", 1400, "STORE_TIMEOUT unknown"]]);
    expect(batches.map((batch) => batch.aborted())).toEqual([true, false]);
    const third = watch("third", store.incr("a"));
    batches[1]?.answer();
    await clock.advanceAsync(1);
    batches[2]?.answer();
    await clock.advanceAsync(1);
    expect(ends[2]).toEqual(["third", 1401, "answered"]);
    await Promise.all([first, second, third]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("gives back what was granted after its caller has gone", async () => {
    const clock = manualClock();
    const { store, batches } = held(clock);
    const lease = store.lease("lock", { token: "gone", limit: 1, ttlMs: 60_000 });
    const turn = store.reserve("pace", { spacingMs: 10_000, burst: 1 });
    const failed = [expect(lease).rejects.toMatchObject({ code: "STORE_TIMEOUT" }), expect(turn).rejects.toMatchObject({ code: "STORE_TIMEOUT" })];
    await clock.advanceAsync(1000);
    await Promise.all(failed);
    batches[0]?.answer();
    await clock.advanceAsync(1);
    // What gives them back.
    batches[1]?.answer();
    await clock.advanceAsync(1);
    const next = store.lease("lock", { token: "next", limit: 1, ttlMs: 60_000 });
    const nextTurn = store.reserve("pace", { spacingMs: 10_000, burst: 1, maxWaitMs: 0 });
    await clock.advanceAsync(1);
    batches[2]?.answer();
    expect([(await next).held, (await nextTurn).granted]).toEqual([true, true]);
  });

  it("leaves a lock with its holder when the reply to a renewal is late", async () => {
    const clock = manualClock();
    const { store, batches } = held(clock);
    const ask = (token: string): Promise<{ held: boolean }> => store.lease("lock", { token, limit: 1, ttlMs: 60_000 });
    const taken = ask("a");
    await clock.advanceAsync(1);
    batches[0]?.answer();
    expect((await taken).held).toBe(true);
    const renewal = expect(ask("a")).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await clock.advanceAsync(1000);
    await renewal;
    batches[1]?.answer();
    await clock.advanceAsync(1);
    const other = ask("b");
    await clock.advanceAsync(1);
    for (const batch of batches.slice(2)) batch.answer();
    expect((await other).held).toBe(false);
    expect(batches).toHaveLength(3);
  });
});
