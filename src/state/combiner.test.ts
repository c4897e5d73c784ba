import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StoreError } from "../core/errors.ts";
import { type ManualClock, manualClock } from "../testing/manual-clock.ts";
import { type ScriptedDriver, type ScriptedDriverOptions, scriptedDriver } from "../testing/scripted-driver.ts";
import { type Combiner, type CombinerCallOptions, type CombinerOptions, createCombiner } from "./combiner.ts";
import type { Algorithm, StateDriver } from "./contracts/driver.ts";
import { guard } from "./guard.ts";

/** Replies with everything that was done to the key, so any change of order or loss shows. */
const journal: Algorithm<string, string, string> = {
  name: "journal", version: 1, maxStateBytes: 1 << 20,
  step: (state, command) => ({ state: (state ?? "") + command, reply: (state ?? "") + command, expiresAt: undefined }),
  encode: (state) => new TextEncoder().encode(state),
  decode: (bytes) => new TextDecoder().decode(bytes),
};
const ledger: Algorithm<string, string, string> = { ...journal, name: "ledger" };

interface Bench {
  readonly clock: ManualClock;
  readonly driver: ScriptedDriver;
  readonly combiner: Combiner;
  run(key: string, command: string, options?: CombinerCallOptions<string>): Promise<string>;
}

function bench(options: CombinerOptions = {}, driverOptions: ScriptedDriverOptions = {}): Bench {
  const clock = manualClock();
  const driver = scriptedDriver({ clock, ...driverOptions });
  const combiner = createCombiner(driver, { clock, ...options });
  return { clock, driver, combiner, run: async (key, command, call) => await combiner.run(journal, key, command, call) };
}

const shape = (driver: ScriptedDriver): string[] => driver.batches.map((batch) => batch.operations.map((o) => `${o.key}:${o.commands.join("")}`).join(" "));

describe("combiner: when a batch leaves", () => {
  it("leaves in the same microtask turn when the line is idle, with all calls of the turn, and arms no timer of its own", async () => {
    const { clock, driver, run, combiner } = bench({ timeoutMs: 1e9 });
    const replies = Promise.all([run("a", "1"), run("b", "2"), run("a", "3")]);
    expect(driver.batches).toHaveLength(0);
    await undefined;
    expect(shape(driver)).toEqual(["a:13 b:2"]);
    driver.pending[0]!.answer();
    expect(await replies).toEqual(["1", "2", "13"]);
    expect([clock.pendingTimers, combiner.stats().queued, combiner.stats().onWire]).toEqual([0, 0, 0]);
  });

  it("keeps callers per key while a batch is on the wire, and sends them together when it returns", async () => {
    const { clock, driver, run, combiner } = bench();
    const first = run("a", "1");
    await undefined;
    const rest = [run("a", "2"), run("b", "3")];
    await clock.advanceAsync(10);
    const last = run("a", "4");
    expect([driver.batches.length, combiner.stats().queued]).toEqual([1, 3]);
    await clock.advanceAsync(10);
    driver.pending[0]!.answer();
    expect(await first).toBe("1");
    await clock.advanceAsync(0);
    expect(shape(driver)).toEqual(["a:1", "b:3 a:24"]);
    driver.pending[0]!.answer();
    expect(await Promise.all([...rest, last])).toEqual(["12", "3", "124"]);
    expect(combiner.stats()).toMatchObject({ commands: 4, batches: 2, keysPerBatch: 1.5, commandsPerKey: 4 / 3, queueMs: 12.5, wireMs: 10 });
    expect(clock.pendingTimers).toBe(0);
  });

  it("lets callers who were just answered join the batch that follows, through a few layers of promises", async () => {
    const { clock, driver, run } = bench();
    const layered = async (key: string, command: string): Promise<string> => await (async () => await run(key, command))();
    const loop = (async () => {
      await layered("a", "1");
      await layered("a", "2");
    })();
    await clock.advanceAsync(0);
    const other = run("b", "x");
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    expect(shape(driver)).toEqual(["a:1", "b:x a:2"]);
    driver.pending[0]!.answer();
    await Promise.all([loop, other]);
  });

  it("makes no promise over a driver that answers in place", () => {
    const driver = scriptedDriver() as StateDriver;
    driver.runSync = (algorithm, _key, command) => algorithm.step(undefined, command, 0).reply;
    expect(createCombiner(driver).run(journal, "a", "1")).toBe("1");
  });

  it("takes plain replies of a driver without a promise, too", async () => {
    const { run } = bench({}, { answer: "sync" });
    expect(await Promise.all([run("a", "1"), run("a", "2")])).toEqual(["1", "12"]);
  });
});

