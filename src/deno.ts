/** `sluice/deno`: exact shared state in Deno KV, and serving HTTP and sockets on Deno. The stores run on every runtime that has a Deno KV client. */

export { serve } from "./runtimes/deno/serve-any.ts";
export type { DenoServeOptions } from "./runtimes/deno/serve.ts";
export type { ListenOptions, Listening, Servable } from "./runtimes/listening.ts";
export type { ServeAny } from "./runtimes/serve-any.ts";
export { createDenoHandler } from "./runtimes/deno/sockets.ts";
export type { DenoSocketHandler, DenoSocketOptions } from "./runtimes/deno/sockets.ts";
export type { SocketCapabilities, SocketServeOptions, SocketServer, SocketTls } from "./sockets/serve-options.ts";
export { memoryAdapter as denoAdapter, type MemoryAdapter as DenoAdapter, type MemoryAdapterOptions as DenoAdapterOptions } from "./drivers/memory/adapter.ts";
export { denoKvAdapter, type DenoKvAdapter, type DenoKvAdapterOptions } from "./drivers/deno/adapter.ts";
export { denoKvDriver, type DenoKvDriver, type DenoKvDriverOptions } from "./drivers/deno/driver.ts";
export type { DenoKvAtomicLike, DenoKvEntryLike, DenoKvKey, DenoKvLike } from "./drivers/deno/kv.ts";
export { denoKvStore, type DenoKvStore, type DenoKvStoreOptions } from "./drivers/deno/store.ts";
export type { ClockStep } from "./state/compare-and-set.ts";
export type { DriverCacheStore } from "./state/stores/cache-store.ts";
export type { DriverCircuitBreakerStore } from "./state/stores/circuit-breaker-store.ts";
export type { KeyValueStore } from "./state/stores/key-value-store.ts";
export type { DriverRateLimitStore } from "./state/stores/rate-limit-store.ts";
