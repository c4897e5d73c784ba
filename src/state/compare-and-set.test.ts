import { describe, expect, it } from "vitest";
import { StoreError } from "../core/errors.ts";
import { manualClock } from "../testing/manual-clock.ts";
import { type ClockStep, CompareAndSet, type RevisionStore, type Stored } from "./compare-and-set.ts";
import type { Algorithm, Operation, Reply } from "./contracts/driver.ts";
import { decodeRecord, encodeRecord } from "./record.ts";

type Command = { readonly at: true } | { readonly fail: true } | { readonly clear: true } | { readonly peek: true };

/** Keeps the instants at which it was stepped. */
const instants: Algorithm<readonly number[], Command, readonly number[]> = {
  name: "instants",
  version: 1,
  maxStateBytes: 4096,
  step(state, command, now) {
    if ("fail" in command) throw new StoreError("STORE_OVERFLOW", "asked to fail", { outcome: "not-applied" });
    if ("peek" in command) return { state, reply: [now], expiresAt: undefined };
    if ("clear" in command) return { state: undefined, reply: [], expiresAt: undefined };
    const next = [...(state ?? []), now];
    return { state: next, reply: next, expiresAt: undefined };
  },
  encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as number[],
};

const operation = (...commands: Command[]): Operation => ({ algorithm: instants as Algorithm, key: "k", commands });

/** A backend of one map; `before` runs between a read and its write. */
class Memory implements RevisionStore<number> {
  readonly kept = new Map<string, { bytes: Uint8Array; revision: number; writtenAt?: number }>();
  reads = 0;
  writes = 0;
  inFlight = 0;
  mostInFlight = 0;
  before: (key: string) => unknown = () => undefined;

  async read(key: string): Promise<Stored<number>> {
    this.reads++;
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    const found = this.kept.get(key) ?? { bytes: undefined, revision: 0 };
    await this.before(key);
    this.inFlight--;
    return found;
  }

  async write(key: string, bytes: Uint8Array | undefined, revision: number): Promise<boolean> {
    this.writes++;
    if ((this.kept.get(key)?.revision ?? 0) !== revision) return false;
    if (bytes === undefined) this.kept.delete(key);
    else this.kept.set(key, { bytes, revision: revision + 1 });
    return true;
  }
}

function bed(): { store: Memory; clock: ReturnType<typeof manualClock>; runner: CompareAndSet<number>; run(...commands: Command[]): Promise<Reply[]> } {
  const store = new Memory();
  const clock = manualClock({ now: 1_000_000 });
  const runner = new CompareAndSet(store, { maxValueBytes: 200, clock, random: { next: () => 0, uuid: () => "" } });
  return { store, clock, runner, run: (...commands) => runner.run("k", operation(...commands)) };
}

const AT: Command = { at: true };