describe("combiner: bounds and fairness", () => {
  it("respects the bounds on keys and commands of a batch", async () => {
    const { driver, run } = bench({ maxBatchKeys: 2, maxBatchCommands: 3 }, { answer: "async" });
    await Promise.all(["a", "b", "c"].map((key) => run(key, "1")));
    expect(shape(driver)).toEqual(["a:1 b:1", "c:1"]);
    await Promise.all(["2", "3", "4", "5", "6"].map((command) => run("a", command)));
    expect(shape(driver).slice(2)).toEqual(["a:234", "a:56"]);
  });

  it("gives a hot key a quarter of a batch while others wait, and takes keys in turn", async () => {
    const { driver, run } = bench({ maxBatchKeys: 3, maxBatchCommands: 8 }, { answer: "async" });
    const calls = Array.from({ length: 10 }, () => run("hot", "h"));
    for (const key of ["a", "b", "c", "d"]) calls.push(run(key, key));
    await Promise.all(calls);
    // Alone again, the hot key takes all it can.
    expect(shape(driver)).toEqual(["hot:hh a:a b:b", "c:c d:d hot:hh", "hot:hhhhhh"]);
  });

  it("refuses at once above maxQueued, and again takes work when there is room", async () => {
    const { clock, driver, run, combiner } = bench({ maxQueued: 2 });
    const calls = [run("a", "1"), run("a", "2")];
    await expect(run("a", "3")).rejects.toMatchObject({ code: "STORE_OVERLOADED", outcome: "not-applied" });
    driver.pending[0]!.answer();
    await Promise.all(calls);
    const late = run("a", "4");
    await clock.advanceAsync(0);
    driver.pending[0]!.answer();
    expect(await late).toBe("124");
    expect(combiner.stats().dropped).toBe(1);
  });

  it("spreads many keys over the free lanes where the driver asks for it, and few or none else", async () => {
    const { driver, run } = bench({ lanes: 2 }, { capabilities: { spreadKeys: 4 } });
    const calls = ["a", "b", "c", "d", "e"].map((key) => run(key, "1"));
    await undefined;
    expect(shape(driver)).toEqual(["a:1 b:1 c:1", "d:1 e:1"]);
    for (const batch of driver.batches) batch.answer();
    await Promise.all(calls);
    void run("a", "2");
    void run("b", "2");
    void run("c", "2");
    await undefined;
    expect(shape(driver).slice(2)).toEqual(["a:2 b:2 c:2"]);
  });

  it("runs at most `lanes` batches at once and keeps a key in one of them", async () => {
    const { clock, driver, run } = bench({ lanes: 2, maxBatchKeys: 1 });
    const calls = [run("a", "1"), run("b", "2")];
    await undefined;
    calls.push(run("a", "3"), run("c", "4"));
    await clock.advanceAsync(0);
    expect(shape(driver)).toEqual(["a:1", "b:2"]);
    driver.batches[1]!.answer();
    await clock.advanceAsync(0);
    // The free lane takes c: a is still out with its first batch.
    expect(shape(driver)).toEqual(["a:1", "b:2", "c:4"]);
    driver.batches[0]!.answer();
    await clock.advanceAsync(0);
    expect(shape(driver)[3]).toBe("a:3");
    driver.pending.forEach((batch) => batch.answer());
    expect(await Promise.all(calls)).toEqual(["1", "2", "13", "4"]);
  });

  it("puts one algorithm into an operation when a key is used with two", async () => {
    const { driver, combiner } = bench({}, { answer: "async" });
    const calls = [combiner.run(journal, "a", "1"), combiner.run(ledger, "a", "2"), combiner.run(ledger, "a", "3"), combiner.run(journal, "a", "4")];
    const results = await Promise.allSettled(calls);
    expect(shape(driver)).toEqual(["a:1", "a:23", "a:4"]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  });
});

describe("combiner: deadlines and cancellation", () => {
  it("drops a queued call at its deadline, unsent", async () => {
    const { clock, driver, run, combiner } = bench();
    const first = run("a", "1");
    await undefined;
    const queued = expect(run("a", "2", { deadlineMs: 30 })).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "not-applied" });
    const behind = run("a", "3");
    await clock.advanceAsync(30);
    await queued;
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    driver.pending[0]!.answer();
    expect(await Promise.all([first, behind])).toEqual(["1", "13"]);
    expect(combiner.stats().dropped).toBe(1);
  });

  it("does not send what is past its deadline when a blocked process is late with its timers", async () => {
    const base = manualClock();
    let blocked = 0;
    const clock = { now: base.now, monotonic: () => base.monotonic() + blocked, setTimeout: base.setTimeout, clearTimeout: base.clearTimeout };
    const driver = scriptedDriver({ clock });
    const combiner = createCombiner(driver, { clock });
    const first = combiner.run(journal, "a", "1");
    await undefined;
    const queued = combiner.run(journal, "b", "2", { deadlineMs: 30 }) as Promise<string>;
    const seen = expect(queued).rejects.toMatchObject({ outcome: "not-applied" });
    blocked = 100;
    driver.pending[0]!.answer();
    await first;
    await base.advanceAsync(0);
    await seen;
    expect(shape(driver)).toEqual(["a:1"]);
    expect(combiner.stats()).toMatchObject({ queued: 0, onWire: 0 });
  });

  it("refuses a deadline that has passed, and one that is no number", async () => {
    const { driver, run } = bench();
    await expect(run("a", "1", { deadlineMs: 0 })).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "not-applied" });
    await expect(run("a", "1", { deadlineMs: Number.NaN })).rejects.toThrow("deadlineMs must be");
    expect(driver.batches).toHaveLength(0);
  });

  it("rejects a call on the wire at its deadline as unknown, and hands the late reply to its hook", async () => {
    const { clock, driver, run } = bench();
    const late: string[] = [];
    const call = expect(run("a", "1", { deadlineMs: 30, onLateReply: (reply) => late.push(reply) })).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    const patient = run("a", "2");
    await clock.advanceAsync(30);
    await call;
    expect(late).toEqual([]);
    driver.pending[0]!.answer();
    expect(await patient).toBe("12");
    expect([late, clock.pendingTimers]).toEqual([["1"], 0]);
  });

  it("rejects with the signal's reason: before, in the queue (unsent), and on the wire (late reply to the hook)", async () => {
    const { clock, driver, run } = bench();
    const late: string[] = [];
    const aborted = AbortSignal.abort("before");
    await expect(run("a", "0", { signal: aborted })).rejects.toBe("before");
    const wire = new AbortController();
    const queue = new AbortController();
    const onWire = run("a", "1", { signal: wire.signal, onLateReply: (reply) => late.push(reply) });
    await undefined;
    const queued = run("a", "2", { signal: queue.signal, onLateReply: () => late.push("never") });
    wire.abort("left");
    queue.abort("bored");
    await expect(onWire).rejects.toBe("left");
    await expect(queued).rejects.toBe("bored");
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    expect([late, shape(driver)]).toEqual([["1"], ["a:1"]]);
  });

  it("has aborted the signal of a batch that was given up before the driver looked at it", async () => {
    const clock = manualClock();
    let seen: unknown;
    const slow: StateDriver = {
      ...scriptedDriver({ clock }),
      name: "slow",
      capabilities: scriptedDriver().capabilities,
      async run(_batch, options) {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 50));
        seen = (options?.signal?.reason as { code?: unknown } | undefined)?.code;
        return [];
      },
    };
    const reply = Promise.resolve(createCombiner(slow, { clock, timeoutMs: 20 }).run(journal, "a", "1"));
    await Promise.all([expect(reply).rejects.toMatchObject({ code: "STORE_TIMEOUT" }), clock.advanceAsync(100)]);
    expect(seen).toBe("STORE_TIMEOUT");
  });

  it("leaves no listener on a signal, and a throwing hook harms nobody", async () => {
    const { clock, driver, run } = bench();
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
    const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
    signal.addEventListener = (...args: unknown[]) => (listeners++, add(...args));
    signal.removeEventListener = (...args: unknown[]) => (listeners--, remove(...args));
    const first = run("a", "1", { signal });
    const second = run("a", "2", { deadlineMs: 5, onLateReply: () => { throw new Error("hook"); } }).catch(() => {});
    await clock.advanceAsync(5);
    driver.pending[0]!.answer();
    expect(await first).toBe("1");
    await second;
    expect(listeners).toBe(0);
  });

  it("gives up a batch after timeoutMs: unknown, the driver is told, the lane is free, the late reply goes to the hook", async () => {
    for (const guarded of [false, true]) {
      const clock = manualClock();
      const driver = scriptedDriver({ clock });
      const combiner = createCombiner(driver, { clock, timeoutMs: 200, guard: guarded ? guard(driver, { clock }) : undefined });
      const late: string[] = [];
      const run = async (key: string, command: string): Promise<string> => await combiner.run(journal, key, command, { onLateReply: (reply) => late.push(reply) });
      const hung = expect(run("a", "1")).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
      await undefined;
      const { signal } = driver.batches[0]!;
      const next = run("a", "2");
      await clock.advanceAsync(200);
      await hung;
      expect([signal?.aborted, shape(driver)]).toEqual([true, ["a:1", "a:2"]]);
      driver.batches[0]!.answer();
      driver.batches[1]!.answer();
      expect(await next).toBe("12");
      await clock.advanceAsync(0);
      expect([late, clock.pendingTimers, combiner.stats().onWire]).toEqual([["1"], 0, 0]);
    }
  });
});

