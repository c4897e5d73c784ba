/** Limits: policies, commands, decisions, and the stores that keep them. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`). */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { DriverCapabilities } from "./driver.ts";

/** A limit as a user writes it. */
export type LimitPolicy =
  | { readonly algorithm: "fixed-window"; readonly max: number; readonly windowMs: number }
  | {
      readonly algorithm: "sliding-window";
      readonly max: number;
      readonly windowMs: number;
      /** Sub-windows of the ring, 16 to 240: more recover sooner and take more state. @default 64 */
      readonly buckets?: number;
      /** `max` changes from call to call: the layout may then not depend on it. @default false */
      readonly dynamic?: boolean;
    }
  | {
      readonly algorithm: "token-bucket";
      /** Tokens a full bucket holds: the burst. */
      readonly capacity: number;
      /** Refill as `max` tokens per `windowMs`, exact for every pair of integers. */
      readonly max: number;
      readonly windowMs: number;
      /** Tokens that a settlement may charge beyond an empty bucket. @default the capacity */
      readonly maxDebt?: number;
    };

/** The answer of a limiter. An expected outcome: a refusal is a value, not an error. */
export interface LimitDecision {
  allowed: boolean;
  /** The limit that was applied: `max`, or the capacity of a bucket. */
  limit: number;
  /** Whole units left after this decision, from 0 to `limit`. */
  remaining: number;
  /**
   * 0 when allowed; else the smallest whole number of ms after which the same cost passes if nobody else spends;
   * `null` when it can never pass.
   */
  retryAfterMs: number | null;
  /** Milliseconds until everything is back. */
  resetAfterMs: number;
  /** Whole units owed beyond the limit (`settle` can charge into debt); else 0. */
  debt: number;
  /** What to hand back for a refund; only when the command asked for one and was allowed with a positive cost. */
  ticket?: LimitTicket;
}

/** Proof of a charge, to be refunded or settled once. Plain data: it may cross a process boundary. */
export interface LimitTicket {
  readonly era: number;
  readonly at: number;
  readonly need: number;
}

/** A refund whose ticket is unknown or of another era changes nothing: it may be lost, never counted double. */
export type LimitCommand<Policy> =
  | { readonly cost: number; readonly policy: Policy; readonly dry?: boolean; readonly ticket?: boolean }
  | { readonly refund: LimitTicket; readonly policy: Policy; readonly cost?: number }
  | { readonly settle: LimitTicket; readonly actual: number; readonly policy: Policy }
  | { readonly reset: true; readonly policy: Policy };

export interface RateLimitStore {
  /** Counts one more in the fixed window of `key`, which begins with its first count. `resetAt` is epoch ms. */
  increment(key: string, windowSeconds: number): MaybePromise<{ count: number; resetAt: number }>;
  /**
   * Charges `cost` under `policy`, or refuses and charges nothing; `cost: 0` reads. Optional: a store with only
   * `increment` serves fixed windows.
   */
  check?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  /** Tests all policies on one subject and charges all of them, or none. Decisions in the order of the policies. */
  checkAll?(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  /** `check` whose decision carries a ticket when something was charged; required together with `settle`. */
  reserve?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  /**
   * Corrects an earlier charge to what was really used, up or down. More may be charged than is left: the debt of a token
   * bucket is waited out by later checks. Without a ticket, `actual` is charged as it is.
   */
  settle?(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  /** Most calls of `check` are answered by units held in this process, while `reserve` asks the store every time. @default false */
  readonly leased?: boolean;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}

/** A store whose counts may be wrong, and says how in one sentence. For abuse prevention, not for billing or quotas. */
export interface ApproximateRateLimitStore extends RateLimitStore {
  readonly capabilities: Partial<DriverCapabilities> & { readonly approximate: string };
}

export type RateLimitDecision =
  | { readonly allowed: true; readonly remaining: number }
  | { readonly allowed: false; readonly remaining: number; readonly retryAfterMs: number | null };

export interface TokenBucketPolicy {
  /** Tokens of a full bucket; a finite number of at least 1. */
  readonly capacity: number;
  /** Refill rate; a finite number above 0. */
  readonly tokensPerSecond: number;
  readonly prefix?: string;
}

/** The same policy under the name that limiters of one's own know it by. */
export type RateLimitPolicy = TokenBucketPolicy;

/** A token bucket per key. */
export interface RateLimiter {
  /** `cost`: a positive safe integer. `key`: a non-empty string of at most 512 bytes. Else it rejects with `RangeError`. */
  consume(key: string, cost: number): Promise<RateLimitDecision>;
  /** The same without a promise, where no I/O is needed. */
  consumeSync?(key: string, cost: number): RateLimitDecision;
  getPolicy(): Readonly<TokenBucketPolicy>;
  dispose?(): void;
}
