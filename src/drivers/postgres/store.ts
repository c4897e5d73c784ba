/** The key-value store and the limiter on Postgres, one factory each, for those who need no adapter. */

import type { RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { type StoreLeaseOptions, leaseOnClock } from "../../state/stores/leased-limits.ts";
import { rateLimiterOn } from "../../state/stores/rate-limiter.ts";
import type { PostgresClient } from "./client.ts";
import { Line, type LineOptions } from "./line.ts";

export interface PostgresStoreOptions extends Omit<LineOptions, "table"> {
  /** In front of every key. @default "" */
  readonly keyPrefix?: string;
}

/** A key-value store in Postgres. */
export interface PostgresStore extends KeyValueStore {
  /** Deletes expired rows, 1,000 per statement; gives how many. */
  cleanup(): Promise<number>;
}

/**
 * A key-value store on Postgres, in the table `<tablePrefix>entries`. Calls made at the same time share their round trips. The
 * client stays the caller's; `close()` does not close it.
 *
 * @throws OptionError for a client of no known shape and a bad `tablePrefix`.
 *
 * @example
 * const store = postgresStore(new Pool({ connectionString: process.env.DATABASE_URL }), { keyPrefix: "myapp:" });
 */
export function postgresStore(client: PostgresClient, options: PostgresStoreOptions = {}): PostgresStore {
  const { keyPrefix, ...rest } = options;
  const line = new Line(client, rest);
  const store = keyValueStoreOn(line.driver, { keyPrefix, run: line.run, deadlineMs: rest.combiner?.timeoutMs, onClose: () => line.close() });
  return Object.assign(store, { cleanup: () => line.driver.cleanup("entries") });
}

export interface PostgresRateLimiterOptions extends Omit<LineOptions, "table"> {
  /** In front of every key, before the policy's own prefix. @default "" */
  readonly prefix?: string;
  /** Spends units that were debited beforehand: see `lease` of `createStores`. Every process that uses the limiter must lease, or none. @default not leased */
  readonly lease?: true | StoreLeaseOptions;
}

/** A limiter in Postgres. */
export interface PostgresRateLimiter extends RateLimiter {
  dispose(): void;
  /** Deletes the rows of buckets that are full again, 1,000 per statement; gives how many. */
  cleanup(): Promise<number>;
}

/**
 * A token bucket per key, shared by everybody on this database who uses the same prefix and policy. The server's time decides.
 *
 * @throws OptionError for a client of no known shape, a bad policy, a bad `tablePrefix`.
 *
 * @example
 * const limiter = postgresRateLimiter(pool, { capacity: 20, tokensPerSecond: 5 });
 * const decision = await limiter.consume("user-7", 1);
 */
export function postgresRateLimiter(client: PostgresClient, policy: TokenBucketPolicy, options: PostgresRateLimiterOptions = {}): PostgresRateLimiter {
  const { prefix, lease, ...rest } = options;
  const line = new Line(client, rest);
  const limiter = rateLimiterOn(line.driver, policy, { prefix, run: line.run, lease: leaseOnClock(lease, rest.clock), onDispose: () => void line.close() });
  return {
    consume: (key, cost) => limiter.consume(key, cost),
    getPolicy: () => limiter.getPolicy(),
    dispose: () => limiter.dispose?.(),
    cleanup: () => line.driver.cleanup("rate_limits"),
  };
}
