/**
 * Sliding log: every charge with its instant. For small limits, where it is both exact and small.
 *
 * Formula: a charge at `x = ceil(now)` is live while `floor(now) - x < W`; a cost passes iff the sum of the live
 * charges and the cost is at most `max`. Charges of one millisecond share a pair. It is the textbook definition of a
 * sliding window, which the other window algorithms approximate.
 *
 * Bounds: never above `max` in any interval of length `W`, for the unrounded clock; admits exactly what an ideal limiter
 * in whole milliseconds admits; a unit comes back exactly `W` after it was spent. The state has at most `max` pairs.
 *
 * A clock behind the newest charge shifts all charges back by the difference.
 */

import type { Algorithm, Step } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitTicket } from "../contracts/limits.ts";
import { defineAlgorithm } from "../define-algorithm.ts";
import { MAX_VARINT_BYTES, VarintReader, corrupt, pushVarint } from "../varint.ts";
import { type LimitInput, isCost, newDecision, newEra } from "./limit-command.ts";

export interface SlidingLogPolicy {
  /** At most {@link MAX_LOG}. */
  readonly max: number;
  /** Whole milliseconds. */
  readonly windowMs: number;
}

/** Largest limit of a log: its state grows with the limit, and every admission copies it. */
export const MAX_LOG = 1024;

export interface SlidingLogState {
  readonly era: number;
  /** Instant, amount, instant, amount …, oldest first, amounts above 0. */
  readonly pairs: readonly number[];
}

export const slidingLog: Algorithm<SlidingLogState, LimitCommand<SlidingLogPolicy>, LimitDecision> = /* @__PURE__ */ defineAlgorithm({
  name: "sliding-log",
  version: 1,
  // Settlements may add pairs beyond the limit, one at most (see `charged`).
  maxStateBytes: (1 + 2 * (MAX_LOG + 1)) * MAX_VARINT_BYTES,
  // A key with one charge, or with none after a reset.
  compact: {
    width: 3,
    write({ era, pairs }, cells, at): boolean {
      if (pairs.length > 2) return false;
      cells[at] = era;
      cells[at + 1] = pairs[0] ?? 0;
      cells[at + 2] = pairs[1] ?? 0;
      return true;
    },
    // Amounts are above 0.
    read: (cells, at) => ({ era: cells[at] as number, pairs: cells[at + 2] === 0 ? [] : [cells[at + 1] as number, cells[at + 2] as number] }),
  },
  step,
  encode,
  decode,
});

function step(state: SlidingLogState | undefined, command: LimitCommand<SlidingLogPolicy>, now: number): Step<SlidingLogState, LimitDecision> {
  const input = command as LimitInput<SlidingLogPolicy>;
  const { max, windowMs } = input.policy;
  const at = Math.ceil(now);
  const t = Math.floor(now);
  let log = state;
  if (log !== undefined && newest(log) > at) log = shifted(log, newest(log) - at);

  let from = 0;
  let used = 0;
  if (log !== undefined) {
    const { pairs } = log;
    while (from < pairs.length && t - (pairs[from] as number) >= windowMs) from += 2;
    for (let i = from + 1; i < pairs.length; i += 2) used += pairs[i] as number;
  }

  const reply = newDecision();
  let spentAt = at;
  let charge = 0;
  if (input.refund !== undefined) {
    spentAt = input.refund.at;
    charge = -refundable(log, from, input.refund, input.cost ?? input.refund.need);
  } else if (input.settle !== undefined) {
    const { settle } = input;
    const excess = isCost(input.actual) && isCost(settle.need) ? input.actual - settle.need : 0;
    if (excess < 0) {
      spentAt = settle.at;
      charge = -refundable(log, from, settle, -excess);
    } else charge = Math.min(excess, Number.MAX_SAFE_INTEGER - used);
  } else if (input.reset === true) {
    if (log !== undefined && used > 0) {
      // The new era keeps tickets from before the reset away from what comes after it.
      log = { era: newEra(log.era + 1, now), pairs: [] };
      used = 0;
      from = 0;
    }
  } else if (!isCost(input.cost)) {
    reply.allowed = false;
    reply.retryAfterMs = null;
  } else if (input.cost <= max - used) {
    if (input.dry !== true) charge = input.cost;
  } else {
    reply.allowed = false;
    reply.retryAfterMs = input.cost > max ? null : freedAt((log as SlidingLogState).pairs, from, used, max - input.cost) + windowMs - t;
  }

  if (charge !== 0) {
    log = charged(log, used, from, spentAt, charge, max, now);
    used += charge;
    if (input.ticket === true && charge > 0) reply.ticket = { era: log.era, at, need: charge };
  }
  reply.limit = max;
  reply.remaining = used > max ? 0 : max - used;
  reply.debt = used > max ? used - max : 0;
  reply.resetAfterMs = used > 0 ? newest(log as SlidingLogState) + windowMs - t : 0;
  return { state: log, reply, expiresAt: log === undefined ? undefined : end(log, windowMs, t) };
}

