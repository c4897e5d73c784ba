/** Turns the limits that users write into what an algorithm takes: checked, rounded, frozen, in bounds. */

import { checkInteger, checkOneOf, checkPositive, checkWindowMs } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import { type AllOfCommand, type AllOfDecision, allOf } from "./algorithms/all-of.ts";
import { type FixedWindowPolicy, fixedWindow } from "./algorithms/fixed-window.ts";
import { MAX_COST, isCost } from "./algorithms/limit-command.ts";
import { MAX_LOG, type SlidingLogPolicy, slidingLog } from "./algorithms/sliding-log.ts";
import { MAX_BUCKETS, MIN_BUCKETS, type SlidingWindowPolicy, slidingWindow } from "./algorithms/sliding-window.ts";
import { type BucketPolicy, tokenBucket } from "./algorithms/token-bucket.ts";
import type { Algorithm } from "./contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitPolicy } from "./contracts/limits.ts";
import { rateFraction } from "./rate-fraction.ts";

/** A limit as the state layer runs it: give `algorithm` commands that carry `policy`, on `key` and `keySuffix`. */
// oxlint-disable-next-line typescript/no-explicit-any -- algorithm and policy travel together, whichever they are
export interface CompiledLimit<Policy = any> {
  readonly algorithm: Algorithm<unknown, LimitCommand<Policy>, LimitDecision>;
  /** What travels in the command. Frozen. */
  readonly policy: Policy;
  /**
   * What shapes the state, as a part of the key without `:`: a changed window starts a new record, a changed `max` or
   * `capacity` goes on with the old one.
   */
  readonly keySuffix: string;
  /** `max`, or the whole tokens of a full bucket. */
  readonly limit: number;
  /** How long one call can count: the window, or the time a full bucket takes to fill, in whole ms. */
  readonly horizonMs: number;
}

/** Several limits on one subject, for one record. */
export interface CompiledLimits {
  readonly algorithm: Algorithm<unknown, AllOfCommand, AllOfDecision>;
  readonly policies: readonly unknown[];
  readonly members: readonly CompiledLimit[];
  readonly keySuffix: string;
}

/** A constant limit up to this is kept as a log, which is exact and no larger than the ring. */
export const LOG_UP_TO = 32;

/** Units of a full bucket, and the largest rate: with it every intermediate of the bucket stays below 2^53. */
export const MAX_UNITS: number = 2 ** 51;

const ALGORITHMS = ["fixed-window", "sliding-window", "token-bucket"] as const;

interface Memo {
  readonly compiled: CompiledLimit;
  /** What the object said when it was compiled. */
  readonly source: Fields;
}

interface Fields {
  readonly algorithm: string;
  readonly max: number;
  readonly windowMs: number;
  readonly capacity?: number;
  readonly maxDebt?: number;
  readonly buckets?: number;
  readonly dynamic?: boolean;
}

const memo: WeakMap<LimitPolicy, Memo> = /* @__PURE__ */ new WeakMap();

/**
 * Compiles a limit, once per policy object: asking again is a look-up. An object that was changed in the meantime is
 * compiled again.
 *
 * @throws OptionError for `max` that is no integer of at least 0, `windowMs` outside 1 ms to 400 days, `capacity` below 1,
 * `buckets` outside 16 to 240, and for buckets whose `capacity * windowMs` would leave the exact integers.
 */
export function compileLimit(policy: LimitPolicy): CompiledLimit {
  const known = memo.get(policy);
  if (known !== undefined && isSame(known.source, policy)) return known.compiled;
  if (typeof policy !== "object" || policy === null) throw new OptionError("policy", policy, "an object");
  const compiled = compile(policy);
  const { algorithm, max, windowMs, capacity, maxDebt, buckets, dynamic } = policy as Fields;
  memo.set(policy, { compiled, source: { algorithm, max, windowMs, capacity, maxDebt, buckets, dynamic } });
  return compiled;
}

function isSame(a: Fields, b: Fields): boolean {
  return a.max === b.max && a.windowMs === b.windowMs && a.capacity === b.capacity && a.algorithm === b.algorithm
    && a.buckets === b.buckets && a.dynamic === b.dynamic && a.maxDebt === b.maxDebt;
}

function compile(policy: LimitPolicy): CompiledLimit {
  checkOneOf("algorithm", policy.algorithm, ALGORITHMS);
  switch (policy.algorithm) {
    case "fixed-window":
      return fixedWindowLimit(policy);
    case "sliding-window":
      return policy.dynamic !== true && policy.buckets === undefined && policy.max <= LOG_UP_TO ? slidingLogLimit(policy) : slidingWindowLimit(policy);
    case "token-bucket":
      return tokenBucketLimit(policy);
  }
}

const severalMemo: WeakMap<readonly LimitPolicy[], CompiledLimits> = /* @__PURE__ */ new WeakMap();

/** Compiles several limits for one record, once per array and the policies in it. */
export function compileLimits(policies: readonly LimitPolicy[]): CompiledLimits {
  if (!Array.isArray(policies) || policies.length === 0) throw new OptionError("policies", policies, "an array of at least one limit");
  const known = severalMemo.get(policies);
  if (known !== undefined && known.members.length === policies.length && known.members.every((member, i) => member === compileLimit(policies[i] as LimitPolicy))) {
    return known;
  }
  const members = Object.freeze(policies.map(compileLimit));
  const compiled: CompiledLimits = Object.freeze({
    algorithm: allOf(members.map(({ algorithm }) => algorithm)),
    policies: Object.freeze(members.map(({ policy }) => policy as unknown)),
    members,
    keySuffix: members.map(({ keySuffix }) => keySuffix).join("+"),
  });
  severalMemo.set(policies, compiled);
  return compiled;
}

