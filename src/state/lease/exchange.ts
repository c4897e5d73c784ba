/** The way of leases between an instance and the store: requests, refunds, lost records, and the count of it all. */

import type { Clock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { type Events, createEvents } from "../../core/events.ts";
import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";
import type { Combiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { LimitDecision, LimitTicket } from "../contracts/limits.ts";
import { type HeldLease, heldLease, isAlive } from "./held-lease.ts";
import type { KeyLease } from "./key-lease.ts";
import type { LimitLeaseGrant } from "./lease-command.ts";
import type { LeaseTerms } from "./lease-limit.ts";
import type { LeaseEvent } from "./leased-decision.ts";

/**
 * A driver that knows when its backend has lost its records says so by another `runId`, before the first reply of the new run; one
 * that knows how many processes lease from it, as last seen, says `holders`.
 */
export type LeaseDriver = StateDriver & { readonly runId?: string; readonly holders?: number };

/** How a request ended. */
export type AskEnd =
  /** The key holds more than before. */
  | { readonly kind: "granted" }
  | { readonly kind: "refused"; readonly least: number; readonly sentAt: number; readonly retryAfterMs: number | null }
  /** The units came when their lifetime was over, and were given back. */
  | { readonly kind: "late" }
  /** The store has lost its records: nothing may be spent for a while, on this key or on all. */
  | { readonly kind: "epoch" }
  | { readonly kind: "failed"; readonly error: unknown };

export class LeaseExchange {
  readonly events: Events<LeaseEvent> = createEvents();
  /** Nothing is spent on any key before this instant. */
  quarantinedUntil = 0;
  granted = 0;
  returned = 0;
  inFlight = 0;
  roundTrips = 0;
  epochChanges = 0;
  closed = false;
  private readonly driver: LeaseDriver;
  private readonly combiner: Pick<Combiner, "run">;
  private readonly terms: LeaseTerms;
  private readonly clock: Clock;
  private readonly keys: ReadonlyMap<string, KeyLease>;
  private readonly background = new Set<Promise<unknown>>();
  private readonly eraTells: boolean;
  private runId: string | undefined;

  constructor(driver: LeaseDriver, combiner: Pick<Combiner, "run">, terms: LeaseTerms, clock: Clock, keys: ReadonlyMap<string, KeyLease>) {
    this.driver = driver;
    this.combiner = combiner;
    this.terms = terms;
    this.clock = clock;
    this.keys = keys;
    this.runId = driver.runId;
    // A record with live units keeps its era, except in a bucket, where they may have drained.
    this.eraTells = terms.algorithm.name !== "token-bucket";
  }

  /** Asks for units on `key`, at least `least`; `done` is told how it ended. One at a time per key. */
  ask(key: KeyLease, least: number, done: (key: KeyLease, end: AskEnd) => void): void {
    const { algorithm, policy, divisor, ttlMs, maxTokens, waitForReplicas } = this.terms;
    const sentAt = this.clock.monotonic();
    const sentWall = this.clock.now();
    // What callers wait for is spent on arrival, so slow start does not bound it.
    // A lease of a fixed window is dead with it, and what it had left is nobody's.
    const withinMs = this.terms.untilReset && key.resetAt > sentAt ? key.resetAt - sentAt : undefined;
    const expected = key.demand.want(sentAt, withinMs);
    const waiting = Math.max(Math.ceil(key.waiters.wanted), this.terms.rolling && key.demand.steady(sentAt) ? expected : 0);
    const want = Math.min(maxTokens, Math.max(expected, waiting));
    const command = { lease: Math.max(least, want), least, waiting, divisor, ttlMs, policy, ...(waitForReplicas > 0 ? { waitForReplicas } : {}) };
    key.asking = true;
    this.inFlight++;
    this.roundTrips++;
    const end = (result: AskEnd): void => {
      key.asking = false;
      this.inFlight--;
      done(key, result);
    };
    const settle = (grant: unknown): void => end(this.received(key, grant as LimitLeaseGrant, least, sentAt, sentWall));
    const fail = (error: unknown): void => end({ kind: "failed", error });
    try {
      const grant = this.combiner.run(algorithm, key.key, command, { onLateReply: (late) => this.unexpected(key.key, late as LimitLeaseGrant) });
      if (isPromise(grant)) this.track(grant.then(settle, fail));
      else settle(grant);
    } catch (error) {
      fail(error);
    }
  }

  /** Gives units back. When the refund is lost they come back with their window: never counted double. */
  refund(key: string, ticket: LimitTicket | undefined, units: number): void {
    if (units <= 0) return;
    this.returned += units;
    if (ticket === undefined) return;
    const { algorithm, policy } = this.terms;
    this.roundTrips++;
    try {
      const sent = this.combiner.run(algorithm, key, { refund: ticket, cost: units, policy });
      if (isPromise(sent)) this.track(sent.then(ignore, ignore));
    } catch {
      // Lost, as said above.
    }
  }

  /** A plain charge: the store decides at its own time, however far away it is. */
  charge(key: string, cost: number, signal: AbortSignal | undefined, done: (decision: LimitDecision) => void, failed: (error: unknown) => void): void {
    const { algorithm, policy } = this.terms;
    this.roundTrips++;
    try {
      const onLateReply = (late: unknown): void => this.refundCharge(key, late as LimitDecision);
      const found = this.combiner.run(algorithm, key, { cost, policy, ticket: true }, { signal, onLateReply }) as MaybePromise<LimitDecision>;
      const give = (decision: LimitDecision): void => done({ ...decision, ticket: undefined });
      if (isPromise(found)) this.track(found.then(give, failed));
      else give(found);
    } catch (error) {
      failed(error);
    }
  }

  /** A charge whose caller had gone when it was admitted. */
  private refundCharge(key: string, { ticket }: LimitDecision): void {
    if (ticket === undefined) return;
    const { algorithm, policy } = this.terms;
    this.roundTrips++;
    const sent = this.combiner.run(algorithm, key, { refund: ticket, policy });
    if (isPromise(sent)) this.track(sent.then(ignore, ignore));
  }

  giveBack(key: KeyLease): void {
    for (const lease of key.takeAll()) this.refund(key.key, lease.ticket, lease.left);
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    while (this.background.size > 0) await Promise.all(this.background);
  }

  private received(key: KeyLease, grant: LimitLeaseGrant, least: number, sentAt: number, sentWall: number): AskEnd {
    if (!isGrant(grant)) return { kind: "failed", error: new StoreError("STORE_CORRUPT", `${this.driver.name}: a lease request got a malformed reply`, { outcome: "unknown" }) };
    const now = this.clock.monotonic();
    key.heard(grant.remaining, grant.resetAfterMs, now);
    this.granted += grant.granted;
    if (this.epochChanged(key, grant, now)) {
      this.refund(key.key, grant.ticket, grant.granted);
      return { kind: "epoch" };
    }
    if (grant.granted === 0) return { kind: "refused", least, sentAt, retryAfterMs: grant.retryAfterMs };
    const lease: HeldLease = heldLease(grant.granted, grant.ttlMs, grant.ticket, sentAt, sentWall, this.terms);
    if (this.closed || !isAlive(lease, now, this.clock.now())) {
      this.refund(key.key, grant.ticket, grant.granted);
      return { kind: "late" };
    }
    key.add(lease);
    return { kind: "granted" };
  }

  /** The reply to a request that was given up: nobody counts on its units. */
  private unexpected(key: string, grant: LimitLeaseGrant): void {
    if (!isGrant(grant)) return;
    this.granted += grant.granted;
    this.refund(key, grant.ticket, grant.granted);
  }

  /** True when the store has lost the records behind leases held: they are void, and others may still spend theirs. */
  private epochChanged(key: KeyLease, grant: LimitLeaseGrant, now: number): boolean {
    const { runId } = this.driver;
    const whole = runId !== this.runId && this.runId !== undefined;
    this.runId = runId;
    const single = !whole && this.eraTells && grant.granted > 0 && key.available(now, this.clock.now()) > 0 && key.era !== grant.ticket?.era;
    if (!whole && !single) return false;
    const until = now + Math.min(Math.max(grant.ttlMs, this.terms.targetMs), this.terms.ttlMs);
    for (const each of whole ? this.keys.values() : [key]) each.endAll();
    if (whole) this.quarantinedUntil = until;
    else key.quarantinedUntil = until;
    this.epochChanges++;
    this.events.emit({ type: "lease.epoch", store: this.driver.name, scope: whole ? "store" : "key" });
    return true;
  }

  private track(work: Promise<unknown>): void {
    this.background.add(work);
    void work.then(() => this.background.delete(work));
  }
}

function isGrant(grant: unknown): grant is LimitLeaseGrant {
  const { granted, ttlMs } = (grant ?? {}) as Partial<LimitLeaseGrant>;
  return typeof granted === "number" && granted >= 0 && typeof ttlMs === "number";
}

function ignore(): void {}