describe("the clock of a key", () => {
  it("never goes behind the last writer's stamp or the backend's time of the write", async () => {
    const { store, clock, run } = bed();
    const write = (stamp: number, writtenAt?: number): void => void store.kept.set("k", { bytes: encodeRecord(instants, [], undefined, stamp), revision: 1, ...(writtenAt === undefined ? {} : { writtenAt }) });
    write(1_006_000);
    expect(await run({ peek: true })).toEqual([[1_006_000]]);
    write(1_006_000, 1_007_500);
    expect(await run({ peek: true })).toEqual([[1_007_500]]);
    write(900_000, 950_000);
    expect(await run({ peek: true })).toEqual([[1_000_000]]);
    write(1_060_000);
    expect(await run({ peek: true })).toEqual([[1_060_000]]);
    // Our own clock catches up.
    clock.advance(60_001);
    expect(await run({ peek: true })).toEqual([[1_060_001]]);
  });

  it("writes the time it used, so that the next writer is not behind it either", async () => {
    const { store, run } = bed();
    store.kept.set("k", { bytes: encodeRecord(instants, [], undefined, 1_006_000), revision: 1 });
    expect(await run(AT, AT)).toEqual([[1_006_000], [1_006_000, 1_006_000]]);
    expect(decodeRecord(instants, store.kept.get("k")?.bytes as Uint8Array).stamp).toBe(1_006_000);
  });

  it("is our own when the record is more than a minute ahead, and says so at most once a minute", async () => {
    const { store, clock, runner, run } = bed();
    const steps: ClockStep[] = [];
    runner.events.on((step) => void steps.push(step));
    const write = (stamp: number): void => void store.kept.set("k", { bytes: encodeRecord(instants, [], undefined, stamp), revision: 1 });
    write(1_060_001);
    expect(await run({ peek: true })).toEqual([[1_000_000]]);
    write(1_000_500);
    expect(await run({ peek: true })).toEqual([[1_000_500]]);
    write(5_000_000);
    expect(await run({ peek: true })).toEqual([[1_000_000]]);
    expect(steps).toEqual([{ type: "clock.step", behindMs: 60_001 }]);
    clock.advance(60_000);
    expect(await run(AT)).toEqual([[1_060_000]]);
    expect(steps[1]).toEqual({ type: "clock.step", behindMs: 3_940_000 });
    // What was written has our stamp.
    clock.advance(60_000);
    expect(await run({ peek: true })).toEqual([[1_120_000]]);
    expect(steps.length).toBe(2);
  });

  it("one that is a minute ahead by the backend's own clock is still bound by the stamp", async () => {
    const { store, run } = bed();
    store.kept.set("k", { bytes: encodeRecord(instants, [], undefined, 1_003_000), revision: 1, writtenAt: 9_000_000 });
    expect(await run({ peek: true })).toEqual([[1_003_000]]);
  });
});

describe("compare-and-set", () => {
  it("begins again when somebody else wrote in between, and loses nothing", async () => {
    const { store, run } = bed();
    const other = new CompareAndSet(store, { maxValueBytes: 200, clock: manualClock({ now: 1_000_000 }) });
    store.before = async () => {
      store.before = () => undefined;
      await other.run("k", operation(AT));
    };
    expect(await run(AT)).toEqual([[1_000_000, 1_000_000]]);
    expect([store.reads, store.writes]).toEqual([3, 3]);
  });

  it("gives up after 100 tries, with jittered waits of at most 250 ms between them", async () => {
    const { store, clock } = bed();
    const waits: number[] = [];
    const timed = { ...clock, now: () => clock.now(), monotonic: () => clock.monotonic(), clearTimeout: () => undefined, setTimeout: (callback: () => void, ms: number) => void (waits.push(ms), queueMicrotask(callback)) };
    const runner = new CompareAndSet(store, { maxValueBytes: 200, clock: timed, random: { next: () => 1, uuid: () => "" } });
    store.before = () => void store.kept.set("k", { bytes: encodeRecord(instants, []), revision: store.reads + 1000 });
    const replies = await runner.run("k", operation(AT, AT));
    expect(replies).toEqual([expect.objectContaining({ code: "STORE_CONTENTION", outcome: "not-applied", message: expect.stringContaining("100") }), expect.anything()]);
    expect(store.reads).toBe(100);
    expect(waits.length).toBe(98);
    expect([Math.min(...waits), Math.max(...waits)]).toEqual([10, 250]);
  });

  it("writes nothing when nothing changed, deletes what became nothing, and applies nothing of a failed sequence", async () => {
    const { store, run } = bed();
    await run({ peek: true });
    expect(store.writes).toBe(0);
    await run(AT);
    const failed = await run(AT, { fail: true }, AT);
    expect(failed.map((reply) => (reply as StoreError).code)).toEqual(["STORE_OVERFLOW", "STORE_OVERFLOW", "STORE_OVERFLOW"]);
    expect((await run(AT))[0]).toHaveLength(2);
    await run({ clear: true });
    expect(store.kept.size).toBe(0);
  });

  it("keeps one call per key in flight, in order, and keys do not wait for each other", async () => {
    const { store, runner } = bed();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    store.before = (key) => (key === "slow" ? gate : undefined);
    const slow = Promise.all([1, 2, 3].map(() => runner.run("slow", operation(AT))));
    expect(await runner.run("k", operation(AT))).toEqual([[1_000_000]]);
    expect(store.mostInFlight).toBe(2);
    release();
    expect((await slow).map((replies) => (replies[0] as number[]).length)).toEqual([1, 2, 3]);
  });

  it("a failure of the backend rejects, is not tried again, and frees the key", async () => {
    const { store, run } = bed();
    const down = new StoreError("STORE_UNAVAILABLE", "gone", { outcome: "unknown" });
    store.before = () => {
      store.before = () => undefined;
      throw down;
    };
    await expect(run(AT)).rejects.toBe(down);
    expect(store.reads).toBe(1);
    expect((await run(AT))[0]).toHaveLength(1);
  });

  it("begins nothing after an abort: not the read of one that waits, not the write of one that has read", async () => {
    const { store, runner } = bed();
    const controller = new AbortController();
    const reason = new Error("given up");
    store.before = () => controller.abort(reason);
    const first = runner.run("k", operation(AT), controller.signal);
    const second = runner.run("k", operation(AT), controller.signal);
    await expect(first).rejects.toBe(reason);
    await expect(second).rejects.toBe(reason);
    expect([store.reads, store.writes]).toEqual([1, 0]);
  });

  it("refuses a record over the maximum before it is written", async () => {
    const { store, run } = bed();
    const replies = await run(...Array.from({ length: 30 }, () => AT));
    expect((replies[0] as StoreError).code).toBe("STORE_VALUE_TOO_LARGE");
    expect(store.writes).toBe(0);
  });
});

