/**
 * Token bucket in scaled integers: `p` tokens per `q` ms, one token is `q` units, one millisecond drains `p` units,
 * a full debt-free bucket holds `C = floor(capacity * q)` units.
 *
 * Formula: with `e` the whole ms since the last charge, `owed1 = max(0, owed - e * p)`; a cost passes iff
 * `owed1 + ceil(cost * q) <= C`. `owed / p` is how far the theoretical arrival time lies ahead of the last charge, so
 * this is the generic cell rate algorithm (ITU-T I.371, ATM Forum Traffic Management 4.0: increment `q / p`, limit
 * `(C - q) / p`) with both instants kept, and equal to the token bucket of RFC 2697 and Turner's leaky bucket meter.
 *
 * Bounds, for the clock in whole ms: admitted cost less refunds never above `capacity + rate * L` in any interval of
 * length `L`; while never found full, at least `floor(min(demand, capacity + rate * T)) - 1`. There is no fraction and
 * so no drift at any rate; a refusal advances nothing, so no poll loses refill. Units stay exact: `C <= 2^51`,
 * `owed <= 2^52`, `p <= 2^51`, and with those a quotient of doubles rounds to the right side of every integer.
 *
 * A clock behind the last charge moves the instant there and keeps what is owed.
 */

import type { Algorithm, RowMachine } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision } from "../contracts/limits.ts";
import { type Row, defineRowAlgorithm } from "../define-algorithm.ts";
import { type LimitInput, newDecision, newEra } from "./limit-command.ts";

/** A compiled bucket; `compileLimit` makes it and keeps it inside the bounds above. */
export interface BucketPolicy {
  /** Whole tokens a full bucket holds; 0 refuses everything. */
  readonly limit: number;
  /** Tokens per `q` ms; also the units that drain in one ms. At least 1. */
  readonly p: number;
  /** Milliseconds per `p` tokens; also the units of one token. */
  readonly q: number;
  /** Units of a full bucket. */
  readonly capacityUnits: number;
  /** Units that a settlement may charge beyond the capacity. */
  readonly debtUnits: number;
}

const LAST = 0;
const OWED = 1;
const ERA = 2;

const row: RowMachine<LimitCommand<BucketPolicy>, LimitDecision> = {
  width: 3,

  apply(cells, at, command, now, reply): boolean {
    const input = command as LimitInput<BucketPolicy>;
    const { p, q, capacityUnits } = input.policy;
    const t = Math.floor(now);
    const last = cells[at + LAST] as number;
    let era = cells[at + ERA] as number;
    let owed = cells[at + OWED] as number;
    let changed = false;

    if (era !== 0 && t < last) {
      era += 1;
      changed = true;
    } else if (owed > 0) {
      // `min` keeps the product exact whatever time has passed.
      const elapsed = Math.min(t - last, Math.ceil(owed / p));
      owed = Math.max(0, owed - elapsed * p);
    }
    let charge = 0;

    reply.allowed = true;
    reply.retryAfterMs = 0;
    reply.ticket = undefined;
    if (input.refund !== undefined) {
      const { refund } = input;
      if (refund.era === era && isAmount(refund.need) && (input.cost === undefined || isAmount(input.cost))) {
        const units = input.cost === undefined ? refund.need : Math.min(refund.need, Math.floor(input.cost * q));
        charge = -Math.min(owed, undrained(units, refund.at, t, p));
      }
    } else if (input.settle !== undefined) {
      const { settle } = input;
      const excess = isAmount(input.actual) && isAmount(settle.need) ? Math.ceil(input.actual * q) - settle.need : 0;
      if (excess > 0) charge = Math.max(0, Math.min(capacityUnits + input.policy.debtUnits, owed + excess) - owed);
      else if (settle.era === era) charge = -Math.min(owed, undrained(-excess, settle.at, t, p));
    } else if (input.reset === true) {
      if (owed > 0) {
        // The new era keeps tickets from before the reset away from what comes after it.
        owed = 0;
        era = newEra(era + 1, now);
        changed = true;
      }
    } else if (!isAmount(input.cost)) {
      reply.allowed = false;
      reply.retryAfterMs = null;
    } else {
      const need = Math.ceil(input.cost * q);
      if (owed + need <= capacityUnits) {
        if (input.dry !== true) charge = need;
      } else {
        reply.allowed = false;
        reply.retryAfterMs = need > capacityUnits ? null : Math.ceil((owed + need - capacityUnits) / p);
      }
    }

    if (charge !== 0) {
      // A bucket found full is as good as a new one.
      if (owed === 0) era = newEra(era, now);
      owed += charge;
      changed = true;
      if (input.ticket === true && charge > 0) reply.ticket = { era, at: t, need: charge };
    }
    reply.limit = input.policy.limit;
    reply.remaining = owed < capacityUnits ? Math.floor((capacityUnits - owed) / q) : 0;
    reply.debt = owed > capacityUnits ? Math.ceil((owed - capacityUnits) / q) : 0;
    reply.resetAfterMs = Math.ceil(owed / p);

    if (changed) {
      cells[at + LAST] = t;
      cells[at + OWED] = owed;
      cells[at + ERA] = era;
    }
    return changed;
  },

  expiresAt(cells, at, command): number {
    if (cells[at + ERA] === 0) return 0;
    const owed = cells[at + OWED] as number;
    // A bucket filled by a reset outlives its millisecond, so that no new record gets the same era.
    return (cells[at + LAST] as number) + (owed === 0 ? 1 : Math.ceil(owed / command.policy.p));
  },

  limiting(cells, at): boolean {
    return (cells[at + OWED] as number) > 0;
  },

  reply: newDecision,
};

export const tokenBucket: Algorithm<Row, LimitCommand<BucketPolicy>, LimitDecision> = /* @__PURE__ */ defineRowAlgorithm({ name: "token-bucket", version: 1, row });

function isAmount(amount: unknown): amount is number {
  return typeof amount === "number" && amount >= 0 && amount < Number.POSITIVE_INFINITY;
}

/** What of `units`, charged at `at`, has not drained until `t`: drained units are back already. */
function undrained(units: number, at: number, t: number, p: number): number {
  const elapsed = Math.min(t - at, Math.ceil(units / p));
  return elapsed >= 0 ? Math.max(0, units - elapsed * p) : 0;
}
