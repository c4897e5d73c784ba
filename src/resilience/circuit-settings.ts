/** What a circuit breaker is, and the options it takes. */

import { checkFunction, checkOneOf } from "../core/check.ts";
import { steadyNow, systemClock, type Clock } from "../core/clock.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { circuitPolicy } from "../state/algorithms/circuit-policy.ts";
import type { CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../state/contracts/circuits.ts";

/** All of them have defaults: those of the policy are in `circuitPolicy`. */
export interface CircuitBreakerOptions extends Partial<CircuitPolicy> {
  /**
   * Where the circuit lives, for one that several processes share; it needs `acquire` and `report`. Calls to it go through
   * `guard(store)`: each ends within 1 s, and a store that keeps failing is left alone for a while. Default: in this process.
   */
  readonly store?: CircuitBreakerStore;
  /** Name of the circuit: its key in `store`, and the first argument of `onStateChange`. @default "default" */
  readonly key?: string;
  /** Whether what was thrown speaks against the upstream. @default everything that was thrown */
  readonly isFailure?: (error: unknown) => boolean;
  /** Called once for every transition that a call of this breaker caused. What it throws is ignored. */
  readonly onStateChange?: (key: string, from: CircuitState, to: CircuitState) => void;
  /**
   * What happens while `store` fails: a breaker in this process goes on from its last answer (`local`), every call is made (`open`), or
   * `execute` and `acquire` fail with the store's error (`closed`). A report that fails never fails a call. @default "local"
   */
  readonly failMode?: "local" | "open" | "closed";
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CircuitBreaker {
  /** The phase; with a store, the one that it last answered. An open circuit turns half-open by the next call. */
  readonly state: CircuitState;
  /**
   * Calls `fn` with `signal` and gives what it gives, or rejects with a `CircuitOpenError` without calling it.
   * What `fn` throws counts as a failure unless `isFailure` says no, or `signal` had aborted: a caller who leaves says
   * nothing about the upstream (a signal that ended by `TimeoutError` does).
   */
  execute<T>(fn: (signal?: AbortSignal) => MaybePromise<T>, signal?: AbortSignal): Promise<T>;
  /** For callers with their own idea of a call: ask, call, `report`. Every permit is to be reported once. */
  acquire(): MaybePromise<CircuitPermit | CircuitRefusal>;
  /** `unused` gives a permit back. A report of a permit from before a transition changes nothing. */
  report(permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
}

/** A breaker in this process: nothing waits. */
export interface LocalCircuitBreaker extends CircuitBreaker {
  acquire(): CircuitPermit | CircuitRefusal;
  report(permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined;
  /** Refuses every call until `reset` or `disable`, or for a day. */
  isolate(): void;
  /** Admits every call and counts none until `reset` or `isolate`, or for a day. */
  disable(): void;
  /** Closes it, with fresh counts. */
  reset(): void;
}

/** What a breaker keeps of its options. Frozen, and shared by breakers that were given the same. */
export interface CircuitSettings {
  readonly policy: CircuitPolicy;
  readonly ask: { readonly type: "acquire"; readonly policy: CircuitPolicy };
  /** Whether good calls must be stamped: only a rate or slow calls make a decision depend on when they were. */
  readonly timed: boolean;
  readonly key: string;
  readonly clock: Clock;
  readonly now: () => number;
  readonly random: Random;
  readonly isFailure: ((error: unknown) => boolean) | undefined;
  readonly onStateChange: ((key: string, from: CircuitState, to: CircuitState) => void) | undefined;
}

/** The settings made last. Breakers are often made by the thousand from one set of options: they then share one. */
let latest: CircuitSettings | undefined;

/** Checks the options and fills in the defaults. */
export function circuitSettings(options: CircuitBreakerOptions): CircuitSettings {
  const policy = circuitPolicy(options);
  checkOneOf("failMode", options.failMode ?? "local", ["local", "open", "closed"]);
  const clock = options.clock ?? systemClock;
  const key = options.key ?? "default";
  const random = options.random ?? systemRandom;
  const isFailure = options.isFailure === undefined ? undefined : checkFunction("isFailure", options.isFailure);
  const onStateChange = options.onStateChange === undefined ? undefined : checkFunction("onStateChange", options.onStateChange);
  if (
    latest !== undefined && latest.clock === clock && latest.key === key && latest.random === random && latest.isFailure === isFailure
    && latest.onStateChange === onStateChange && samePolicy(latest.policy, policy)
  ) return latest;
  const timed = policy.failureRate !== undefined || policy.slowCallRate !== undefined || policy.slowCallMs !== undefined;
  latest = Object.freeze({ policy, ask: { type: "acquire" as const, policy }, timed, key, clock, now: steadyNow(clock), random, isFailure, onStateChange });
  return latest;
}

function samePolicy(a: CircuitPolicy, b: CircuitPolicy): boolean {
  for (const name of Object.keys(a) as (keyof CircuitPolicy)[]) if (a[name] !== b[name]) return false;
  return true;
}
