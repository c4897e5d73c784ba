/** What the limiter algorithms share: the command in one flat shape, the decision, the domain of a cost. */

import type { LimitDecision, LimitTicket } from "../contracts/limits.ts";

/** A `LimitCommand` read field by field: one of `refund`, `settle`, `reset` says which it is, else it is a charge. */
export interface LimitInput<Policy> {
  readonly policy: Policy;
  readonly cost?: number;
  readonly dry?: boolean;
  readonly ticket?: boolean;
  readonly refund?: LimitTicket;
  readonly settle?: LimitTicket;
  readonly actual?: number;
  readonly reset?: boolean;
}

/** Largest cost of one call on a window or a log. */
export const MAX_COST: number = 2 ** 31 - 1;

/** A cost that windows and logs count: anything else is refused for ever and changes nothing. */
export function isCost(cost: unknown): cost is number {
  return Number.isInteger(cost) && (cost as number) >= 0 && (cost as number) <= MAX_COST;
}

/** A decision with all fields, so that every reply has one shape. */
export function newDecision(): LimitDecision {
  return { allowed: true, limit: 0, remaining: 0, retryAfterMs: 0, resetAfterMs: 0, debt: 0, ticket: undefined };
}

/** The number of a new record, part of every ticket. Above 0, since a row of zeros is an absent record. */
export function newEra(era: number, now: number): number {
  return Math.max(era, Math.floor(now), 1);
}

/** `a + b` that stays a safe integer. */
export function addSafe(a: number, b: number): number {
  return b > Number.MAX_SAFE_INTEGER - a ? Number.MAX_SAFE_INTEGER : a + b;
}
