/** The adapter that keeps everything in this process. */

import type { Clock } from "../../core/clock.ts";
import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { CacheStore } from "../../state/contracts/cache.ts";
import type { PubSub, PubSubAdapter } from "../../state/contracts/pub-sub.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import type { KeyValueStore } from "../../state/stores/key-value-store.ts";
import { driverLimiter } from "../../state/stores/driver-limiter.ts";
import { type MemoryCacheOptions, createMemoryCacheStore } from "./cache-store.ts";
import { InMemoryCircuitBreakerStore } from "./in-memory-circuit-breaker-store.ts";
import { InMemoryRateLimitStore } from "./in-memory-rate-limit-store.ts";
import { type MemoryDriver, memoryDriver } from "./memory-driver.ts";
import { memoryPubSub } from "./memory-pub-sub.ts";
import { memoryStore } from "./memory-store.ts";

export interface MemoryAdapterOptions {
  /** Most keys of each store: limits, circuits, limiters, key-value. @default 100000 */
  readonly maxKeys?: number;
  /** Bounds of the response cache, or one of your own. @default 10000 entries, 64 MiB */
  readonly cache?: MemoryCacheOptions | CacheStore;
  readonly clock?: Clock;
  /** Keeps background work alive after the answer was sent. @default the gateway's own tracking */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
}

/** A {@link GatewayAdapter} with every member. */
export interface MemoryAdapter extends GatewayAdapter {
  readonly rateLimitStore: InMemoryRateLimitStore;
  readonly circuitBreakerStore: InMemoryCircuitBreakerStore;
  readonly cacheStore: CacheStore;
  readonly store: KeyValueStore;
  readonly pubsub: PubSub & PubSubAdapter;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Everything in this process, bounded, without timers. Each store is made when it is first read, so what nobody uses
 * costs nothing. Limiters of `rateLimiter` share a bucket when policy and `prefix` are the same.
 *
 * @throws OptionError for a bound that is no positive integer.
 *
 * @example
 * createGateway({ adapter: memoryAdapter({ maxKeys: 50_000 }), routes });
 */
export function memoryAdapter(options: MemoryAdapterOptions = {}): MemoryAdapter {
  const { maxKeys, clock, cache } = options;
  // Made and dropped again: a bad option is refused here, not at the first request.
  memoryDriver({ maxKeys, clock }).destroy();
  const opened: (() => unknown)[] = [];
  let closed: Promise<void> | undefined;

  function once<T>(make: () => T, free: (made: T) => unknown): () => T {
    let made: { readonly value: T } | undefined;
    return () => {
      if (made === undefined) {
        const value = make();
        made = { value };
        opened.push(() => free(value));
        if (closed !== undefined) free(value);
      }
      return made.value;
    };
  }
  const limits = once(() => new InMemoryRateLimitStore({ maxKeys, clock }), (store) => store.destroy());
  const circuits = once(() => new InMemoryCircuitBreakerStore({ maxKeys, clock }), (store) => store.destroy());
  const values = once(() => memoryStore({ maxEntries: maxKeys, clock }), (store) => store.close());
  const messages = once(() => memoryPubSub(), (pubsub) => pubsub.close());
  const buckets = once<MemoryDriver>(() => memoryDriver({ maxKeys, clock }), (driver) => driver.destroy());
  const responses = isCacheStore(cache) ? () => cache : once(() => createMemoryCacheStore({ clock, ...cache }), (store) => store.destroy());

  return {
    get rateLimitStore() {
      return limits();
    },
    get circuitBreakerStore() {
      return circuits();
    },
    get cacheStore() {
      return responses();
    },
    get store() {
      return values();
    },
    get pubsub() {
      return messages();
    },
    ...(options.waitUntil === undefined ? {} : { waitUntil: options.waitUntil }),
    rateLimiter: (policy) => driverLimiter(buckets(), policy),
    close: () => (closed ??= Promise.all(opened.map(async (free) => free())).then(() => undefined)),
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}

function isCacheStore(cache: MemoryCacheOptions | CacheStore | undefined): cache is CacheStore {
  return typeof (cache as Partial<CacheStore> | undefined)?.get === "function";
}
