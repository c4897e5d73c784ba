/** The adapter that keeps everything in Redis, for services of several instances. */

import { checkFunction } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { type Combiner, type CombinerOptions, createCombiner } from "../../state/combiner.ts";
import { type DriverCacheStore, cacheStoreOn } from "../../state/stores/cache-store.ts";
import { type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "../../state/stores/circuit-breaker-store.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { type DriverRateLimitStore, rateLimitStoreOn } from "../../state/stores/rate-limit-store.ts";
import { type StoreLeaseOptions, leaseOnClock } from "../../state/stores/leased-limits.ts";
import { limitersOn } from "../../state/stores/rate-limiter.ts";
import { encodeBlob } from "./blob.ts";
import { type RedisClient, recogniseClient } from "./client.ts";
import { redisDriver } from "./driver.ts";
import { type NormalRedisClient, normalClient } from "./normal-client.ts";
import { type RedisPubSub, redisPubSub } from "./pub-sub.ts";

export interface RedisAdapterOptions {
  /** ioredis, node-redis, `@upstash/redis`, Bun's client, or an object with `get`, `set`, `del` and `eval`. It stays the caller's. */
  readonly client: RedisClient;
  /** In front of every key and channel. @default "sluice:" */
  readonly prefix?: string;
  /**
   * Writes the bodies of cached responses in the place of the built-in way. Gets a client with ioredis-style verbs whatever
   * `client` is, and must let the key end after `ttlSeconds`, a whole number.
   */
  readonly setWithTTL?: (client: NormalRedisClient, key: string, value: string, ttlSeconds: number) => unknown;
  /** `false` leaves a member out; the gateway then uses one in memory for it. @default all true */
  readonly stores?: { readonly rateLimit?: boolean; readonly circuitBreaker?: boolean; readonly cache?: boolean; readonly store?: boolean; readonly pubsub?: boolean };
  /** Keeps background work alive after the answer was sent. @default the gateway's own tracking */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /** Largest body the cache keeps. @default 16 MiB */
  readonly maxEntryBytes?: number;
  /**
   * Limits spend units that were debited beforehand, so a key in use needs a round trip only now and then, and the fleet still never
   * passes a limit: see `lease` of `createStores`. Every process that shares the limits must lease, or none. @default not leased
   */
  readonly lease?: true | StoreLeaseOptions;
  /** Bounds and deadline of the batches. */
  readonly combiner?: Omit<CombinerOptions, "clock">;
  /** Is told, once per client, of what makes it less exact than this adapter; `false` for nobody. @default console.warn */
  readonly warn?: false | ((message: string) => void);
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A {@link GatewayAdapter} whose members share one driver and one combiner. */
export interface RedisAdapter extends GatewayAdapter {
  readonly rateLimitStore?: DriverRateLimitStore;
  readonly circuitBreakerStore?: DriverCircuitBreakerStore;
  readonly cacheStore?: DriverCacheStore;
  readonly store?: KeyValueStore;
  /** Absent for a client that cannot listen (Upstash, an object with four methods). */
  readonly pubsub?: RedisPubSub;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Rate limits, circuits, cache, key-value store, limiters and pub/sub on one Redis. All that waits at the same time leaves in one
 * round trip. Nothing is sent, and no connection made, before something is asked.
 *
 * `close()` ends what is on the wire and the listening connection, never `client`.
 *
 * @throws OptionError for a client of no known shape, which names what is missing.
 *
 * @example
 * createGateway({ adapter: redisAdapter({ client: new Redis(process.env.REDIS_URL) }), routes });
 */
export function redisAdapter(options: RedisAdapterOptions): RedisAdapter {
  const { clock, random, warn, stores = {} } = options;
  const lease = leaseOnClock(options.lease, clock);
  const connection = recogniseClient(options.client);
  const driver = redisDriver(connection, { prefix: options.prefix, warn, clock, random });
  const combiner: Combiner = createCombiner(driver, { ...options.combiner, clock });
  const { run } = combiner;
  const limiters = limitersOn(driver, { prefix: "limiter", run, lease });
  const setWithTTL = options.setWithTTL === undefined ? undefined : checkFunction("setWithTTL", options.setWithTTL);
  const normal = normalClient(connection);
  const blobs = setWithTTL === undefined ? driver : {
    get: (key: string) => driver.get(key),
    delete: (key: string) => driver.delete(key),
    set: async (key: string, value: Uint8Array, ttlMs?: number): Promise<void> => {
      await setWithTTL(normal, driver.physical(key), encodeBlob(value), Math.ceil((ttlMs as number) / 1000));
    },
  };
  const rateLimitStore = stores.rateLimit === false ? undefined : rateLimitStoreOn(driver, { prefix: "rl", run, lease });
  const circuitBreakerStore = stores.circuitBreaker === false ? undefined : circuitBreakerStoreOn(driver, { prefix: "circuit:", run, random });
  const cacheStore = stores.cache === false ? undefined : cacheStoreOn(driver, {
    prefix: "cache:", run, blobs, clock, random, maxEntryBytes: options.maxEntryBytes, ...(setWithTTL === undefined ? {} : { inlineBytes: 0 }),
  });
  const store = stores.store === false ? undefined : keyValueStoreOn(driver, { keyPrefix: "kv:", run, deadlineMs: options.combiner?.timeoutMs });
  const pubsub = stores.pubsub === false || connection.subscriber === undefined || connection.publish === undefined
    ? undefined
    : redisPubSub(connection, { prefix: `${driver.prefix}pubsub:`, warn, clock });
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    // What is leased goes back through the combiner.
    await Promise.all([rateLimitStore?.[Symbol.asyncDispose](), limiters.close()]);
    cacheStore?.destroy();
    await Promise.all([store?.close(), pubsub?.close(), combiner.close()]);
    await driver.close();
  }

  return {
    ...(rateLimitStore === undefined ? {} : { rateLimitStore }),
    ...(circuitBreakerStore === undefined ? {} : { circuitBreakerStore }),
    ...(cacheStore === undefined ? {} : { cacheStore }),
    ...(store === undefined ? {} : { store }),
    ...(pubsub === undefined ? {} : { pubsub }),
    ...(options.waitUntil === undefined ? {} : { waitUntil: checkFunction("waitUntil", options.waitUntil) }),
    rateLimiter: limiters.make,
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}
