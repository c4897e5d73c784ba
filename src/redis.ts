/** `sluice/redis`: every store on Redis, over the client that is there already. */

export { redisAdapter } from "./drivers/redis/adapter.ts";
export type { RedisAdapter, RedisAdapterOptions } from "./drivers/redis/adapter.ts";
export { fromBunRedis, fromIoredis, fromMinimal, fromNodeRedis, fromUpstash } from "./drivers/redis/client.ts";
export type { BunRedisLike, IoredisLike, MinimalRedisLike, NodeRedisLike, RedisClient, RedisConnection, Script, UpstashLike } from "./drivers/redis/client.ts";
export { redisDriver } from "./drivers/redis/driver.ts";
export type { RedisDriverOptions, RedisStateDriver } from "./drivers/redis/driver.ts";
export type { NormalRedisClient } from "./drivers/redis/normal-client.ts";
export { redisPubSub } from "./drivers/redis/pub-sub.ts";
export type { RedisPubSub, RedisPubSubOptions } from "./drivers/redis/pub-sub.ts";
export { redisRateLimiter, redisStore } from "./drivers/redis/store.ts";
export type { RedisRateLimiterOptions, RedisStoreOptions } from "./drivers/redis/store.ts";
export type { RedisSubscriber } from "./drivers/redis/subscriber.ts";
export type { ChannelHandlersOptions, MessageHandler, PubSubGap } from "./state/pubsub/channel-handlers.ts";
export type { DriverCacheStore } from "./state/stores/cache-store.ts";
export type { DriverCircuitBreakerStore } from "./state/stores/circuit-breaker-store.ts";
export type { KeyValueStore } from "./state/stores/key-value-store.ts";
export type { DriverRateLimitStore } from "./state/stores/rate-limit-store.ts";
