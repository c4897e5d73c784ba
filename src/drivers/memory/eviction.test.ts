import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { circuit } from "../../state/algorithms/circuit.ts";
import { circuitPolicy } from "../../state/algorithms/circuit-policy.ts";
import { fixedWindow } from "../../state/algorithms/fixed-window.ts";
import { leaseSet } from "../../state/algorithms/lease-set.ts";
import { tokenBucket } from "../../state/algorithms/token-bucket.ts";
import { defineAlgorithm } from "../../state/define-algorithm.ts";
import { compileLimit } from "../../state/limit-policy.ts";
import type { LimitDecision, LimitPolicy } from "../../state/contracts/limits.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { InMemoryRateLimitStore } from "./in-memory-rate-limit-store.ts";
import { memoryDriver } from "./memory-driver.ts";

const HOUR = 3_600_000;

describe("a full memory driver", () => {
  it("drops the expired first, then what was not used for longest", () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock, maxKeys: 4 });
    const put = (key: string, ttlMs?: number): void => driver.set(key, Uint8Array.of(1), ttlMs);
    put("oldest");
    put("ends", 10);
    put("old");
    put("middle");
    driver.get("oldest");
    clock.advance(10);
    put("fifth");
    expect(["oldest", "old", "middle", "fifth"].filter((key) => driver.get(key) !== undefined)).toEqual(["oldest", "old", "middle", "fifth"]);
    for (const key of ["old", "middle", "fifth"]) driver.get(key);
    put("sixth");
    expect(driver.get("oldest")).toBeUndefined();
    put("seventh");
    expect([driver.get("old"), driver.get("middle")?.length]).toEqual([undefined, 1]);
  });

  it("evicts in the order of a model, on random histories", () => {
    const key = fc.integer({ min: 0, max: 9 }).map(String);
    const event = fc.oneof(
      fc.record({ type: fc.constant("set" as const), key, ttlMs: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 5000 })) }),
      fc.record({ type: fc.constant("get" as const), key }),
      fc.record({ type: fc.constant("delete" as const), key }),
      fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 3000 }) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200, size: "max" }), (events) => {
        const clock = manualClock();
        const driver = memoryDriver({ clock, maxKeys: 5 });
        // Keys in the order of use, with their ends.
        const model = new Map<string, number>();
        const live = (): void => {
          for (const [name, end] of model) if (end <= clock.now()) model.delete(name);
        };
        for (const e of events) {
          live();
          if (e.type === "pass") clock.advance(e.ms);
          else if (e.type === "delete") expect(driver.delete(e.key)).toBe(model.delete(e.key));
          else if (e.type === "get") {
            const end = model.get(e.key);
            expect(driver.get(e.key) !== undefined).toBe(end !== undefined);
            if (end !== undefined && model.delete(e.key)) model.set(e.key, end);
          } else {
            if (!model.delete(e.key) && model.size >= 5) model.delete([...model.keys()][0] as string);
            model.set(e.key, e.ttlMs === undefined ? Infinity : clock.now() + e.ttlMs);
            driver.set(e.key, Uint8Array.of(1), e.ttlMs);
          }
        }
        live();
        expect(driver.size).toBe(model.size);
        for (const name of model.keys()) expect(driver.get(name)).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  it("finds the one key that is free among thousands that are not", () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock, maxKeys: 5000 });
    const charge = (key: string, windowMs: number, max = 1): LimitDecision => driver.runSync(fixedWindow, key, { cost: 1, policy: { max, windowMs } });
    for (let i = 0; i < 5000; i++) charge(`k${i}`, i === 3210 ? 1000 : HOUR);
    clock.advance(1000);
    expect(charge("new", HOUR).allowed).toBe(true);
    expect(charge("new", HOUR).allowed).toBe(false);
    expect(driver.size).toBe(5000);
    // Shared from here on.
    expect([charge("a", HOUR).allowed, charge("b", HOUR).allowed]).toEqual([true, false]);
  });

  it("takes idle buckets for new keys, in order of use, and leaves those that owe", () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock, maxKeys: 2000 });
    const { policy } = compileLimit({ algorithm: "token-bucket", capacity: 2, max: 2, windowMs: HOUR });
    const charge = (key: string): LimitDecision => driver.runSync(tokenBucket, key, { cost: 2, policy });
    for (let i = 0; i < 2000; i++) charge(`k${i}`);
    for (const i of [1500, 700]) driver.runSync(tokenBucket, `k${i}`, { reset: true, policy });
    expect([charge("a").allowed, charge("b").allowed, charge("a").allowed, charge("b").allowed]).toEqual([true, true, false, false]);
    for (let i = 0; i < 2000; i++) if (i !== 1500 && i !== 700) expect(charge(`k${i}`).allowed).toBe(false);
    // The places are taken: one of two more gets the shared one.
    expect([charge("c").allowed, charge("d").allowed]).toEqual([true, false]);
  });

  it("keeps what stops being idle as time goes by", () => {
    const clock = manualClock();
    const wakes = defineAlgorithm<number, "start", number>({
      name: "wakes",
      version: 1,
      maxStateBytes: 8,
      step: (state, _, now) => ({ state: state ?? now, reply: state ?? now, expiresAt: undefined }),
      limiting: (state, now) => now >= state + 1000,
      encode: () => new Uint8Array(0),
      decode: () => 0,
    });
    const driver = memoryDriver({ clock, maxKeys: 3 });
    const first = ["a", "b", "c"].map((key) => driver.runSync(wakes, key, "start"));
    clock.advance(1000);
    expect(() => driver.runSync(wakes, "d", "start")).toThrowError(expect.objectContaining({ code: "STORE_FULL" }));
    expect(["a", "b", "c"].map((key) => driver.runSync(wakes, key, "start"))).toEqual(first);
  });

  it("keeps leases and open circuits, and says that it is full", () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock, maxKeys: 2 });
    const policy = circuitPolicy({ failureThreshold: 1 });
    driver.runSync(leaseSet, "lock", { token: "me", limit: 1, ttlMs: HOUR });
    driver.runSync(circuit, "down", { type: "force", to: "open", policy });
    for (let i = 0; i < 100; i++) {
      expect(() => driver.set(`v${i}`, Uint8Array.of(1))).toThrowError(expect.objectContaining({ code: "STORE_FULL" }));
      expect(() => driver.runSync(leaseSet, `l${i}`, { token: "x", limit: 1, ttlMs: 1000 })).toThrowError(expect.objectContaining({ code: "STORE_FULL" }));
    }
    expect(driver.runSync(leaseSet, "lock", { token: "you", limit: 1, ttlMs: 1000 }).held).toBe(false);
    expect(driver.runSync(circuit, "down", { type: "acquire", policy }).allowed).toBe(false);
  });
});

