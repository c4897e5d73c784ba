/** The rate limit store on any driver: every decision is one step of one algorithm on one key. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { DriverCapabilities, StateDriver } from "../contracts/driver.ts";
import type { LimitDecision, LimitPolicy, LimitTicket, RateLimitStore } from "../contracts/limits.ts";
import type { LeaseStats } from "../lease/leased-decision.ts";
import { DriverLimits } from "./driver-limits.ts";
import { LeasedLimits, type StoreLeaseOptions } from "./leased-limits.ts";
import type { Run } from "./runner.ts";

export interface RateLimitStoreOptions {
  /** Prefixed to every key, so that several stores can live on one driver. @default "rl" */
  readonly prefix?: string;
  /** How commands reach a driver behind a wire, such as `createCombiner(driver).run`. @default one batch per command */
  readonly run?: Run;
  /**
   * Spends units that were debited in the store beforehand: `check` of a limit in use needs a round trip only now and then, and the
   * fleet still never passes it. For shared, atomic, exact drivers; every process that uses the limits must lease, or none.
   * Windows under a second, buckets too small for it, `increment` and `checkAll` go on asking every time. @default not leased
   */
  readonly lease?: true | StoreLeaseOptions;
  /** Called once by `destroy()`, for what was opened for this store alone. */
  readonly onDestroy?: () => void;
}

/** A {@link RateLimitStore} with every verb. Over a driver in this process the answers are plain values. */
export interface DriverRateLimitStore extends RateLimitStore {
  check(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  reserve(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly capabilities: DriverCapabilities;
  /** What became of the units that were leased, in all limits together: `granted = spent + returned + expired + held`. Absent without leases. */
  leaseStats?(): LeaseStats;
  destroy(): void;
  /** `destroy()`, and resolves when unspent units of leases have been given back. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A rate limit store on `driver`. A policy's window or rate is part of the key, so a changed one starts anew, and a
 * changed `max` applies at once to what was counted.
 *
 * @throws StoreError `STORE_CAPABILITY` for a driver whose steps are not atomic, and with `lease` for one that is not shared or not exact.
 *
 * @example
 * const store = rateLimitStoreOn(memoryDriver());
 * const { allowed, retryAfterMs } = await store.check("user-7", { algorithm: "sliding-window", max: 100, windowMs: 60_000 }, 1);
 */
export function rateLimitStoreOn(driver: StateDriver, options: RateLimitStoreOptions = {}): DriverRateLimitStore {
  const { lease, ...rest } = options;
  return new DriverLimits(driver, lease === undefined ? rest : { ...rest, leases: new LeasedLimits(driver, options.run, lease) });
}
