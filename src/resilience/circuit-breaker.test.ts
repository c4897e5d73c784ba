import fc from "fast-check";
import { inspect } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { isSluiceError } from "../core/errors.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import { manualClock, type ManualClock } from "../testing/manual-clock.ts";
import { circuit, type CircuitReply } from "../state/algorithms/circuit.ts";
import type { CircuitBreakerStore, CircuitPermit, CircuitState } from "../state/contracts/circuits.ts";
import { memoryDriver } from "../drivers/memory/memory-driver.ts";
import { circuitPolicy } from "../state/algorithms/circuit-policy.ts";
import { circuitBreakerStoreOn } from "../state/stores/circuit-breaker-store.ts";
import { createCircuitBreaker, type CircuitBreakerOptions, type LocalCircuitBreaker } from "./circuit-breaker.ts";
import { CircuitOpenError } from "./circuit-open-error.ts";

type Options = CircuitBreakerOptions & { readonly store?: undefined };

function make(options: Options = {}): { clock: ManualClock; breaker: LocalCircuitBreaker; changes: string[]; fail(): Promise<unknown>; succeed(): Promise<unknown> } {
  const clock = manualClock();
  const changes: string[] = [];
  const onStateChange = (_key: string, from: CircuitState, to: CircuitState): void => void changes.push(`${from}>${to}`);
  const breaker = createCircuitBreaker({ failureThreshold: 3, windowMs: 1000, resetTimeoutMs: 500, clock, onStateChange, ...options });
  return {
    clock,
    breaker,
    changes,
    fail: () => breaker.execute(() => Promise.reject(new Error("boom"))).catch((error: unknown) => error),
    succeed: () => breaker.execute(async () => "ok").catch((error: unknown) => error),
  };
}

/** A call under way, ended by hand. */
function pending(breaker: LocalCircuitBreaker): { done: Promise<unknown>; succeed(): void; fail(): void } {
  let settle!: { resolve: (value: unknown) => void; reject: (error: unknown) => void };
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  const done = breaker.execute(() => promise).catch((error: unknown) => error);
  return { done, succeed: () => settle.resolve("ok"), fail: () => settle.reject(new Error("boom")) };
}