describe("limits in a full store", () => {
  const kinds: readonly LimitPolicy[] = [
    { algorithm: "fixed-window", max: 5, windowMs: HOUR },
    { algorithm: "sliding-window", max: 5, windowMs: HOUR },
    { algorithm: "sliding-window", max: 50, windowMs: HOUR },
    { algorithm: "token-bucket", capacity: 5, max: 5, windowMs: HOUR },
  ];

  it.each(kinds)("a flood frees nobody who is counted: $algorithm, $max", (policy) => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 100 });
    const max = policy.max;
    for (let i = 0; i < 100; i++) store.check(`k${i}`, policy, max);
    let admitted = 0;
    for (let i = 0; i < 20_000; i++) if (store.check(`flood${i}`, policy, 1).allowed) admitted++;
    expect(admitted).toBe(max);
    for (let i = 0; i < 100; i++) expect(store.check(`k${i}`, policy, 1).allowed).toBe(false);
    expect(store.size).toBe(100);
    // Nobody is locked out for good: what is shared comes back like any limit, and so do the places.
    clock.advance(HOUR * (1 + 1 / 16) + 2);
    for (let i = 0; i < 100; i++) expect(store.check(`late${i}`, policy, max).allowed).toBe(true);
  });

  it("never admits more than one key's worth in any window, whatever the mix of policies", () => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 10 });
    for (let i = 0; i < 10; i++) store.check(`k${i}`, kinds[0] as LimitPolicy, 5);
    const strict: LimitPolicy = { algorithm: "fixed-window", max: 3, windowMs: 60_000 };
    const bursty: LimitPolicy = { algorithm: "token-bucket", capacity: 40, max: 40, windowMs: 1_200_000 };
    const admitted = { strict: 0, bursty: 0 };
    for (let i = 0; i < 400; i++) {
      if (store.check(`s${i}`, strict, 1).allowed) admitted.strict++;
      if (store.check(`b${i}`, bursty, 1).allowed) admitted.bursty++;
    }
    expect(admitted.strict + admitted.bursty).toBeLessThanOrEqual(4);
    expect(admitted.strict).toBeLessThanOrEqual(3);
  });

  it("several windows on one subject are shared as a whole, with a decision for each", () => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 10 });
    const policies: LimitPolicy[] = [{ algorithm: "fixed-window", max: 2, windowMs: 1000 }, { algorithm: "fixed-window", max: 10, windowMs: HOUR }];
    for (let i = 0; i < 10; i++) store.checkAll(`k${i}`, policies, 1);
    const answers = Array.from({ length: 6 }, (_, i) => store.checkAll(`f${i}`, policies, 1));
    expect(answers.map((decisions) => decisions.every(({ allowed }) => allowed))).toEqual([true, true, false, false, false, false]);
    expect(answers.every((decisions) => decisions.length === 2)).toBe(true);
    expect(answers[3]?.[0]).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 1000 });
  });

  it("counting goes on, shared, and refuses nobody itself", async () => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 10 });
    for (let i = 0; i < 10; i++) await store.increment(`k${i}`, 60);
    const counts = [];
    for (let i = 0; i < 4; i++) counts.push((await store.increment(`f${i}`, 60)).count);
    expect(counts).toEqual([1, 2, 3, 4]);
    expect((await store.increment("k0", 60)).count).toBe(2);
  });

  it("more policies than are kept apart still limit", () => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 10 });
    for (let i = 0; i < 10; i++) store.check(`k${i}`, kinds[0] as LimitPolicy, 5);
    let admitted = 0;
    for (let i = 0; i < 3000; i++) if (store.check(`f${i}`, { algorithm: "fixed-window", max: 5, windowMs: 10_000 + (i % 300) }, 1).allowed) admitted++;
    expect(admitted).toBe(5);
  });

  it("a million random keys cost no more than the bound", () => {
    const clock = manualClock();
    const store = new InMemoryRateLimitStore({ clock, maxKeys: 1000 });
    const policy: LimitPolicy = { algorithm: "token-bucket", capacity: 10, max: 10, windowMs: 1000 };
    let random = 1;
    for (let i = 0; i < 1_000_000; i++) {
      random = (random * 48_271) % 2_147_483_647;
      store.check(`key-${random}`, policy, 1);
      if (i % 50 === 0) clock.advance(1);
    }
    expect(store.size).toBeLessThanOrEqual(1000);
  });
});
