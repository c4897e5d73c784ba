/** The stores on `StateDO`, one factory each, for those who need no adapter. */

import { checkInteger, checkString } from "../../core/check.ts";
import type { TokenBucketPolicy } from "../../state/contracts/limits.ts";
import { DirectCombiner } from "../../state/combiner/direct.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { driverLimiter } from "../../state/stores/driver-limiter.ts";
import { type StoreLeaseOptions, leasedLimit } from "../../state/stores/leased-limits.ts";
import type { DriverRateLimiter } from "../../state/stores/rate-limiter.ts";
import { type DurableObjectDriverOptions, durableObjectDriver } from "./driver.ts";
import { ownTimer } from "./own-timer.ts";
import type { DurableObjectNamespaceLike } from "./types.ts";

export interface DurableObjectStoreOptions extends DurableObjectDriverOptions {
  /** In front of every key. @default "" */
  readonly keyPrefix?: string;
}

/**
 * A key-value store with every verb: counters, compare-and-set, leases and pacing are exact over all isolates. The binding's class
 * is `StateDO`.
 *
 * @example
 * const store = durableObjectStore(env.STATE, { keyPrefix: "sessions:", shards: 16 });
 */
export function durableObjectStore(namespace: DurableObjectNamespaceLike, options: DurableObjectStoreOptions = {}): KeyValueStore {
  const driver = durableObjectDriver(namespace, options);
  const combiner = new DirectCombiner(driver);
  return keyValueStoreOn(driver, {
    keyPrefix: options.keyPrefix,
    run: combiner.run,
    onClose: async () => {
      await combiner.close();
      await driver.close();
    },
  });
}

export interface DurableObjectRateLimiterOptions extends TokenBucketPolicy, Omit<DurableObjectDriverOptions, "shards"> {
  /** Objects over which the buckets are spread. @default 128 */
  readonly shards?: number;
  /**
   * Spends tokens that were taken from the bucket beforehand: a key in use needs a request only now and then. Every Worker that
   * uses the limiter must lease, or none. @default not leased
   */
  readonly lease?: true | StoreLeaseOptions;
}

/**
 * A token bucket per key, shared by every isolate that uses the same policy and `prefix`. A bucket that is full again is not
 * kept: an object marks what it holds with the instant at which it is full, and its alarm sweeps those away.
 *
 * @throws OptionError (a RangeError) unless `capacity` is a finite number of at least 1 and `tokensPerSecond` one above 0.
 *
 * @example
 * const limiter = durableObjectRateLimiter(env.STATE, { capacity: 20, tokensPerSecond: 5 });
 * const decision = await limiter.consume("user-7", 1);
 */
export function durableObjectRateLimiter(namespace: DurableObjectNamespaceLike, options: DurableObjectRateLimiterOptions): DriverRateLimiter {
  const { capacity, tokensPerSecond, prefix, lease, shards, ...rest } = options;
  const driver = durableObjectDriver(namespace, { ...rest, shards: checkInteger("shards", shards ?? 128, 1), name: rest.name ?? "limiter" });
  const combiner = new DirectCombiner(driver);
  const policy = { capacity, tokensPerSecond, ...(prefix === undefined ? {} : { prefix: checkString("prefix", prefix) }) };
  const { run } = combiner;
  const onDispose = (): void => void combiner.close().then(() => driver.close());
  if (lease === undefined) return driverLimiter(driver, policy, { run, onDispose });
  return driverLimiter(driver, policy, { run, onDispose, wait: ownTimer(rest.timeoutMs), leased: (limit) => leasedLimit(driver, limit, { run }, leaseOnWorkers(lease)) });
}

/** workerd's clocks stand still while code runs, so a lease ends that much sooner there. */
export function leaseOnWorkers(lease: true | StoreLeaseOptions): StoreLeaseOptions {
  return { guardMs: 25, ...(lease === true ? {} : lease) };
}
