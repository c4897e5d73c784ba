import { describe, expect, it } from "vitest";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { type ManualClock, manualClock } from "../../testing/manual-clock.ts";
import { type ScriptedDriver, scriptedDriver } from "../../testing/scripted-driver.ts";
import { rateLimitStoreContractRules, verifyRateLimitStoreContract } from "../../testing/verify-rate-limit-store.ts";
import { createCombiner } from "../combiner.ts";
import type { LimitPolicy, RateLimitStore } from "../contracts/limits.ts";
import type { StoreLeaseOptions } from "./leased-limits.ts";
import { rateLimitStoreOn } from "./rate-limit-store.ts";
import { rateLimiterOn } from "./rate-limiter.ts";
import { type Stores, createStores } from "./stores.ts";

const MINUTE: LimitPolicy = { algorithm: "fixed-window", max: 1000, windowMs: 60_000 };

function setup(lease: true | StoreLeaseOptions = true): { clock: ManualClock; driver: ScriptedDriver; stores: () => Stores } {
  const clock = manualClock();
  const driver = scriptedDriver({ clock, answer: "async" });
  return { clock, driver, stores: () => createStores(driver, { combiner: { clock }, lease }) };
}

/** Callers at a rate per ms, for a while: how many were admitted. */
async function load(store: RateLimitStore, policy: LimitPolicy, clock: ManualClock, perMs: number, forMs: number): Promise<number> {
  let admitted = 0;
  for (let ms = 0; ms < forMs; ms++) {
    const calls = Array.from({ length: perMs }, async () => {
      if ((await store.check?.("k", policy, 1))?.allowed === true) admitted++;
    });
    await clock.advanceAsync(1);
    await Promise.all(calls);
  }
  return admitted;
}

describe("a leased rate limit store", () => {
  it("admits no more than the limit over two instances, at a few round trips", async () => {
    const { clock, driver, stores } = setup();
    const [a, b] = [stores(), stores()];
    const admitted = await Promise.all([load(a.rateLimitStore, MINUTE, clock, 5, 300), load(b.rateLimitStore, MINUTE, clock, 5, 300)]);
    const sum = (admitted[0] as number) + (admitted[1] as number);
    expect(sum).toBeLessThanOrEqual(1000);
    expect(sum).toBeGreaterThan(950);
    expect(driver.batches.length).toBeLessThan(200);
    await Promise.all([a.close(), b.close()]);
  });

  it.each<LimitPolicy>([
    { algorithm: "sliding-window", max: 20, windowMs: 1000 },
    { algorithm: "token-bucket", capacity: 20, max: 1, windowMs: 60_000 },
  ])("leases a $algorithm", async (policy) => {
    const { clock, driver, stores } = setup();
    const instance = stores();
    expect(await load(instance.rateLimitStore, policy, clock, 1, 100)).toBeLessThanOrEqual(20);
    expect(driver.batches.flatMap(({ commands }) => commands).some((command) => "lease" in (command as object))).toBe(true);
    await instance.close();
  });

  it("gives back what it holds before its combiner ends", async () => {
    const { clock, driver, stores } = setup({ targetMs: 1000 });
    const instance = stores();
    const spent = await load(instance.rateLimitStore, MINUTE, clock, 2, 120);
    await instance.close();
    const left = await (rateLimitStoreOn(driver).check("k", MINUTE, 0) as Promise<{ remaining: number }>);
    expect(left.remaining).toBe(1000 - spent);
    expect(clock.pendingTimers).toBe(0);
    expect(() => instance.rateLimitStore.check("k", MINUTE, 1)).toThrow(expect.objectContaining({ code: "STORE_CLOSED" }));
  });

  it("asks every time where a lease cannot be: a short window, a small bucket, counts, limits that stand together", async () => {
    const { clock, driver, stores } = setup();
    const { rateLimitStore } = stores();
    await load(rateLimitStore, { algorithm: "fixed-window", max: 10, windowMs: 500 }, clock, 1, 20);
    await load(rateLimitStore, { algorithm: "token-bucket", capacity: 1, max: 1, windowMs: 100 }, clock, 1, 20);
    expect(await rateLimitStore.increment("k", 60)).toMatchObject({ count: 1 });
    expect(await rateLimitStore.checkAll("k", [MINUTE, { ...MINUTE, max: 5 }], 1)).toHaveLength(2);
    expect(driver.batches.flatMap(({ commands }) => commands).some((command) => "lease" in (command as object))).toBe(false);
    expect(await rateLimitStore.checkAll("k", [MINUTE], 1)).toMatchObject([{ allowed: true, source: "lease" }]);
  });

  it("holds a limit whose number changes with every call, leased or not", async () => {
    const { clock, stores } = setup();
    const { rateLimitStore } = stores();
    let admitted = 0;
    for (let call = 0; call < 600; call++) {
      const policy: LimitPolicy = { algorithm: "sliding-window", max: 20 + (call % 300), windowMs: 60_000 };
      if ((await rateLimitStore.check("k", policy, 1)).allowed) admitted++;
      await clock.advanceAsync(1);
    }
    expect(admitted).toBeLessThanOrEqual(319);
  });

  it.each<LimitPolicy>([
    { algorithm: "sliding-window", max: 20, windowMs: 60_000 },
    { algorithm: "token-bucket", capacity: 20, max: 600, windowMs: 60_000 },
    { algorithm: "fixed-window", max: 20, windowMs: 60_000 },
  ])("counts reserve and settle with check under one $algorithm", async (policy) => {
    const { stores } = setup();
    const instance = stores();
    const { rateLimitStore } = instance;
    let admitted = 0;
    for (let call = 0; call < 10; call++) if ((await rateLimitStore.check("k", policy, 1)).allowed) admitted++;
    let last;
    for (let call = 0; call < 30; call++) {
      const decision = await rateLimitStore.reserve("k", policy, 1);
      if (decision.allowed) {
        admitted++;
        last = decision;
      }
    }
    // A leased bucket is smaller by the refill of a lease's lifetime, here 0.8 of a token; what is held but unspent is not admitted.
    expect([policy.algorithm, admitted <= 20, admitted >= 15]).toEqual([policy.algorithm, true, true]);
    await rateLimitStore.settle("k", policy, last?.ticket, 0);
    expect((await rateLimitStore.reserve("k", policy, 1)).allowed).toBe(true);
    expect((await rateLimitStore.reserve("k", policy, 1)).allowed).toBe(false);
    expect(rateLimitStore.leased).toBe(true);
    await instance.close();
  });

  it("charges a bucket that is reserved from no more than its leases may", async () => {
    const { clock, stores } = setup();
    const instance = stores();
    const policy: LimitPolicy = { algorithm: "token-bucket", capacity: 20, max: 6000, windowMs: 60_000 };
    let admitted = 0;
    for (let call = 0; call < 30; call++) if ((await instance.rateLimitStore.reserve("k", policy, 1)).allowed) admitted++;
    // 20 less the refill of 80 ms.
    expect(admitted).toBe(12);
    expect(clock.monotonic()).toBe(0);
    await instance.close();
  });

  it("keeps the rules of every store", async () => {
    const { clock, driver, stores } = setup();
    const skip: Record<string, string> = {};
    for (const rule of rateLimitStoreContractRules) {
      if (rule.startsWith("token-bucket/")) skip[rule] = "the bucket in the store is smaller by the refill of a lease's lifetime";
      if (rule.endsWith("/promise")) skip[rule] = "units that are held when a call is refused may come back sooner";
    }
    const report = await verifyRateLimitStoreContract(() => stores().rateLimitStore, { clock, shared: true, skip });
    expect(report.violations).toEqual([]);
    expect(driver.batches.length).toBeGreaterThan(0);
  });
});

