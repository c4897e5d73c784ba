/** The lease command: units debited now, to be spent elsewhere within a lifetime. A pure extension of the limiter algorithms. */

import { fixedWindow, type FixedWindowPolicy } from "../algorithms/fixed-window.ts";
import { MAX_COST } from "../algorithms/limit-command.ts";
import { slidingWindow, type SlidingWindowPolicy, type SlidingWindowState } from "../algorithms/sliding-window.ts";
import { tokenBucket, type BucketPolicy } from "../algorithms/token-bucket.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitTicket } from "../contracts/limits.ts";

export interface LimitLeaseCommand<Policy = unknown> {
  /** Units the holder would like; a whole number above 0. */
  readonly lease: number;
  /** Fewest units that are of use: with fewer free nothing is granted. @default 1 */
  readonly least?: number;
  /** Units that callers wait for at this moment, and so will spend at once. @default 0 */
  readonly waiting?: number;
  /** Units in reserve are at most this part of what is free, and those for waiting callers this part of the limit: a window that runs out is shared. */
  readonly divisor: number;
  /** Replicas of the backend that have to have the debit before the grant is answered; for drivers that can. @default 0 */
  readonly waitForReplicas?: number;
  /** Longest lifetime, in ms; a fixed window's ends with the window whatever it says. */
  readonly ttlMs: number;
  readonly policy: Policy;
}

export interface LimitLeaseGrant {
  /** Units that are the holder's now; 0 is a refusal. */
  readonly granted: number;
  /** For how long after the grant, in ms of the store's clock. */
  readonly ttlMs: number;
  readonly limit: number;
  /** Whole units that are left in the store. */
  readonly remaining: number;
  /** For a refusal: when `least` can be had; `null` for never. */
  readonly retryAfterMs: number | null;
  readonly resetAfterMs: number;
  /** For giving back what was not spent. */
  readonly ticket?: LimitTicket;
}

/** A limiter algorithm that also takes {@link LimitLeaseCommand}. */
export type LeasedAlgorithm<State = unknown, Policy = unknown> = Algorithm<State, LimitCommand<Policy> | LimitLeaseCommand<Policy>, LimitDecision | LimitLeaseGrant>;

/**
 * Adds the lease command to a limiter: `R` units are free now; `g = min(want, max(least, floor(R / divisor),
 * min(waiting, floor(limit / divisor))), R)` are debited at once. Records are those of the algorithm itself, so holders of leases and others share a limit exactly.
 * `settleIn` gives the lifetime of a grant, and the state with the debit where it has to stand for that lifetime.
 */
function leased<State, Policy>(base: Algorithm<State, LimitCommand<Policy>, LimitDecision>, settleIn: Settle<State, Policy>): LeasedAlgorithm<State, Policy> {
  function step(state: State | undefined, command: LimitCommand<Policy> | LimitLeaseCommand<Policy>, now: number): Step<State, LimitDecision | LimitLeaseGrant> {
    if (!("lease" in command)) return base.step(state, command, now);
    const { policy } = command;
    const least = Math.max(1, command.least ?? 1);
    const peek = base.step(state, { cost: least, policy, dry: true }, now);
    const { allowed, limit, remaining, retryAfterMs, resetAfterMs } = peek.reply;
    if (!allowed || !(command.lease >= 1)) {
      return { state: peek.state, reply: { granted: 0, ttlMs: 0, limit, remaining, retryAfterMs, resetAfterMs }, expiresAt: peek.expiresAt };
    }
    const { divisor, waiting = 0 } = command;
    const share = Math.max(least, Math.floor(remaining / divisor), Math.min(Math.ceil(waiting), Math.floor(limit / divisor)));
    // A window refuses a charge above the largest cost, and units that were not debited must not be granted.
    const granted = Math.min(Math.max(least, Math.min(Math.floor(command.lease), MAX_COST)), share, remaining);
    const charged = base.step(peek.state, { cost: granted, policy, ticket: true }, now);
    return settleIn(charged as Step<State, LimitDecision>, command, granted, now);
  }
  // No `row`: a lease is for stores that other processes share, and those run `step`, or a native version that knows leases.
  const { name, version, maxStateBytes, encode, decode, limiting } = base;
  return Object.freeze({ name, version, maxStateBytes, step, encode, decode, ...(limiting === undefined ? {} : { limiting }) });
}

type Settle<State, Policy> = (charged: Step<State, LimitDecision>, command: LimitLeaseCommand<Policy>, granted: number, now: number) => Step<State, LimitLeaseGrant>;

function grant(reply: LimitDecision, granted: number, ttlMs: number, ticket: LimitTicket | undefined = reply.ticket): LimitLeaseGrant {
  const { limit, remaining, resetAfterMs } = reply;
  return { granted, ttlMs, limit, remaining, retryAfterMs: 0, resetAfterMs, ticket };
}

/** A lease of a window lives until the window ends: all its debits are in one window. */
export const leasedFixedWindow: LeasedAlgorithm<readonly number[], FixedWindowPolicy> = /* @__PURE__ */ leased<readonly number[], FixedWindowPolicy>(
  fixedWindow as Algorithm<readonly number[], LimitCommand<FixedWindowPolicy>, LimitDecision>,
  (charged, _command, granted, now) => ({ ...charged, reply: grant(charged.reply, granted, (charged.expiresAt as number) - now) }),
);

/** The policy's capacity must be less than the limit's by what refills in `ttlMs`: spends may lag behind their debits that much. */
export const leasedTokenBucket: LeasedAlgorithm<readonly number[], BucketPolicy> = /* @__PURE__ */ leased<readonly number[], BucketPolicy>(
  tokenBucket,
  (charged, command, granted) => ({ ...charged, reply: grant(charged.reply, granted, command.ttlMs) }),
);

/** The debit stands in the bucket in which the lease ends, the current one or the next: a unit counts from where it may be spent last. */
export const leasedSlidingWindow: LeasedAlgorithm<SlidingWindowState, SlidingWindowPolicy> = /* @__PURE__ */ leased<SlidingWindowState, SlidingWindowPolicy>(
  slidingWindow,
  (charged, command, granted, now) => {
    const { bucketMs, span } = command.policy;
    const ttlMs = Math.min(bucketMs, command.ttlMs);
    const from = Math.floor(now / bucketMs);
    const to = Math.floor((now + ttlMs) / bucketMs);
    const ticket = charged.reply.ticket as LimitTicket;
    const state = to === from ? (charged.state as SlidingWindowState) : moved(charged.state as SlidingWindowState, from, granted);
    return { state, expiresAt: (state.head + span + 1) * bucketMs, reply: grant(charged.reply, granted, ttlMs, { ...ticket, at: to }) };
  },
);

/** `units`, just charged to bucket `from`, which is the head or the bucket before it, stand in the bucket after `from` instead. */
function moved(ring: SlidingWindowState, from: number, units: number): SlidingWindowState {
  const { head, older } = ring;
  if (head === from) {
    const left = ring.count - units;
    return { ...ring, head: from + 1, count: units, older: left > 0 ? [...older, from, left] : older };
  }
  const left = (older.at(-1) as number) - units;
  const before = older.slice(0, -2);
  return { ...ring, count: ring.count + units, older: left > 0 ? [...before, from, left] : before };
}
