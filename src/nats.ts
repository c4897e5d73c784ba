/** `sluice/nats`: exact shared state in a JetStream key-value bucket, and pub/sub on core subjects, through the connection you have. */

export { natsAdapter } from "./drivers/nats/adapter.ts";
export type { NatsAdapter, NatsAdapterOptions } from "./drivers/nats/adapter.ts";
export { natsDriver } from "./drivers/nats/driver.ts";
export type { NatsDriver, NatsDriverOptions } from "./drivers/nats/driver.ts";
export type { NatsKv, NatsKvEntry } from "./drivers/nats/kv.ts";
export { natsPubSub } from "./drivers/nats/pub-sub.ts";
export type { NatsConnectionLike, NatsPubSub, NatsPubSubOptions } from "./drivers/nats/pub-sub.ts";
export { natsStore } from "./drivers/nats/store.ts";
export type { NatsStore, NatsStoreOptions } from "./drivers/nats/store.ts";
export type { ClockStep } from "./state/compare-and-set.ts";
export type { ChannelHandlersOptions, MessageHandler, PubSubGap } from "./state/pubsub/channel-handlers.ts";
export type { DriverCacheStore } from "./state/stores/cache-store.ts";
export type { DriverCircuitBreakerStore } from "./state/stores/circuit-breaker-store.ts";
export type { KeyValueStore } from "./state/stores/key-value-store.ts";
export type { DriverRateLimitStore } from "./state/stores/rate-limit-store.ts";