describe("combiner: a batch whose request was cut off", () => {
  /** As on workerd: timers that are set while `lost` never fire. */
  function cutOff(withGuard: boolean) {
    const base = manualClock();
    const timers = { lost: true };
    const clock = { ...base, now: base.now, monotonic: base.monotonic, clearTimeout: base.clearTimeout, setTimeout: (f: () => void, ms: number) => (timers.lost ? {} : base.setTimeout(f, ms)) };
    const driver = scriptedDriver({ clock });
    const watch = withGuard ? guard(driver, { clock }) : undefined;
    const late: string[] = [];
    const combiner = createCombiner(driver, { clock, timeoutMs: 200, maxQueued: 3, guard: watch });
    const run = async (key: string, command: string): Promise<string> => await combiner.run(journal, key, command, { onLateReply: (reply) => late.push(reply) });
    return { base, timers, driver, combiner, late, run };
  }

  it.each([[false], [true]])("is given up by the next caller after timeoutMs, once, and its late reply goes to the hook, once (guard: %s)", async (withGuard) => {
    const { base, timers, driver, combiner, late, run } = cutOff(withGuard);
    const lost = expect(run("a", "1")).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await undefined;
    timers.lost = false;
    base.advance(199);
    const early = run("a", "2");
    await base.advanceAsync(0);
    expect(shape(driver)).toEqual(["a:1"]);
    // The wheel, whose timer is the guard's here, takes it for lost after 250 ms.
    base.advance(withGuard ? 252 : 1);
    const next = run("b", "3");
    await base.advanceAsync(1);
    await lost;
    expect([shape(driver), combiner.stats().onWire]).toEqual([["a:1", "b:3 a:2"], 2]);
    driver.batches[0]!.answer();
    await base.advanceAsync(0);
    expect([late, combiner.stats().onWire, driver.pending.length]).toEqual([["1"], 2, 1]);
    driver.batches[1]!.answer();
    expect(await Promise.all([early, next])).toEqual(["12", "3"]);
    await base.advanceAsync(0);
    expect([late, combiner.stats().onWire, combiner.stats().queued]).toEqual([["1"], 0, 0]);
  });

  it("is given up by a later caller when the one that gave it a timer was cut off, too, and when all are refused as too many", async () => {
    const { base, timers, driver, run } = cutOff(false);
    for (const command of ["1", "2", "3"]) void run("a", command).catch(() => undefined);
    await undefined;
    base.advance(200);
    await expect(run("a", "4")).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    timers.lost = false;
    base.advance(250);
    await expect(run("a", "5")).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    await base.advanceAsync(1);
    void run("a", "6");
    await base.advanceAsync(0);
    expect(shape(driver)).toEqual(["a:123", "a:6"]);
  });

  it("does not hold up close", async () => {
    const { base, timers, combiner, run } = cutOff(false);
    void run("a", "1").catch(() => undefined);
    await undefined;
    timers.lost = false;
    base.advance(50);
    let closed = false;
    void combiner.close().then(() => (closed = true));
    await base.advanceAsync(149);
    expect(closed).toBe(false);
    await base.advanceAsync(1);
    expect(closed).toBe(true);
  });
});

