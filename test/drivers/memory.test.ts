import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import {
  InMemoryCacheStore, InMemoryCircuitBreakerStore, InMemoryRateLimitStore, memoryDriver, memoryPubSub, memoryRateLimiter, memoryStore, type MemoryPubSub,
} from "../../src/memory.ts";
import { circuitBreakerStoreOn, keyValueStoreOn, rateLimitStoreOn, rateLimiterOn, value } from "../../src/state.ts";
import {
  assertConformance, manualClock, verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyPubSubContract, verifyRateLimitStoreContract,
  verifyRateLimiterContract, verifyStoreContract, type ContractOptions, type ContractReport,
} from "../../src/testing.ts";

/** Nothing is skipped silently: what a suite may skip on memory is written here. */
function conforms(report: ContractReport, allowed: readonly string[] = []): void {
  assertConformance(report);
  const reasons = report.skipped.map(({ rule, reason }) => `${rule}: ${reason}`);
  expect(reasons.filter((reason) => !allowed.some((words) => reason.includes(words)))).toEqual([]);
}

const clocks: [name: string, make: () => { clock: Clock; options: ContractOptions; allowed: string[] }][] = [
  ["a clock driven by hand", () => {
    const clock = manualClock();
    return { clock, options: { clock }, allowed: [] };
  }],
  ["the machine's clock", () => ({ clock: systemClock, options: { ttlMs: 40 }, allowed: ["driven by hand", "wall time can be set"] })],
];

describe.each(clocks)("memory on %s", (_, make) => {
  it("keeps the key-value contract", async () => {
    const { clock, options, allowed } = make();
    const driver = memoryDriver({ clock });
    conforms(await verifyStoreContract(() => keyValueStoreOn(driver), {
      ...options,
      shared: true,
      foreign: (key, text) => void driver.runSync(value, key, { type: "set", text }),
      prefixed: (keyPrefix) => keyValueStoreOn(driver, { keyPrefix }),
      bounded: (maxEntries) => memoryStore({ maxEntries, clock }),
    }), allowed);
    conforms(await verifyStoreContract(() => memoryStore({ clock }), options), [...allowed, "the store shares nothing", "option foreign", "option prefixed", "option bounded"]);
  });

  it("keeps the rate limit contract", async () => {
    const { clock, options, allowed } = make();
    const driver = memoryDriver({ clock });
    const bounded = (maxKeys: number): InMemoryRateLimitStore => new InMemoryRateLimitStore({ clock, maxKeys });
    conforms(await verifyRateLimitStoreContract(() => rateLimitStoreOn(driver), { ...options, shared: true, bounded }), allowed);
    conforms(await verifyRateLimitStoreContract(() => new InMemoryRateLimitStore({ clock }), { ...options, bounded }), [...allowed, "the store shares nothing"]);
  });

  it("keeps the rate limiter contract", async () => {
    const { clock, options, allowed } = make();
    const driver = memoryDriver({ clock });
    conforms(await verifyRateLimiterContract((policy) => rateLimiterOn(driver, policy), {
      ...options,
      shared: true,
      bounded: (policy, maxKeys) => memoryRateLimiter(policy, { clock, maxKeys }),
    }), allowed);
    conforms(await verifyRateLimiterContract((policy) => memoryRateLimiter(policy, { clock }), options), [...allowed, "option bounded"]);
  });

  it("keeps the circuit breaker contract", async () => {
    const { clock, options, allowed } = make();
    const driver = memoryDriver({ clock });
    conforms(await verifyCircuitBreakerStoreContract(() => circuitBreakerStoreOn(driver), { ...options, shared: true }), [...allowed, "no destroy"]);
    conforms(await verifyCircuitBreakerStoreContract(() => new InMemoryCircuitBreakerStore({ clock }), options), [...allowed, "the store shares nothing"]);
  });

  it("keeps the cache contract", async () => {
    const { clock, options, allowed } = make();
    const bounded = (maxEntries: number): InMemoryCacheStore => new InMemoryCacheStore({ clock, maxEntries });
    conforms(await verifyCacheStoreContract(() => new InMemoryCacheStore({ clock }), { ...options, bounded }), [...allowed, "the store shares nothing"]);
  });

  it("keeps the pub/sub contract", async () => {
    const { options, allowed } = make();
    const idle = (pubsub: unknown): boolean => Object.values((pubsub as MemoryPubSub).size).every((count) => count === 0);
    conforms(await verifyPubSubContract(() => memoryPubSub(), { ...options, idle }), [...allowed, "the object shares nothing"]);
  });

  it("keeps the driver contract", async () => {
    const { clock, options, allowed } = make();
    conforms(await verifyDriverContract(() => memoryDriver({ clock }), options), [...allowed, "the driver shares nothing", "has one version"]);
  });
});
