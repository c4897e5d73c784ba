/**
 * Writing ahead: what an object stores of a busy limit is the state after some more charges than there were, so the next
 * ones need no write, and an object that crashes or is evicted comes back with no charge missing.
 *
 * The units ahead are a lease that the object takes from its own record (`leasedFixedWindow` and the others), which is
 * proven to cover every way of spending its units within its lifetime. A crash loses at most the unspent ones, as refusals.
 */

import type { BucketPolicy } from "../../../state/algorithms/token-bucket.ts";
import { tokenBucket } from "../../../state/algorithms/token-bucket.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { LimitDecision } from "../../../state/contracts/limits.ts";
import { type LimitLeaseGrant, leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket } from "../../../state/lease/lease-command.ts";

/** Longest life of units ahead, in ms, and how long after the last change the exact state is written. */
export const AHEAD_MS = 1000;
/** Most units ahead. */
export const MAX_UNITS_AHEAD = 1024;
/** Units ahead are at most this part of what is free. */
const DIVISOR = 16;

/** Charges that need no write: what is stored covers them. */
export interface Cover {
  readonly policy: object;
  /** Units left; of a bucket the small ones that `policy.q` make a token. */
  left: number;
  readonly until: number;
}

/** What is to be stored, and what it covers beside the state it was made from. */
export interface Ahead {
  readonly state: unknown;
  readonly expiresAt: number | undefined;
  readonly cover: Cover;
}

interface Charge {
  readonly cost: number;
  readonly policy: object;
  readonly dry?: boolean;
}

/** What commands charged. */
export interface Charged {
  /** In units of {@link Cover.left}. */
  readonly units: number;
  /** How long after now the last of them may be spent: 0 but for leases of a sliding window, whose debits stand where the lease ends. */
  readonly spentWithinMs: number;
}

/** `undefined` when a command is no plain charge and no lease under one policy of a limit that can be written ahead. */
export function chargedUnits(algorithm: Algorithm, commands: readonly unknown[], replies: readonly unknown[]): Charged | undefined {
  if (!canLease(algorithm)) return undefined;
  let units = 0;
  let spentWithinMs = 0;
  const first = commands[0] as Charge;
  for (let i = 0; i < commands.length; i++) {
    const command = commands[i] as Charge & Record<string, unknown>;
    if (command["refund"] !== undefined || command["settle"] !== undefined || command["force"] !== undefined) return undefined;
    if (i > 0 && !samePolicy(command.policy, first.policy)) return undefined;
    if (command["lease"] !== undefined) {
      const { granted, ttlMs } = replies[i] as LimitLeaseGrant;
      units += unitsOf(algorithm, granted, command.policy);
      if (granted > 0 && algorithm === (leasedSlidingWindow as Algorithm)) spentWithinMs = Math.max(spentWithinMs, ttlMs);
      continue;
    }
    if (typeof command.cost !== "number") return undefined;
    if ((replies[i] as LimitDecision).allowed && command.dry !== true) units += unitsOf(algorithm, command.cost, command.policy);
  }
  return { units, spentWithinMs };
}

/** Whether what is stored covers what was charged at `now`; it is taken from the cover then. */
export function isCovered(cover: Cover | undefined, { units, spentWithinMs }: Charged, commands: readonly unknown[], now: number, since: number): boolean {
  if (cover === undefined || now + spentWithinMs >= cover.until || now < since || units > cover.left || !samePolicy(cover.policy, (commands[0] as Charge).policy)) return false;
  cover.left -= units;
  return true;
}

/** `state` with up to `want` units ahead; `undefined` when there is no room for any. */
export function writeAhead(algorithm: Algorithm, state: unknown, policy: object, want: number, now: number): Ahead | undefined {
  const { state: leased, reply, expiresAt } = algorithm.step(state, { lease: want, divisor: DIVISOR, ttlMs: AHEAD_MS, policy }, now);
  const { granted, ttlMs } = reply as LimitLeaseGrant;
  if (granted === 0) return undefined;
  if (algorithm !== (leasedTokenBucket as Algorithm)) return { state: leased, expiresAt, cover: { policy, left: granted, until: now + ttlMs } };
  // A bucket drains while units wait to be spent, and drains less once it is empty: what could drain is charged as well.
  const { p, q } = policy as BucketPolicy;
  const lifeMs = Math.min(AHEAD_MS, Math.floor((granted * q) / p));
  if (lifeMs < 1) return undefined;
  const stored = tokenBucket.step(leased as readonly number[], { cost: Math.ceil((p * lifeMs) / q), policy: policy as BucketPolicy }, now);
  if (!stored.reply.allowed) return undefined;
  return { state: stored.state, expiresAt: stored.expiresAt, cover: { policy, left: granted * q, until: now + lifeMs } };
}

function canLease(algorithm: Algorithm): boolean {
  return algorithm === (leasedFixedWindow as Algorithm) || algorithm === (leasedSlidingWindow as Algorithm) || algorithm === (leasedTokenBucket as Algorithm);
}

function unitsOf(algorithm: Algorithm, cost: number, policy: object): number {
  return algorithm === (leasedTokenBucket as Algorithm) ? Math.ceil(cost * (policy as BucketPolicy).q) : cost;
}

/** Policies are copies of each other once they have crossed the wire. */
function samePolicy(a: object, b: object): boolean {
  if (a === b) return true;
  for (const key in a) if ((a as Record<string, unknown>)[key] !== (b as Record<string, unknown>)[key]) return false;
  return true;
}
