/**
 * Sliding window as a conservative ring of sub-windows: a log whose instants are rounded to buckets of `b` ms, always
 * against the caller.
 *
 * Formula: `b = ceil(W / buckets)`, `m = ceil(W / b)`, bucket `i = floor(now / b)`. Live are the `m` buckets before the
 * current one and the current one; a cost passes iff the sum of the live counts and the cost is at most `max`. It is the
 * sliding window counter (M. Datar et al., "Maintaining Stream Statistics over Sliding Windows", SIAM J. Comput. 31(6),
 * 2002, take equal buckets instead of exponential ones) without the usual interpolation, whose error is on both sides.
 *
 * Bounds: never above `max` in any interval of length `W`, since a unit spent at `x > t - W` has
 * `floor(x / b) >= floor(t / b) - m` and so is still counted at `t`. The price is lateness: a unit counts for at most
 * `(m + 1) * b` ms, with 64 buckets about `W / 64` too long, at most `W / 16` from `W = 16` ms up. Under saturation the
 * throughput is `W / ((m + 1) * b)` of an exact log. Counts are exact integers up to 2^53 - 1.
 *
 * A clock more than one bucket behind shifts all indices to one bucket ahead of it; that bucket of reserve is what
 * keeps the rounding of the shift from freeing anything early.
 */

import type { Algorithm, Step } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitTicket } from "../contracts/limits.ts";
import { defineAlgorithm } from "../define-algorithm.ts";
import { MAX_VARINT_BYTES, VarintReader, corrupt, pushVarint } from "../varint.ts";
import { type LimitInput, isCost, newDecision, newEra } from "./limit-command.ts";

export interface SlidingWindowPolicy {
  readonly max: number;
  /** Whole milliseconds. */
  readonly windowMs: number;
  /** `b`, whole milliseconds. */
  readonly bucketMs: number;
  /** `m`: buckets before the current one that count. At most {@link MAX_BUCKETS}. */
  readonly span: number;
}

/** Buckets of a window: the domain of the option, and what bounds the state. */
export const MIN_BUCKETS = 16;
export const MAX_BUCKETS = 240;

/**
 * The newest bucket beside the older ones: a charge in the current bucket, the common case, copies five numbers and
 * shares `older`.
 */
export interface SlidingWindowState {
  readonly era: number;
  /** Index of the newest bucket, whose count may be 0 after a refund. */
  readonly head: number;
  readonly count: number;
  /** Everything in the state, dead buckets included. */
  readonly sum: number;
  /** Index, count, index, count …, oldest first, counts above 0. */
  readonly older: readonly number[];
}

// The window, the current bucket and the bucket of reserve.
const MAX_PAIRS = MAX_BUCKETS + 2;

export const slidingWindow: Algorithm<SlidingWindowState, LimitCommand<SlidingWindowPolicy>, LimitDecision> = /* @__PURE__ */ defineAlgorithm({
  name: "sliding-window",
  version: 1,
  maxStateBytes: (2 + 2 * MAX_PAIRS) * MAX_VARINT_BYTES,
  // A key seen in one bucket only.
  compact: {
    width: 4,
    write({ era, head, count, sum, older }, cells, at): boolean {
      if (older.length > 0) return false;
      cells[at] = era;
      cells[at + 1] = head;
      cells[at + 2] = count;
      cells[at + 3] = sum;
      return true;
    },
    read: (cells, at) => ({ era: cells[at] as number, head: cells[at + 1] as number, count: cells[at + 2] as number, sum: cells[at + 3] as number, older: NONE }),
  },
  step,
  encode,
  decode,
});

const NONE: readonly number[] = [];

