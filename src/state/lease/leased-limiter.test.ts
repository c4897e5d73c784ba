import { describe, expect, it } from "vitest";
import { StoreError } from "../../core/errors.ts";
import { type ManualClock, manualClock } from "../../testing/manual-clock.ts";
import { type ScriptedBatch, type ScriptedDriver, type ScriptedDriverOptions, scriptedDriver } from "../../testing/scripted-driver.ts";
import { createCombiner } from "../combiner.ts";
import type { LimitPolicy } from "../contracts/limits.ts";
import type { LimitLeaseCommand } from "./lease-command.ts";
import { createLeasedLimiter } from "./create-leased-limiter.ts";
import type { LeasedLimiter, LeasedLimiterOptions } from "./leased-limiter.ts";
import type { LeaseEvent, LeasedDecision } from "./leased-decision.ts";

const WINDOW: LimitPolicy = { algorithm: "fixed-window", max: 1000, windowMs: 10_000 };
const BUCKET: LimitPolicy = { algorithm: "token-bucket", capacity: 1000, max: 1000, windowMs: 1000 };

interface Bench {
  readonly clock: ManualClock;
  readonly driver: ScriptedDriver & { runId?: string };
  readonly limiter: LeasedLimiter;
  check(cost?: number, key?: string, signal?: AbortSignal): Promise<LeasedDecision>;
  /** The lease commands and refunds sent so far. */
  sent(): (LimitLeaseCommand & { refund?: object; cost?: number })[];
  /** Makes the demand known and the slow start pass: the next request may be large. */
  warm(perMs: number, forMs: number): Promise<void>;
}

function bench(options: Partial<LeasedLimiterOptions> = {}, driverOptions: ScriptedDriverOptions = {}): Bench {
  const clock = manualClock();
  const driver = scriptedDriver({ clock, answer: "async", ...driverOptions });
  const limiter = createLeasedLimiter({ driver, limit: WINDOW, clock, failMode: "closed", ...options });
  const check = async (cost = 1, key = "k", signal?: AbortSignal): Promise<LeasedDecision> => await limiter.check(key, cost, signal);
  return {
    clock, driver, limiter, check,
    sent: () => driver.batches.flatMap((batch) => batch.commands as (LimitLeaseCommand & { refund?: object; cost?: number })[]),
    async warm(perMs, forMs) {
      for (let ms = 0; ms < forMs; ms++) {
        await Promise.all(Array.from({ length: perMs }, () => check()));
        await clock.advanceAsync(1);
      }
    },
  };
}

function identity(limiter: LeasedLimiter): void {
  const { granted, spent, returned, expired, held } = limiter.stats();
  expect(granted).toBe(spent + returned + expired + held);
}

/** A held lease of `units` on "k": a caller of that cost asks, and another spends one of what is left. */
async function hold({ warm, limiter }: Bench): Promise<void> {
  await warm(5, 60);
  expect(limiter.stats().held).toBeGreaterThan(2);
}

const last = <T>(items: readonly T[]): T => items.at(-1) as T;