describe("combiner: failures", () => {
  it("rejects exactly the callers of a failed batch; what is queued leaves next", async () => {
    const { clock, driver, run } = bench();
    const failed = [run("a", "1"), run("b", "2")].map((call) => expect(call).rejects.toThrow("boom"));
    await undefined;
    const next = run("a", "3");
    driver.pending[0]!.reject(new StoreError("STORE_UNAVAILABLE", "boom"));
    await Promise.all(failed);
    await clock.advanceAsync(0);
    driver.pending[0]!.answer();
    expect(await next).toBe("3");
  });

  it("survives a driver that throws in place", async () => {
    const { driver, run, combiner } = bench();
    driver.run = () => { throw new StoreError("STORE_UNAVAILABLE", "down"); };
    await expect(run("a", "1")).rejects.toThrow("down");
    await expect(run("a", "1")).rejects.toThrow("down");
    expect(combiner.stats()).toMatchObject({ queued: 0, onWire: 0, batches: 2 });
  });

  it("rejects only the callers whose operation failed", async () => {
    const { driver, run } = bench();
    const calls = [run("a", "1"), run("b", "2"), run("b", "3")];
    await undefined;
    const error = new StoreError("STORE_CONTENTION", "b is busy", { outcome: "not-applied" });
    driver.pending[0]!.resolve([["fine"], [error, "also fine"]]);
    const results = await Promise.allSettled(calls);
    expect(results.map((result) => (result.status === "fulfilled" ? result.value : result.reason))).toEqual(["fine", error, "also fine"]);
  });

  it.each([["nothing", undefined], ["no array", "ok"], ["too few operations", []], ["too few replies", [[]]], ["too many replies", [["1", "2"]]], ["no rows", [null]]])(
    "treats a reply of the wrong shape as a failure: %s", async (_, replies) => {
      for (const guarded of [false, true]) {
        const clock = manualClock();
        const driver = scriptedDriver({ clock });
        const watch = guard(driver, { clock });
        const combiner = createCombiner(driver, { clock, guard: guarded ? watch : undefined });
        const call = combiner.run(journal, "a", "1") as Promise<string>;
        await undefined;
        driver.pending[0]!.resolve(replies);
        await expect(call).rejects.toMatchObject({ code: "STORE_CORRUPT", outcome: "unknown" });
        expect(watch.stats().failures).toBe(guarded ? 1 : 0);
      }
    });
});

