import { describe, expect, it } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import { memoryAdapter } from "./adapter.ts";
import { createMemoryCacheStore } from "./cache-store.ts";
import { InMemoryCircuitBreakerStore } from "./in-memory-circuit-breaker-store.ts";
import { InMemoryRateLimitStore } from "./in-memory-rate-limit-store.ts";

describe("memoryAdapter", () => {
  it("has every member, one object each, without timers", async () => {
    const clock = manualClock();
    const adapter = memoryAdapter({ clock });
    for (const name of ["rateLimitStore", "circuitBreakerStore", "cacheStore", "store", "pubsub"] as const) expect(adapter[name]).toBe(adapter[name]);
    await adapter.store.set("k", 1);
    expect((await adapter.rateLimitStore.increment("k", 60)).count).toBe(1);
    expect((await adapter.circuitBreakerStore.getState("k")).state).toBe("closed");
    expect(adapter.waitUntil).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    expect({ ...adapter }.store).toBe(adapter.store);
    await adapter.close();
    await adapter.close();
  });

  it("closes what it made, also what is first read afterwards, and not a cache of the user's", async () => {
    const cache = createMemoryCacheStore();
    const adapter = memoryAdapter({ cache });
    const { store, rateLimitStore } = adapter;
    expect(adapter.cacheStore).toBe(cache);
    await adapter[Symbol.asyncDispose]();
    await expect(store.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await expect(rateLimitStore.increment("k", 60)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await expect(adapter.circuitBreakerStore.getState("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(cache.get("k")).toBeUndefined();
  });

  it("gives limiters that share a bucket when policy and prefix are the same", async () => {
    const adapter = memoryAdapter();
    const policy = { capacity: 10, tokensPerSecond: 0.001 };
    const remaining = async (p: Parameters<typeof adapter.rateLimiter>[0]): Promise<number> => (await adapter.rateLimiter(p).consume("k", 1)).remaining;
    expect([await remaining(policy), await remaining({ ...policy }), await remaining({ ...policy, prefix: "a" }), await remaining({ ...policy, tokensPerSecond: 0.002 }), await remaining({ ...policy, capacity: 20 })]).toEqual([9, 8, 9, 9, 19]);
    await adapter.close();
    await expect(adapter.rateLimiter(policy).consume("k", 1)).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });

  it("passes waitUntil on and refuses bad bounds at once", () => {
    const waitUntil = (): void => undefined;
    expect(memoryAdapter({ waitUntil }).waitUntil).toBe(waitUntil);
    expect(() => memoryAdapter({ maxKeys: 0 })).toThrow("maxKeys must be an integer from 1 to 16777216, got 0");
  });
});

describe("the in-memory classes", () => {
  it("give promises where code written for such stores calls then, and decisions at once", async () => {
    const limits = new InMemoryRateLimitStore();
    expect(await limits.increment("k", 60).then(({ count }) => count)).toBe(1);
    await expect(limits.increment("k", -1)).rejects.toThrow(RangeError);
    expect(limits.check("k", { algorithm: "fixed-window", max: 5, windowMs: 60_000 }, 1).remaining).toBe(3);
    limits.destroy();
    limits.destroy();
    expect(() => limits.check("k", { algorithm: "fixed-window", max: 5, windowMs: 1000 }, 1)).toThrowError(expect.objectContaining({ code: "STORE_CLOSED" }));
    const circuits = new InMemoryCircuitBreakerStore();
    expect(await circuits.recordFailure("k").then(({ failureCount }) => failureCount)).toBe(1);
    circuits.destroy();
    await expect(circuits.getState("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });
});
