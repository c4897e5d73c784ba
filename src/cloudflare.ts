/** `sluice/cloudflare`: exact shared state and sockets in Durable Objects, and what KV, the Cache API and the rate limiting binding can give. Web APIs only. */

export { CircuitBreakerDO } from "./drivers/cloudflare/circuit-breaker-do.ts";
export { RateLimiterDO } from "./drivers/cloudflare/rate-limiter-do.ts";
export { StateDO } from "./drivers/cloudflare/state-do.ts";
export { durableObjectDriver } from "./drivers/cloudflare/driver.ts";
export type { DurableObjectDriver, DurableObjectDriverOptions, DurableObjectOptions } from "./drivers/cloudflare/driver.ts";
export { DurableObjectRateLimitStore } from "./drivers/cloudflare/durable-object-rate-limit-store.ts";
export { DurableObjectCircuitBreakerStore } from "./drivers/cloudflare/durable-object-circuit-breaker-store.ts";
export type { DurableObjectCircuitBreakerStoreOptions } from "./drivers/cloudflare/durable-object-circuit-breaker-store.ts";
export { durableObjectRateLimiter, durableObjectStore } from "./drivers/cloudflare/durable-object-store.ts";
export type { DurableObjectRateLimiterOptions, DurableObjectStoreOptions } from "./drivers/cloudflare/durable-object-store.ts";
export type { CacheLike, DurableObjectNamespaceLike, DurableObjectStateLike, DurableObjectStubLike, ExecutionContextLike, KVNamespaceLike, RateLimitBindingLike } from "./drivers/cloudflare/types.ts";
export { cloudflareAdapter } from "./drivers/cloudflare/adapter.ts";
export type { CloudflareAdapter, CloudflareAdapterOptions } from "./drivers/cloudflare/adapter.ts";
export { CacheApiCacheStore } from "./drivers/cloudflare/cache-api-cache-store.ts";
export type { CacheApiCacheStoreOptions } from "./drivers/cloudflare/cache-api-cache-store.ts";
export { KVRateLimitStore } from "./drivers/cloudflare/kv-rate-limit-store.ts";
export type { KVRateLimitStoreOptions } from "./drivers/cloudflare/kv-rate-limit-store.ts";
export { cloudflareKvStore } from "./drivers/cloudflare/kv-store.ts";
export type { CloudflareKvStore, CloudflareKvStoreOptions } from "./drivers/cloudflare/kv-store.ts";
export { rateLimitBinding } from "./drivers/cloudflare/rate-limit-binding.ts";
export type { RateLimitBindingOptions } from "./drivers/cloudflare/rate-limit-binding.ts";
export { createDurableObjectHandler, SocketsDO } from "./runtimes/cloudflare/sockets.ts";
export type { DurableObjectSocketHandler, DurableObjectSocketOptions } from "./runtimes/cloudflare/sockets.ts";
export type { SocketsObjectState } from "./runtimes/cloudflare/sockets-platform.ts";
export { federate, getShardedDoId, getShardedStub, topicToDoName } from "./runtimes/cloudflare/sockets-sharding.ts";
export type { ShardOptions } from "./runtimes/cloudflare/sockets-sharding.ts";
