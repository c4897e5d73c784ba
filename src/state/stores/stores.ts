/** Every store a driver can carry, over one driver and one combiner. */

import { checkString } from "../../core/check.ts";
import { type Combiner, type CombinerOptions, createCombiner } from "../combiner.ts";
import type { RateLimiter, StateDriver, TokenBucketPolicy } from "../contracts.ts";
import { type CircuitBreakerStoreOptions, type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "./circuit-breaker-store.ts";
import { type KeyValueStore, keyValueStoreOn } from "./key-value-store.ts";
import { type DriverRateLimitStore, rateLimitStoreOn } from "./rate-limit-store.ts";
import { rateLimiterOn } from "./rate-limiter.ts";
import type { Run } from "./runner.ts";

export interface StoresOptions {
  /** Before every key of every store: two applications on one backend do not meet. @default "" */
  readonly prefix?: string;
  /** Bounds and deadline of the batches to a driver behind a wire. */
  readonly combiner?: CombinerOptions;
  /** For breakers whose verbs carry no policy. */
  readonly circuit?: Omit<CircuitBreakerStoreOptions, "prefix" | "run">;
}

export interface Stores {
  readonly rateLimitStore: DriverRateLimitStore;
  readonly circuitBreakerStore: DriverCircuitBreakerStore;
  readonly store: KeyValueStore;
  /** Limiters with the same policy and `prefix` share their buckets. */
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  /** Ends the batches on the wire, then refuses further calls. The driver is the caller's to close. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Rate limits, circuit breakers, key-value store and limiters on `driver`. Calls to a driver behind a wire are combined
 * into batches; one in this process is called directly.
 *
 * @example
 * const stores = createStores(memoryDriver(), { prefix: "shop:" });
 * const decision = await stores.rateLimitStore.check("user-7", { algorithm: "fixed-window", max: 10, windowMs: 1000 }, 1);
 */
export function createStores(driver: StateDriver, options: StoresOptions = {}): Stores {
  const prefix = checkString("prefix", options.prefix ?? "");
  const combiner: Combiner = createCombiner(driver, options.combiner);
  const run: Run = (algorithm, key, command) => combiner.run(algorithm, key, command);
  const rateLimitStore = rateLimitStoreOn(driver, { prefix: `${prefix}rl`, run });
  const store = keyValueStoreOn(driver, { keyPrefix: `${prefix}kv:`, run });
  let closed: Promise<void> | undefined;
  return {
    rateLimitStore,
    circuitBreakerStore: circuitBreakerStoreOn(driver, { ...options.circuit, prefix: `${prefix}circuit:`, run }),
    store,
    rateLimiter: (policy) => rateLimiterOn(driver, policy, { prefix, run }),
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };

  async function close(): Promise<void> {
    rateLimitStore.destroy();
    await store.close();
    await combiner.close();
  }
}
