/** The leases of a rate limit store: one leased limiter for every limit that can be leased. */

import { checkPositive } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { type Combiner, createCombiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { LimitDecision, LimitPolicy } from "../contracts/limits.ts";
import type { LeaseStats } from "../lease/leased-decision.ts";
import { type LeaseOptions, type LeaseTerms, leaseTerms } from "../lease/lease-limit.ts";
import { type LeasedLimiter, leaseOver } from "../lease/leased-limiter.ts";
import type { CompiledLimit } from "../limit-policy.ts";
import type { Run } from "./runner.ts";

/** How the limits of a store, or a limiter, are leased. */
export interface StoreLeaseOptions extends LeaseOptions {
  /** Largest cost of a call on a token bucket; a dearer one may be refused for ever. @default 1 */
  readonly maxCost?: number;
  readonly clock?: Clock;
}

/** Leases on the clock of what they are made for, unless they name another. */
export function leaseOnClock(lease: true | StoreLeaseOptions | undefined, clock: Clock | undefined): StoreLeaseOptions | undefined {
  return lease === undefined ? undefined : { ...(lease === true ? {} : lease), clock: (lease === true ? undefined : lease.clock) ?? clock };
}

/** A limit of the store. */
export interface LeasedLimit {
  /** What leases are debited under. Whoever charges the limit without one uses it as well: the same record, with the same bound. */
  readonly terms: Pick<LeaseTerms, "limit" | "algorithm" | "policy">;
  /** Its keys are as callers name them. */
  readonly limiter: { check(key: string, cost: number): MaybePromise<LimitDecision> };
}

/** The key in the store, for a record of that suffix. */
export type NameOf = (key: string, keySuffix: string) => string;

/** Limits that differ in their numbers are leased apart. One beyond this many costs a round trip per call, and is as exact. */
const MAX_LIMITS = 256;

export class LeasedLimits {
  readonly #driver: StateDriver;
  readonly #options: StoreLeaseOptions;
  readonly #combiner: Pick<Combiner, "run">;
  readonly #own: Combiner | undefined;
  readonly #byObject = new WeakMap<CompiledLimit, LeasedLimit | false>();
  readonly #byText = new Map<string, LeasedLimit & { readonly limiter: LeasedLimiter }>();
  #lastLimit: CompiledLimit | undefined;
  #lastLeased: LeasedLimit | undefined;
  #closing: Promise<void> | undefined;

  /** @throws StoreError `STORE_CAPABILITY` for a store that is not shared, atomic and exact; OptionError for the options. */
  constructor(driver: StateDriver, run: Run | undefined, lease: true | StoreLeaseOptions) {
    this.#driver = driver;
    this.#options = lease === true ? {} : lease;
    leaseTerms(driver, SAMPLE, this.#options, checkPositive("maxCost", this.#options.maxCost ?? 1));
    this.#own = run === undefined ? createCombiner(driver, { clock: this.#options.clock }) : undefined;
    this.#combiner = run === undefined ? (this.#own as Combiner) : { run };
  }

  /** How `policy`, which was compiled to `limit`, is charged; `undefined` when it cannot be leased. `name` is the same for every call. */
  of(policy: LimitPolicy, limit: CompiledLimit, name: NameOf): LeasedLimit | undefined {
    // Most calls repeat the limit of the one before.
    if (limit === this.#lastLimit) return this.#lastLeased;
    let leased = this.#byObject.get(limit);
    if (leased === undefined) this.#byObject.set(limit, (leased = this.#make(policy, name)));
    this.#lastLimit = limit;
    return (this.#lastLeased = leased === false ? undefined : leased);
  }

  /** Of all limits together. */
  stats(): LeaseStats {
    return sumOf([...this.#byText.values()].map(({ limiter }) => limiter.stats()));
  }

  /** Gives back what is held. Never rejects. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  #make(policy: LimitPolicy, name: NameOf): LeasedLimit | false {
    const { algorithm, max, windowMs, capacity, buckets, maxDebt } = policy as { algorithm: string; max: number; windowMs: number; capacity?: number; buckets?: number; maxDebt?: number };
    const text = `${algorithm} ${max} ${windowMs} ${capacity} ${buckets} ${maxDebt}`;
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    try {
      const terms = leaseTerms(this.#driver, policy, this.#options, this.#options.maxCost);
      const named = (key: string): string => name(key, terms.limit.keySuffix);
      if (this.#byText.size >= MAX_LIMITS) return { terms, limiter: unleased(terms, this.#combiner, named) };
      const leased = { terms, limiter: leasedLimit(this.#driver, policy, this.#combiner, this.#options, { name: named }) };
      this.#byText.set(text, leased);
      return leased;
    } catch (error) {
      // Too short a window, too small a bucket.
      if (error instanceof OptionError) return false;
      throw error;
    }
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#byText.values()].map(({ limiter }) => limiter.close()));
    await this.#own?.close();
  }
}

function sumOf(all: readonly LeaseStats[]): LeaseStats {
  const sum = { granted: 0, spent: 0, returned: 0, expired: 0, held: 0, inFlight: 0, roundTrips: 0, deniedCached: 0, degraded: 0, epochChanges: 0 };
  for (const stats of all) for (const name of Object.keys(sum) as (keyof LeaseStats)[]) sum[name] += stats[name];
  return sum;
}

/** Any limit that can be leased: what is refused with it is the store or the options. */
const SAMPLE: LimitPolicy = { algorithm: "fixed-window", max: 1, windowMs: 60_000 };

/** What a failing store means is said by whoever uses the limiter, so it fails. */
export function leasedLimit(
  driver: StateDriver, limit: LimitPolicy | CompiledLimit, combiner: Pick<Combiner, "run">, { maxCost, clock, ...lease }: StoreLeaseOptions,
  { name, onClose }: { readonly name?: (key: string) => string; readonly onClose?: () => Promise<void> } = {},
): LeasedLimiter {
  return leaseOver(combiner, { driver, limit, lease, maxCost, clock, failMode: "closed", name }, onClose);
}

/** The record of the leased limit, as others may lease it. */
function unleased({ algorithm, policy }: LeaseTerms, combiner: Pick<Combiner, "run">, name: (key: string) => string): LeasedLimit["limiter"] {
  return { check: (key, cost) => combiner.run(algorithm, name(key), { cost, policy }) as MaybePromise<LimitDecision> };
}