describe("leased limiter: asking and spending", () => {
  it("asks before it admits, starts with one unit, and admits from what it holds without a promise", async () => {
    const bed = bench();
    const first = bed.limiter.check("k");
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toMatchObject({ allowed: true, limit: 1000, source: "lease", degraded: false });
    expect(bed.sent()[0]).toMatchObject({ lease: 1, least: 1, divisor: 16, ttlMs: 80 });
    await hold(bed);
    const decision = bed.limiter.check("k");
    expect(decision).not.toBeInstanceOf(Promise);
    expect(decision).toMatchObject({ allowed: true, source: "lease" });
    identity(bed.limiter);
  });

  it("asks once for callers who wait together, and serves them in order", async () => {
    const { clock, driver, limiter, sent } = bench({}, { answer: "hand" });
    const order: number[] = [];
    const calls = [1, 2, 3].map((n) => (limiter.check("k") as Promise<LeasedDecision>).then(() => order.push(n)));
    await clock.advanceAsync(0);
    expect(sent()).toHaveLength(1);
    const more = [4, 5].map((n) => (limiter.check("k") as Promise<LeasedDecision>).then(() => order.push(n)));
    await clock.advanceAsync(0);
    expect([sent().length, limiter.stats().inFlight]).toEqual([1, 1]);
    for (let i = 0; i < 5; i++) {
      driver.pending.forEach((batch) => batch.answer());
      await clock.advanceAsync(0);
    }
    await Promise.all([...calls, ...more]);
    expect(order).toEqual([1, 2, 3, 4, 5]);
    expect(sent().map((command) => command.lease)).toEqual([3, 5]);
    expect(limiter.stats().spent).toBe(5);
  });

  it("lets nobody overtake a caller who waits for more", async () => {
    const bed = bench({}, { answer: "hand" });
    const answer = async (): Promise<void> => {
      bed.driver.pending.forEach((batch) => batch.answer());
      await bed.clock.advanceAsync(0);
    };
    const order: string[] = [];
    void bed.check(50).then(() => order.push("large"));
    await bed.clock.advanceAsync(0);
    void bed.check(1).then(() => order.push("small"));
    await answer();
    await answer();
    expect(order).toEqual(["large", "small"]);
  });

  it("lets nobody take units past a caller who waits for more than there are", async () => {
    const bed = bench();
    await hold(bed);
    const { held } = bed.limiter.stats();
    const order: string[] = [];
    const large = bed.check(held + 30).then(() => order.push("large"));
    expect(bed.limiter.check("k", 1)).toBeInstanceOf(Promise);
    const small = bed.check(1).then(() => order.push("small"));
    await Promise.all([large, small]);
    expect(order).toEqual(["large", "small"]);
  });

  it("counts every unit once, wherever it was spent from, and says what is left", async () => {
    const bed = bench();
    await hold(bed);
    let { spent, held } = bed.limiter.stats();
    for (let call = 0; call < 300; call++) {
      const cost = 1 + (call % 3);
      const decision = await bed.check(cost);
      expect(decision).toMatchObject({ allowed: true, limit: 1000, remaining: expect.any(Number) as number });
      spent += cost;
      if (call % 7 === 0) {
        held = bed.limiter.stats().held;
        expect(decision.remaining).toBeGreaterThanOrEqual(held);
        expect(bed.limiter.stats().spent).toBe(spent);
        identity(bed.limiter);
      }
      if (call % 5 === 0) await bed.clock.advanceAsync(3);
    }
    await bed.limiter.close();
    const { granted, returned } = bed.limiter.stats();
    expect([bed.limiter.stats().held, granted - returned]).toEqual([0, spent]);
  });

  it("calls a key in the store by the name it is given, which it asks for once while it remembers the key", async () => {
    const asked: string[] = [];
    const bed = bench({ name: (key) => (asked.push(key), `rl:${key}`) });
    await hold(bed);
    expect(asked).toEqual(["k"]);
    expect(new Set(bed.driver.batches.flatMap(({ operations }) => operations.map(({ key }) => key)))).toEqual(new Set(["rl:k"]));
    await bed.check(0);
    expect(last(bed.driver.batches).operations[0]?.key).toBe("rl:k");
    for (const key of ["a", "b", "a"]) await bed.check(1, key);
    expect(asked).toEqual(["k", "a", "b"]);
  });

  it("has at most one request on its way, however low it runs", async () => {
    const bed = bench();
    await hold(bed);
    const { run } = bed.driver;
    bed.driver.run = () => new Promise(() => {});
    const before = bed.limiter.stats().roundTrips;
    for (let left = bed.limiter.stats().held; left > 0; left--) expect(bed.limiter.check("k")).toMatchObject({ allowed: true });
    expect([bed.limiter.stats().inFlight, bed.limiter.stats().roundTrips]).toEqual([1, before + 1]);
    bed.driver.run = run;
  });

  it("leases a large cost once, and what is lacking to one", async () => {
    const bed = bench();
    expect(await bed.check(200)).toMatchObject({ allowed: true });
    expect(bed.sent()[0]).toMatchObject({ least: 200 });
    await hold(bed);
    const { held } = bed.limiter.stats();
    const before = bed.sent().length;
    await bed.check(held + 30);
    expect(bed.sent()[before]).toMatchObject({ least: 30 });
    identity(bed.limiter);
  });

  it("refuses with the store's word, remembers it for costs as high, and asks again for lower ones", async () => {
    const { clock, limiter, check, sent } = bench({ limit: { ...WINDOW, max: 10 } });
    await check(8);
    await clock.advanceAsync(50);
    expect(await check(3)).toMatchObject({ allowed: false, remaining: 2, retryAfterMs: 9950, source: "store" });
    const asked = sent().length;
    clock.advance(100);
    for (const cost of [3, 4]) expect(limiter.check("k", cost)).toMatchObject({ allowed: false, source: "lease", retryAfterMs: 9850 });
    expect(sent()).toHaveLength(asked);
    expect(await check(2)).toMatchObject({ allowed: true });
    clock.advance(150);
    expect(await check(3)).toMatchObject({ allowed: false, source: "store" });
    expect(await check(11)).toMatchObject({ allowed: false });
    expect(limiter.stats().deniedCached).toBeGreaterThanOrEqual(2);
    identity(limiter);
  });

  it("says never for a cost above the limit", async () => {
    expect(await bench({ limit: { ...WINDOW, max: 10 } }).check(11)).toMatchObject({ allowed: false, retryAfterMs: null });
  });

  it("peeks without charging", async () => {
    const { limiter, check } = bench();
    expect(await check(0)).toMatchObject({ allowed: true, remaining: 1000, source: "store" });
    await check(100);
    expect(await check(0)).toMatchObject({ allowed: true, remaining: 900 });
    expect(limiter.stats().spent).toBe(100);
  });

  it.each([[-1], [1.5], [Number.NaN], [2 ** 31]])("refuses a cost of %s before anything is asked", (cost) => {
    const { limiter, sent } = bench();
    expect(() => limiter.check("k", cost)).toThrow("cost must be");
    expect(sent()).toHaveLength(0);
  });

  it("drops a waiting caller who aborts, and keeps what comes for the others", async () => {
    const { clock, driver, check, limiter } = bench({}, { answer: "hand" });
    const controller = new AbortController();
    const left = check(1, "k", controller.signal);
    const stays = check();
    await clock.advanceAsync(0);
    controller.abort("gone");
    await expect(left).rejects.toBe("gone");
    await expect(check(1, "k", controller.signal)).rejects.toBe("gone");
    driver.pending[0]!.answer();
    expect(await stays).toMatchObject({ allowed: true });
    expect(limiter.stats().spent).toBe(1);
    identity(limiter);
  });
});

