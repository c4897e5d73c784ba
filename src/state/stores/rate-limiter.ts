/** Token bucket limiters on any driver. */

import { createCombiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { RateLimitDecision, RateLimiter, TokenBucketPolicy } from "../contracts/limits.ts";
import { driverLimiter } from "./driver-limiter.ts";
import { type StoreLeaseOptions, leasedLimit } from "./leased-limits.ts";
import type { Run } from "./runner.ts";

export interface RateLimiterOptions {
  /** Before every key, in front of the policy's own prefix. @default "" */
  readonly prefix?: string;
  /** How commands reach a driver behind a wire, such as `createCombiner(driver).run`. @default one batch per command */
  readonly run?: Run;
  /**
   * Spends units that were debited in the store beforehand, so that a key in use needs a round trip only now and then. For shared,
   * atomic, exact drivers; every process that uses the limiter must lease, or none. @default not leased
   */
  readonly lease?: true | StoreLeaseOptions;
  /** Called once by `dispose()`, for what was opened for this limiter alone. */
  readonly onDispose?: () => void;
}

/** A {@link RateLimiter} on a driver. */
export interface DriverRateLimiter extends RateLimiter {
  dispose(): void;
  /** `dispose()`, and resolves when unspent units of leases have been given back. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A limiter over a driver in this process. */
export interface SyncRateLimiter extends DriverRateLimiter {
  consumeSync(key: string, cost: number): RateLimitDecision;
}

/** The limiters of an adapter, which gives back what they have leased when it closes. */
export interface Limiters {
  make(policy: TokenBucketPolicy): DriverRateLimiter;
  close(): Promise<void>;
}

export function limitersOn(driver: StateDriver, options: Omit<RateLimiterOptions, "onDispose">): Limiters {
  const leased = new Set<DriverRateLimiter>();
  return {
    make(policy) {
      const limiter = rateLimiterOn(driver, policy, { ...options, onDispose: () => leased.delete(limiter) });
      if (options.lease !== undefined) leased.add(limiter);
      return limiter;
    },
    close: async () => void (await Promise.all([...leased].map((limiter) => limiter[Symbol.asyncDispose]()))),
  };
}

/**
 * A token bucket per key on `driver`. Limiters with the same policy and `prefix` on one driver share their buckets;
 * others never do. Over a driver in this process `consumeSync` is there.
 *
 * @throws OptionError (a RangeError) unless `capacity` is a finite number of at least 1, `tokensPerSecond` one above 0, and
 * `prefix` a string, and with `lease` for a bucket too small for one. @throws StoreError `STORE_CAPABILITY` for a driver whose steps are
 * not atomic, and with `lease` for one that is not shared or not exact.
 *
 * @example
 * const limiter = rateLimiterOn(driver, { capacity: 20, tokensPerSecond: 5, prefix: "search" });
 * const decision = await limiter.consume("user-7", 1);
 */
export function rateLimiterOn(driver: StateDriver, policy: TokenBucketPolicy, options: RateLimiterOptions = {}): DriverRateLimiter {
  const { lease, ...rest } = options;
  if (lease === undefined) return driverLimiter(driver, policy, rest);
  const terms = lease === true ? {} : lease;
  const { run } = options;
  return driverLimiter(driver, policy, {
    ...rest,
    leased: (limit) => {
      if (run !== undefined) return leasedLimit(driver, limit, { run }, terms);
      const own = createCombiner(driver, { clock: terms.clock });
      return leasedLimit(driver, limit, own, terms, { onClose: () => own.close() });
    },
  });
}