describe("a breaker in this process", () => {
  test("opens, refuses without calling, probes, closes: one event per transition", async () => {
    const { clock, breaker, changes, fail, succeed } = make();
    for (let i = 0; i < 3; i++) expect(await fail()).toMatchObject({ message: "boom" });
    expect(breaker.state).toBe("open");
    const fn = vi.fn();
    const refusal = await breaker.execute(fn).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CircuitOpenError);
    expect(refusal).toMatchObject({ code: "CIRCUIT_OPEN", state: "open", key: "default", retryAfterMs: 500 });
    expect(fn).not.toHaveBeenCalled();
    clock.advance(499);
    expect(await succeed()).toMatchObject({ retryAfterMs: 1 });
    clock.advance(1);
    expect(await succeed()).toBe("ok");
    expect(breaker.state).toBe("closed");
    expect(changes).toEqual(["closed>open", "open>half-open", "half-open>closed"]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("the refusal carries no stack", async () => {
    const { breaker, fail } = make({ failureThreshold: 1 });
    await fail();
    const refusal = (await breaker.execute(() => 1).catch((error: unknown) => error)) as CircuitOpenError;
    expect(refusal.stack).not.toContain("\n    at ");
    expect(refusal).toBeInstanceOf(Error);
    expect(isSluiceError(refusal)).toBe(true);
    expect(String(refusal)).toBe(refusal.stack);
    expect(inspect(refusal)).toContain(`[${refusal.stack}]`);
    const built = new CircuitOpenError(refusal.key, refusal.state, refusal.retryAfterMs);
    expect({ ...refusal, stack: "", message: "" }).toEqual({ ...built, stack: "", message: "" });
    expect(built.message).toBe(refusal.message);
    expect(await breaker.execute(() => 1).catch((error: unknown) => error), "callers may write on theirs").not.toBe(refusal);
  });

  test("good calls between failures do not close the window, time does", async () => {
    const { clock, breaker, fail, succeed } = make();
    await fail();
    await succeed();
    await fail();
    clock.advance(1100);
    await fail();
    expect(breaker.state).toBe("closed");
    await fail();
    await succeed();
    await fail();
    expect(breaker.state).toBe("open");
  });

  test("a rate counts the good calls, by when they were", async () => {
    const { clock, breaker, fail, succeed } = make({ failureThreshold: 1000, failureRate: 0.5, minimumThroughput: 4 });
    for (let i = 0; i < 20; i++) await succeed();
    clock.advance(1100);
    for (let i = 0; i < 2; i++) await succeed();
    await fail();
    expect(breaker.state).toBe("closed");
    await fail();
    expect(breaker.state).toBe("open");
  });

  test("slow calls", async () => {
    const { clock, breaker } = make({ slowCallMs: 100, slowCallRate: 0.5, minimumThroughput: 2 });
    const take = (ms: number): Promise<void> => breaker.execute(() => clock.advance(ms));
    await take(100);
    await take(50);
    expect(breaker.state).toBe("closed");
    await take(101);
    await take(101);
    expect(breaker.state).toBe("open");
  });

  test("a synchronous throw counts; what isFailure excuses does not; a throwing isFailure does", async () => {
    const { breaker } = make({ failureThreshold: 1, isFailure: (error) => { if (error === 3) throw new Error("in isFailure"); return error !== 1; } });
    const thrower = (what: number) => () => { throw what; };
    expect(await breaker.execute(thrower(1)).catch((error: unknown) => error)).toBe(1);
    expect(breaker.state).toBe("closed");
    expect(await breaker.execute(thrower(3)).catch((error: unknown) => error)).toBe(3);
    expect(breaker.state).toBe("open");
  });

  test("an abort by the caller counts neither way, a deadline of the caller's does", async () => {
    for (const [reason, state] of [[new DOMException("left", "AbortError"), "closed"], [undefined, "closed"], [new DOMException("late", "TimeoutError"), "open"]] as const) {
      const { breaker } = make({ failureThreshold: 1 });
      const controller = new AbortController();
      await breaker.execute((signal) => {
        expect(signal).toBe(controller.signal);
        controller.abort(reason);
        throw controller.signal.reason;
      }, controller.signal).catch(() => undefined);
      expect(breaker.state).toBe(state);
    }
  });

  test("an aborted probe gives its place back", async () => {
    const { clock, breaker, fail, succeed } = make();
    for (let i = 0; i < 3; i++) await fail();
    clock.advance(500);
    await breaker.execute(() => Promise.reject(new Error("left")), AbortSignal.abort()).catch(() => undefined);
    expect(breaker.state).toBe("half-open");
    expect(await succeed()).toBe("ok");
    expect(breaker.state).toBe("closed");
  });

  test("late results of permits from before each transition change nothing", async () => {
    const { clock, breaker, changes, fail } = make();
    const early = [pending(breaker), pending(breaker), pending(breaker), pending(breaker)];
    for (let i = 0; i < 3; i++) await fail();
    early[0]?.fail();
    await early[0]?.done;
    early[1]?.succeed();
    await early[1]?.done;
    expect(breaker.state).toBe("open");
    clock.advance(500);
    const probe = pending(breaker);
    early[2]?.fail();
    await early[2]?.done;
    expect(breaker.state).toBe("half-open");
    probe.succeed();
    await probe.done;
    expect(breaker.state).toBe("closed");
    for (let i = 0; i < 10; i++) early[3]?.fail();
    await early[3]?.done;
    await fail();
    await fail();
    expect(breaker.state, "two failures of this phase").toBe("closed");
    await fail();
    expect(changes).toEqual(["closed>open", "open>half-open", "half-open>closed", "closed>open"]);
  });

  test("a hung probe delays by probeTimeoutMs and no more", async () => {
    const { clock, breaker, fail, succeed } = make({ probeTimeoutMs: 200 });
    for (let i = 0; i < 3; i++) await fail();
    clock.advance(500);
    const hung = pending(breaker);
    clock.advance(199);
    expect(await succeed()).toMatchObject({ code: "CIRCUIT_OPEN", state: "half-open", retryAfterMs: 1 });
    clock.advance(1);
    const second = pending(breaker);
    hung.fail();
    await hung.done;
    expect(breaker.state).toBe("half-open");
    second.succeed();
    await second.done;
    expect(breaker.state).toBe("closed");
  });

  test("permits by hand: used once, given back, from before", () => {
    const { clock, breaker } = make({ failureThreshold: 1 });
    const permit = breaker.acquire() as CircuitPermit;
    expect(breaker.acquire()).toBe(permit);
    expect(breaker.report(permit, "unused")).toBeUndefined();
    expect(breaker.report(permit, "failure")).toEqual({ from: "closed", to: "open" });
    expect(breaker.report(permit, "failure")).toBeUndefined();
    expect(breaker.acquire()).toEqual({ allowed: false, state: "open", retryAfterMs: 500 });
    clock.advance(500);
    const probe = breaker.acquire() as CircuitPermit;
    expect(probe).toMatchObject({ state: "half-open", transition: { from: "open", to: "half-open" } });
    expect(breaker.acquire().allowed).toBe(false);
    expect(breaker.report(probe, "unused")).toBeUndefined();
    const again = breaker.acquire() as CircuitPermit;
    expect(breaker.report(probe, "failure"), "returned already").toBeUndefined();
    expect(breaker.report(again, "success")).toEqual({ from: "half-open", to: "closed" });
    expect(breaker.report(permit, "failure")).toBeUndefined();
    expect(breaker.state).toBe("closed");
  });

  test("lazy thenables are started once, and synchronous values and unhandled rejections are what they were", async () => {
    const { breaker } = make({ failureThreshold: 1 });
    let started = 0;
    const lazy = { then(resolve: (value: number) => void) { started++; resolve(7); } } as unknown as Promise<number>;
    expect(await breaker.execute(() => lazy)).toBe(7);
    expect(started).toBe(1);
    expect(await breaker.execute(() => 8)).toBe(8);
    const broken = { get then(): never { throw new Error("in then"); } } as unknown as Promise<number>;
    await expect(breaker.execute(() => broken)).rejects.toThrow("in then");
    expect(breaker.state).toBe("open");
  });

  test("what onStateChange throws, or rejects with, reaches nobody", async () => {
    const rejected = make({ failureThreshold: 1, onStateChange: (() => Promise.reject(new Error("observer"))) as () => void });
    const thrown = make({ failureThreshold: 1, onStateChange: () => { throw new Error("observer"); } });
    expect(await rejected.fail()).toMatchObject({ message: "boom" });
    expect(await thrown.fail()).toMatchObject({ message: "boom" });
  });

  test("onStateChange may use the breaker", async () => {
    const breaker: LocalCircuitBreaker = createCircuitBreaker({ failureThreshold: 1, clock: manualClock(), onStateChange: (_key, _from, to) => { if (to === "open") breaker.reset(); } });
    await breaker.execute(() => Promise.reject(new Error("boom"))).catch(() => undefined);
    expect(breaker.state).toBe("closed");
    expect(breaker.acquire().allowed).toBe(true);
  });

  test("isolate, disable, reset", async () => {
    const { clock, breaker, fail, succeed } = make({ failureThreshold: 1 });
    breaker.isolate();
    clock.advance(10_000);
    expect(await succeed()).toMatchObject({ code: "CIRCUIT_OPEN" });
    breaker.disable();
    for (let i = 0; i < 5; i++) expect(await fail()).toMatchObject({ message: "boom" });
    expect(await succeed()).toBe("ok");
    breaker.reset();
    await fail();
    expect(breaker.state).toBe("open");
  });

  test("failures count again after a day of silence", async () => {
    const { clock, breaker, fail, succeed } = make();
    for (let i = 0; i < 3; i++) await fail();
    clock.advance(500);
    await succeed();
    clock.advance(10 * 86_400_000);
    for (let i = 0; i < 3; i++) await fail();
    expect(breaker.state).toBe("open");
    clock.advance(10 * 86_400_000);
    expect(await succeed()).toBe("ok");
  });

  test("bad options are refused by name, a store without the atomic pair is, too", () => {
    expect(() => createCircuitBreaker({ failureThreshold: 0 })).toThrow(expect.objectContaining({ option: "failureThreshold" }));
    expect(() => createCircuitBreaker({ isFailure: 1 as never })).toThrow(/isFailure/);
    expect(() => createCircuitBreaker({ failMode: "ajar" as never })).toThrow(/failMode/);
    expect(() => createCircuitBreaker({ store: {} as CircuitBreakerStore })).toThrow(expect.objectContaining({ code: "STORE_CAPABILITY" }));
  });
});

test("random histories: the same answers as the algorithm, call by call", () => {
  const options = fc.record({
    failureThreshold: fc.integer({ min: 1, max: 3 }),
    failureRate: fc.constantFrom(undefined, 0.5),
    minimumThroughput: fc.integer({ min: 1, max: 4 }),
    halfOpenMax: fc.integer({ min: 1, max: 2 }),
    successThreshold: fc.integer({ min: 1, max: 2 }),
    probeTimeoutMs: fc.constantFrom(100, 2000),
    maxResetTimeoutMs: fc.constantFrom(undefined, 4000),
  });
  const step = fc.oneof(
    fc.record({ do: fc.constant("acquire" as const) }),
    fc.record({ do: fc.constant("report" as const), which: fc.nat(12), outcome: fc.constantFrom("success", "failure", "failure", "unused", "slow") }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 50, 100, 500, 1000, 5000) }),
  );
  fc.assert(
    fc.property(options, fc.array(step, { maxLength: 60 }), (policy, steps) => {
      const { clock, breaker } = make({ ...policy, random: seededRandom(1) });
      const jitter = seededRandom(1);
      const full = { windowMs: 1000, resetTimeoutMs: 500, ...policy };
      let state: ReturnType<typeof circuit.decode> | undefined;
      const run = (command: Parameters<typeof circuit.step>[1]): CircuitReply => {
        const result = circuit.step(state, command, clock.now());
        state = result.state;
        return result.reply;
      };
      const permits: { mine: CircuitPermit; model: CircuitReply }[] = [];
      for (const next of steps) {
        if (next.do === "wait") clock.advance(next.ms);
        else if (next.do === "acquire") {
          const mine = breaker.acquire();
          const model = run({ type: "acquire", policy: full });
          expect(mine).toMatchObject(model.allowed ? { allowed: true, state: model.state } : { allowed: false, state: model.state, retryAfterMs: model.retryAfterMs });
          if (mine.allowed) permits.push({ mine, model });
        } else {
          const permit = permits[permits.length - 1 - next.which];
          if (permit === undefined) continue;
          // Where the row of the breaker has no epoch to ask for, the draw is spared: one per report that can open it.
          const before = run({ type: "view" });
          const counted = next.outcome !== "unused" || permit.model.token !== 0;
          const current = permit.model.token !== 0 || (before.state === "closed" && permit.mine === breaker.acquire());
          const plain = permit.model.token === 0 && next.outcome === "success" && policy.failureRate === undefined;
          const draws = policy.maxResetTimeoutMs !== undefined && counted && current && !plain;
          const moved = breaker.report(permit.mine, next.outcome as "success");
          const reply = run({
            type: "report", epoch: permit.model.epoch, token: permit.model.token, policy: full, random: draws ? jitter.next() : 0,
            ok: next.outcome === "success" ? 1 : 0, fail: next.outcome === "failure" ? 1 : 0, slow: next.outcome === "slow" ? 1 : 0,
          });
          expect(moved).toEqual(reply.to === undefined ? undefined : { from: reply.from, to: reply.to });
          expect(breaker.state).toBe(reply.state);
        }
      }
    }),
    { numRuns: 500 },
  );
});

