/** `sluice/memory`: every store in this process. */

export { memoryAdapter } from "./drivers/memory/adapter.ts";
export type { MemoryAdapter, MemoryAdapterOptions } from "./drivers/memory/adapter.ts";
export { InMemoryCacheStore, createMemoryCacheStore } from "./drivers/memory/cache-store.ts";
export type { MemoryCacheOptions } from "./drivers/memory/cache-store.ts";
export { InMemoryCircuitBreakerStore } from "./drivers/memory/in-memory-circuit-breaker-store.ts";
export type { InMemoryCircuitBreakerStoreOptions } from "./drivers/memory/in-memory-circuit-breaker-store.ts";
export { InMemoryRateLimitStore } from "./drivers/memory/in-memory-rate-limit-store.ts";
export { memoryDriver } from "./drivers/memory/memory-driver.ts";
export type { MemoryDriver, MemoryDriverOptions } from "./drivers/memory/memory-driver.ts";
export { memoryPubSub } from "./drivers/memory/memory-pub-sub.ts";
export type { MemoryPubSub, MemoryPubSubOptions, MessageHandler, PubSubGap } from "./drivers/memory/memory-pub-sub.ts";
export { memoryRateLimiter } from "./drivers/memory/memory-rate-limiter.ts";
export type { MemoryRateLimiterOptions } from "./drivers/memory/memory-rate-limiter.ts";
export { memoryStore } from "./drivers/memory/memory-store.ts";
export type { MemoryStoreOptions } from "./drivers/memory/memory-store.ts";
export type { KeyValueStore } from "./state/stores/key-value-store.ts";
export type { SyncRateLimiter } from "./state/stores/rate-limiter.ts";