describe("leased limiter: demand", () => {
  it("doubles at most what was spent to the end, refills in the background with a quarter left, one request at a time", async () => {
    const bed = bench({ limit: { ...WINDOW, max: 100_000 } });
    await bed.warm(10, 200);
    const wants = bed.sent().map((command) => command.lease);
    expect(wants[0]).toBe(10);
    for (const [i, want] of wants.entries()) if (i > 0) expect(want).toBeLessThanOrEqual(Math.max(10, 2 * Math.max(...wants.slice(0, i))));
    // 10 per ms for 20 ms.
    expect(last(wants)).toBeGreaterThan(150);
    expect(last(wants)).toBeLessThanOrEqual(220);
    // In the steady state nobody waits: the background is ahead.
    const promises = Array.from({ length: 10 }, () => bed.limiter.check("k")).filter((decision) => decision instanceof Promise);
    expect(promises).toHaveLength(0);
    identity(bed.limiter);
  });

  it("does not refill ahead for a trickle", async () => {
    const { clock, check, sent, limiter } = bench();
    for (let i = 0; i < 20; i++) {
      await check();
      await clock.advanceAsync(100);
    }
    expect(sent()).toHaveLength(20);
    expect(limiter.stats()).toMatchObject({ granted: 20, spent: 20, returned: 0 });
  });

  it("starts again with one unit after eight idle targets, and respects maxTokens", async () => {
    const bed = bench({ lease: { maxTokens: 30 } });
    await bed.warm(5, 100);
    expect(Math.max(...bed.sent().map((command) => command.lease))).toBe(30);
    await bed.clock.advanceAsync(161);
    const before = bed.sent().length;
    await bed.check();
    expect(bed.sent()[before]).toMatchObject({ lease: 1 });
  });
});