export function fixedWindowLimit(options: { readonly max: number; readonly windowMs: number }): CompiledLimit<FixedWindowPolicy> {
  const max = checkInteger("max", options.max, 0);
  const windowMs = checkWindowMs("windowMs", options.windowMs);
  return Object.freeze({ algorithm: fixedWindow, policy: Object.freeze({ max, windowMs }), keySuffix: `fixed-${windowMs}`, limit: max, horizonMs: windowMs });
}

export function slidingWindowLimit(options: { readonly max: number; readonly windowMs: number; readonly buckets?: number }): CompiledLimit<SlidingWindowPolicy> {
  const max = checkInteger("max", options.max, 0);
  const windowMs = checkWindowMs("windowMs", options.windowMs);
  const buckets = options.buckets === undefined ? 64 : checkInteger("buckets", options.buckets, MIN_BUCKETS, MAX_BUCKETS);
  const bucketMs = Math.ceil(windowMs / buckets);
  const span = Math.ceil(windowMs / bucketMs);
  return Object.freeze({
    algorithm: slidingWindow,
    policy: Object.freeze({ max, windowMs, bucketMs, span }),
    keySuffix: `ring-${windowMs}-${bucketMs}`,
    limit: max,
    horizonMs: (span + 1) * bucketMs,
  });
}

export function slidingLogLimit(options: { readonly max: number; readonly windowMs: number }): CompiledLimit<SlidingLogPolicy> {
  const max = checkInteger("max", options.max, 0, MAX_LOG);
  const windowMs = checkWindowMs("windowMs", options.windowMs);
  return Object.freeze({ algorithm: slidingLog, policy: Object.freeze({ max, windowMs }), keySuffix: `log-${windowMs}`, limit: max, horizonMs: windowMs });
}

export interface TokenBucketOptions {
  readonly capacity: number;
  readonly max: number;
  readonly windowMs: number;
  /** Tokens that a settlement may charge beyond an empty bucket. @default the capacity */
  readonly maxDebt?: number;
}

/** A bucket that refills `max` tokens per `windowMs`: the fraction is kept as it is, so a dynamic `max` keeps its scale. */
export function tokenBucketLimit(options: TokenBucketOptions): CompiledLimit<BucketPolicy> {
  const capacity = checkCapacity(options.capacity);
  const max = checkInteger("max", options.max, 0, MAX_UNITS);
  const windowMs = checkWindowMs("windowMs", options.windowMs);
  return bucket(capacity, max, windowMs, options.maxDebt);
}

/**
 * A bucket from a rate in tokens per second: the exact decimal fraction; the simple fraction that was meant by a long
 * one (1/3); else the best fraction not above the rate, at most 10^-9 below it.
 *
 * @throws OptionError for a rate that is not above 0, or that no fraction within the exact integers comes near.
 */
export function tokenRateLimit(options: { readonly capacity: number; readonly tokensPerSecond: number; readonly maxDebt?: number }): CompiledLimit<BucketPolicy> {
  const capacity = checkCapacity(options.capacity);
  const rate = checkPositive("tokensPerSecond", options.tokensPerSecond);
  const fraction = rateFraction(rate, 1000, MAX_UNITS, MAX_UNITS / capacity);
  if (fraction === undefined) {
    throw new OptionError("tokensPerSecond", rate, `at most ${MAX_UNITS * 1000} and so that the capacity (${capacity}) times the milliseconds per token stays within ${MAX_UNITS}`);
  }
  return bucket(capacity, fraction.p, fraction.q, options.maxDebt);
}

function checkCapacity(capacity: unknown): number {
  if (typeof capacity !== "number" || !Number.isFinite(capacity) || capacity < 1 || capacity > MAX_UNITS) {
    throw new OptionError("capacity", capacity, `a number from 1 to ${MAX_UNITS}`);
  }
  return capacity;
}

function bucket(capacity: number, p: number, q: number, maxDebt: number | undefined): CompiledLimit<BucketPolicy> {
  const units = Math.floor(capacity * q);
  if (units > MAX_UNITS) throw new OptionError("capacity", capacity, `at most ${Math.floor(MAX_UNITS / q)} at ${p} tokens per ${q} ms`);
  const debt = maxDebt === undefined ? capacity : checkDebt(maxDebt);
  // A rate of 0 refuses everything, like every limit of 0.
  const policy: BucketPolicy = Object.freeze({
    limit: p === 0 ? 0 : Math.floor(capacity),
    p: Math.max(1, p),
    q,
    capacityUnits: p === 0 ? 0 : units,
    debtUnits: Math.min(MAX_UNITS, Math.floor(debt * q)),
  });
  const horizonMs = Math.ceil(units / policy.p);
  return Object.freeze({ algorithm: tokenBucket, policy, keySuffix: `bucket-${q}`, limit: policy.limit, horizonMs });
}

function checkDebt(maxDebt: unknown): number {
  if (typeof maxDebt !== "number" || Number.isNaN(maxDebt) || maxDebt < 0) throw new OptionError("maxDebt", maxDebt, "a number of at least 0");
  return maxDebt;
}

/**
 * The domain of a cost: whole and at most 2^31 - 1 on windows, any finite number of at least 0 on buckets. Surfaces
 * check before the driver is asked; an algorithm that is given anything else refuses it for ever.
 *
 * @throws OptionError naming `option`.
 */
export function checkCost(limit: CompiledLimit, cost: unknown, option = "cost"): number {
  if (limit.algorithm === tokenBucket) {
    if (typeof cost === "number" && cost >= 0 && cost < Number.POSITIVE_INFINITY) return cost;
    throw new OptionError(option, cost, "a finite number of at least 0");
  }
  if (isCost(cost)) return cost;
  throw new OptionError(option, cost, `an integer from 0 to ${MAX_COST}`);
}
