/** Every store a driver can carry, over one driver and one combiner. */

import { checkString } from "../../core/check.ts";
import { type Combiner, type CombinerOptions, createCombiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { TokenBucketPolicy } from "../contracts/limits.ts";
import { type CircuitBreakerStoreOptions, type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "./circuit-breaker-store.ts";
import { type KeyValueStore, keyValueStoreOn } from "./key-value-store.ts";
import type { StoreLeaseOptions } from "./leased-limits.ts";
import { type DriverRateLimitStore, rateLimitStoreOn } from "./rate-limit-store.ts";
import { type DriverRateLimiter, rateLimiterOn } from "./rate-limiter.ts";

export interface StoresOptions {
  /** Before every key of every store: two applications on one backend do not meet. @default "" */
  readonly prefix?: string;
  /** Bounds and deadline of the batches to a driver behind a wire. */
  readonly combiner?: CombinerOptions;
  /** Leases the limits of `rateLimitStore` and of every `rateLimiter`: see their options. @default not leased */
  readonly lease?: true | StoreLeaseOptions;
  /** For breakers whose verbs carry no policy. */
  readonly circuit?: Omit<CircuitBreakerStoreOptions, "prefix" | "run">;
}

export interface Stores {
  readonly rateLimitStore: DriverRateLimitStore;
  readonly circuitBreakerStore: DriverCircuitBreakerStore;
  readonly store: KeyValueStore;
  /** Limiters with the same policy and `prefix` share their buckets. */
  rateLimiter(policy: TokenBucketPolicy): DriverRateLimiter;
  /** Ends the batches on the wire, then refuses further calls. The driver is the caller's to close. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Rate limits, circuit breakers, key-value store and limiters on `driver`. Calls to a driver behind a wire are combined
 * into batches; one in this process is called directly.
 *
 * @throws StoreError `STORE_CAPABILITY` for a driver whose steps are not atomic, and with `lease` for one that is not shared or not exact.
 *
 * @example
 * const stores = createStores(memoryDriver(), { prefix: "shop:" });
 * const decision = await stores.rateLimitStore.check("user-7", { algorithm: "fixed-window", max: 10, windowMs: 1000 }, 1);
 */
export function createStores(driver: StateDriver, options: StoresOptions = {}): Stores {
  const prefix = checkString("prefix", options.prefix ?? "");
  const combiner: Combiner = createCombiner(driver, options.combiner);
  const { run } = combiner;
  const lease = options.lease === undefined ? undefined : { clock: options.combiner?.clock, ...(options.lease === true ? {} : options.lease) };
  const rateLimitStore = rateLimitStoreOn(driver, { prefix: `${prefix}rl`, run, lease });
  /** Limiters that hold leases. */
  const leased = new Set<DriverRateLimiter>();
  const store = keyValueStoreOn(driver, { keyPrefix: `${prefix}kv:`, run, deadlineMs: options.combiner?.timeoutMs });
  let closed: Promise<void> | undefined;
  return {
    rateLimitStore,
    circuitBreakerStore: circuitBreakerStoreOn(driver, { ...options.circuit, prefix: `${prefix}circuit:`, run }),
    store,
    rateLimiter(policy) {
      const limiter = rateLimiterOn(driver, policy, { prefix, run, lease, onDispose: () => leased.delete(limiter) });
      if (lease !== undefined) leased.add(limiter);
      return limiter;
    },
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };

  async function close(): Promise<void> {
    // What is leased goes back through the combiner.
    await Promise.all([rateLimitStore, ...leased].map((limits) => limits[Symbol.asyncDispose]()));
    await store.close();
    await combiner.close();
  }
}