describe("combiner: under a guard", () => {
  function guarded() {
    const clock = manualClock();
    const driver = scriptedDriver({ clock });
    const watch = guard(driver, { clock, threshold: 2, random: { next: () => 0.5, uuid: () => "" } });
    const combiner = createCombiner(driver, { clock, guard: watch, maxQueued: 1000 });
    const run = async (key: string): Promise<string> => await combiner.run(journal, key, "1");
    return { clock, driver, watch, combiner, run };
  }

  it("counts a failed batch once, whatever number of callers it had", async () => {
    const { driver, watch, run } = guarded();
    const calls = Array.from({ length: 100 }, () => run("a").catch(() => {}));
    await undefined;
    driver.pending[0]!.reject(new StoreError("STORE_UNAVAILABLE", "boom"));
    await Promise.all(calls);
    expect([watch.state, watch.stats().failures]).toEqual(["up", 1]);
  });

  it("rejects what is queued at once when the store is suspended, lets one batch probe, and goes on after it", async () => {
    const { clock, driver, watch, run } = guarded();
    for (let i = 0; i < 2; i++) {
      const call = run("a").catch(() => {});
      await undefined;
      if (i === 1) {
        const queued = expect(run("b")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
        driver.pending[0]!.reject(new Error("boom"));
        await queued;
      } else driver.pending[0]!.reject(new Error("boom"));
      await call;
    }
    expect(watch.state).toBe("suspended");
    await expect(run("a")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterMs: 1000 });
    expect(driver.batches).toHaveLength(2);
    await clock.advanceAsync(1000);
    const probe = [run("a"), run("b")];
    await undefined;
    expect(watch.state).toBe("probing");
    await expect(run("c")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    driver.pending[0]!.answer();
    expect(await Promise.all(probe)).toEqual(["1", "1"]);
    expect(watch.state).toBe("up");
  });

  it("counts an overload as a failure of the store", async () => {
    const { watch, run } = guarded();
    const calls = Array.from({ length: 1000 }, () => run("a").catch(() => {}));
    await expect(run("a")).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    await expect(run("a")).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    expect(watch.state).toBe("suspended");
    expect(calls).toHaveLength(1000);
  });
});

describe("combiner: close", () => {
  it("refuses new work, rejects what waits, ends what is on the wire, once", async () => {
    const { clock, driver, run, combiner } = bench();
    const onWire = run("a", "1");
    await undefined;
    const queued = expect(run("b", "2")).rejects.toMatchObject({ code: "STORE_CLOSED", outcome: "not-applied" });
    let closed = false;
    const closing = combiner.close();
    void closing.then(() => (closed = true));
    expect(combiner.close()).toBe(closing);
    await queued;
    await expect(run("c", "3")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await clock.advanceAsync(10);
    expect(closed).toBe(false);
    driver.pending[0]!.answer();
    expect(await onWire).toBe("1");
    await clock.advanceAsync(0);
    expect([closed, shape(driver), clock.pendingTimers]).toEqual([true, ["a:1"], 0]);
    await combiner[Symbol.asyncDispose]();
  });

  it("ends with the deadline when the driver hangs, and at once when nothing is under way", async () => {
    const { clock, run, combiner } = bench({ timeoutMs: 100 });
    const hung = expect(run("a", "1")).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
    await undefined;
    const closing = combiner.close();
    await clock.advanceAsync(100);
    await Promise.all([hung, closing]);
    await bench().combiner.close();
  });
});

describe("combiner: any history", () => {
  const call = fc.record({
    kind: fc.constant("call" as const), key: fc.integer({ min: 0, max: 3 }),
    deadlineMs: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), abortAfter: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
  });
  const event = fc.oneof(
    { weight: 5, arbitrary: call },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("answer" as const), which: fc.nat(7) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const), which: fc.nat(7), applied: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 30 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "turn" as const }) },
  );

  it("gives every caller the reply of a serial execution in arrival order per key, and loses nobody", async () => {
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }), async (events, lanes, maxBatchKeys) => {
      const { clock, driver, combiner, run } = bench({ lanes, maxBatchKeys, maxBatchCommands: 5, timeoutMs: 1e9 });
      const calls: { key: number; id: string; outcome?: string; reply?: string; late?: string; abortAt: number; controller: AbortController }[] = [];
      for (const [at, step] of events.entries()) {
        if (step.kind === "call") {
          const controller = new AbortController();
          const entry: (typeof calls)[number] = { key: step.key, id: `<${at}>`, controller, abortAt: at + (step.abortAfter ?? Infinity) };
          calls.push(entry);
          void run(`k${step.key}`, entry.id, { signal: controller.signal, deadlineMs: step.deadlineMs, onLateReply: (reply) => (entry.late = reply) }).then(
            (reply) => { entry.outcome = "ok"; entry.reply = reply; },
            (error: unknown) => { entry.outcome = error instanceof StoreError ? (error.outcome ?? "failed") : "left"; },
          );
        } else if (step.kind === "pass") await clock.advanceAsync(step.ms);
        else if (step.kind === "turn") await clock.advanceAsync(0);
        else {
          const batch = driver.pending[step.which % Math.max(1, driver.pending.length)];
          if (step.kind === "answer") batch?.answer();
          else {
            if (step.applied) batch?.apply();
            batch?.reject(new StoreError("STORE_UNAVAILABLE", "boom", { outcome: "unknown" }));
          }
        }
        expect(driver.pending.length).toBeLessThanOrEqual(lanes);
        const keysOut = driver.pending.flatMap((batch) => batch.operations.map((operation) => operation.key));
        expect(new Set(keysOut).size).toBe(keysOut.length);
        for (const entry of calls) if (entry.abortAt === at) entry.controller.abort("left");
      }
      for (let i = 0; i < 200 && (combiner.stats().queued > 0 || driver.pending.length > 0); i++) {
        driver.pending.forEach((batch) => batch.answer());
        await clock.advanceAsync(0);
      }
      await clock.advanceAsync(100);
      expect([clock.pendingTimers, combiner.stats().queued, combiner.stats().onWire]).toEqual([0, 0, 0]);

      const sent = driver.batches.flatMap((batch) => batch.commands as string[]);
      expect(new Set(sent).size).toBe(sent.length);
      for (const entry of calls) {
        expect(entry.outcome).toBeDefined();
        if (entry.outcome === "not-applied") expect(sent).not.toContain(entry.id);
        const reply = entry.reply ?? entry.late;
        if (reply === undefined) continue;
        // The reply is the journal up to this call: earlier calls of the key only, in arrival order, itself last.
        const ids = reply.match(/<\d+>/g) ?? [];
        expect(ids.at(-1)).toBe(entry.id);
        const arrival = ids.map((id) => calls.findIndex((other) => other.id === id));
        expect(arrival).toEqual([...arrival].sort((a, b) => a - b));
        for (const index of arrival) expect(calls[index]!.key).toBe(entry.key);
        // Whoever was answered before in this key is in it.
        for (const other of calls) if (other.key === entry.key && other.reply !== undefined && calls.indexOf(other) < calls.indexOf(entry)) expect(ids).toContain(other.id);
      }
    }), { numRuns: 400 });
  });
});