function step(state: SlidingWindowState | undefined, command: LimitCommand<SlidingWindowPolicy>, now: number): Step<SlidingWindowState, LimitDecision> {
  const input = command as LimitInput<SlidingWindowPolicy>;
  const { max, bucketMs, span } = input.policy;
  const index = Math.floor(Math.floor(now) / bucketMs);
  const oldest = index - span;
  let ring = state;
  if (ring !== undefined && ring.head > index + 1) ring = shifted(ring, ring.head - index - 1);

  let from = 0;
  let used = 0;
  if (ring !== undefined && ring.head >= oldest) {
    used = ring.sum;
    const { older } = ring;
    while (from < older.length && (older[from] as number) < oldest) {
      used -= older[from + 1] as number;
      from += 2;
    }
  }

  const reply = newDecision();
  let at = index;
  let charge = 0;
  if (input.refund !== undefined) {
    at = input.refund.at;
    charge = -refundable(ring, oldest, input.refund, input.cost ?? input.refund.need);
  } else if (input.settle !== undefined) {
    const { settle } = input;
    const excess = isCost(input.actual) && isCost(settle.need) ? input.actual - settle.need : 0;
    if (excess < 0) {
      at = settle.at;
      charge = -refundable(ring, oldest, settle, -excess);
    } else charge = Math.min(excess, Number.MAX_SAFE_INTEGER - used);
  } else if (input.reset === true) {
    if (ring !== undefined && used > 0) {
      // The new era keeps tickets from before the reset away from what comes after it.
      ring = { era: newEra(ring.era + 1, now), head: index, count: 0, sum: 0, older: [] };
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
    reply.retryAfterMs = input.cost > max ? null : Math.ceil((freedBy(ring as SlidingWindowState, from, used, max - input.cost) + span + 1) * bucketMs - now);
  }

  if (charge !== 0) {
    ring = charged(ring, used, from, at, index, charge, now);
    used += charge;
    if (input.ticket === true && charge > 0) reply.ticket = { era: ring.era, at, need: charge };
  }
  reply.limit = max;
  reply.remaining = used > max ? 0 : max - used;
  reply.debt = used > max ? used - max : 0;
  reply.resetAfterMs = used > 0 ? Math.ceil((newest(ring as SlidingWindowState) + span + 1) * bucketMs - now) : 0;
  return { state: ring, reply, expiresAt: ring === undefined ? undefined : (ring.head + span + 1) * bucketMs };
}

/** The state with `charge` in bucket `at`, dead buckets dropped. `used` and `from` say what is live in it. */
function charged(ring: SlidingWindowState | undefined, used: number, from: number, at: number, index: number, charge: number, now: number): SlidingWindowState {
  // A ring without live units is as good as a new one.
  if (ring === undefined || used === 0) {
    return { era: newEra(ring?.era ?? 0, now), head: index, count: charge, sum: charge, older: [] };
  }
  const { era, head, count } = ring;
  const sum = used + charge;
  const older = from === 0 ? ring.older : ring.older.slice(from);
  if (at === head) return { era, head, count: count + charge, sum, older };
  if (at > head) return { era, head: at, count: charge, sum, older: count > 0 ? [...older, head, count] : older };
  return { era, head, count, sum, older: withPair(older, at, charge) };
}

/** Older pairs with `charge` added at `index`: a charge one bucket behind the head, or a refund. */
function withPair(older: readonly number[], index: number, charge: number): readonly number[] {
  let i = older.length;
  while (i > 0 && (older[i - 2] as number) >= index) i -= 2;
  if (older[i] !== index) return [...older.slice(0, i), index, charge, ...older.slice(i)];
  const count = (older[i + 1] as number) + charge;
  return [...older.slice(0, i), ...(count > 0 ? [index, count] : []), ...older.slice(i + 2)];
}

function shifted(ring: SlidingWindowState, back: number): SlidingWindowState {
  const older = ring.older.map((value, i) => (i % 2 === 0 ? value - back : value));
  return { era: ring.era + 1, head: ring.head - back, count: ring.count, sum: ring.sum, older };
}

/** How much of `amount` the ticket's bucket still holds, 0 for a ticket of another era. */
function refundable(ring: SlidingWindowState | undefined, oldest: number, ticket: LimitTicket, amount: number): number {
  if (ring === undefined || ticket.era !== ring.era || ticket.at < oldest || !isCost(ticket.need) || !isCost(amount)) return 0;
  return Math.min(countAt(ring, ticket.at), ticket.need, amount);
}

function countAt(ring: SlidingWindowState, index: number): number {
  if (index === ring.head) return ring.count;
  for (let i = ring.older.length - 2; i >= 0; i -= 2) if (ring.older[i] === index) return ring.older[i + 1] as number;
  return 0;
}

/** Index of the bucket with whose end at most `goal` units of `used` are left. */
function freedBy(ring: SlidingWindowState, from: number, used: number, goal: number): number {
  const { older } = ring;
  let left = used;
  for (let i = from; i < older.length; i += 2) {
    left -= older[i + 1] as number;
    if (left <= goal) return older[i] as number;
  }
  return ring.head;
}

function newest(ring: SlidingWindowState): number {
  return ring.count > 0 ? ring.head : (ring.older.at(-2) as number);
}

function encode(state: SlidingWindowState): Uint8Array {
  const bytes: number[] = [];
  pushVarint(bytes, state.era);
  pushVarint(bytes, state.head);
  pushVarint(bytes, state.count);
  let next = state.head;
  for (let i = state.older.length - 2; i >= 0; i -= 2) {
    pushVarint(bytes, next - (state.older[i] as number));
    pushVarint(bytes, state.older[i + 1] as number);
    next = state.older[i] as number;
  }
  return Uint8Array.from(bytes);
}

function decode(bytes: Uint8Array): SlidingWindowState {
  const reader = new VarintReader(bytes);
  const era = reader.nextIn(1, Number.MAX_SAFE_INTEGER);
  const head = reader.next();
  const count = reader.nextIn(0, Number.MAX_SAFE_INTEGER);
  const older: number[] = [];
  let sum = count;
  let index = head;
  while (!reader.done) {
    index -= reader.nextIn(1, Number.MAX_SAFE_INTEGER);
    const units = reader.nextIn(1, Number.MAX_SAFE_INTEGER);
    older.push(units, index);
    sum += units;
  }
  if (sum > Number.MAX_SAFE_INTEGER || !Number.isSafeInteger(index) || older.length > 2 * MAX_PAIRS) throw corrupt("a ring is out of range");
  return { era, head, count, sum, older: older.reverse() };
}
