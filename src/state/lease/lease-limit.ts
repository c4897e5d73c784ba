/** Which limits can be leased, and what the store is asked for them. */

import { checkInteger, checkPositive } from "../../core/check.ts";
import { OptionError, StoreError, quote } from "../../core/errors.ts";
import type { FixedWindowPolicy } from "../algorithms/fixed-window.ts";
import type { SlidingWindowPolicy } from "../algorithms/sliding-window.ts";
import type { BucketPolicy } from "../algorithms/token-bucket.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { LimitPolicy } from "../contracts/limits.ts";
import { type CompiledLimit, compileLimit, slidingWindowLimit } from "../limit-policy.ts";
import { type LeasedAlgorithm, leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket } from "./lease-command.ts";

export interface LeaseOptions {
  /** For how long a lease should last at the present rate, in ms. @default 20 */
  readonly targetMs?: number;
  /** Taken off every lifetime for clocks that are read in steps, in ms; 25 on workerd. @default 1 */
  readonly guardMs?: number;
  /** By how much, as a share, this machine's clock and the store's may differ in rate. @default 0.001 */
  readonly drift?: number;
  /** A lease is at most this part of what is free. @default 16 */
  readonly divisor?: number;
  /** Most units of one lease. @default the limit */
  readonly maxTokens?: number;
  /** For how long a refusal is repeated without asking, in ms. @default 250 */
  readonly denyCacheMs?: number;
  /**
   * Replicas that have to have a lease before it is spent: a failover then loses no debit of it. With fewer the lease is refused as
   * a failure of the store. For stores whose driver can wait (`capabilities.replicas`: Redis on one connection). @default 0
   */
  readonly waitForReplicas?: number;
  /** Gives back what was not used for `targetMs`. @default true */
  readonly returnUnspent?: boolean;
}

/** Lifetime of a rolling lease, in targets. */
const TTL_TARGETS = 4;
/** Shorter windows would be over before a lease is worth its round trip. */
const MIN_WINDOW_MS = 1000;

export interface LeaseTerms {
  readonly algorithm: LeasedAlgorithm;
  /** The policy that is sent: for a bucket its capacity is smaller by what refills in `ttlMs`. */
  readonly policy: unknown;
  /** The limit without a lease. */
  readonly limit: CompiledLimit;
  readonly ttlMs: number;
  readonly targetMs: number;
  /** What is leased should last this long, and goes back when it was idle this long: `targetMs`, or less where leases die sooner. */
  readonly useMs: number;
  /** Units that died unspent are still worth a refund: they would count for a window or refill slowly. */
  readonly refundDead: boolean;
  /**
   * Of a rolling window that is used up only what one sub-window gives back is free, and the 16th part of that is next to nothing:
   * what will surely be spent within a lease is asked for like what callers wait for.
   */
  readonly rolling: boolean;
  /** Leases die when the limit is whole again. */
  readonly untilReset: boolean;
  readonly guardMs: number;
  readonly drift: number;
  readonly divisor: number;
  readonly maxTokens: number;
  readonly denyCacheMs: number;
  readonly returnUnspent: boolean;
  readonly waitForReplicas: number;
}

/**
 * Checks a lease at construction. Throws `STORE_CAPABILITY` for a store that is not shared, not atomic or not exact,
 * `OptionError` for an algorithm that cannot be leased, a window under a second, and a bucket too small for `maxCost`.
 */
