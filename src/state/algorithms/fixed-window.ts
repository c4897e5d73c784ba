/**
 * Fixed window: a count that starts with its first debit and ends `windowMs` later.
 *
 * Formula: `start = floor(now)` at the first debit; live while `now < start + W`; a cost passes iff
 * `count + cost <= max`. The window begins with the caller, not on a round instant, so there is no common boundary at
 * which all callers come back at once.
 *
 * Bounds: never more than `max` per window, hence `max * (ceil(L / W) + 1)` in any interval of length `L` (twice `max`
 * around the end of a window: use the sliding window where that matters); never fewer than `max` per started window;
 * recovery exactly at `start + W`. Counts are exact integers up to 2^53 - 1. A clock behind `start` moves the window
 * there and keeps the count.
 */

import type { Algorithm, RowMachine } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision } from "../contracts/limits.ts";
import { type Row, defineRowAlgorithm } from "../define-algorithm.ts";
import { type LimitInput, addSafe, isCost, newEra } from "./limit-command.ts";

export interface FixedWindowPolicy {
  readonly max: number;
  /** Whole milliseconds. */
  readonly windowMs: number;
}

/** A limit command, or a charge that is counted whatever the limit (`force`). */
export type FixedWindowCommand = LimitCommand<FixedWindowPolicy> | { readonly cost: number; readonly policy: FixedWindowPolicy; readonly force: true };

export interface FixedWindowDecision extends LimitDecision {
  /** What the window holds after this decision. */
  count: number;
  /** End of the window, epoch ms of the store's clock; the present instant when none has begun. */
  resetAt: number;
}

const START = 0;
const COUNT = 1;
const ERA = 2;

const row: RowMachine<FixedWindowCommand, FixedWindowDecision> = {
  width: 3,

  apply(cells, at, command, now, reply): boolean {
    const input = command as LimitInput<FixedWindowPolicy> & { readonly force?: boolean };
    const { max, windowMs } = input.policy;
    let start = cells[at + START] as number;
    let count = cells[at + COUNT] as number;
    let era = cells[at + ERA] as number;
    let changed = false;

    if (era !== 0 && now < start) {
      start = Math.floor(now);
      era += 1;
      changed = true;
    }
    let live = era !== 0 && now < start + windowMs;
    let used = live ? count : 0;
    let charge = 0;

    reply.allowed = true;
    reply.retryAfterMs = 0;
    reply.ticket = undefined;
    if (input.refund !== undefined) {
      const { refund } = input;
      const amount = input.cost ?? refund.need;
      if (live && refund.era === era && refund.at === start && isCost(refund.need) && isCost(amount)) charge = -Math.min(used, amount, refund.need);
    } else if (input.settle !== undefined) {
      const { settle } = input;
      const excess = isCost(input.actual) && isCost(settle.need) ? input.actual - settle.need : 0;
      if (excess > 0) charge = excess;
      else if (live && settle.era === era && settle.at === start) charge = -Math.min(used, -excess);
    } else if (input.reset === true) {
      if (used > 0) {
        // An ended window with a new era: tickets from before the reset must not touch what comes after it.
        start = Math.floor(now) - windowMs;
        count = used = 0;
        era = newEra(era + 1, now);
        live = false;
        changed = true;
      }
    } else if (!isCost(input.cost)) {
      reply.allowed = false;
      reply.retryAfterMs = null;
    } else {
      const { cost } = input;
      // Subtracted, not added: `used` may be as large as a safe integer.
      reply.allowed = cost <= max - used;
      if (!reply.allowed) reply.retryAfterMs = cost > max ? null : Math.ceil(start + windowMs - now);
      if ((reply.allowed && input.dry !== true) || input.force === true) charge = cost;
    }

    if (charge !== 0) {
      if (!live) {
        start = Math.floor(now);
        era = newEra(era, now);
        live = true;
      }
      count = used = addSafe(used, charge);
      changed = true;
      if (input.ticket === true && charge > 0) reply.ticket = { era, at: start, need: charge };
    }
    reply.limit = max;
    reply.remaining = used > max ? 0 : max - used;
    reply.debt = used > max ? used - max : 0;
    reply.count = used;
    reply.resetAt = live ? start + windowMs : Math.floor(now);
    reply.resetAfterMs = used > 0 ? Math.ceil(start + windowMs - now) : 0;

    if (changed) {
      cells[at + START] = start;
      cells[at + COUNT] = count;
      cells[at + ERA] = era;
    }
    return changed;
  },

  expiresAt(cells, at, command): number {
    if (cells[at + ERA] === 0) return 0;
    // A window emptied by a reset outlives its millisecond, so that no new record gets the same era.
    return (cells[at + START] as number) + command.policy.windowMs + (cells[at + COUNT] === 0 ? 1 : 0);
  },

  limiting(cells, at): boolean {
    return (cells[at + COUNT] as number) > 0;
  },

  reply(): FixedWindowDecision {
    // Written out: V8 makes a spread copy that is then written to 30 times slower (3 us).
    return { allowed: true, limit: 0, remaining: 0, retryAfterMs: 0, resetAfterMs: 0, debt: 0, ticket: undefined, count: 0, resetAt: 0 };
  },
};

export const fixedWindow: Algorithm<Row, FixedWindowCommand, FixedWindowDecision> = /* @__PURE__ */ defineRowAlgorithm({ name: "fixed-window", version: 1, row });
