import { describe, expect, it } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import { verifyCircuitBreakerStoreContract } from "../../testing/verify-circuit-breaker-store.ts";
import { verifyPubSubContract } from "../../testing/verify-pubsub.ts";
import { verifyRateLimitStoreContract } from "../../testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../testing/verify-store.ts";
import { InMemoryCircuitBreakerStore } from "./in-memory-circuit-breaker-store.ts";
import { InMemoryRateLimitStore } from "./in-memory-rate-limit-store.ts";
import { memoryDriver } from "./memory-driver.ts";
import { type MemoryPubSub, memoryPubSub } from "./memory-pub-sub.ts";
import { memoryRateLimiter } from "./memory-rate-limiter.ts";
import { memoryStore } from "./memory-store.ts";
import { value } from "../../state/algorithms/value.ts";
import { keyValueStoreOn } from "../../state/stores/key-value-store.ts";

describe("the published contracts on memory", () => {
  it("key-value store", async () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    const report = await verifyStoreContract(() => keyValueStoreOn(driver), {
      clock,
      foreign: (key, text) => void driver.runSync(value, key, { type: "set", text }),
      prefixed: (keyPrefix) => keyValueStoreOn(driver, { keyPrefix }),
      bounded: (maxEntries) => memoryStore({ maxEntries, clock }),
    });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });

  it("rate limit store", async () => {
    const clock = manualClock();
    const report = await verifyRateLimitStoreContract(() => new InMemoryRateLimitStore({ clock }), { clock, bounded: (maxKeys) => new InMemoryRateLimitStore({ clock, maxKeys }) });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });

  it("rate limiter", async () => {
    const clock = manualClock();
    const report = await verifyRateLimiterContract((policy) => memoryRateLimiter(policy, { clock }), { clock, bounded: (policy, maxKeys) => memoryRateLimiter(policy, { clock, maxKeys }) });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });

  it("circuit breaker store", async () => {
    const clock = manualClock();
    const report = await verifyCircuitBreakerStoreContract(() => new InMemoryCircuitBreakerStore({ clock }), { clock });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });

  it("pub/sub", async () => {
    const clock = manualClock();
    const report = await verifyPubSubContract(() => memoryPubSub(), {
      clock,
      idle: (pubsub) => Object.values((pubsub as MemoryPubSub).size).every((count) => count === 0),
    });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });
});