export function leaseTerms(
  driver: Pick<StateDriver, "name" | "capabilities">, limitOrPolicy: LimitPolicy | CompiledLimit, options: LeaseOptions = {}, maxCost = 1,
): LeaseTerms {
  checkStore(driver);
  const limit = compiled(limitOrPolicy);
  const targetMs = checkPositive("lease.targetMs", options.targetMs ?? 20, 60_000);
  const ttlMs = Math.ceil(TTL_TARGETS * targetMs);
  const terms = {
    limit, ttlMs, targetMs, useMs: targetMs, refundDead: false, rolling: false, untilReset: false,
    guardMs: checkPositive("lease.guardMs", options.guardMs ?? 1, 60_000),
    drift: checkPositive("lease.drift", options.drift ?? 0.001, 0.5),
    divisor: checkInteger("lease.divisor", options.divisor ?? 16, 1),
    denyCacheMs: checkPositive("lease.denyCacheMs", options.denyCacheMs ?? 250, 60_000),
    returnUnspent: options.returnUnspent ?? true,
    waitForReplicas: checkInteger("lease.waitForReplicas", options.waitForReplicas ?? 0, 0),
    maxTokens: checkInteger("lease.maxTokens", options.maxTokens ?? Math.max(1, limit.limit), 1),
  };

  if (terms.waitForReplicas > 0 && driver.capabilities.replicas !== true) {
    throw new StoreError("STORE_CAPABILITY", `lease.waitForReplicas: ${driver.name} cannot wait for replicas; leave it out, or use Redis through a client with one connection`);
  }

  switch (limit.algorithm.name) {
    case "fixed-window": {
      const policy = limit.policy as FixedWindowPolicy;
      checkWindow(policy.windowMs);
      return { ...terms, algorithm: leasedFixedWindow as LeasedAlgorithm, policy, untilReset: true };
    }
    case "sliding-window": {
      const policy = limit.policy as SlidingWindowPolicy;
      checkWindow(policy.windowMs);
      const lifeMs = checkLifetime("the sub-window of the limit", Math.min(policy.bucketMs, ttlMs), terms);
      // A quarter of the life is for the way to the store and back.
      return { ...terms, algorithm: leasedSlidingWindow as LeasedAlgorithm, policy, useMs: Math.min(targetMs, 0.75 * lifeMs), refundDead: terms.returnUnspent, rolling: true };
    }
    case "token-bucket": {
      checkLifetime("4 * lease.targetMs", ttlMs, terms);
      const policy = limit.policy as BucketPolicy;
      return { ...terms, algorithm: leasedTokenBucket as LeasedAlgorithm, policy: lessRefill(policy, ttlMs, maxCost) };
    }
    default:
      throw cannotLease(limit.algorithm.name);
  }
}

function compiled(limit: LimitPolicy | CompiledLimit): CompiledLimit {
  if (typeof limit.algorithm !== "string") return limit as CompiledLimit;
  // A small constant limit would be a log otherwise, and a log cannot hold a debit at a later instant.
  if (limit.algorithm === "sliding-window") return slidingWindowLimit(limit as { max: number; windowMs: number });
  const name: string = limit.algorithm;
  if (name !== "fixed-window" && name !== "token-bucket") throw cannotLease(name);
  return compileLimit(limit as LimitPolicy);
}

function cannotLease(algorithm: unknown): OptionError {
  return new OptionError("lease", true, `left out for ${quote(algorithm)}: only fixed-window, sliding-window and token-bucket can be leased`);
}

/** The store's bucket is smaller by what refills in a lifetime: spends may lag behind their debits by that much. */
function lessRefill(policy: BucketPolicy, ttlMs: number, maxCost: number): BucketPolicy {
  const { p, q, capacityUnits } = policy;
  const capacity = capacityUnits - p * ttlMs;
  if (Math.floor(capacity / q) >= maxCost) return Object.freeze({ ...policy, capacityUnits: capacity });
  const least = Math.ceil(maxCost + (p * ttlMs) / q);
  throw new OptionError("lease", true, `used with a burst of at least ${least} (the refill of ${ttlMs} ms and one call of ${maxCost}); this bucket holds ${policy.limit}`);
}

function checkStore({ name, capabilities }: Pick<StateDriver, "name" | "capabilities">): void {
  const lack = !capabilities.shared ? "shared by processes" : !capabilities.atomic ? "atomic" : capabilities.approximate === undefined ? undefined : "exact";
  if (lack === undefined) return;
  throw new StoreError("STORE_CAPABILITY", `lease: ${name} is not ${lack}, so a lease would not hold the limit; leave the lease out or use a shared store with atomic steps`);
}

function checkWindow(windowMs: number): void {
  if (windowMs < MIN_WINDOW_MS) throw new OptionError("lease", true, `used with a window of at least ${MIN_WINDOW_MS} ms; this one has ${windowMs} ms`);
}

function checkLifetime(what: string, ttlMs: number, { guardMs, drift }: { guardMs: number; drift: number }): number {
  const lifeMs = ttlMs * (1 - drift) - guardMs;
  if (lifeMs > 0) return lifeMs;
  throw new OptionError("lease.guardMs", guardMs, `below the lifetime of a lease, which is ${ttlMs} ms (${what})`);
}
