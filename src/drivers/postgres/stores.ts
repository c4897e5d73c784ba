/** The stores on Postgres as classes, each with its own table and its own clean-up. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { LimitDecision, LimitPolicy, LimitTicket, RateLimitStore } from "../../state/contracts/limits.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../../state/contracts/circuits.ts";
import { type CircuitBreakerStoreOptions, type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "../../state/stores/circuit-breaker-store.ts";
import { type DriverRateLimitStore, rateLimitStoreOn } from "../../state/stores/rate-limit-store.ts";
import type { LeaseStats } from "../../state/lease/leased-decision.ts";
import { type StoreLeaseOptions, leaseOnClock } from "../../state/stores/leased-limits.ts";
import type { PostgresClient } from "./client.ts";
import { Line, type LineOptions } from "./line.ts";

export interface PostgresRateLimitStoreOptions extends Omit<LineOptions, "table"> {
  /** Spends units that were debited beforehand: see `lease` of `createStores`. Every process that uses the limits must lease, or none. @default not leased */
  readonly lease?: true | StoreLeaseOptions;
}

/**
 * Rate limits in the table `<tablePrefix>rate_limits`: exact over all processes, by the server's clock. The client stays the
 * caller's.
 *
 * @throws OptionError for a client of no known shape and a bad `tablePrefix`.
 *
 * @example
 * const store = new PostgresRateLimitStore(pool);
 * const { count, resetAt } = await store.increment("user-7", 60);
 */
export class PostgresRateLimitStore implements RateLimitStore {
  readonly name = "postgres";
  readonly capabilities: DriverCapabilities;
  readonly leased: boolean;
  readonly #line: Line;
  readonly #store: DriverRateLimitStore;

  constructor(client: PostgresClient, options: PostgresRateLimitStoreOptions = {}) {
    const { lease, ...rest } = options;
    this.leased = lease !== undefined;
    this.#line = new Line(client, rest);
    this.#store = rateLimitStoreOn(this.#line.driver, { run: this.#line.run, lease: leaseOnClock(lease, rest.clock) });
    this.capabilities = this.#line.driver.capabilities;
  }

  increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    return promised(() => this.#store.increment(key, windowSeconds));
  }

  check(key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision> {
    return promised(() => this.#store.check(key, policy, cost));
  }

  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]> {
    return promised(() => this.#store.checkAll(key, policies, cost));
  }

  reserve(key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision> {
    return promised(() => this.#store.reserve(key, policy, cost));
  }

  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): Promise<LimitDecision> {
    return promised(() => this.#store.settle(key, policy, ticket, actual));
  }

  /** What became of the units that were leased; `undefined` without leases. */
  leaseStats(): LeaseStats | undefined {
    return this.#store.leaseStats?.();
  }

  /** Deletes rows of windows that have ended and buckets that are full again, 1,000 per statement; gives how many. */
  cleanup(): Promise<number> {
    return this.#line.driver.cleanup("rate_limits");
  }

  /** Later calls fail with `STORE_CLOSED`. Idempotent. */
  destroy(): void {
    void this[Symbol.asyncDispose]();
  }

  /** The same, and resolves when unspent units of leases have been given back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    await this.#line.close();
  }
}

export interface PostgresCircuitBreakerStoreOptions extends Omit<LineOptions, "table">, Omit<CircuitBreakerStoreOptions, "prefix" | "run"> {}

/**
 * Circuit breakers in the table `<tablePrefix>circuit_breakers`: one circuit per key for all processes, half-open probes
 * counted over all of them.
 *
 * @throws OptionError for a client of no known shape and a bad `tablePrefix`.
 */
export class PostgresCircuitBreakerStore implements CircuitBreakerStore {
  readonly name = "postgres";
  readonly capabilities: DriverCapabilities;
  readonly #line: Line;
  readonly #store: DriverCircuitBreakerStore;

  constructor(client: PostgresClient, options: PostgresCircuitBreakerStoreOptions = {}) {
    const { policy, ...rest } = options;
    this.#line = new Line(client, rest);
    this.#store = circuitBreakerStoreOn(this.#line.driver, { policy, random: rest.random, run: this.#line.run });
    this.capabilities = this.#line.driver.capabilities;
  }

  getState(key: string): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.getState(key));
  }

  recordSuccess(key: string): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.recordSuccess(key));
  }

  recordFailure(key: string): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.recordFailure(key));
  }

  transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.transition(key, to));
  }

  reset(key: string): Promise<void> {
    return promised(() => this.#store.reset(key));
  }

  acquire(key: string, policy: CircuitPolicy): Promise<CircuitPermit | CircuitRefusal> {
    return promised(() => this.#store.acquire(key, policy));
  }

  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): Promise<CircuitTransition | undefined> {
    return promised(() => this.#store.report(key, policy, permit, outcome));
  }

  /** Refuses every call until `reset`, `transition` or `disable`, or for a day. */
  isolate(key: string): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.isolate(key));
  }

  /** Admits every call and counts none until `reset`, `transition` or `isolate`, or for a day. */
  disable(key: string): Promise<CircuitBreakerSnapshot> {
    return promised(() => this.#store.disable(key));
  }

  /** Deletes rows of circuits with nothing to remember, 1,000 per statement; gives how many. */
  cleanup(): Promise<number> {
    return this.#line.driver.cleanup("circuit_breakers");
  }

  /** Later calls fail with `STORE_CLOSED`. Idempotent. */
  destroy(): void {
    void this.#line.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line.close();
  }
}

/** A bad argument rejects. Nothing is awaited here: each turn of the microtask queue more may cost a caller the next batch. */
function promised<T>(call: () => MaybePromise<T>): Promise<T> {
  try {
    return call() as Promise<T>;
  } catch (error) {
    return Promise.reject(error);
  }
}