describe("a leased rate limiter", () => {
  it("spends from leases, and gives back what is left", async () => {
    const { clock, driver, stores } = setup();
    const instance = stores();
    const limiter = instance.rateLimiter({ capacity: 100, tokensPerSecond: 1 });
    const answers = [];
    for (let call = 0; call < 120; call++) {
      answers.push(await limiter.consume("k", 1));
      await clock.advanceAsync(1);
    }
    expect(answers.filter(({ allowed }) => allowed).length).toBeLessThanOrEqual(100);
    expect(answers.at(-1)).toEqual({ allowed: false, remaining: 0, retryAfterMs: expect.any(Number) as number });
    expect(driver.batches.length).toBeLessThan(80);
    await instance.close();
    expect(clock.pendingTimers).toBe(0);
    await expect(limiter.consume("k", 1)).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });

  it("ends its own way to the store after the units went back", async () => {
    const { clock, driver } = setup();
    const combiner = createCombiner(driver, { clock });
    const limiter = rateLimiterOn(driver, { capacity: 1000, tokensPerSecond: 1 }, { run: combiner.run, lease: { clock }, onDispose: () => void combiner.close() });
    for (let ms = 0; ms < 40; ms++) {
      await limiter.consume("k", 1);
      await clock.advanceAsync(1);
    }
    limiter.dispose();
    limiter.dispose();
    await clock.advanceAsync(1);
    expect(driver.batches.at(-1)?.commands).toMatchObject([{ refund: {} }]);
  });
});

describe("what cannot be leased", () => {
  it("is refused at construction, naming the store and what it lacks", () => {
    const driver = memoryDriver();
    const refused = expect.objectContaining({ code: "STORE_CAPABILITY", message: expect.stringMatching(/memory.*shared/) as string });
    expect(() => createStores(driver, { lease: true })).toThrow(refused);
    expect(() => rateLimitStoreOn(driver, { lease: true })).toThrow(refused);
    expect(() => rateLimiterOn(driver, { capacity: 10, tokensPerSecond: 1 }, { lease: true })).toThrow(refused);
    const shared = scriptedDriver();
    expect(() => rateLimitStoreOn(shared, { lease: { divisor: 0 } })).toThrow("lease.divisor");
    expect(() => rateLimitStoreOn(shared, { lease: { maxCost: -1 } })).toThrow("maxCost");
    expect(() => rateLimiterOn(shared, { capacity: 1, tokensPerSecond: 1 }, { lease: true })).toThrow("burst of at least 2");
  });
});
