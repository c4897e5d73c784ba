import { describe, expect, test } from "vitest";
import { SluiceError } from "../../core/errors.ts";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { manualClock, type ManualClock } from "../../testing/manual-clock.ts";
import { circuitPolicy } from "../algorithms/circuit-policy.ts";
import type { Algorithm, Operation, Reply, StateDriver } from "../contracts/driver.ts";
import type { CircuitPermit, CircuitRefusal } from "../contracts/circuits.ts";
import { circuitBreakerStoreOn, type DriverCircuitBreakerStore } from "./circuit-breaker-store.ts";

/** A driver that is nothing but the rule "run a step on a key": synchronous, or with the network's delay. */
class MapDriver implements StateDriver {
  readonly name: string = "map";
  readonly capabilities = { atomic: true, clock: "backend" as const, minTtlMs: 1, maxValueBytes: 65_536, shared: true };
  readonly records = new Map<string, Uint8Array>();
  readonly clock: ManualClock;
  readonly runSync?: <C, R>(algorithm: Algorithm<unknown, C, R>, key: string, command: C) => R;
  failing = false;

  constructor(clock: ManualClock, sync: boolean) {
    this.clock = clock;
    if (sync) this.runSync = (algorithm, key, command) => this.step(algorithm, key, command) as never;
  }

  async run(batch: readonly Operation[]): Promise<Reply[][]> {
    await Promise.resolve();
    return batch.map(({ algorithm, key, commands }) => commands.map((command) => (this.failing ? new SluiceError("STORE_UNAVAILABLE", "down") : this.step(algorithm, key, command))));
  }

  step(algorithm: Algorithm, key: string, command: unknown): unknown {
    const bytes = this.records.get(key);
    const state: unknown = bytes === undefined ? undefined : algorithm.decode(bytes);
    const step = algorithm.step(state, command, this.clock.now());
    if (step.state !== state) this.records.set(key, algorithm.encode(step.state));
    return step.reply;
  }

  get(): never { throw new Error("not used"); }
  set(): never { throw new Error("not used"); }
  delete(): never { throw new Error("not used"); }
  async close(): Promise<void> {}
}

const policy = circuitPolicy({ failureThreshold: 2, windowMs: 1000, resetTimeoutMs: 500, halfOpenMax: 2 });

