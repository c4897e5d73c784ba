/** The published contract suites, on what this runtime's adapter is made of. */

import { memoryAdapter, memoryDriver, memoryPubSub, memoryRateLimiter, memoryStore } from "sluice/memory";
import { createStores } from "sluice/state";
import {
  manualClock, verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyPubSubContract, verifyRateLimitStoreContract, verifyRateLimiterContract,
  verifyStoreContract, type ContractReport,
} from "sluice/testing";

/** A suite on a backend: its name, and how to run it. */
export type NamedSuite = readonly [name: string, run: () => Promise<ContractReport>];

export interface SuiteResult {
  readonly suite: string;
  readonly passed: number;
  readonly violations: readonly unknown[];
  readonly skipped: readonly { readonly rule: string; readonly reason: string }[];
}

const real = { ttlMs: 60 } as const;

export const memorySuites: readonly NamedSuite[] = [
  ["memory: driver", () => verifyDriverContract(() => memoryDriver(), real)],
  ["memory: key-value", () => verifyStoreContract(() => memoryStore(), real)],
  ["memory: rate limits", () => verifyRateLimitStoreContract(() => memoryAdapter().rateLimitStore, real)],
  ["memory: rate limiter", () => verifyRateLimiterContract((policy) => memoryRateLimiter(policy), { ttlMs: 200 })],
  ["memory: circuit breaker", () => verifyCircuitBreakerStoreContract(() => memoryAdapter().circuitBreakerStore, real)],
  ["memory: cache", () => verifyCacheStoreContract(() => memoryAdapter().cacheStore, real)],
  ["memory: pub/sub", () => verifyPubSubContract(() => memoryPubSub(), real)],
  ["memory, clock by hand: driver", () => ((clock) => verifyDriverContract(() => memoryDriver({ clock }), { clock }))(manualClock())],
  ["memory, clock by hand: key-value", () => ((clock) => verifyStoreContract(() => memoryStore({ clock }), { clock }))(manualClock())],
  ["memory, clock by hand: rate limits", () => ((clock) => verifyRateLimitStoreContract(() => createStores(memoryDriver({ clock })).rateLimitStore, { clock }))(manualClock())],
  ["memory, clock by hand: rate limiter", () => ((clock) => verifyRateLimiterContract((policy) => memoryRateLimiter(policy, { clock }), { clock }))(manualClock())],
];

/** Suites that wait run at once; those whose clock is driven by hand keep the processor, so they come after. */
export async function runSuites(suites: readonly NamedSuite[]): Promise<SuiteResult[]> {
  const result = async ([suite, run]: NamedSuite): Promise<SuiteResult> => {
    const { passed, violations, skipped } = await run();
    return { suite, passed: passed.length, violations, skipped };
  };
  const byHand = ([name]: NamedSuite): boolean => name.includes("by hand");
  const results = await Promise.all(suites.filter((suite) => !byHand(suite)).map(result));
  for (const suite of suites.filter(byHand)) results.push(await result(suite));
  return results;
}
