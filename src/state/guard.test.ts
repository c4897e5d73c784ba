import { describe, expect, it } from "vitest";
import { OptionError, StoreError } from "../core/errors.ts";
import { failingStore } from "../testing/failing-store.ts";
import { type ManualClock, manualClock } from "../testing/manual-clock.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import { type Guard, type GuardEvent, type GuardOptions, guard } from "./guard.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly guarded: Guard;
  readonly events: string[];
  fail(times: number): Promise<void>;
}

/** `next` draws 0.5: a jitter factor of exactly 1. */
const even = { next: () => 0.5, uuid: () => "" };
const boom = (): Promise<never> => Promise.reject(new StoreError("STORE_UNAVAILABLE", "boom"));

function bench(options: GuardOptions = {}): Bench {
  const clock = manualClock();
  const guarded = guard({}, { clock, random: even, name: "redis", ...options });
  const events: string[] = [];
  guarded.events.on((event) => events.push(`${event.type} ${event.code} ${event.suppressed}`));
  return {
    clock, guarded, events,
    async fail(times) {
      for (let i = 0; i < times; i++) await expect(call(guarded, boom)).rejects.toThrow();
    },
  };
}

/** A call as a promise, whatever it does. */
async function call<T>(guarded: Guard, run: (signal: AbortSignal | undefined) => T | Promise<T>, options?: Parameters<Guard["call"]>[2]): Promise<T> {
  return await guarded.call("get", run, options as never);
}

describe("guard: a store that takes no writes", () => {
  const refused = (): Promise<never> => Promise.reject(new StoreError("STORE_READ_ONLY", "read-only", { outcome: "not-applied" }));

  it("is not suspended while its reads are answered, however many writes it refuses between two of them", async () => {
    const { clock, guarded, events } = bench({ threshold: 3, cooldownMs: 1000 });
    for (let round = 0; round < 10; round++) {
      await call(guarded, () => Promise.resolve("read"));
      for (let n = 0; n < 20; n++) await expect(call(guarded, refused)).rejects.toMatchObject({ code: "STORE_READ_ONLY" });
      clock.advance(900);
    }
    expect(guarded.state).toBe("up");
    expect(events).toEqual(["store.error STORE_READ_ONLY 0"]);
  });

  it("is suspended when it has answered nothing else for a cool-down, and not by fewer than the threshold", async () => {
    const { clock, guarded } = bench({ threshold: 3, cooldownMs: 1000 });
    await call(guarded, () => Promise.resolve("read"));
    for (let n = 0; n < 2; n++) await expect(call(guarded, refused)).rejects.toThrow();
    clock.advance(1000);
    expect(guarded.state).toBe("up");
    await expect(call(guarded, refused)).rejects.toThrow();
    expect(guarded.state).toBe("suspended");
  });
});

