/** The stores on Redis, one factory each, for those who need no adapter. */

import { createCombiner } from "../../state/combiner.ts";
import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { rateLimiterOn } from "../../state/stores/rate-limiter.ts";
import { type StoreLeaseOptions, leaseOnClock } from "../../state/stores/leased-limits.ts";
import type { RedisClient } from "./client.ts";
import { type RedisDriverOptions, redisDriver } from "./driver.ts";

export interface RedisStoreOptions extends Omit<RedisDriverOptions, "prefix"> {
  /** In front of every key. @default "" */
  readonly keyPrefix?: string;
}

/**
 * A key-value store on Redis: one round trip per verb, and calls made at the same time share it. The client stays the
 * caller's; `close()` does not close it.
 *
 * @example
 * const store = redisStore(fromIoredis(new Redis(process.env.REDIS_URL)), { keyPrefix: "myapp:" });
 */
export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): KeyValueStore {
  const { keyPrefix, ...rest } = options;
  const driver = redisDriver(client, { ...rest, prefix: "" });
  const combiner = createCombiner(driver, { clock: rest.clock });
  return keyValueStoreOn(driver, {
    keyPrefix,
    run: combiner.run,
    onClose: async () => {
      await combiner.close();
      await driver.close();
    },
  });
}

export interface RedisRateLimiterOptions extends RedisDriverOptions {
  /** Spends units that were debited beforehand: see `lease` of `createStores`. Every process that uses the limiter must lease, or none. @default not leased */
  readonly lease?: true | StoreLeaseOptions;
}

/** A token bucket per key, shared by everybody on this Redis who uses the same prefix and policy. Server time decides. */
export function redisRateLimiter(client: RedisClient, policy: TokenBucketPolicy, options: RedisRateLimiterOptions = {}): RateLimiter {
  const driver = redisDriver(client, options);
  const combiner = createCombiner(driver, { clock: options.clock });
  const limiter = rateLimiterOn(driver, policy, {
    run: combiner.run,
    lease: leaseOnClock(options.lease, options.clock),
    onDispose: () => void combiner.close().then(() => driver.close()),
  });
  return {
    consume: (key, cost) => limiter.consume(key, cost),
    getPolicy: () => limiter.getPolicy(),
    dispose: () => limiter.dispose(),
  };
}