describe.each([["synchronous", true], ["asynchronous", false]] as const)("a store on a %s driver", (_name, sync) => {
  function make(): { clock: ManualClock; driver: MapDriver; store: DriverCircuitBreakerStore; other: DriverCircuitBreakerStore } {
    const clock = manualClock();
    const driver = new MapDriver(clock, sync);
    return { clock, driver, store: circuitBreakerStoreOn(driver), other: circuitBreakerStoreOn(driver) };
  }

  async function permit(answer: CircuitPermit | CircuitRefusal | Promise<CircuitPermit | CircuitRefusal>): Promise<CircuitPermit> {
    const got = await answer;
    if (!got.allowed) throw new Error(`refused: ${JSON.stringify(got)}`);
    return got;
  }

  test("two clients share a circuit, and its probes", async () => {
    const { clock, store, other } = make();
    const late = await permit(store.acquire("k", policy));
    expect(late).toMatchObject({ allowed: true, state: "closed" });
    expect(await store.report("k", policy, late, "failure")).toBeUndefined();
    expect(await other.report("k", policy, await permit(other.acquire("k", policy)), "failure")).toEqual({ from: "closed", to: "open" });
    expect(await store.acquire("k", policy)).toEqual({ allowed: false, state: "open", retryAfterMs: 500 });
    clock.advance(500);
    const first = await permit(store.acquire("k", policy));
    expect(first).toMatchObject({ state: "half-open", transition: { from: "open", to: "half-open" } });
    const second = await permit(other.acquire("k", policy));
    expect(second.transition).toBeUndefined();
    expect(second.token).not.toBe(first.token);
    expect(await store.acquire("k", policy)).toMatchObject({ allowed: false, state: "half-open" });
    expect(await store.report("k", policy, late, "failure"), "a permit from before").toBeUndefined();
    expect(await other.report("k", policy, second, "success")).toEqual({ from: "half-open", to: "closed" });
    expect(await store.report("k", policy, first, "failure"), "too late").toBeUndefined();
    expect(await store.getState("k")).toMatchObject({ state: "closed", failureCount: 0 });
  });

  test("keys, and prefixes, do not mix", async () => {
    const { clock, driver, store } = make();
    const elsewhere = circuitBreakerStoreOn(driver, { prefix: "other:" });
    await store.transition("k", "open");
    expect((await store.acquire("k2", policy)).allowed).toBe(true);
    expect((await elsewhere.acquire("k", policy)).allowed).toBe(true);
    expect((await store.acquire("k", policy)).allowed).toBe(false);
    for (const key of ["__proto__", "constructor", "é🙂", "x".repeat(2000)]) {
      await store.transition(key, "open");
      expect((await store.acquire(key, policy)).allowed).toBe(false);
    }
    expect((await store.acquire(`${"x".repeat(1999)}y`, policy)).allowed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  test("verbs count and move, and are views of the same record", async () => {
    const { clock, store } = make();
    expect(await store.getState("k")).toEqual({ state: "closed", failureCount: 0, successCount: 0, lastFailureTime: 0, lastStateChange: 0 });
    expect(await store.recordSuccess("k")).toMatchObject({ successCount: 1 });
    for (let i = 0; i < 10; i++) await store.recordFailure("k");
    expect(await store.getState("k")).toEqual({ state: "closed", failureCount: 10, successCount: 1, lastFailureTime: clock.now(), lastStateChange: 0 });
    expect(await store.transition("k", "open")).toMatchObject({ state: "open", lastStateChange: clock.now() });
    expect(await store.acquire("k", policy)).toEqual({ allowed: false, state: "open", retryAfterMs: 30_000 });
    expect(await store.transition("k", "half-open")).toMatchObject({ state: "half-open", failureCount: 0, successCount: 0 });
    expect(await store.recordSuccess("k")).toMatchObject({ state: "half-open", successCount: 1 });
    expect(await store.transition("k", "closed")).toMatchObject({ state: "closed", successCount: 0 });
    await store.recordFailure("k");
    expect(await store.reset("k")).toBeUndefined();
    expect(await store.getState("k")).toMatchObject({ state: "closed", failureCount: 0 });
  });

  test("isolate and disable hold whatever happens, until the next order", async () => {
    const { clock, store } = make();
    expect((await store.isolate("k")).state).toBe("open");
    clock.advance(3_600_000);
    expect((await store.acquire("k", policy)).allowed).toBe(false);
    expect((await store.disable("k")).state).toBe("closed");
    for (let i = 0; i < 10; i++) await store.report("k", policy, await permit(store.acquire("k", policy)), "failure");
    expect((await store.acquire("k", policy)).allowed).toBe(true);
    await store.reset("k");
    expect((await store.acquire("k", policy)).allowed).toBe(true);
  });

  test("outcomes: slow by its rate, unused not at all", async () => {
    const { store } = make();
    const strict = circuitPolicy({ ...policy, slowCallMs: 10, slowCallRate: 1, minimumThroughput: 2 });
    const use = async (outcome: "slow" | "unused"): Promise<unknown> => store.report("k", strict, await permit(store.acquire("k", strict)), outcome);
    expect(await use("unused")).toBeUndefined();
    expect(await use("slow")).toBeUndefined();
    expect(await use("slow")).toEqual({ from: "closed", to: "open" });
  });
});

test("on the memory driver: synchronous, healthy keys keep nothing that time does not take, and prefixes do not mix", () => {
  const clock = manualClock();
  const driver = memoryDriver({ clock });
  const [store, elsewhere] = [circuitBreakerStoreOn(driver), circuitBreakerStoreOn(driver, { prefix: "other:" })];
  const call = (on: DriverCircuitBreakerStore, outcome: "success" | "failure"): unknown => {
    const permit = on.acquire("k", policy) as CircuitPermit;
    return on.report("k", policy, permit, outcome);
  };
  expect(call(store, "success")).toBeUndefined();
  expect(call(store, "failure")).toBeUndefined();
  expect(call(elsewhere, "failure")).toBeUndefined();
  expect(call(store, "failure")).toEqual({ from: "closed", to: "open" });
  expect(elsewhere.acquire("k", policy)).toMatchObject({ allowed: true });
  clock.advance(500);
  expect(store.acquire("k", policy)).toMatchObject({ state: "half-open", token: "1" });
  expect(driver.size).toBe(2);
  clock.advance(2 * 86_400_000);
  expect(driver.size).toBe(0);
});

test("a synchronous driver gives plain values, and a closed circuit one frozen permit", () => {
  const store = circuitBreakerStoreOn(new MapDriver(manualClock(), true));
  const first = store.acquire("k", policy);
  expect(first).not.toBeInstanceOf(Promise);
  expect(store.acquire("k", policy)).toBe(first);
  expect(Object.isFrozen(first)).toBe(true);
});

test("a policy given as a plain object is checked, and its defaults do not apply twice", () => {
  const store = circuitBreakerStoreOn(new MapDriver(manualClock(), true));
  expect(() => store.acquire("k", { ...policy, halfOpenMax: 0 })).toThrow(expect.objectContaining({ option: "halfOpenMax" }));
  expect(() => store.acquire("", policy)).toThrow(RangeError);
  expect(() => store.report("k", policy, { allowed: true, state: "closed", epoch: 0 }, "fine" as "success")).toThrow(expect.objectContaining({ option: "outcome" }));
  expect(() => store.transition("k", "ajar" as "open")).toThrow(expect.objectContaining({ option: "to" }));
});

test("an error in the place of a reply rejects", async () => {
  const driver = new MapDriver(manualClock(), false);
  driver.failing = true;
  await expect(circuitBreakerStoreOn(driver).acquire("k", policy)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
});

test("a driver whose steps are not atomic is refused at construction", () => {
  const driver = new MapDriver(manualClock(), true);
  Object.assign(driver.capabilities, { atomic: false });
  expect(() => circuitBreakerStoreOn(driver)).toThrow(expect.objectContaining({ code: "STORE_CAPABILITY", message: expect.stringContaining("map") }));
});
