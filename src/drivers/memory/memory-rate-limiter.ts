/** The token bucket limiter in this process. */

import type { Clock } from "../../core/clock.ts";
import type { TokenBucketPolicy } from "../../state/contracts/limits.ts";
import { driverLimiter } from "../../state/stores/driver-limiter.ts";
import type { SyncRateLimiter } from "../../state/stores/rate-limiter.ts";
import { memoryDriver } from "./memory-driver.ts";

export interface MemoryRateLimiterOptions {
  /** Most keys: full buckets make room first, and a key that is limited is never let go. @default 100000 */
  readonly maxKeys?: number;
  readonly clock?: Clock;
}

/**
 * A token bucket per key, in this process: `consumeSync` is there, and no call waits for another.
 *
 * @throws OptionError (a RangeError) for a `capacity` below 1, a `tokensPerSecond` that is not above 0, a bad `maxKeys`.
 *
 * @example
 * const limiter = memoryRateLimiter({ capacity: 20, tokensPerSecond: 5 });
 * const decision = await limiter.consume("user-7", 1);
 */
export function memoryRateLimiter(policy: TokenBucketPolicy, options: MemoryRateLimiterOptions = {}): SyncRateLimiter {
  const driver = memoryDriver({ maxKeys: options.maxKeys, clock: options.clock });
  return driverLimiter(driver, policy, { onDispose: () => driver.destroy() }) as SyncRateLimiter;
}