describe("leased limiter: lifetimes and returns", () => {
  it("leases of a fixed window only what its end leaves time for", async () => {
    const bed = bench({ limit: { ...WINDOW, max: 1_000_000 } });
    const sizes = async (forMs: number): Promise<number[]> => {
      const from = bed.sent().length;
      await bed.warm(5, forMs);
      return bed.sent().slice(from).flatMap(({ lease, waiting }) => (lease > (waiting as unknown as number) ? [lease] : []));
    };
    expect(Math.max(...await sizes(9990))).toBeGreaterThan(80);
    expect(Math.max(0, ...await sizes(8))).toBeLessThanOrEqual(50);
    await bed.limiter.close();
    expect(bed.limiter.stats().expired).toBeLessThanOrEqual(50);
  });

  it("asks for what will surely be spent of a rolling window as callers would who wait", async () => {
    const bed = bench({ limit: { algorithm: "sliding-window", max: 16_000, windowMs: 16_000 } });
    await bed.warm(20, 300);
    const { lease, waiting } = last(bed.sent().filter((command) => "lease" in command)) as { lease: number; waiting: number };
    expect(lease).toBeGreaterThan(200);
    expect(waiting).toBe(lease);
    const fixed = bench({ limit: { ...WINDOW, max: 1_000_000 } });
    await fixed.warm(20, 300);
    expect((last(fixed.sent().filter((command) => "lease" in command)) as { waiting: number }).waiting).toBeLessThan(20);
  });

  it("gives back what is idle for a target, forgets it first, and leaves no timer", async () => {
    const bed = bench({}, { answer: "async" });
    await hold(bed);
    const { held, returned } = bed.limiter.stats();
    const sentBefore = bed.sent().length;
    await bed.clock.advanceAsync(25);
    const refund = bed.sent().slice(sentBefore).filter((command) => command.refund !== undefined);
    expect(refund.reduce((sum, command) => sum + (command.cost ?? 0), 0)).toBe(held);
    expect(bed.limiter.stats()).toMatchObject({ held: 0, returned: returned + held, expired: 0 });
    await bed.clock.advanceAsync(200);
    expect(bed.clock.pendingTimers).toBe(0);
    // The store has everything back that was not spent.
    expect((await bed.check(0)).remaining).toBe(1000 - bed.limiter.stats().spent);
  });

  it("spends nothing after the lifetime, measured from before sending with drift and guard", async () => {
    for (const [late, alive] of [[0, true], [0.35, false]] as const) {
      const bed = bench({ limit: BUCKET, lease: { returnUnspent: false } }, { answer: "hand" });
      void bed.check(10);
      await bed.clock.advanceAsync(0);
      // 10 ms on the way; the reply carries far more than the one caller needs.
      await bed.clock.advanceAsync(10);
      const [batch] = bed.driver.pending as [ScriptedBatch];
      const [[grant]] = batch.apply() as [[object]];
      batch.resolve([[{ ...grant, granted: 50 }]]);
      await bed.clock.advanceAsync(0);
      // 80 * (1 - 0.001) - 1 = 78.92 ms after it was sent.
      bed.clock.advance(68.6 + late);
      const decision = bed.limiter.check("k");
      expect(decision instanceof Promise).toBe(!alive);
      expect(bed.limiter.stats().expired).toBe(alive ? 0 : 40);
      identity(bed.limiter);
    }
  });

  it("ends a lease when wall and monotonic clock disagree, in either direction", async () => {
    for (const step of [-60, 60]) {
      const bed = bench();
      await hold(bed);
      const { held } = bed.limiter.stats();
      bed.clock.step(5);
      expect(bed.limiter.check("k")).not.toBeInstanceOf(Promise);
      bed.clock.step(step);
      expect(bed.limiter.check("k")).toBeInstanceOf(Promise);
      expect(bed.limiter.stats().expired).toBe(held - 1);
    }
  });

  it("gives back a charge without a lease whose caller has gone", async () => {
    const { clock, driver, check, sent } = bench({ limit: { algorithm: "sliding-window", max: 1000, windowMs: 1000 } }, { answer: "hand" });
    const call = check();
    for (let i = 0; i < 5; i++) {
      await clock.advanceAsync(20);
      driver.pending.forEach((batch) => batch.answer());
      await clock.advanceAsync(0);
    }
    expect((await call).ticket).toBeUndefined();
    const caller = new AbortController();
    const gone = expect(check(7, "k", caller.signal)).rejects.toBe("gone");
    await clock.advanceAsync(0);
    expect(last(sent())).toMatchObject({ cost: 7 });
    caller.abort("gone");
    await gone;
    driver.pending.forEach((batch) => batch.answer());
    await clock.advanceAsync(0);
    expect(last(sent())).toMatchObject({ refund: { need: 7 } });
    driver.pending.forEach((batch) => batch.answer());
    const left = check(0);
    await clock.advanceAsync(0);
    driver.pending.forEach((batch) => batch.answer());
    expect(await left).toMatchObject({ remaining: 999 });
  });

  it("gives back units that came too late, tries again, and then charges without a lease for a while", async () => {
    const { clock, driver, check, limiter, sent } = bench({ limit: { algorithm: "sliding-window", max: 1000, windowMs: 1000 } }, { answer: "hand" });
    const call = check();
    for (let i = 0; i < 3; i++) {
      await clock.advanceAsync(20);
      driver.pending.forEach((batch) => batch.answer());
      await clock.advanceAsync(0);
    }
    const deliver = async (): Promise<void> => {
      await clock.advanceAsync(20);
      driver.pending.forEach((batch) => batch.answer());
      await clock.advanceAsync(0);
    };
    await deliver();
    await deliver();
    expect(await call).toMatchObject({ allowed: true, degraded: false, source: "store", limit: 1000, remaining: 999 });
    expect(sent().filter((command) => command.refund !== undefined)).toHaveLength(3);
    expect(limiter.stats()).toMatchObject({ granted: 3, returned: 3, spent: 0 });
    // The next callers do not wait for a lease first.
    const asked = sent().filter((command) => "lease" in command).length;
    const next = [check(), check()];
    await deliver();
    expect((await Promise.all(next)).map(({ allowed, source }) => [allowed, source])).toEqual([[true, "store"], [true, "store"]]);
    expect(sent().filter((command) => "lease" in command)).toHaveLength(asked);
    // Later one of them tries again.
    await clock.advanceAsync(160);
    void check();
    await clock.advanceAsync(0);
    expect(sent().filter((command) => "lease" in command)).toHaveLength(asked + 1);
  });

  it("refunds what a request brings that was given up", async () => {
    const { clock, driver, check, limiter } = bench({}, { answer: "hand" });
    const call = expect(check()).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await clock.advanceAsync(1000);
    await call;
    driver.batches[0]!.answer();
    await clock.advanceAsync(0);
    driver.pending.forEach((batch) => batch.answer());
    await clock.advanceAsync(0);
    expect(limiter.stats()).toMatchObject({ granted: 1, returned: 1, spent: 0 });
  });

  it("gives everything back on close, once, also what is on its way, and refuses new work", async () => {
    const bed = bench({}, { answer: "hand" });
    const pump = async (): Promise<void> => {
      bed.driver.pending.forEach((batch) => batch.answer());
      await bed.clock.advanceAsync(0);
    };
    void bed.check(5, "a");
    await bed.clock.advanceAsync(0);
    const [batch] = bed.driver.pending as [ScriptedBatch];
    const [[grant]] = batch.apply() as [[object]];
    batch.resolve([[{ ...grant, granted: 12 }]]);
    await bed.clock.advanceAsync(0);
    const waiting = expect(bed.check(1, "b")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await bed.clock.advanceAsync(0);
    const closing = bed.limiter.close();
    expect(bed.limiter.close()).toBe(closing);
    await waiting;
    await expect(bed.check()).rejects.toMatchObject({ code: "STORE_CLOSED" });
    for (let i = 0; i < 4; i++) await pump();
    await closing;
    expect(bed.limiter.stats()).toMatchObject({ granted: 13, spent: 5, returned: 8, held: 0, inFlight: 0 });
    expect(bed.clock.pendingTimers).toBe(0);
    await bed.limiter[Symbol.asyncDispose]();
  });

  it("gives back the leases of the oldest key when there are too many", async () => {
    const { check, limiter } = bench({ maxKeys: 3 });
    for (let i = 0; i < 10; i++) expect(await check(1, `k${i}`)).toMatchObject({ allowed: true });
    expect((limiter as unknown as { keys: Map<string, unknown> }).keys.size).toBe(3);
    identity(limiter);
  });
});

describe("leased limiter: a store that fails", () => {
  const boom = new StoreError("STORE_UNAVAILABLE", "boom");

  async function outage(options: Partial<LeasedLimiterOptions>): Promise<Bench> {
    const bed = bench(options);
    await hold(bed);
    bed.driver.run = () => Promise.reject(boom);
    return bed;
  }

  it("spends what it holds to the end, then throws, admits, or decides alone", async () => {
    for (const failMode of ["closed", "open", "local"] as const) {
      const bed = await outage({ failMode, instances: 4 });
      const { held } = bed.limiter.stats();
      for (let i = 0; i < held; i++) expect(await bed.check()).toMatchObject({ allowed: true, source: "lease", degraded: false });
      if (failMode === "closed") await expect(bed.check()).rejects.toBe(boom);
      else expect(await bed.check()).toMatchObject({ allowed: true, source: "local", degraded: true });
      expect(bed.limiter.stats().degraded).toBe(failMode === "closed" ? 0 : 1);
      identity(bed.limiter);
    }
  });

  it("admits its part of the limit alone, from what was left when the store was last heard, and obeys the store again", async () => {
    const clock = manualClock();
    const driver = scriptedDriver({ clock, answer: "async" });
    const { run } = driver;
    const limiter = createLeasedLimiter({ driver, limit: { ...WINDOW, max: 100 }, clock, failMode: "local", instances: 4 });
    const count = async (calls: number, key: string): Promise<number> => {
      let allowed = 0;
      for (let i = 0; i < calls; i++) if ((await limiter.check(key)).allowed) allowed++;
      return allowed;
    };
    await limiter.check("known", 90);
    driver.run = () => Promise.reject(boom);
    expect(await count(60, "unknown")).toBe(25);
    expect(await count(60, "known")).toBe(10);
    driver.run = run;
    await clock.advanceAsync(300);
    expect(await limiter.check("unknown")).toMatchObject({ source: "lease", allowed: true });
    driver.run = () => Promise.reject(boom);
    expect(await count(60, "unknown")).toBe(25);
  });

  it("takes a smaller part where its driver has seen more holders, and goes on with the part that a count began with", async () => {
    const clock = manualClock();
    const driver: ScriptedDriver & { holders?: number } = scriptedDriver({ clock, answer: "async" });
    const limiter = createLeasedLimiter({ driver, limit: { ...WINDOW, max: 100 }, clock, failMode: "local", instances: 2 });
    const count = async (calls: number, key: string): Promise<number> => {
      let allowed = 0;
      for (let i = 0; i < calls; i++) if ((await limiter.check(key)).allowed) allowed++;
      return allowed;
    };
    driver.run = () => Promise.reject(boom);
    expect(await count(10, "few")).toBe(10);
    driver.holders = 8;
    expect(await count(60, "many")).toBe(13);
    expect(await count(60, "few")).toBe(40);
    driver.holders = 1;
    expect(await count(60, "at least as configured")).toBe(50);
    await clock.advanceAsync(10_000);
    driver.holders = 8;
    expect(await count(60, "few")).toBe(13);
  });

  it("takes a malformed grant for a failure", async () => {
    const { clock, driver, check, limiter } = bench({}, { answer: "hand" });
    const call = expect(check()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    await clock.advanceAsync(0);
    driver.pending[0]!.resolve([["garbage"]]);
    await call;
    expect(limiter.stats()).toMatchObject({ granted: 0, inFlight: 0 });
  });

  it("bounds those who wait", async () => {
    const { clock, driver, check } = bench({ maxWaiting: 2 }, { answer: "hand" });
    const calls = [check(), check()];
    await expect(check()).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    await clock.advanceAsync(0);
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    driver.pending[0]?.answer();
    await Promise.all(calls);
  });

  it("carries on through a guard that suspends the store, at no cost for the store", async () => {
    const clock = manualClock();
    const driver = scriptedDriver({ clock, answer: "async" });
    let asked = 0;
    driver.run = () => (asked++, Promise.reject(boom));
    const { guard } = await import("../guard.ts");
    const combiner = createCombiner(driver, { clock, guard: guard(driver, { clock }) });
    const limiter = createLeasedLimiter({ driver, combiner, limit: WINDOW, clock, instances: 100 });
    for (let i = 0; i < 100; i++) expect(await limiter.check("k")).toMatchObject({ degraded: true, source: "local", allowed: i < 10 });
    expect(asked).toBe(5);
  });
});

describe("leased limiter: a store that lost its records", () => {
  it("ends every lease when the run id changes, spends nothing for a lifetime, and says so once", async () => {
    const bed = bench();
    bed.driver.runId = "one";
    await hold(bed);
    const events: LeaseEvent[] = [];
    bed.limiter.events.on((event) => events.push(event));
    const { held, spent } = bed.limiter.stats();
    bed.driver.runId = "two";
    bed.driver.flush();
    expect(await bed.check(1, "other")).toMatchObject({ allowed: false, degraded: true, retryAfterMs: 80 });
    expect(bed.limiter.stats()).toMatchObject({ expired: held, spent, held: 0, epochChanges: 1 });
    expect(await bed.check()).toMatchObject({ allowed: false, degraded: true });
    expect(events).toEqual([{ type: "lease.epoch", store: "scripted", scope: "store" }]);
    await bed.clock.advanceAsync(80);
    expect(await bed.check()).toMatchObject({ allowed: true });
    identity(bed.limiter);
  });

  it("notices the loss of one record by its era", async () => {
    const bed = bench();
    await hold(bed);
    const events: LeaseEvent[] = [];
    bed.limiter.events.on((event) => events.push(event));
    bed.clock.advance(3);
    bed.driver.flush();
    const { held } = bed.limiter.stats();
    expect(await bed.check(held + 1)).toMatchObject({ allowed: false, degraded: true });
    expect(events).toEqual([{ type: "lease.epoch", store: "scripted", scope: "key" }]);
    expect(await bed.check(1, "other")).toMatchObject({ allowed: true });
    await bed.clock.advanceAsync(80);
    expect(await bed.check()).toMatchObject({ allowed: true });
    identity(bed.limiter);
  });
});

describe("leased limiter: what cannot be leased", () => {
  const make = (limit: unknown, capabilities = {}, options = {}): LeasedLimiter => createLeasedLimiter({
    driver: scriptedDriver({ name: "kv", capabilities }), limit: limit as LimitPolicy, ...options,
  });

  it.each([["sliding-log"], ["cursor"]])("%s", (algorithm) => {
    expect(() => make({ algorithm, max: 10, windowMs: 5000 })).toThrow(algorithm);
  });

  it("windows under a second", () => {
    for (const algorithm of ["fixed-window", "sliding-window"]) expect(() => make({ algorithm, max: 10, windowMs: 999 })).toThrow("999 ms");
    make({ algorithm: "sliding-window", max: 10, windowMs: 1000 });
  });

  it.each([["shared", { shared: false }], ["atomic", { atomic: false }], ["exact", { approximate: "one write per second" }]])("a store that is not %s", (word, capabilities) => {
    expect(() => make(WINDOW, capabilities)).toThrow(expect.objectContaining({ code: "STORE_CAPABILITY", message: expect.stringMatching(`kv is not ${word}`) }));
  });

  it("a bucket without room for its largest cost, naming the least burst that works", () => {
    const bucket = { algorithm: "token-bucket", capacity: 80, max: 1000, windowMs: 1000 };
    expect(() => make(bucket)).toThrow("at least 81");
    make({ ...bucket, capacity: 81 });
    expect(() => make({ ...bucket, capacity: 84 }, {}, { maxCost: 5 })).toThrow("at least 85");
    make({ ...bucket, capacity: 85 }, {}, { maxCost: 5 });
  });

  it("a lifetime shorter than the guard", () => {
    expect(() => make({ algorithm: "sliding-window", max: 10, windowMs: 1000 }, {}, { lease: { guardMs: 25 } })).toThrow("lease.guardMs");
  });
});

describe("leased limiter: parts of a unit, and looking", () => {
  it("asks once for a part of a unit that the store refuses, and does not ask again before the refusal is over", async () => {
    const bed = bench({ limit: { algorithm: "token-bucket", capacity: 10, max: 10, windowMs: 10_000 } }, { answer: "hand" });
    const check = async (): Promise<LeasedDecision> => {
      const decision = bed.check(0.5);
      for (let turn = 0; turn < 4; turn++) {
        bed.driver.pending.forEach((batch) => batch.answer());
        await bed.clock.advanceAsync(0);
      }
      return decision;
    };
    let decision = await check();
    while (decision.allowed) decision = await check();
    expect(bed.limiter.stats().spent).toBe(9);
    const { roundTrips } = bed.limiter.stats();
    expect(decision.retryAfterMs).toBeGreaterThan(0);
    expect(bed.limiter.check("k", 0.5)).toMatchObject({ allowed: false, source: "lease" });
    expect(bed.limiter.stats().roundTrips).toBe(roundTrips);
  });

  it("looks in the store where nothing is held, however often somebody looks", async () => {
    const bed = bench();
    await bed.check(1);
    for (let looked = 0; looked < 30; looked++) {
      await bed.clock.advanceAsync(500);
      const decision = await bed.check(0);
      expect(decision).toMatchObject({ allowed: true, source: "store", remaining: looked < 19 ? 999 : 1000 });
    }
    expect(bed.clock.pendingTimers).toBe(0);
  });

  it.each([
    ["local", { allowed: true, remaining: 1000, source: "local", degraded: true }],
    ["open", { allowed: true, source: "local", degraded: true }],
  ] as const)("a look meets the fail mode %s when the store fails", async (failMode, expected) => {
    const bed = bench({ failMode }, { answer: "hand" });
    const look = bed.check(0);
    bed.driver.pending[0]?.reject(new StoreError("STORE_UNAVAILABLE", "down"));
    await bed.clock.advanceAsync(0);
    bed.driver.pending[0]?.reject(new StoreError("STORE_UNAVAILABLE", "down"));
    expect(await look).toMatchObject(expected);
  });

  it("a look ends when its caller leaves", async () => {
    const bed = bench({}, { answer: "hand" });
    const controller = new AbortController();
    const look = bed.check(0, "k", controller.signal);
    controller.abort(new Error("gone"));
    await expect(look).rejects.toThrow("gone");
  });
});
