/** What an instance holds and wants on one key: its leases, and the callers who wait for the next one, in order. */

import { Deadline } from "../deadline.ts";
import type { Demand } from "./demand.ts";
import { type HeldLease, isAlive } from "./held-lease.ts";
import type { LeasedDecision } from "./leased-decision.ts";

/** What a key needs of its limiter. */
export interface KeyOwner {
  /** Nobody has used the key for a while. */
  idle(key: KeyLease): void;
  /** The units left of a lease died unspent. `lost`: the store does not know the lease any more. */
  died(key: KeyLease, lease: HeldLease, lost: boolean): void;
}

export class KeyLease extends Deadline {
  readonly key: string;
  readonly demand: Demand;
  readonly waiters: WaiterQueue = new WaiterQueue();
  /** A request is on its way: at most one per key. */
  asking = false;
  /** Last time that units were spent, and that somebody wanted some. */
  usedAt: number;
  wantedAt: number;
  /** No refill in the background before this instant: the last request was refused or failed. */
  restUntil = 0;
  /** Nothing is spent before this instant: the store has lost its records, and others may still spend old leases. */
  quarantinedUntil = 0;
  /** Units left in the store when it was last heard, and when that was. */
  remaining: number | undefined = undefined;
  heardAt = 0;
  resetAt = 0;
  /** Requests in a row whose units came too late. */
  lateInRow = 0;
  private readonly owner: KeyOwner;
  private leases: HeldLease[] = [];
  private lastSize = 0;

  constructor(owner: KeyOwner, key: string, demand: Demand, now: number) {
    super();
    this.owner = owner;
    this.key = key;
    this.demand = demand;
    this.usedAt = this.wantedAt = now;
  }

  override expire(): void {
    this.owner.idle(this);
  }

  wanted(cost: number, now: number): void {
    this.wantedAt = now;
    this.demand.note(cost, now);
  }

  heard(remaining: number, resetAfterMs: number, now: number): void {
    this.remaining = remaining;
    this.heardAt = now;
    this.resetAt = now + resetAfterMs;
  }

  add(lease: HeldLease): void {
    this.lateInRow = 0;
    this.leases.push(lease);
    this.lastSize = lease.size;
  }

  /** Units held, dead ones included until somebody looks. */
  get held(): number {
    let sum = 0;
    for (const lease of this.leases) sum += lease.left;
    return sum;
  }

  /** Units that may be spent now; what has died is dropped. */
  available(now: number, wall: number): number {
    let sum = 0;
    let dead = false;
    for (const lease of this.leases) {
      if (isAlive(lease, now, wall)) sum += lease.left;
      else dead = true;
    }
    if (dead) this.bury((lease) => !isAlive(lease, now, wall), false);
    return sum;
  }

  /** The era of what is held, if anything is. */
  get era(): number | undefined {
    return this.leases[0]?.ticket?.era;
  }

  /** When the last lease ends, or 0. */
  get endsAt(): number {
    let end = 0;
    for (const lease of this.leases) end = Math.max(end, lease.endsAt);
    return end;
  }

  /** Takes `cost` units, oldest first. The caller has seen that they are there. */
  spend(cost: number, now: number): void {
    this.usedAt = now;
    let open = cost;
    while (open > 0) {
      const lease = this.leases[0];
      if (lease === undefined) return;
      const units = Math.min(lease.left, open);
      lease.left -= units;
      open -= units;
      if (lease.left > 0) return;
      this.demand.spent(lease.size);
      this.leases.shift();
    }
  }

  /** Time for a refill: a quarter of the last lease is left, and more will be wanted within a target. */
  get low(): boolean {
    return this.held * 4 <= this.lastSize;
  }

  /** Every lease ends now, as lost. */
  endAll(): void {
    this.bury(() => true, true);
  }

  /** Gives up what is held, to be refunded by the caller. Forgotten first, so it cannot be spent as well. */
  takeAll(): HeldLease[] {
    const { leases } = this;
    this.leases = [];
    if (leases.length > 0) this.demand.wasted();
    return leases;
  }

  private bury(isDead: (lease: HeldLease) => boolean, lost: boolean): void {
    const { leases } = this;
    this.leases = leases.filter((lease) => !isDead(lease));
    for (const lease of leases) {
      if (this.leases.includes(lease)) continue;
      this.demand.wasted();
      this.owner.died(this, lease, lost);
    }
  }
}

/** A caller who found no units. */
export interface LeaseWaiter {
  readonly cost: number;
  readonly resolve: (decision: LeasedDecision) => void;
  readonly reject: (error: unknown) => void;
  signal?: AbortSignal;
  /** Stops listening to the caller's signal. */
  stop?: () => void;
  gone: boolean;
}

/** Places of callers who left that a queue keeps at least, before it is copied without them once they are half of it. */
const COMPACT_AT = 512;

/** First in, first out; callers who left are skipped. */
export class WaiterQueue {
  private items: LeaseWaiter[] = [];
  private head = 0;
  /** Units that those in the queue want. */
  wanted = 0;

  get first(): LeaseWaiter | undefined {
    for (;;) {
      const waiter = this.items[this.head];
      if (waiter === undefined) {
        this.items = [];
        this.head = 0;
        return undefined;
      }
      if (!waiter.gone) return waiter;
      if (++this.head < COMPACT_AT || 2 * this.head < this.items.length) continue;
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
  }

  push(waiter: LeaseWaiter): void {
    this.items.push(waiter);
    this.wanted += waiter.cost;
  }

  /** Takes `waiter`, the first or one who leaves, out. */
  remove(waiter: LeaseWaiter): void {
    if (waiter.gone) return;
    waiter.gone = true;
    this.wanted -= waiter.cost;
  }
}