describe("several keys at once", () => {
  class Many extends Memory {
    commits = 0;

    async readMany(keys: readonly string[]): Promise<Stored<number>[]> {
      return Promise.all(keys.map((key) => this.read(key)));
    }

    async writeMany(writes: readonly { readonly key: string; readonly bytes: Uint8Array | undefined; readonly revision: number }[]): Promise<boolean> {
      this.commits++;
      if (writes.some(({ key, revision }) => (this.kept.get(key)?.revision ?? 0) !== revision)) return false;
      for (const { key, bytes, revision } of writes) await this.write(key, bytes, revision);
      return true;
    }
  }
  const many = (store: RevisionStore<number>): CompareAndSet<number> => new CompareAndSet(store, { maxValueBytes: 200, clock: manualClock({ now: 1000 }), random: { next: () => 0, uuid: () => "" } });

  it("are one write, and a key that fails alone fails nobody else", async () => {
    const store = new Many();
    const replies = await many(store).runMany(["a", "b", "c"], [operation({ at: true }), operation({ fail: true }), operation({ at: true }, { at: true })]);
    expect(store.commits).toBe(1);
    expect(replies).toMatchObject([[[1000]], [{ code: "STORE_OVERFLOW" }], [[1000], [1000, 1000]]]);
  });

  it("go on alone when somebody was first on one of them, and a key given twice is run in order", async () => {
    const store = new Many();
    let once = true;
    store.before = (key) => {
      if (key !== "b" || !once) return;
      once = false;
      store.kept.set("b", { bytes: encodeRecord(instants as Algorithm, [1]), revision: 7 });
    };
    const replies = await many(store).runMany(["a", "b", "a"], [operation({ at: true }), operation({ at: true }), operation({ at: true })]);
    expect(replies).toEqual([[[1000]], [[1, 1000]], [[1000, 1000]]]);
    expect(store.commits).toBe(1);
  });

  it("wait for calls in flight on any of them, and hold up those that come later", async () => {
    const store = new Many();
    const runner = many(store);
    let release = (): void => {};
    store.before = (key) => (key === "b" && store.reads === 1 ? new Promise<void>((resolve) => (release = resolve)) : undefined);
    const order: string[] = [];
    const first = runner.run("b", operation({ at: true })).then(() => order.push("first"));
    const both = runner.runMany(["a", "b"], [operation({ at: true }), operation({ at: true })]).then(() => order.push("both"));
    const last = runner.run("a", operation({ at: true })).then(() => order.push("last"));
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect([order, store.reads]).toEqual([[], 1]);
    release();
    await Promise.all([first, both, last]);
    expect(order).toEqual(["first", "both", "last"]);
  });

  it("without a store that can, each goes alone", async () => {
    const store = new Memory();
    expect(await many(store).runMany(["a", "b"], [operation({ at: true }), operation({ at: true })])).toEqual([[[1000]], [[1000]]]);
  });
});