describe("a breaker on a store", () => {
  /** A store as a list of answers: what it is asked is recorded. */
  function scripted(): { store: CircuitBreakerStore; asked: string[]; down: { value: boolean } } {
    const asked: string[] = [];
    const down = { value: false };
    const local = createCircuitBreaker({ failureThreshold: 2, clock: manualClock() });
    const guard = (what: string): void => {
      asked.push(what);
      if (down.value) throw new Error("store down");
    };
    const unused = (): never => { throw new Error("not used"); };
    const store: CircuitBreakerStore = {
      getState: unused, recordFailure: unused, recordSuccess: unused, transition: unused, reset: unused,
      acquire: async (key) => { guard(`acquire ${key}`); return local.acquire(); },
      report: async (_key, _policy, permit, outcome) => { guard(`report ${outcome}`); return local.report(permit, outcome); },
    };
    return { store, asked, down };
  }

  test("asks and reports there, once per call", async () => {
    const { store, asked } = scripted();
    const changes: string[] = [];
    const breaker = createCircuitBreaker({ store, key: "k", onStateChange: (key, from, to) => changes.push(`${key} ${from}>${to}`) });
    expect(await breaker.execute(async () => 1)).toBe(1);
    for (let i = 0; i < 2; i++) await breaker.execute(() => Promise.reject(new Error("boom"))).catch(() => undefined);
    expect(asked).toEqual(["acquire k", "report success", "acquire k", "report failure", "acquire k", "report failure"]);
    expect(changes).toEqual(["k closed>open"]);
    expect(breaker.state).toBe("open");
    await expect(breaker.execute(() => 1)).rejects.toMatchObject({ code: "CIRCUIT_OPEN", key: "k" });
  });

  test("local: a twin decides while the store fails, and the store decides again afterwards", async () => {
    const { store, down } = scripted();
    const breaker = createCircuitBreaker({ store, failureThreshold: 3, clock: manualClock() });
    down.value = true;
    for (let i = 0; i < 3; i++) await expect(breaker.execute(() => Promise.reject(new Error("boom")))).rejects.toThrow("boom");
    await expect(breaker.execute(() => 1)).rejects.toMatchObject({ code: "CIRCUIT_OPEN" });
    down.value = false;
    expect(await breaker.execute(() => 1)).toBe(1);
  });

  describe("local: goes on from what the store said last", () => {
    /** A breaker on a real circuit that is away for the verbs named. */
    function shared(options: CircuitBreakerOptions = {}) {
      const clock = manualClock();
      const circuits = circuitBreakerStoreOn(memoryDriver({ clock }));
      const away = new Set<"acquire" | "report">();
      const verb = <T>(name: "acquire" | "report", run: () => T): T => {
        if (away.has(name)) throw new Error("away");
        return run();
      };
      const store: CircuitBreakerStore = { ...circuits, acquire: (...args) => verb("acquire", () => circuits.acquire(...args)), report: (...args) => verb("report", () => circuits.report(...args)) };
      const changes: string[] = [];
      const breaker = createCircuitBreaker({ store, failureThreshold: 3, windowMs: 10_000, resetTimeoutMs: 5000, clock, onStateChange: (_, from, to) => changes.push(`${from}>${to}`), ...options });
      const call = (good: boolean): Promise<unknown> => breaker.execute(() => (good ? "made" : Promise.reject(new Error("boom")))).catch((error: { code?: string; message: string }) => error.code ?? error.message);
      return { clock, circuits, away, breaker, changes, call };
    }

    test("an open circuit stays open for the rest of its time, then probes", async () => {
      const { clock, away, breaker, changes, call } = shared();
      for (let i = 0; i < 3; i++) await call(false);
      clock.advance(2000);
      away.add("acquire").add("report");
      expect(await breaker.acquire()).toEqual({ allowed: false, state: "open", retryAfterMs: 3000 });
      clock.advance(2999);
      expect(await call(true)).toBe("CIRCUIT_OPEN");
      expect(breaker.state).toBe("open");
      expect(changes, "nothing new").toEqual(["closed>open"]);
      clock.advance(1);
      expect(await call(true)).toBe("made");
      expect(changes).toEqual(["closed>open", "open>half-open", "half-open>closed"]);
    });

    test("a circuit that others opened, or probe, too", async () => {
      const { clock, circuits, away, breaker } = shared();
      await circuits.transition("default", "open");
      await breaker.acquire();
      const left = (await breaker.acquire()) as { retryAfterMs: number };
      clock.advance(1000);
      away.add("acquire");
      expect(await breaker.acquire()).toEqual({ allowed: false, state: "open", retryAfterMs: left.retryAfterMs - 1000 });
      away.clear();
      clock.advance(left.retryAfterMs);
      await circuits.acquire("default", circuitPolicy({ probeTimeoutMs: 700 }));
      expect(await breaker.acquire()).toMatchObject({ allowed: false, state: "half-open", retryAfterMs: 700 });
      away.add("acquire");
      expect(await breaker.acquire()).toMatchObject({ allowed: false, retryAfterMs: 700 });
      clock.advance(700);
      expect(await breaker.acquire()).toMatchObject({ allowed: true, state: "half-open" });
    });

    test("failures add up while the store comes and goes", async () => {
      const { clock, away, call } = shared();
      for (let i = 0; i < 3; i++) {
        away.add("acquire");
        expect(await call(false)).toBe("boom");
        away.clear();
        expect(await call(true)).toBe("made");
        clock.advance(100);
      }
      away.add("acquire");
      expect(await call(true)).toBe("CIRCUIT_OPEN");
    });

    test("failures that the store could not be told of count", async () => {
      const { away, call, changes } = shared();
      away.add("report");
      for (let i = 0; i < 3; i++) expect(await call(false)).toBe("boom");
      away.add("acquire");
      expect(await call(true)).toBe("CIRCUIT_OPEN");
      expect(changes).toEqual(["closed>open"]);
    });

    test.each([["for a window", async ({ clock, call }: ReturnType<typeof shared>) => {
      await call(true);
      clock.advance(10_000);
    }], ["and closed the circuit since", async ({ clock, circuits, call }: ReturnType<typeof shared>) => {
      await circuits.transition("default", "open");
      clock.advance(30_000);
      expect(await call(true)).toBe("made");
    }]] as const)("a store that was back %s has the last word", async (_, happens) => {
      const made = shared({ resetTimeoutMs: 60_000 });
      const { away, call } = made;
      away.add("acquire");
      for (let i = 0; i < 3; i++) await call(false);
      expect(await call(true)).toBe("CIRCUIT_OPEN");
      away.clear();
      await happens(made);
      away.add("acquire");
      expect(await call(true)).toBe("made");
    });
  });

  test.each([["nothing", undefined], ["null", null], ["text", "ok"], ["no phase", { allowed: true, epoch: 1 }], ["no epoch", { allowed: true, state: "closed" }], ["no time", { allowed: false, state: "open" }], ["an unknown phase", { allowed: true, state: "ajar", epoch: 1 }]])("a store that answers %s has failed, at once or later", async (_, answer) => {
    for (const given of [() => answer, async () => answer]) {
      const store = { acquire: given, report: given } as unknown as CircuitBreakerStore;
      for (const failMode of ["local", "open"] as const) expect(await createCircuitBreaker({ store, failMode }).execute(() => "made")).toBe("made");
      await expect(createCircuitBreaker({ store: { ...store }, failMode: "closed" }).execute(() => "made")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    }
    const reports = { acquire: () => ({ allowed: true, state: "closed", epoch: 1024 }), report: () => answer ?? {} } as unknown as CircuitBreakerStore;
    expect(await createCircuitBreaker({ store: reports, failMode: "closed" }).execute(() => "made")).toBe("made");
  });

  test("open: every call is made; closed: the store's error; a lost report changes no result", async () => {
    const { store, down } = scripted();
    down.value = true;
    const open = createCircuitBreaker({ store, failMode: "open", failureThreshold: 1 });
    for (let i = 0; i < 5; i++) await expect(open.execute(() => Promise.reject(new Error("boom")))).rejects.toThrow("boom");
    expect(await open.execute(() => 1)).toBe(1);
    const other = scripted();
    other.down.value = true;
    const closed = createCircuitBreaker({ store: other.store, failMode: "closed" });
    await expect(closed.execute(() => 1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", cause: { message: "store down" } });
    other.down.value = false;
    expect(await closed.execute(() => { other.down.value = true; return 7; })).toBe(7);
  });

  test("a hung store delays a call by its deadline, then by nothing, and is asked again later", async () => {
    const clock = manualClock();
    let asked = 0;
    let hangs = true;
    const answer = (): never => {
      asked++;
      return (hangs ? new Promise(() => undefined) : { allowed: true, state: "closed", epoch: 1024 }) as never;
    };
    const store = { acquire: answer, report: answer } as unknown as CircuitBreakerStore;
    const breaker = createCircuitBreaker({ store, clock });
    for (let call = 0; call < 5; call++) {
      const result = breaker.execute(() => "made");
      await clock.advanceAsync(1000);
      expect(await result).toBe("made");
    }
    expect(await breaker.execute(() => "at once")).toBe("at once");
    expect(asked).toBe(5);
    hangs = false;
    await clock.advanceAsync(2000);
    expect(await breaker.execute(() => "again")).toBe("again");
    expect(asked).toBeGreaterThan(5);
    expect(clock.pendingTimers).toBe(0);
  });
});
