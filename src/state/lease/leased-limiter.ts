/**
 * The strict lease: a limiter that spends units debited in the store beforehand, so that most decisions need no round
 * trip and the fleet still never admits more than the limit. What fails costs refusals, at most the unspent part of a
 * lease, never an admission too many.
 *
 * Bounds, while the store keeps its debits and clocks run within `drift` of its own: fixed window, never more than
 * `max` in a window; token bucket, never more than `capacity + rate * L` in any interval `L`, since the store works with
 * a capacity smaller by the refill of one lifetime; sliding window, never more than `max` in any interval of the window,
 * since a debit stands in the bucket in which the lease ends. At most `instances * max(1, limit / divisor)` units of a
 * window that ran out are leased and unspent.
 */

import { checkInteger, checkOneOf, checkPositive } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { StoreError, isSluiceError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";
import type { Combiner } from "../combiner.ts";
import type { LimitDecision, LimitPolicy } from "../contracts/limits.ts";
import type { Deadlines } from "../deadline.ts";
import { deadlinesOf } from "../deadlines.ts";
import { type CompiledLimit, checkCost } from "../limit-policy.ts";
import { Demand, IDLE_TARGETS } from "./demand.ts";
import { type Denial, DenyCache } from "./deny-cache.ts";
import { type AskEnd, type LeaseDriver, LeaseExchange } from "./exchange.ts";
import type { HeldLease } from "./held-lease.ts";
import { KeyLease, type KeyOwner, type LeaseWaiter } from "./key-lease.ts";
import { LeaseKeys } from "./lease-keys.ts";
import { type LeaseOptions, type LeaseTerms, leaseTerms } from "./lease-limit.ts";
import type { LeaseEvent, LeaseStats, LeasedDecision } from "./leased-decision.ts";
import { LocalTwin } from "./local-twin.ts";

export interface LeasedLimiterOptions {
  /** A shared store with atomic steps. */
  readonly driver: LeaseDriver;
  readonly limit: LimitPolicy | CompiledLimit;
  readonly lease?: true | LeaseOptions;
  /** Carries the requests; give it a guard to bound what a dead store costs. @default one of its own, closed with the limiter */
  readonly combiner?: Pick<Combiner, "run">;
  /** What a caller gets when the store fails and no units are left: this instance's part of the limit, everything, or the error. @default "local" */
  readonly failMode?: "local" | "open" | "closed";
  /** Instances that share the limit; each takes its part of it in fail mode `local`. More of them count where the driver has seen more. @default 1 */
  readonly instances?: number;
  /** Largest cost of a call on a bucket. @default 1 */
  readonly maxCost?: number;
  /** Keys with leases or a remembered rate; above it the oldest give theirs back. @default 65536 */
  readonly maxKeys?: number;
  /** Callers that wait for a lease; one more meets the fail mode. @default 100000 */
  readonly maxWaiting?: number;
  readonly clock?: Clock;
  /** The key in the store of what `check` calls a key; called once while the key is remembered. @default the same */
  readonly name?: (key: string) => string;
}

export interface LeasedLimiter {
  /** What is leased; its `keySuffix` belongs to the key. */
  readonly limit: CompiledLimit;
  readonly events: EventSource<LeaseEvent>;
  /**
   * Charges `cost`, or refuses. A plain value while units are held or a refusal still holds; else a promise.
   * `key` is the key in the store, as it is, unless `name` gives it. Throws `OptionError` for a cost outside its domain.
   */
  check(key: string, cost?: number, signal?: AbortSignal): MaybePromise<LeasedDecision>;
  stats(): LeaseStats;
  /** Refuses new work, gives back what is held, and resolves when that has been sent. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A leased limiter whose requests `combiner` carries. `onClose` runs when its last one has been sent. */
export function leaseOver(combiner: Pick<Combiner, "run">, options: Omit<LeasedLimiterOptions, "combiner">, onClose?: () => Promise<void>): LeasedLimiter {
  return new Limiter(combiner, options, onClose);
}

/** Requests in a row whose units came when their lifetime was over, before the callers are charged without a lease. */
const LATE_TRIES = 3;
/** For how many targets after that nobody tries a lease. */
const FAR_TARGETS = 8;

class Limiter implements LeasedLimiter, KeyOwner {
  readonly limit: CompiledLimit;
  private readonly storeName: string;
  private readonly combiner: Pick<Combiner, "run">;
  private readonly onClose: (() => Promise<void>) | undefined;
  private readonly terms: LeaseTerms;
  private readonly failMode: "local" | "open" | "closed";
  private readonly maxKeys: number;
  private readonly maxWaiting: number;
  private readonly clock: Clock;
  private readonly deadlines: Deadlines;
  private readonly name: (key: string) => string;
  private readonly keys = new LeaseKeys();
  private readonly exchange: LeaseExchange;
  private readonly denials: DenyCache;
  private readonly twin: LocalTwin;
  private closing: Promise<void> | undefined;
  private waiting = 0;
  private spent = 0;
  private expiredUnits = 0;
  private deniedCached = 0;
  private degraded = 0;

  constructor(combiner: Pick<Combiner, "run">, options: Omit<LeasedLimiterOptions, "combiner">, onClose: (() => Promise<void>) | undefined) {
    const { driver } = options;
    this.terms = leaseTerms(driver, options.limit, options.lease === true ? {} : options.lease, checkPositive("maxCost", options.maxCost ?? 1));
    this.limit = this.terms.limit;
    this.storeName = driver.name;
    this.failMode = checkOneOf("failMode", options.failMode ?? "local", ["local", "open", "closed"]);
    this.maxKeys = checkInteger("maxKeys", options.maxKeys ?? 65_536, 1);
    this.maxWaiting = checkInteger("maxWaiting", options.maxWaiting ?? 100_000, 1);
    this.clock = options.clock ?? systemClock;
    this.name = options.name ?? asItIs;
    this.deadlines = deadlinesOf(this.clock);
    this.denials = new DenyCache(this.terms.denyCacheMs);
    const instances = checkInteger("instances", options.instances ?? 1, 1);
    this.twin = new LocalTwin(this.limit, () => Math.max(instances, driver.holders ?? 1));
    this.onClose = onClose;
    this.combiner = combiner;
    this.exchange = new LeaseExchange(driver, this.combiner, this.terms, this.clock, this.keys);
  }

  get events(): EventSource<LeaseEvent> {
    return this.exchange.events;
  }

  check(key: string, cost = 1, signal?: AbortSignal): MaybePromise<LeasedDecision> {
    checkCost(this.limit, cost);
    if (this.closing !== undefined) return Promise.reject(this.closedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const now = this.clock.monotonic();
    const wall = this.clock.now();
    let held = this.keys.get(key);
    let available = 0;
    if (held !== undefined) {
      if (cost > 0 && held.quick(cost, now, wall)) {
        this.spent += cost;
        return this.granted(held, now);
      }
      available = held.available(now, wall);
      if (cost > 0) held.wanted(cost, now);
      if (available >= cost && available > 0 && held.waiters.first === undefined) {
        const decision = this.spend(held, cost, now);
        held.load(now);
        return decision;
      }
    }
    if (cost === 0) return this.peek(key, held, signal);
    // The store deals in whole units: for a part of one, too, it has refused a whole one.
    const denial = this.denials.find(key, Math.ceil(cost - available), now);
    if (denial !== undefined) {
      this.deniedCached++;
      return this.refused(held, denial, available, now, "lease");
    }
    if (held === undefined) held = this.addKey(key, cost, now);
    const quarantine = Math.max(this.exchange.quarantinedUntil, held.quarantinedUntil);
    if (now < quarantine) return this.withheld(held, quarantine - now, now);
    return this.join(held, cost, signal);
  }

  stats(): LeaseStats {
    const { granted, returned, inFlight, roundTrips, epochChanges } = this.exchange;
    let held = 0;
    for (const key of this.keys.values()) held += key.held;
    const { spent, expiredUnits: expired, deniedCached, degraded } = this;
    return { granted, spent, returned, expired, held, inFlight, roundTrips, deniedCached, degraded, epochChanges };
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  died(held: KeyLease, lease: HeldLease, lost: boolean): void {
    if (this.terms.refundDead && !lost) this.exchange.refund(held.key, lease.ticket, lease.left);
    else this.expiredUnits += lease.left;
  }

  /** Unspent units go back when they were idle, and the key is forgotten after eight idle targets. */
  idle(held: KeyLease): void {
    const now = this.clock.monotonic();
    const { targetMs, useMs, returnUnspent } = this.terms;
    const available = held.available(now, this.clock.now());
    const idleMs = now - held.usedAt;
    let againMs = Math.max(held.wantedAt + IDLE_TARGETS * targetMs - now, held.quarantinedUntil - now);
    if (held.asking || held.waiters.first !== undefined) againMs = targetMs;
    else if (idleMs < useMs) againMs = useMs - idleMs;
    else if (available > 0 && !returnUnspent) againMs = held.endsAt - now;
    else if (available > 0) this.exchange.giveBack(held);
    // At least 1 ms: a rest too small to move the clock would come round for ever.
    if (againMs > 0) this.deadlines.arm(held, Math.max(1, againMs), now);
    else this.keys.drop(held);
  }

  /** The decision of a call that found its units set aside. */
  private granted(held: KeyLease, now: number): LeasedDecision {
    const { limit } = this.limit;
    const remaining = Math.floor(held.quickRemaining);
    const resetAfterMs = Math.ceil(held.quickResetAt - now);
    return {
      allowed: true, limit, remaining: remaining < limit ? remaining : limit, retryAfterMs: 0, resetAfterMs: resetAfterMs > 0 ? resetAfterMs : 0, debt: 0,
      source: "lease", degraded: false,
    };
  }

  private spend(held: KeyLease, cost: number, now: number): LeasedDecision {
    held.spend(cost, now);
    this.spent += cost;
    if (held.low && !held.asking && now >= held.restUntil && held.demand.steady(now)) this.exchange.ask(held, 1, this.asked);
    return this.decision(held, true, 0, held.held, now, "lease");
  }

  /** What is left, asked of the store: nothing is held here, and what was heard of the key may be old. */
  private peek(key: string, held: KeyLease | undefined, signal: AbortSignal | undefined): MaybePromise<LeasedDecision> {
    const found = this.combiner.run(this.terms.algorithm, held?.key ?? this.name(key), { cost: 0, policy: this.terms.policy }, { signal }) as MaybePromise<LimitDecision>;
    if (!isPromise(found)) return { ...found, source: "store", degraded: false };
    return found.then(
      (decision) => ({ ...decision, source: "store" as const, degraded: false }),
      (error: unknown) => {
        if (signal?.aborted === true) throw error;
        return this.without(key, held, 0, error);
      },
    );
  }

  private join(held: KeyLease, cost: number, signal: AbortSignal | undefined): Promise<LeasedDecision> {
    return new Promise((resolve, reject) => {
      const waiter: LeaseWaiter = { cost, resolve, reject, gone: true, next: undefined, previous: undefined };
      if (this.waiting >= this.maxWaiting) {
        this.fail(held, waiter, new StoreError("STORE_OVERLOADED", `${this.storeName}: ${this.maxWaiting} callers wait for a lease already`, { outcome: "not-applied" }));
        return;
      }
      if (signal !== undefined) waiter.signal = signal;
      if (held.lateInRow >= LATE_TRIES && this.clock.monotonic() < held.restUntil) {
        this.charge(held, waiter);
        return;
      }
      this.waiting++;
      held.waiters.push(waiter);
      if (signal !== undefined) this.leaveOnAbort(held, waiter, signal);
      if (held.asking) return;
      // Callers of the same turn go into one request.
      held.asking = true;
      queueMicrotask(() => {
        held.asking = false;
        this.serve(held);
      });
    });
  }

  private leaveOnAbort(held: KeyLease, waiter: LeaseWaiter, signal: AbortSignal): void {
    const onAbort = (): void => {
      this.take(held, waiter);
      waiter.reject(signal.reason);
    };
    waiter.stop = () => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort);
  }

  private take(held: KeyLease, waiter: LeaseWaiter): void {
    held.waiters.remove(waiter);
    waiter.stop?.();
    this.waiting--;
  }

  /** Serves the callers in order, as far as units and refusals go; asks for the first one left. */
  private serve(held: KeyLease, denial?: Denial): void {
    const now = this.clock.monotonic();
    const wall = this.clock.now();
    for (let waiter = held.waiters.first; waiter !== undefined; waiter = held.waiters.first) {
      const available = held.available(now, wall);
      const lacking = Math.ceil(waiter.cost - available);
      if (lacking <= 0) {
        this.take(held, waiter);
        waiter.resolve(this.spend(held, waiter.cost, now));
      } else if (denial !== undefined && lacking >= denial.cost) {
        this.take(held, waiter);
        waiter.resolve(this.refused(held, denial, available, now, "store"));
      } else {
        if (!held.asking) this.exchange.ask(held, lacking, this.asked);
        return;
      }
    }
  }

  private readonly asked = (held: KeyLease, end: AskEnd): void => {
    if (end.kind !== "failed") this.twin.forget(held.name);
    const now = this.clock.monotonic();
    switch (end.kind) {
      case "granted":
        this.denials.delete(held.name);
        this.serve(held);
        return;
      case "refused": {
        const { least, sentAt, retryAfterMs } = end;
        this.denials.add(held.name, least, sentAt, retryAfterMs, now);
        held.restUntil = sentAt + Math.min(this.terms.denyCacheMs, retryAfterMs ?? Infinity);
        this.serve(held, { cost: least, untilAt: 0, retryAt: retryAfterMs === null ? undefined : sentAt + retryAfterMs });
        return;
      }
      case "late":
        // Once may be a cold connection; for a store that stays too far away the limiter is the one without a lease.
        if (++held.lateInRow < LATE_TRIES) {
          held.restUntil = now + this.terms.targetMs;
          this.serve(held);
        } else {
          held.restUntil = now + FAR_TARGETS * this.terms.targetMs;
          this.eachWaiter(held, (waiter) => this.charge(held, waiter));
        }
        return;
      case "epoch":
        this.eachWaiter(held, (waiter) => waiter.resolve(this.withheld(held, Math.max(this.exchange.quarantinedUntil, held.quarantinedUntil) - now, now)));
        return;
      case "failed":
        held.restUntil = now + Math.max(this.terms.targetMs, (isSluiceError(end.error) ? end.error.retryAfterMs : undefined) ?? 0);
        this.eachWaiter(held, (waiter) => this.fail(held, waiter, end.error));
    }
  };

  /** Ends everybody who waits: with units where there are some, else by `refuse`. */
  private eachWaiter(held: KeyLease, refuse: (waiter: LeaseWaiter) => void): void {
    const now = this.clock.monotonic();
    for (let waiter = held.waiters.first; waiter !== undefined; waiter = held.waiters.first) {
      this.take(held, waiter);
      if (held.available(now, this.clock.now()) >= waiter.cost) waiter.resolve(this.spend(held, waiter.cost, now));
      else refuse(waiter);
    }
  }

  /** One charge in the store, decided there: the way of a limiter without a lease. */
  private charge(held: KeyLease, waiter: LeaseWaiter): void {
    const { cost, signal } = waiter;
    const sentAt = this.clock.monotonic();
    held.usedAt = sentAt;
    this.exchange.charge(held.key, cost, signal, (decision) => {
      this.twin.forget(held.name);
      if (!decision.allowed) this.denials.add(held.name, Math.ceil(cost), sentAt, decision.retryAfterMs, this.clock.monotonic());
      waiter.resolve({ ...decision, limit: this.limit.limit, source: "store", degraded: false });
    }, (error) => {
      if (signal?.aborted === true) waiter.reject(signal.reason);
      else this.fail(held, waiter, error);
    });
  }

  private fail(held: KeyLease, waiter: LeaseWaiter, error: unknown): void {
    try {
      waiter.resolve(this.without(held.name, held, waiter.cost, error));
    } catch (thrown) {
      waiter.reject(thrown);
    }
  }

  /** The store failed and no units are left: what the fail mode says, or the error. */
  private without(key: string, held: KeyLease | undefined, cost: number, error: unknown): LeasedDecision {
    if (this.failMode === "closed" || error instanceof RangeError) throw error;
    this.degraded++;
    const now = this.clock.monotonic();
    if (this.failMode === "open") return this.decision(held, true, 0, 0, now, "local", true);
    const known = held?.remaining !== undefined && now - held.heardAt < this.limit.horizonMs ? held.remaining : undefined;
    return { ...this.twin.check(key, cost, now, known), source: "local", degraded: true };
  }

  private addKey(key: string, cost: number, now: number): KeyLease {
    if (this.keys.size >= this.maxKeys) this.makeRoom();
    else this.keys.rest();
    const held = new KeyLease(this, this.keys.rows, key, this.name(key), new Demand(this.terms.targetMs, this.terms.useMs, this.terms.maxTokens, now), now);
    held.wanted(cost, now);
    this.keys.set(key, held);
    this.deadlines.arm(held, this.terms.useMs, now);
    return held;
  }

  private makeRoom(): void {
    const held = this.keys.dispensable();
    if (held === undefined) return;
    held.available(this.clock.monotonic(), this.clock.now());
    this.exchange.giveBack(held);
    this.deadlines.disarm(held);
    this.keys.drop(held);
  }

  private decision(
    held: KeyLease | undefined, allowed: boolean, retryAfterMs: number | null, available: number, now: number, source: LeasedDecision["source"], degraded = false,
  ): LeasedDecision {
    const { limit } = this.limit;
    const remaining = Math.min(limit, Math.floor((held?.remaining ?? 0) + available));
    return { allowed, limit, remaining, retryAfterMs, resetAfterMs: Math.max(0, Math.ceil((held?.resetAt ?? now) - now)), debt: 0, source, degraded };
  }

  private refused(held: KeyLease | undefined, denial: Denial, available: number, now: number, source: LeasedDecision["source"]): LeasedDecision {
    const retryAfterMs = denial.retryAt === undefined ? null : Math.max(1, Math.ceil(denial.retryAt - now));
    return this.decision(held, false, retryAfterMs, available, now, source);
  }

  /** A refusal that is no word of the store on the limit: it lost its records, or is too slow for the lease. */
  private withheld(held: KeyLease, waitMs: number, now: number): LeasedDecision {
    this.degraded++;
    return this.decision(held, false, Math.max(1, Math.ceil(waitMs)), 0, now, "store", true);
  }

  private async end(): Promise<void> {
    this.exchange.closed = true;
    const error = this.closedError();
    for (const held of this.keys.values()) {
      this.deadlines.disarm(held);
      for (let waiter = held.waiters.first; waiter !== undefined; waiter = held.waiters.first) {
        this.take(held, waiter);
        waiter.reject(error);
      }
      held.available(this.clock.monotonic(), this.clock.now());
      this.exchange.giveBack(held);
    }
    this.denials.clear();
    // A request that was on its way gives back what it brings.
    await this.exchange.settled();
    this.keys.clear();
    await this.onClose?.();
  }

  private closedError(): StoreError {
    return new StoreError("STORE_CLOSED", `${this.storeName}: the limiter is closed`, { outcome: "not-applied" });
  }
}

function asItIs(key: string): string {
  return key;
}
