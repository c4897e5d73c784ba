/** Circuits: policies, permits, outcomes, and the stores that keep them. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`). */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { DriverCapabilities } from "./driver.ts";

export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitBreakerSnapshot {
  readonly state: CircuitState;
  readonly failureCount: number;
  readonly successCount: number;
  /** Epoch ms, 0 when there was none. */
  readonly lastFailureTime: number;
  readonly lastStateChange: number;
}

export interface CircuitPolicy {
  /** Failures inside the rolling window that open the circuit. */
  readonly failureThreshold: number;
  readonly windowMs: number;
  /** Share of failures, in (0, 1], that opens it once `minimumThroughput` calls are in the window. */
  readonly failureRate?: number;
  readonly minimumThroughput: number;
  /** Calls slower than this count as slow. */
  readonly slowCallMs?: number;
  /** Share of slow calls, in (0, 1], that opens it once `minimumThroughput` calls are in the window. */
  readonly slowCallRate?: number;
  readonly resetTimeoutMs: number;
  /** Each opening in a row waits twice as long as the one before, up to this. Absent: every one waits `resetTimeoutMs`. */
  readonly maxResetTimeoutMs?: number;
  /** Probes out at once while half-open, over the whole fleet. */
  readonly halfOpenMax: number;
  /** Successful probes that close it. */
  readonly successThreshold: number;
  /** A probe nobody reported on gives its place back after this time. */
  readonly probeTimeoutMs: number;
}

/** A permission to call. `token` is set for a probe of a half-open circuit. */
export interface CircuitPermit {
  readonly allowed: true;
  readonly state: CircuitState;
  readonly epoch: number;
  readonly token?: string;
  /** Set when this very call moved the circuit. */
  readonly transition?: CircuitTransition;
}

export interface CircuitRefusal {
  readonly allowed: false;
  readonly state: CircuitState;
  readonly retryAfterMs: number;
}

export interface CircuitTransition {
  readonly from: CircuitState;
  readonly to: CircuitState;
}

export type CircuitOutcome = "success" | "failure" | "slow" | "unused";

export interface CircuitBreakerStore {
  getState(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordFailure(key: string): MaybePromise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): MaybePromise<CircuitBreakerSnapshot>;
  reset(key: string): MaybePromise<void>;
  /** Atomic pair: with it half-open probes are counted over the whole fleet. */
  acquire?(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  /** Reports on a permit; a report of an older epoch or a used token changes nothing. */
  report?(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