describe("guard: a store that is up", () => {
  it("passes a plain value through without a promise or a timer", () => {
    const { clock, guarded } = bench();
    expect(guarded.call("get", () => 7)).toBe(7);
    expect([guarded.state, clock.pendingTimers]).toEqual(["up", 0]);
  });

  it("passes a promised value on, with one timer for all that wait and none afterwards", async () => {
    const { clock, guarded } = bench();
    const both = [guarded.call("get", () => Promise.resolve(1)), guarded.call("get", async () => 2)];
    expect(clock.pendingTimers).toBe(1);
    expect(await Promise.all(both)).toEqual([1, 2]);
    expect([clock.pendingTimers, guarded.stats().inFlight]).toEqual([0, 0]);
  });

  it("ends a hung call at its deadline, tells `run`, and swallows what comes later", async () => {
    const { clock, guarded } = bench();
    let late: (error: Error) => void = () => {};
    let signal: AbortSignal | undefined;
    const hung = call(guarded, (s) => {
      signal = s;
      return new Promise((_, reject) => (late = reject));
    }, { abortable: true });
    const short = call(guarded, () => new Promise(() => {}), { timeoutMs: 20 });
    const seen = expect(hung).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    const seenShort = expect(short).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
    await clock.advanceAsync(20);
    await seenShort;
    expect(signal?.aborted).toBe(false);
    await clock.advanceAsync(980);
    await seen;
    expect(signal?.aborted).toBe(true);
    expect(guarded.stats()).toMatchObject({ timeouts: 2, inFlight: 2 });
    late(new Error("nobody listens"));
    await clock.advanceAsync(0);
    expect([guarded.stats().inFlight, clock.pendingTimers]).toEqual([1, 0]);
  });

  it("rejects with the caller's reason, before and during a call, and keeps no listener", async () => {
    const { guarded } = bench({ threshold: 1 });
    const controller = new AbortController();
    const waiting = call(guarded, () => new Promise(() => {}), { signal: controller.signal });
    controller.abort("gone");
    await expect(waiting).rejects.toBe("gone");
    expect(() => guarded.call("get", () => 1, { signal: controller.signal })).toThrow();
    expect(guarded.state).toBe("up");

    let listeners = 0;
    const signal = new AbortController().signal;
    const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
    const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
    signal.addEventListener = (...args: unknown[]) => (listeners++, add(...args));
    signal.removeEventListener = (...args: unknown[]) => (listeners--, remove(...args));
    await call(guarded, () => Promise.resolve(1), { signal });
    expect(listeners).toBe(0);
  });

  it("is one per store object; the first options win", () => {
    const store = { name: "mine" };
    const first = guard(store, { threshold: 1, clock: manualClock() });
    expect(guard(store, { threshold: 9 })).toBe(first);
    expect(first.name).toBe("mine");
    expect(guard({})).not.toBe(first);
    expect(() => guard({}, { threshold: 0 })).toThrow(OptionError);
    expect(() => guard({}, { timeoutMs: Number.NaN })).toThrow("timeoutMs must be");
  });
});

describe("guard: what is a failure", () => {
  const cases: [name: string, failure: boolean, run: () => unknown, options?: object][] = [
    ["a rejection", true, boom],
    ["a throw", true, () => { throw new TypeError("bug"); }],
    ["a corrupt record", true, () => Promise.reject(new StoreError("STORE_CORRUPT", "x"))],
    ["an overload", true, () => Promise.reject(new StoreError("STORE_OVERLOADED", "x"))],
    ["a malformed reply", true, () => Promise.resolve("garbage"), { validate: (value: unknown) => typeof value === "number" }],
    ["a malformed plain reply", true, () => null, { validate: (value: { length: number }) => value.length > 0 }],
    ["a refusal, which is a value", false, () => Promise.resolve({ allowed: false })],
    ["a wrong type", false, () => Promise.reject(new StoreError("STORE_WRONG_TYPE", "x"))],
    ["an unserialisable value", false, () => { throw new StoreError("STORE_UNSERIALIZABLE", "x"); }],
    ["a value too large", false, () => Promise.reject(new StoreError("STORE_VALUE_TOO_LARGE", "x"))],
    ["an argument out of range", false, () => Promise.reject(new OptionError("ttlMs", -1, "above 0"))],
  ];

  it.each(cases)("%s: %s", async (_, failure, run, options) => {
    const { guarded } = bench({ threshold: 1 });
    await call(guarded, run as () => Promise<unknown>, options as never).catch(() => {});
    expect(guarded.state).toBe(failure ? "suspended" : "up");
  });

  it("keeps a foreign error as the cause, and our own as they are", async () => {
    const { guarded } = bench();
    const cause = new Error("ECONNREFUSED");
    await expect(call(guarded, () => Promise.reject(cause))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "unknown", cause });
    const own = new StoreError("STORE_CONTENTION", "x");
    await expect(call(guarded, () => Promise.reject(own))).rejects.toBe(own);
  });
});

