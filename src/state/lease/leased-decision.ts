/** What a leased limiter says: its decisions, its counters, its events. */

import type { LimitDecision } from "../contracts/limits.ts";

export interface LeasedDecision extends LimitDecision {
  /** Who decided: the store just now, a lease or a refusal of it remembered here, or this process alone. */
  source: "store" | "lease" | "local";
  /** The store could not be asked, or has lost its records. */
  degraded: boolean;
}

/** `granted = spent + returned + expired + held`, in units, at every instant. */
export interface LeaseStats {
  readonly granted: number;
  readonly spent: number;
  /** Given back unspent. */
  readonly returned: number;
  /** Died unspent. */
  readonly expired: number;
  readonly held: number;
  /** Requests on their way. */
  readonly inFlight: number;
  /** Requests for a lease so far, and leases given back. */
  readonly roundTrips: number;
  readonly deniedCached: number;
  readonly degraded: number;
  readonly epochChanges: number;
}

/** The store has lost its records, all of them or those of one key; leases of before are void. */
export interface LeaseEvent {
  readonly type: "lease.epoch";
  readonly store: string;
  readonly scope: "store" | "key";
}
