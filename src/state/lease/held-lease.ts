/** The leases an instance holds on one key: units debited in the store beforehand, and dead after their lifetime. */

import type { LimitTicket } from "../contracts/limits.ts";

export interface HeldLease {
  /** Units as granted, and those not yet spent. */
  readonly size: number;
  left: number;
  readonly ticket: LimitTicket | undefined;
  /** Both clocks before the question was sent. */
  readonly sentAt: number;
  readonly sentWall: number;
  /** Spent only while the monotonic clock is before it. */
  readonly endsAt: number;
  /** How far the two clocks may drift apart within the lifetime; more means that one of them stood still or was set. */
  readonly toleranceMs: number;
}

export interface LifetimeRule {
  readonly drift: number;
  readonly guardMs: number;
}

export function heldLease(
  granted: number, ttlMs: number, ticket: LimitTicket | undefined, sentAt: number, sentWall: number, rule: LifetimeRule,
): HeldLease {
  return {
    size: granted, left: granted, ticket, sentAt, sentWall,
    endsAt: sentAt + ttlMs * (1 - rule.drift) - rule.guardMs,
    toleranceMs: rule.guardMs + ttlMs * rule.drift,
  };
}

/** True while units may be spent: within the lifetime on the own monotonic clock, and the clocks agree that no more has passed. */
export function isAlive(lease: HeldLease, now: number, wall: number): boolean {
  if (now >= lease.endsAt) return false;
  const apart = wall - lease.sentWall - (now - lease.sentAt);
  return apart <= lease.toleranceMs && apart >= -lease.toleranceMs;
}
