/** The adapter that keeps everything in NATS, for services of several instances. */

import { checkFunction } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { type CombinerOptions, createCombiner } from "../../state/combiner.ts";
import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { type DriverCacheStore, cacheStoreOn } from "../../state/stores/cache-store.ts";
import { type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "../../state/stores/circuit-breaker-store.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { type DriverRateLimitStore, rateLimitStoreOn } from "../../state/stores/rate-limit-store.ts";
import { rateLimiterOn } from "../../state/stores/rate-limiter.ts";
import { natsDriver } from "./driver.ts";
import type { NatsKv } from "./kv.ts";
import { type NatsConnectionLike, type NatsPubSub, natsPubSub } from "./pub-sub.ts";

export interface NatsAdapterOptions {
  /** A bucket with `history: 1`: `await new Kvm(connection).create(name, { history: 1 })`. It stays the caller's. */
  readonly kv: NatsKv;
  /** For pub/sub; it stays the caller's. @default no pub/sub */
  readonly connection?: NatsConnectionLike;
  /** In front of every key and subject. @default "sluice:" */
  readonly prefix?: string;
  /** Keeps background work alive after the answer was sent. @default the gateway's own tracking */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /** `false` leaves a member out; the gateway then uses one in memory for it. @default all true */
  readonly stores?: { readonly rateLimit?: boolean; readonly circuitBreaker?: boolean; readonly cache?: boolean; readonly store?: boolean; readonly pubsub?: boolean };
  /** Largest body the cache keeps. @default 16 MiB */
  readonly maxEntryBytes?: number;
  /** Longest time of one call to the server, in ms. @default 750 */
  readonly timeoutMs?: number;
  /** Bounds and deadline of the batches. */
  readonly combiner?: Omit<CombinerOptions, "clock">;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A {@link GatewayAdapter} whose members share one driver and one combiner. */
export interface NatsAdapter extends GatewayAdapter {
  readonly rateLimitStore?: DriverRateLimitStore;
  readonly circuitBreakerStore?: DriverCircuitBreakerStore;
  readonly cacheStore?: DriverCacheStore;
  readonly store?: KeyValueStore;
  /** Absent without a `connection`. */
  readonly pubsub?: NatsPubSub;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  /** Removes what expired more than a minute ago under `prefix`; gives how many messages. Reads the whole bucket once. */
  cleanup(): Promise<number>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Rate limits, circuits, cache, key-value store and limiters in one bucket; pub/sub on core subjects. Nothing is sent before
 * something is asked. `close()` ends what is on the wire and every subscription, never the connection.
 *
 * @throws OptionError for an object that is no bucket or no connection.
 *
 * @example
 * const connection = await connect({ servers: "nats.example:4222", maxReconnectAttempts: -1 });
 * const kv = await new Kvm(connection).create("sluice", { history: 1 });
 * createGateway({ adapter: natsAdapter({ kv, connection }), routes });
 */
export function natsAdapter(options: NatsAdapterOptions): NatsAdapter {
  const { clock, random, connection, stores = {} } = options;
  const prefix = options.prefix ?? "sluice:";
  const driver = natsDriver(options.kv, { prefix, timeoutMs: options.timeoutMs, clock, random });
  if (stores.pubsub === true && connection === undefined) throw new OptionError("connection", connection, "a connection to NATS, for stores.pubsub");
  const pubsub = stores.pubsub === false || connection === undefined ? undefined : natsPubSub(connection, { prefix: `${prefix}pubsub:`, clock });
  const combiner = createCombiner(driver, { ...options.combiner, clock });
  const { run } = combiner;
  const rateLimitStore = stores.rateLimit === false ? undefined : rateLimitStoreOn(driver, { prefix: "rl", run });
  const circuitBreakerStore = stores.circuitBreaker === false ? undefined : circuitBreakerStoreOn(driver, { prefix: "circuit:", run, random });
  const cacheStore = stores.cache === false ? undefined : cacheStoreOn(driver, { prefix: "cache:", run, clock, random, maxEntryBytes: options.maxEntryBytes });
  const store = stores.store === false ? undefined : keyValueStoreOn(driver, { keyPrefix: "kv:", run, deadlineMs: options.combiner?.timeoutMs });
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    rateLimitStore?.destroy();
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
    rateLimiter: (policy) => rateLimiterOn(driver, policy, { prefix: "limiter", run }),
    cleanup: () => driver.cleanup(),
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}
