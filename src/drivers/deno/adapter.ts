/** The adapter that keeps everything in Deno KV, for services of several instances. */

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
import { denoKvDriver } from "./driver.ts";
import type { DenoKvLike } from "./kv.ts";

export interface DenoKvAdapterOptions {
  /** First part of every key. @default "sluice" */
  readonly prefix?: string;
  /** Keeps background work alive after the answer was sent. @default the gateway's own tracking */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /** `false` leaves a member out; the gateway then uses one in memory for it. @default all true */
  readonly stores?: { readonly rateLimit?: boolean; readonly circuitBreaker?: boolean; readonly cache?: boolean; readonly store?: boolean };
  /** Largest body the cache keeps, in pieces of at most 64 KiB. @default 4 MiB */
  readonly maxEntryBytes?: number;
  /** Longest time of one call to the database, in ms. @default 750 */
  readonly timeoutMs?: number;
  /** Bounds and deadline of the batches. */
  readonly combiner?: Omit<CombinerOptions, "clock">;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A {@link GatewayAdapter} whose members share one driver and one combiner. It has no pub/sub: Deno KV carries no messages. */
export interface DenoKvAdapter extends GatewayAdapter {
  readonly rateLimitStore?: DriverRateLimitStore;
  readonly circuitBreakerStore?: DriverCircuitBreakerStore;
  readonly cacheStore?: DriverCacheStore;
  readonly store?: KeyValueStore;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A body this small rides along with its header. */
const INLINE_BYTES = 32_768;

/**
 * Rate limits, circuits, cache, key-value store and limiters in one database, exact over everybody who uses it. Nothing is
 * sent before something is asked. `close()` ends what is on the wire, never the database.
 *
 * @throws OptionError for an object that is no database, and for a bad option.
 *
 * @example
 * createGateway({ adapter: denoKvAdapter(await Deno.openKv()), routes });
 */
export function denoKvAdapter(kv: DenoKvLike, options: DenoKvAdapterOptions = {}): DenoKvAdapter {
  const { clock, random, stores = {}, prefix = "sluice", timeoutMs, maxEntryBytes = 4 * 2 ** 20 } = options;
  if (prefix === "") throw new OptionError("prefix", prefix, "a non-empty string");
  const driver = denoKvDriver(kv, { prefix, timeoutMs, clock, random });
  const combiner = createCombiner(driver, { ...options.combiner, clock });
  const { run } = combiner;
  const rateLimitStore = stores.rateLimit === false ? undefined : rateLimitStoreOn(driver, { prefix: "rl", run });
  const circuitBreakerStore = stores.circuitBreaker === false ? undefined : circuitBreakerStoreOn(driver, { prefix: "circuit:", run, random });
  const cacheStore = stores.cache === false ? undefined : cacheStoreOn(driver, { prefix: "cache:", run, clock, random, maxEntryBytes, inlineBytes: INLINE_BYTES });
  const store = stores.store === false ? undefined : keyValueStoreOn(driver, { keyPrefix: "kv:", run, deadlineMs: options.combiner?.timeoutMs });
  let closed: Promise<void> | undefined;

  async function close(): Promise<void> {
    rateLimitStore?.destroy();
    cacheStore?.destroy();
    await Promise.all([store?.close(), combiner.close()]);
    await driver.close();
  }

  return {
    ...(rateLimitStore === undefined ? {} : { rateLimitStore }),
    ...(circuitBreakerStore === undefined ? {} : { circuitBreakerStore }),
    ...(cacheStore === undefined ? {} : { cacheStore }),
    ...(store === undefined ? {} : { store }),
    ...(options.waitUntil === undefined ? {} : { waitUntil: checkFunction("waitUntil", options.waitUntil) }),
    rateLimiter: (policy) => rateLimiterOn(driver, policy, { prefix: "limiter", run }),
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}