/** When the newest charge fades. A log emptied by a reset outlives its millisecond, so that no new one gets its era. */
function end(log: SlidingLogState, windowMs: number, t: number): number {
  return log.pairs.length === 0 ? t + 1 : newest(log) + windowMs;
}

function charged(log: SlidingLogState | undefined, used: number, from: number, at: number, charge: number, max: number, now: number): SlidingLogState {
  if (log === undefined || used === 0) return { era: newEra(log?.era ?? 0, now), pairs: [at, charge] };
  const pairs = log.pairs.slice(from);
  let i = pairs.length - 2;
  while (i > 0 && (pairs[i] as number) > at) i -= 2;
  if (pairs[i] === at) {
    const amount = (pairs[i + 1] as number) + charge;
    if (amount > 0) pairs[i + 1] = amount;
    else pairs.splice(i, 2);
  } else if (pairs.length >= 2 * Math.max(1, max + 1)) {
    // Only settlements come here: beyond the limit they fade with the newest charge instead of having pairs of their own.
    pairs[pairs.length - 2] = at;
    pairs[pairs.length - 1] = (pairs.at(-1) as number) + charge;
  } else pairs.push(at, charge);
  return { era: log.era, pairs };
}

function shifted(log: SlidingLogState, back: number): SlidingLogState {
  return { era: log.era + 1, pairs: log.pairs.map((value, i) => (i % 2 === 0 ? value - back : value)) };
}

/** How much of `amount` the ticket's instant still holds, 0 for a ticket of another era. */
function refundable(log: SlidingLogState | undefined, from: number, ticket: LimitTicket, amount: number): number {
  if (log === undefined || ticket.era !== log.era || !isCost(ticket.need) || !isCost(amount)) return 0;
  for (let i = from; i < log.pairs.length; i += 2) {
    if (log.pairs[i] === ticket.at) return Math.min(log.pairs[i + 1] as number, ticket.need, amount);
  }
  return 0;
}

/** Instant of the charge with whose end at most `goal` units of `used` are left. */
function freedAt(pairs: readonly number[], from: number, used: number, goal: number): number {
  let left = used;
  for (let i = from; ; i += 2) {
    left -= pairs[i + 1] as number;
    if (left <= goal) return pairs[i] as number;
  }
}

function newest(log: SlidingLogState): number {
  return log.pairs.at(-2) ?? Number.NEGATIVE_INFINITY;
}

function encode(state: SlidingLogState): Uint8Array {
  const bytes: number[] = [];
  pushVarint(bytes, state.era);
  let last = 0;
  for (let i = 0; i < state.pairs.length; i += 2) {
    pushVarint(bytes, (state.pairs[i] as number) - last);
    pushVarint(bytes, state.pairs[i + 1] as number);
    last = state.pairs[i] as number;
  }
  return Uint8Array.from(bytes);
}

function decode(bytes: Uint8Array): SlidingLogState {
  const reader = new VarintReader(bytes);
  const era = reader.nextIn(1, Number.MAX_SAFE_INTEGER);
  const pairs: number[] = [];
  let at = 0;
  let sum = 0;
  while (!reader.done) {
    at += pairs.length === 0 ? reader.next() : reader.nextIn(1, Number.MAX_SAFE_INTEGER);
    const amount = reader.nextIn(1, Number.MAX_SAFE_INTEGER);
    pairs.push(at, amount);
    sum += amount;
    if (!Number.isSafeInteger(at) || !Number.isSafeInteger(sum)) throw corrupt("a log is out of range");
  }
  if (pairs.length > 2 * (MAX_LOG + 1)) throw corrupt("a log is too long");
  return { era, pairs };
}