describe("guard: suspension", () => {
  it("comes after `threshold` failures in a row, and one success starts the count anew", async () => {
    const { guarded, fail } = bench();
    await fail(4);
    await call(guarded, () => Promise.resolve(1));
    await fail(4);
    guarded.call("get", () => 1);
    await fail(4);
    expect(guarded.state).toBe("up");
    await fail(1);
    expect(guarded.state).toBe("suspended");
  });

  it("refuses at once, without asking the store, with a stackless error that says when to come back", async () => {
    const { clock, guarded, fail } = bench();
    await fail(5);
    clock.advance(250);
    let asked = 0;
    let error: unknown;
    try {
      guarded.call("get", () => asked++);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied", retryAfterMs: 750 });
    expect((error as Error).stack).not.toContain("\n    at ");
    expect([asked, guarded.refusal(), guarded.stats().refused, clock.pendingTimers]).toEqual([0, error, 1, 0]);
  });

  it("lets exactly one call probe after the cool-down; success ends it, for sync and async stores", async () => {
    for (const probe of [() => 1, () => Promise.resolve(1)]) {
      const { clock, guarded, fail } = bench();
      await fail(5);
      clock.advance(999);
      expect(guarded.refusal()).toBeDefined();
      clock.advance(1);
      expect(guarded.refusal()).toBeUndefined();
      const first = guarded.call("get", probe);
      if (first instanceof Promise) {
        expect(guarded.state).toBe("probing");
        for (let i = 0; i < 3; i++) expect(() => guarded.call("get", () => 1)).toThrow("suspended");
      }
      expect(await first).toBe(1);
      expect([guarded.state, guarded.refusal()]).toEqual(["up", undefined]);
    }
  });

  it("doubles the cool-down after a failed probe, within 20 %, up to the maximum", async () => {
    for (const [draw, factor] of [[0, 0.8], [0.5, 1], [1 - 1e-12, 1.2]] as const) {
      const { clock, guarded, fail } = bench({ maxCooldownMs: 5000, random: { ...even, next: () => draw } });
      await fail(5);
      for (const cooldown of [1000, 2000, 4000, 5000, 5000]) {
        const waitMs = Math.min(5000, cooldown * factor);
        clock.advance(waitMs - 1);
        expect(guarded.refusal()).toBeDefined();
        clock.advance(1);
        await fail(1);
      }
    }
  });

  it("ends a hung probe at its deadline as a failure", async () => {
    const { clock, guarded, fail } = bench();
    await fail(5);
    clock.advance(1000);
    const probe = expect(call(guarded, () => new Promise(() => {}))).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
    await clock.advanceAsync(1000);
    await probe;
    expect(guarded.state).toBe("suspended");
    clock.advance(1999);
    expect(guarded.refusal()).toBeDefined();
  });

  it("gives the turn of a probe that says nothing to the next call", async () => {
    const { clock, guarded, fail } = bench();
    await fail(5);
    clock.advance(1000);
    expect(() => guarded.call("get", () => { throw new OptionError("ttlMs", -1, "above 0"); })).toThrow(OptionError);
    expect(guarded.state).toBe("suspended");
    const controller = new AbortController();
    const aborted = call(guarded, () => new Promise(() => {}), { signal: controller.signal });
    controller.abort("left");
    await expect(aborted).rejects.toBe("left");
    expect(guarded.call("get", () => 3)).toBe(3);
    expect(guarded.state).toBe("up");
  });

  it("probes again when the timer and the promise of a probe are lost, and drops what comes of it later", async () => {
    const base = manualClock();
    let lost = false;
    const clock = { ...base, now: base.now, monotonic: base.monotonic, clearTimeout: base.clearTimeout, setTimeout: (f: () => void, ms: number) => (lost ? {} : base.setTimeout(f, ms)) };
    const guarded = guard({}, { clock, random: even, threshold: 1, cooldownMs: 1000, timeoutMs: 1000 });
    await expect(call(guarded, boom)).rejects.toThrow();
    base.advance(1000);
    lost = true;
    let answer!: (error: Error) => void;
    void call(guarded, () => new Promise((_, reject) => (answer = reject))).catch(() => undefined);
    await undefined;
    lost = false;
    base.advance(1249);
    expect([guarded.state, guarded.refusal()?.code]).toEqual(["probing", "STORE_UNAVAILABLE"]);
    base.advance(1);
    expect(guarded.refusal()).toBeUndefined();
    let second!: (value: string) => void;
    const probe = call(guarded, () => new Promise<string>((resolve) => (second = resolve)));
    await expect(call(guarded, () => "in its shadow")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    answer(new Error("late"));
    await base.advanceAsync(0);
    expect(guarded.state).toBe("probing");
    second("fine");
    expect([await probe, guarded.state]).toEqual(["fine", "up"]);
  });

  it("does not count the results of calls begun before a change of state", async () => {
    const { clock, guarded, fail } = bench();
    let succeed: (value: number) => void = () => {};
    let breakIt: (error: Error) => void = () => {};
    const oldSuccess = call(guarded, () => new Promise<number>((resolve) => (succeed = resolve)), { timeoutMs: 60_000 });
    const oldFailures = Array.from({ length: 9 }, () => call(guarded, () => new Promise((_, reject) => (breakIt = chain(breakIt, reject))), { timeoutMs: 60_000 }).catch(() => {}));
    await fail(5);
    succeed(1);
    await oldSuccess;
    expect(guarded.state).toBe("suspended");
    clock.advance(1000);
    guarded.call("get", () => 1);
    expect(guarded.state).toBe("up");
    breakIt(new Error("old"));
    await Promise.all(oldFailures);
    expect(guarded.state).toBe("up");
  });

  it("caps hung calls, and gives up on those of an outage once the store is back", async () => {
    const { clock, guarded } = bench({ maxInFlight: 3, threshold: 100 });
    const hung = [1, 2, 3].map(() => call(guarded, () => new Promise(() => {})).catch(() => {}));
    expect(() => guarded.call("get", () => 1)).toThrow(expect.objectContaining({ code: "STORE_OVERLOADED", outcome: "not-applied" }));
    await clock.advanceAsync(1000);
    await Promise.all(hung);
    for (let i = 0; i < 96; i++) expect(() => guarded.call("get", () => 1)).toThrow("wait for an answer");
    expect(guarded.state).toBe("suspended");
    clock.advance(1000);
    expect(guarded.call("get", () => 1)).toBe(1);
    expect(guarded.stats()).toMatchObject({ state: "up", inFlight: 0 });
  });
});

describe("guard: events", () => {
  it("announces the first error of each code per state, and counts the others", async () => {
    const changes: GuardEvent[] = [];
    const { clock, guarded, events, fail } = bench({ onChange: (event) => changes.push(event) });
    await fail(2);
    await expect(call(guarded, () => Promise.reject(new StoreError("STORE_CORRUPT", "secret key")))).rejects.toThrow();
    await fail(2);
    expect(events).toEqual(["store.error STORE_UNAVAILABLE 0", "store.error STORE_CORRUPT 1", "store.down STORE_UNAVAILABLE 2"]);
    clock.advance(1000);
    await fail(1);
    clock.advance(2000);
    await fail(1);
    clock.advance(4000);
    guarded.call("get", () => 1);
    expect(events.slice(3)).toEqual(["store.error STORE_UNAVAILABLE 0", "store.up STORE_UNAVAILABLE 1"]);
    expect(changes.map((event) => event.type)).toEqual(["store.down", "store.up"]);
    expect(JSON.stringify(changes)).not.toContain("secret");
  });

  it("survives a sink that throws", async () => {
    const { guarded, fail } = bench({ onChange: () => { throw new Error("sink"); } });
    await fail(5);
    expect(guarded.state).toBe("suspended");
  });
});

describe("guard: on a store that fails at random", () => {
  it("always answers by the deadline, and recovers when the store does", async () => {
    const random = seededRandom(42);
    const clock = manualClock();
    let down = true;
    const store = failingStore({ get: async (key: string) => key }, () => {
      if (!down) return undefined;
      return ([{ kind: "hang" }, { kind: "fail" }, { kind: "drop" }, { kind: "delay", ms: 3000 }] as const)[random.integer(0, 3)];
    }, { clock });
    const guarded = guard(store, { clock, random });
    for (let i = 0; i < 200; i++) {
      if (i === 150) down = false;
      const begun = clock.monotonic();
      let endedAt = Infinity;
      void call(guarded, () => store.get("k")).catch(() => {}).finally(() => (endedAt = clock.monotonic()));
      await clock.advanceAsync(1000);
      expect(endedAt - begun).toBeLessThanOrEqual(1000);
    }
    expect(guarded.state).toBe("up");
    await clock.advanceAsync(5000);
    expect(clock.pendingTimers).toBe(0);
  });
});

function chain(first: (error: Error) => void, second: (error: Error) => void): (error: Error) => void {
  return (error) => {
    first(error);
    second(error);
  };
}
