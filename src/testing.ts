/** `sluice/testing`: contract suites for stores and drivers of one's own, a clock to drive by hand, and failures on demand. No test framework inside. */

export { ConformanceError, assertConformance, describeReport } from "./testing/conformance.ts";
export { failingStore } from "./testing/failing-store.ts";
export type { FailingStoreOptions, Fault, FaultCall, FaultRule, FaultScript } from "./testing/failing-store.ts";
export { manualClock } from "./testing/manual-clock.ts";
export type { ManualClock, ManualClockOptions } from "./testing/manual-clock.ts";
export type { ContractOptions, ContractReport, ContractViolation, DrivenClock } from "./testing/report.ts";
export { scriptedDriver } from "./testing/scripted-driver.ts";
export type { ScriptedBatch, ScriptedDriver, ScriptedDriverOptions } from "./testing/scripted-driver.ts";
export { seededRandom } from "./testing/seeded-random.ts";
export type { SeededRandom } from "./testing/seeded-random.ts";
export { verifyAlgorithm } from "./testing/verify-algorithm.ts";
export type { CommandSource, VerifyAlgorithmOptions } from "./testing/verify-algorithm.ts";
export { cacheStoreContractRules, verifyCacheStoreContract } from "./testing/verify-cache-store.ts";
export type { CacheStoreContractOptions } from "./testing/verify-cache-store.ts";
export { circuitBreakerStoreContractRules, verifyCircuitBreakerStoreContract } from "./testing/verify-circuit-breaker-store.ts";
export type { CircuitBreakerStoreContractOptions } from "./testing/verify-circuit-breaker-store.ts";
export { driverContractAlgorithms, driverContractRules, verifyDriverContract } from "./testing/verify-driver.ts";
export type { DriverContractOptions } from "./testing/verify-driver.ts";
export { pubSubContractRules, verifyPubSubContract } from "./testing/verify-pubsub.ts";
export type { PubSubContractOptions } from "./testing/verify-pubsub.ts";
export { rateLimitStoreContractRules, verifyRateLimitStoreContract } from "./testing/verify-rate-limit-store.ts";
export type { RateLimitStoreContractOptions } from "./testing/verify-rate-limit-store.ts";
export { rateLimiterContractRules, verifyRateLimiterContract } from "./testing/verify-rate-limiter.ts";
export type { RateLimiterContractOptions } from "./testing/verify-rate-limiter.ts";
export { storeContractRules, verifyStoreContract } from "./testing/verify-store.ts";
export type { StoreContractOptions } from "./testing/verify-store.ts";
