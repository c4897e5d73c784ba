/** What an instance holds and wants on one key: its leases, and the callers who wait for the next one, in order. */

import { Deadline } from "../deadline.ts";
import type { Demand } from "./demand.ts";
import { type HeldLease, isAlive } from "./held-lease.ts";
import { APART, BEYOND, GIVEN, LEFT, type LeaseRows, RESET_AT, TOLERANCE, UNTIL, USED_AT } from "./lease-rows.ts";
import type { LeasedDecision } from "./leased-decision.ts";

/** What a key needs of its limiter. */
export interface KeyOwner {
  /** Nobody has used the key for a while. */
  idle(key: KeyLease): void;
  /** The units left of a lease died unspent. `lost`: the store does not know the lease any more. */
  died(key: KeyLease, lease: HeldLease, lost: boolean): void;
}

/**
 * Most units are spent from a row of numbers, see {@link LeaseRows}: `load` sets aside what may be spent there until the next thing
 * that has to be looked at (the end of a lease, of a stretch of demand, the time for a refill), and everything else that reads
 * or changes the leases takes back what is left of it first.
 */
export class KeyLease extends Deadline {
  /** Where its row begins, or -1 once it was dropped. */
  row: number;
  private readonly rows: LeaseRows;
  /** As callers name it, and as the store does. */
  readonly name: string;
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

  constructor(owner: KeyOwner, rows: LeaseRows, name: string, key: string, demand: Demand, now: number) {
    super();
    this.owner = owner;
    this.rows = rows;
    this.row = rows.take();
    this.name = name;
    this.key = key;
    this.demand = demand;
    this.usedAt = this.wantedAt = now;
  }

  override expire(): void {
    this.owner.idle(this);
  }

  /** Spends `cost` from what was set aside; false when that takes a closer look. */
  quick(cost: number, now: number, wall: number): boolean {
    const { cells } = this.rows;
    const { row } = this;
    const left = cells[row + LEFT] as number;
    if (!(left >= cost) || now >= (cells[row + UNTIL] as number)) return false;
    const apart = wall - now - (cells[row + APART] as number);
    const tolerance = cells[row + TOLERANCE] as number;
    if (apart > tolerance || apart < -tolerance) return false;
    cells[row + LEFT] = left - cost;
    cells[row + USED_AT] = now;
    return true;
  }

  /** Units left here and in the store, after `quick`; and when all of the limit is back. */
  get quickRemaining(): number {
    const { cells } = this.rows;
    return (cells[this.row + BEYOND] as number) + (cells[this.row + LEFT] as number);
  }

  get quickResetAt(): number {
    return this.rows.cells[this.row + RESET_AT] as number;
  }

  /** Sets aside units of the lease that is spent next. Nobody waits for some. */
  load(now: number): void {
    const lease = this.leases[0];
    if (lease === undefined || this.row < 0) return;
    this.settle();
    const { held } = this;
    let units = lease.left;
    let until = Math.min(lease.endsAt, this.demand.foldsAt);
    if (!this.asking) {
      // Up to the unit with which it is time for a refill, unless none is due.
      const above = held - Math.floor(this.lastSize / 4) - 1;
      if (above > 0) units = Math.min(units, above);
      else if (now < this.restUntil) until = Math.min(until, this.restUntil);
      else if (this.demand.steady(now)) return;
    }
    const { cells } = this.rows;
    const { row } = this;
    cells[row + LEFT] = cells[row + GIVEN] = units;
    cells[row + UNTIL] = until;
    cells[row + APART] = lease.sentWall - lease.sentAt;
    cells[row + TOLERANCE] = lease.toleranceMs;
    cells[row + BEYOND] = (this.remaining ?? 0) + held - units;
    cells[row + RESET_AT] = this.resetAt;
  }

  /** Takes back what was set aside: the leases show what is held. */
  settle(): void {
    if (this.row < 0) return;
    const { cells } = this.rows;
    const given = cells[this.row + GIVEN] as number;
    if (given === 0) return;
    const units = given - (cells[this.row + LEFT] as number);
    cells[this.row + LEFT] = cells[this.row + GIVEN] = 0;
    if (units === 0) return;
    this.usedAt = this.wantedAt = cells[this.row + USED_AT] as number;
    this.demand.add(units);
    this.take(units);
  }

  /** Its row is somebody else's from now on. */
  release(): void {
    if (this.row < 0) return;
    this.settle();
    this.rows.give(this.row);
    this.row = -1;
  }

  wanted(cost: number, now: number): void {
    this.settle();
    this.wantedAt = now;
    this.demand.note(cost, now);
  }

  heard(remaining: number, resetAfterMs: number, now: number): void {
    this.settle();
    this.remaining = remaining;
    this.heardAt = now;
    this.resetAt = now + resetAfterMs;
  }

  add(lease: HeldLease): void {
    this.settle();
    this.lateInRow = 0;
    this.leases.push(lease);
    this.lastSize = lease.size;
  }

  /** Units held, dead ones included until somebody looks. */
  get held(): number {
    this.settle();
    let sum = 0;
    for (const lease of this.leases) sum += lease.left;
    return sum;
  }

  /** Units that may be spent now; what has died is dropped. */
  available(now: number, wall: number): number {
    this.settle();
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
    this.settle();
    return this.leases[0]?.ticket?.era;
  }

  /** When the last lease ends, or 0. */
  get endsAt(): number {
    this.settle();
    let end = 0;
    for (const lease of this.leases) end = Math.max(end, lease.endsAt);
    return end;
  }

  /** Takes `cost` units, oldest first. The caller has seen that they are there. */
  spend(cost: number, now: number): void {
    this.settle();
    this.usedAt = now;
    this.take(cost);
  }

  private take(cost: number): void {
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
    this.settle();
    this.bury(() => true, true);
  }

  /** Gives up what is held, to be refunded by the caller. Forgotten first, so it cannot be spent as well. */
  takeAll(): HeldLease[] {
    this.settle();
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
  /** Out of its queue, or not in one. */
  gone: boolean;
  /** Neighbours in its queue. */
  next?: LeaseWaiter;
  previous?: LeaseWaiter;
}

/** First in, first out, linked: a caller who leaves is forgotten at once, wherever it stands. */
export class WaiterQueue {
  first: LeaseWaiter | undefined = undefined;
  private last: LeaseWaiter | undefined = undefined;
  /** Units that those in the queue want. */
  wanted = 0;

  push(waiter: LeaseWaiter): void {
    waiter.gone = false;
    waiter.previous = this.last;
    if (this.last === undefined) this.first = waiter;
    else this.last.next = waiter;
    this.last = waiter;
    this.wanted += waiter.cost;
  }

  remove(waiter: LeaseWaiter): void {
    if (waiter.gone) return;
    waiter.gone = true;
    if (waiter.previous === undefined) this.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.next = waiter.previous = undefined;
    this.wanted -= waiter.cost;
  }
}
