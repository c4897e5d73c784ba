import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { counter } from "../../state/algorithms/counter.ts";
import { cursor } from "../../state/algorithms/cursor.ts";
import { fixedWindow } from "../../state/algorithms/fixed-window.ts";
import { leaseSet } from "../../state/algorithms/lease-set.ts";
import { slidingLog } from "../../state/algorithms/sliding-log.ts";
import { slidingWindow } from "../../state/algorithms/sliding-window.ts";
import { tokenBucket } from "../../state/algorithms/token-bucket.ts";
import { value } from "../../state/algorithms/value.ts";
import type { Algorithm } from "../../state/contracts/driver.ts";
import type { LimitDecision } from "../../state/contracts/limits.ts";
import { defineAlgorithm } from "../../state/define-algorithm.ts";
import { compileLimit } from "../../state/limit-policy.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { memoryDriver } from "./memory-driver.ts";

const window = { max: 3, windowMs: 1000 };
const bucket = compileLimit({ algorithm: "token-bucket", capacity: 4, max: 4, windowMs: 1000 });
const ring = compileLimit({ algorithm: "sliding-window", max: 50, windowMs: 1000 });

describe("memoryDriver runs algorithms", () => {
  const cost = fc.integer({ min: 0, max: 4 });
  const command = fc.oneof(
    fc.record({ algorithm: fc.constant<Algorithm>(fixedWindow), command: fc.record({ cost, policy: fc.constant(window), ticket: fc.boolean() }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(tokenBucket), command: fc.record({ cost, policy: fc.constant(bucket.policy), dry: fc.boolean() }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(tokenBucket), command: fc.record({ reset: fc.constant(true), policy: fc.constant(bucket.policy) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(slidingWindow), command: fc.record({ cost, policy: fc.constant(ring.policy) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(slidingLog), command: fc.record({ cost, policy: fc.constant({ max: 5, windowMs: 700 }) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(slidingLog), command: fc.record({ reset: fc.constant(true), policy: fc.constant({ max: 5, windowMs: 700 }) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(cursor), command: fc.record({ cost, policy: fc.constant({ p: 1, q: 100, capacityUnits: 100 }), maxWaitMs: fc.constantFrom(undefined, 150) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(value), command: fc.record({ type: fc.constant("add" as const), by: fc.constant(1), ttlMs: fc.constantFrom(undefined, 50, 5000) }) }),
    fc.record({ algorithm: fc.constant<Algorithm>(leaseSet), command: fc.record({ token: fc.constantFrom("a", "b", "c"), limit: fc.constant(2), ttlMs: fc.constant(300) }) }),
  );
  const history = fc.array(fc.record({ run: command, key: fc.constantFrom("1", "2", "3"), passMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 100_000 })), stepMs: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, -1500, -86_400_000, 86_400_000) }) }), { maxLength: 120, size: "max" });

  it.each(["root", "table"])("with the replies of step, on random histories and a stepping clock (%s)", (where) => {
    fc.assert(
      fc.property(history, (events) => {
        const clock = manualClock();
        const driver = memoryDriver({ clock });
        // What a record may be: its state, and also nothing once that has expired. A clock set back makes both show.
        const model = new Map<string, { state: unknown; expiresAt: number }[]>();
        for (const { run, key, passMs, stepMs } of events) {
          for (const change of [() => clock.advance(passMs), () => clock.step(stepMs)]) {
            change();
            for (const states of model.values()) if (states.some(({ expiresAt }) => expiresAt <= clock.now())) states.push({ state: undefined, expiresAt: Infinity });
          }
          const id = `${run.algorithm.name}:${key}`;
          const got = plain(where === "root" ? driver.runSync(run.algorithm, id, run.command) : driver.table(run.algorithm, run.algorithm.name)?.run(key, run.command));
          const steps = (model.get(id) ?? [{ state: undefined }]).map(({ state }) => run.algorithm.step(state, run.command, clock.now()));
          const possible = steps.filter(({ reply }) => isDeepStrictEqual(plain(reply), got));
          if (possible.length === 0) expect(got).toEqual(plain(steps[0]?.reply));
          const distinct = new Map(possible.map(({ state, expiresAt }) => [JSON.stringify(state), { state, expiresAt: expiresAt ?? Infinity }]));
          model.set(id, [...distinct.values()]);
        }
      }),
      { numRuns: 400 },
    );
  });

  function plain(reply: unknown): unknown {
    const { ticket, fence, rev, ...rest } = reply as Record<string, unknown>;
    void fence;
    void rev;
    return { ...rest, ticket: ticket === undefined ? undefined : "ticket" };
  }

  it("several commands of a key at one instant, all or none", () => {
    const driver = memoryDriver();
    const add = { type: "add", by: 1 } as const;
    expect(driver.run([{ algorithm: value, key: "k", commands: [add, add, add] }])[0]?.map((reply) => (reply as { count: number }).count)).toEqual([1, 2, 3]);
    const shaky = defineAlgorithm<number, number, number>({
      name: "shaky",
      version: 1,
      maxStateBytes: 8,
      step(state, command) {
        if (command < 0) throw new Error("no");
        return { state: (state ?? 0) + command, reply: (state ?? 0) + command, expiresAt: undefined };
      },
      encode: () => new Uint8Array(0),
      decode: () => 0,
    });
    const [failed, fine] = driver.run([{ algorithm: shaky, key: "s", commands: [1, 1, -1] }, { algorithm: shaky, key: "t", commands: [5] }]);
    expect(failed?.map(String)).toEqual(["Error: no", "Error: no", "Error: no"]);
    expect(fine).toEqual([5]);
    expect(driver.runSync(shaky, "s", 1)).toBe(1);
    driver.run([{ algorithm: shaky, key: "s", commands: [1, -1] }]);
    expect(driver.runSync(shaky, "s", 1)).toBe(2);
  });

  it("undoes a row, too", () => {
    const driver = memoryDriver();
    const { row } = fixedWindow;
    const fragile: Algorithm = { ...(fixedWindow as Algorithm), name: "fragile", row: { ...row, apply: (cells: Float64Array, at: number, command: { cost: number }, now: number, reply: LimitDecision) => {
      if (command.cost === 2) throw new Error("no");
      return (row as NonNullable<typeof row>).apply(cells, at, command as never, now, reply as never);
    } } as never };
    const charge = (cost: number): unknown => ({ cost, policy: window });
    driver.run([{ algorithm: fragile, key: "k", commands: [charge(1)] }]);
    driver.run([{ algorithm: fragile, key: "k", commands: [charge(1), charge(1), charge(2)] }]);
    driver.run([{ algorithm: fragile, key: "new", commands: [charge(1), charge(2)] }]);
    expect((driver.runSync(fragile, "k", charge(0)) as LimitDecision).remaining).toBe(2);
    expect(driver.size).toBe(1);
  });

  it("keeps nothing for peeks and refusals", () => {
    const driver = memoryDriver();
    for (let i = 0; i < 1000; i++) {
      driver.runSync(fixedWindow, `peek-${i}`, { cost: 0, policy: window });
      driver.runSync(tokenBucket, `refused-${i}`, { cost: 99, policy: bucket.policy });
      driver.runSync(slidingWindow, `ring-${i}`, { cost: 0, policy: ring.policy });
    }
    expect(driver.size).toBe(0);
  });
});

describe("memoryDriver keys", () => {
  it("belong to one algorithm", () => {
    const driver = memoryDriver();
    driver.runSync(fixedWindow, "k", { cost: 1, policy: window });
    for (const use of [() => driver.runSync(tokenBucket, "k", { cost: 1, policy: bucket.policy }), () => driver.get("k"), () => driver.set("k", Uint8Array.of(1)), () => driver.runSync(value, "k", { type: "get" })]) {
      expect(use).toThrowError(expect.objectContaining({ code: "STORE_WRONG_TYPE" }));
    }
    expect(driver.run([{ algorithm: tokenBucket, key: "k", commands: [{ cost: 1, policy: bucket.policy }] }])[0]?.[0]).toMatchObject({ code: "STORE_WRONG_TYPE" });
    expect(driver.runSync(fixedWindow, "k", { cost: 1, policy: window }).remaining).toBe(1);
    expect(driver.delete("k")).toBe(true);
    driver.set("k", Uint8Array.of(1));
    expect(driver.get("k")).toEqual(Uint8Array.of(1));
  });

  it("of objects, of prototypes, long and like digests are different keys", () => {
    const driver = memoryDriver();
    const table = driver.table(counter, "t");
    const long = "x".repeat(600);
    const digest = "sha256=6c84c3a0c5cfd4f4ba58a1d6b3e0a9e4a0d2ed6e5f9c1a4b1d0b9ad4ea2ef0aa";
    const keys = ["__proto__", "constructor", "toString", "hasOwnProperty", long, `${long}y`, digest, `=${digest}`, `==${digest}`, "=", "==", "s", "sha256=", "\ud800", "\ufffd"];
    for (const key of keys) expect((table?.run(key, { by: 1 }) as { value?: number }) && driver.size).toBeGreaterThan(0);
    expect(driver.size).toBe(keys.length);
    for (const key of ["__proto__", "constructor"]) expect(driver.runSync(counter, key, { by: 1 })).toBeDefined();
    for (const bad of ["", 7, undefined] as string[]) {
      expect(() => table?.run(bad, { by: 1 })).toThrow(RangeError);
      expect(() => driver.runSync(counter, bad, { by: 1 })).toThrow(RangeError);
    }
  });

  it("of a table never meet those of another table, and a name belongs to one algorithm", () => {
    const driver = memoryDriver();
    const charge = { cost: 1, policy: window };
    driver.table(fixedWindow, "a")?.run("k", charge);
    expect(driver.table(fixedWindow, "b")?.run("k", charge).remaining).toBe(2);
    expect(driver.table(fixedWindow, "a")?.run("k", charge).remaining).toBe(1);
    expect(driver.runSync(fixedWindow, "k", charge).remaining).toBe(2);
    expect(() => driver.table(tokenBucket, "a")).toThrowError(expect.objectContaining({ code: "STORE_WRONG_TYPE" }));
    for (let i = 0; i < 5000; i++) driver.table(fixedWindow, `t${i}`);
    expect(driver.table(fixedWindow, "one too many")).toBeUndefined();
    expect(driver.table(fixedWindow, "a")).toBeDefined();
  });

  it("hold bytes that are copied both ways", () => {
    const driver = memoryDriver();
    const bytes = Uint8Array.of(1, 2, 3);
    driver.set("k", bytes);
    bytes[0] = 9;
    const read = driver.get("k");
    expect(read).toEqual(Uint8Array.of(1, 2, 3));
    (read as Uint8Array)[1] = 9;
    expect(driver.get("k")).toEqual(Uint8Array.of(1, 2, 3));
    driver.set("view", new Uint8Array([0, 1, 2, 3]).subarray(1, 3));
    expect(driver.get("view")).toEqual(Uint8Array.of(1, 2));
    expect(() => driver.set("k", bytes, 0)).toThrow(RangeError);
    expect(() => driver.set("k", new Uint8Array(driver.capabilities.maxValueBytes + 1))).toThrowError(expect.objectContaining({ code: "STORE_VALUE_TOO_LARGE" }));
    expect(driver.get("k")).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe("memoryDriver time", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("ends values and windows without a later call on them", () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    driver.set("short", Uint8Array.of(1), 100);
    driver.set("long", Uint8Array.of(1), 100_000);
    driver.runSync(fixedWindow, "w", { cost: 1, policy: window });
    clock.advance(99);
    expect([driver.size, driver.get("short")?.length]).toEqual([3, 1]);
    clock.advance(1);
    expect(driver.get("short")).toBeUndefined();
    expect(driver.size).toBe(2);
    clock.advance(900);
    expect(driver.size).toBe(1);
    expect(driver.delete("w")).toBe(false);
  });

  it("notices an end that was brought forward", () => {
    const clock = manualClock({ now: 1_700_000_000_000 });
    const driver = memoryDriver({ clock });
    for (const ttlMs of [40, 1000, 100_000, 86_400_000]) driver.set(`k${ttlMs}`, Uint8Array.of(1), ttlMs);
    for (const ttlMs of [40, 1000, 100_000, 86_400_000]) driver.set(`k${ttlMs}`, Uint8Array.of(1), 5);
    clock.advance(5);
    expect(driver.size).toBe(0);
  });

  it("drops what expired while others are called, without a timer", () => {
    const set = vi.spyOn(globalThis, "setTimeout");
    const clock = manualClock();
    const driver = memoryDriver({ clock, maxKeys: 200_000 });
    const table = driver.table(fixedWindow, "t");
    for (let i = 0; i < 20_000; i++) table?.run(`k${i}`, { cost: 1, policy: window });
    clock.advance(3000);
    const held = (): number => driver.held;
    for (let i = 0; i < 20_000; i++) driver.runSync(tokenBucket, "other", { cost: 0, policy: bucket.policy });
    expect(held()).toBeLessThan(10);
    expect(clock.pendingTimers).toBe(0);
    expect(set).not.toHaveBeenCalled();
  });

  it("has a timer only when asked for one, and gives it back", async () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock, cleanupIntervalMs: 500 });
    expect(clock.pendingTimers).toBe(1);
    for (let i = 0; i < 50_000; i++) driver.runSync(fixedWindow, `k${i}`, { cost: 1, policy: window });
    clock.advance(1600);
    expect(driver.held).toBe(0);
    driver.destroy();
    driver.destroy();
    await driver.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it("uses a clock that no one can set", () => {
    const wall = vi.spyOn(Date, "now");
    const driver = memoryDriver({ clock: systemClock });
    driver.runSync(fixedWindow, "k", { cost: 1, policy: { max: 1, windowMs: 60_000 } });
    const day = Date.now() + 86_400_000;
    wall.mockImplementation(() => day);
    expect(driver.runSync(fixedWindow, "k", { cost: 1, policy: { max: 1, windowMs: 60_000 } }).allowed).toBe(false);
  });

  it("finds what expires after the clock went back for days", () => {
    const clock = manualClock(1_700_000_000_000);
    const driver = memoryDriver({ clock, maxKeys: 3000 });
    const charge = (key: string, windowMs: number): boolean => driver.runSync(fixedWindow, key, { cost: 1, policy: { max: 1, windowMs } }).allowed;
    for (let i = 0; i < 2000; i++) charge(`a${i}`, 86_400_000);
    clock.step(-5 * 86_400_000);
    for (let i = 2000; i < 3000; i++) charge(`a${i}`, i === 2500 ? 1000 : 86_400_000);
    clock.advance(1000);
    expect([charge("b", 86_400_000), charge("b", 86_400_000), charge("c", 86_400_000), charge("d", 86_400_000)]).toEqual([true, false, true, false]);
    expect(driver.size).toBe(3000);
  });
});

describe("memoryDriver lifecycle", () => {
  it("refuses every use after close", async () => {
    const driver = memoryDriver();
    const table = driver.table(fixedWindow, "t");
    await driver.close();
    await driver.close();
    const closed = expect.objectContaining({ code: "STORE_CLOSED" });
    const charge = { cost: 1, policy: window };
    for (const use of [() => driver.runSync(fixedWindow, "k", charge), () => table?.run("k", charge), () => driver.run([]), () => driver.get("k"), () => driver.set("k", Uint8Array.of(1)), () => driver.delete("k"), () => driver.size]) {
      expect(use).toThrowError(closed);
    }
  });

  it("refuses an aborted call", () => {
    const driver = memoryDriver();
    const signal = AbortSignal.abort(new Error("gone"));
    expect(() => driver.run([{ algorithm: value, key: "k", commands: [{ type: "add", by: 1 }] }], { signal })).toThrow("gone");
    expect(() => driver.set("k", Uint8Array.of(1), undefined, { signal })).toThrow("gone");
    expect(driver.size).toBe(0);
  });

  it("refuses bad options, naming them", () => {
    for (const maxKeys of [0, -1, 1.5, Number.NaN, "9", 2 ** 25] as number[]) expect(() => memoryDriver({ maxKeys })).toThrow(/^maxKeys must be/);
    for (const cleanupIntervalMs of [0, -1, Number.NaN] as number[]) expect(() => memoryDriver({ cleanupIntervalMs })).toThrow(/^cleanupIntervalMs must be/);
  });
});
