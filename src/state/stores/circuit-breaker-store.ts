/** Circuit breakers on any driver: one record per key, and every verb is one step of the circuit algorithm on it. */

import { checkOneOf } from "../../core/check.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey } from "../../core/keys.ts";
import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import { systemRandom, type Random } from "../../core/random.ts";
import { circuit, type CircuitCommand, type CircuitReply } from "../algorithms/circuit.ts";
import { circuitPolicy } from "../algorithms/circuit-policy.ts";
import type { DriverCapabilities, StateDriver, SyncTable } from "../contracts/driver.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../contracts/circuits.ts";
import { type Run, runnerOn } from "./runner.ts";

export interface CircuitBreakerStoreOptions {
  /** Prefixed to every key. @default "circuit:" */
  readonly prefix?: string;
  /**
   * For the verbs that carry no policy: `windowMs` is the window in which `recordSuccess` and `recordFailure` count,
   * `resetTimeoutMs` how long `transition(key, "open")` refuses. @default those of `circuitPolicy()`
   */
  readonly policy?: Partial<CircuitPolicy>;
  readonly random?: Random;
  /** How commands reach a driver behind a wire, such as `createCombiner(driver).run`. @default one batch per command */
  readonly run?: Run;
}

/** A circuit breaker store on a driver: all verbs, and what an administrator needs. */
export interface DriverCircuitBreakerStore extends CircuitBreakerStore {
  acquire(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  /** Refuses every call until `reset`, `transition` or `disable`, or for a day. */
  isolate(key: string): MaybePromise<CircuitBreakerSnapshot>;
  /** Admits every call and counts none until `reset`, `transition` or `isolate`, or for a day. */
  disable(key: string): MaybePromise<CircuitBreakerSnapshot>;
  readonly capabilities: DriverCapabilities;
}

/**
 * Circuit breakers on `driver`. Everybody who uses the same driver's data, prefix and key shares one circuit, and half-open
 * probes are counted over all of them. A driver in this process answers without a promise.
 *
 * `acquire` and `report` decide by the policy they are given. `recordSuccess`, `recordFailure` and `transition` serve callers that
 * decide themselves: the first two only count, in the rolling window of the options' policy, and never move the circuit;
 * `transition` moves it from any phase, also into the one it is in, with fresh counts (an opened one keeps them on show).
 *
 * ```ts
 * const store = circuitBreakerStoreOn(memoryDriver());
 * const permit = await store.acquire("payments", circuitPolicy({ failureThreshold: 3 }));
 * ```
 */
export function circuitBreakerStoreOn(driver: StateDriver, options: CircuitBreakerStoreOptions = {}): DriverCircuitBreakerStore {
  return new DriverStore(driver, options);
}

type Acquire = Extract<CircuitCommand, { type: "acquire" }>;

const KEYS_REMEMBERED = 1024;

class DriverStore implements DriverCircuitBreakerStore {
  readonly capabilities: DriverCapabilities;
  readonly #send: Run;
  readonly #table: SyncTable<CircuitCommand, CircuitReply> | undefined;
  readonly #prefix: string;
  readonly #policy: CircuitPolicy;
  readonly #random: Random;
  readonly #keys = new Map<string, string>();
  /** Policies found good, so that one is checked once per object and not once per call. */
  readonly #valid = new WeakMap<CircuitPolicy, CircuitPolicy>();
  /** The last of each, as most calls repeat the one before: no allocation on a closed circuit. */
  #given: CircuitPolicy;
  #acquire: Acquire;
  #permit: CircuitPermit = Object.freeze({ allowed: true, state: "closed", epoch: 0 });

  constructor(driver: StateDriver, options: CircuitBreakerStoreOptions) {
    if (!driver.capabilities.atomic) {
      throw new StoreError("STORE_CAPABILITY", `the driver "${driver.name}" cannot run a circuit breaker: its steps are not atomic; use one whose are, such as a Durable Object or memory`);
    }
    this.capabilities = driver.capabilities;
    this.#send = runnerOn(driver, options.run);
    this.#prefix = options.prefix ?? "circuit:";
    this.#table = driver.table?.(circuit, this.#prefix);
    this.#policy = circuitPolicy(options.policy);
    this.#random = options.random ?? systemRandom;
    this.#given = this.#policy;
    this.#acquire = { type: "acquire", policy: this.#policy };
  }

  acquire(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal> {
    if (this.#given !== policy) this.#use(policy);
    const reply = this.#run(key, this.#acquire);
    return reply instanceof Promise ? reply.then((late) => this.#admission(late)) : this.#admission(reply);
  }

  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined> {
    if (this.#given !== policy) this.#use(policy);
    checkOneOf("outcome", outcome, OUTCOMES);
    const reply = this.#run(key, {
      type: "report",
      epoch: permit.epoch,
      token: permit.token === undefined ? 0 : Number(permit.token),
      ok: outcome === "success" ? 1 : 0,
      fail: outcome === "failure" ? 1 : 0,
      slow: outcome === "slow" ? 1 : 0,
      random: policy.maxResetTimeoutMs === undefined ? 0 : this.#random.next(),
      policy: this.#acquire.policy,
    });
    return reply instanceof Promise ? reply.then(transitionOf) : transitionOf(reply);
  }

  getState(key: string): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, VIEW), snapshotOf);
  }

  recordSuccess(key: string): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, { type: "count", ok: 1, fail: 0, policy: this.#policy }), snapshotOf);
  }

  recordFailure(key: string): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, { type: "count", ok: 0, fail: 1, policy: this.#policy }), snapshotOf);
  }

  transition(key: string, to: CircuitState): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, { type: "force", to: checkOneOf("to", to, MOVES), policy: this.#policy }), snapshotOf);
  }

  isolate(key: string): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, { type: "force", to: "isolated", policy: this.#policy }), snapshotOf);
  }

  disable(key: string): MaybePromise<CircuitBreakerSnapshot> {
    return chain(this.#run(key, { type: "force", to: "disabled", policy: this.#policy }), snapshotOf);
  }

  reset(key: string): MaybePromise<void> {
    return chain(this.#run(key, { type: "force", to: "closed", policy: this.#policy }), () => undefined);
  }

  #use(policy: CircuitPolicy): void {
    let valid = this.#valid.get(policy);
    if (valid === undefined) this.#valid.set(policy, (valid = circuitPolicy(policy)));
    this.#given = policy;
    this.#acquire = { type: "acquire", policy: valid };
  }

  #admission(reply: CircuitReply): CircuitPermit | CircuitRefusal {
    if (!reply.allowed) return { allowed: false, state: reply.state, retryAfterMs: reply.retryAfterMs };
    if (reply.token !== 0) {
      const { state, epoch } = reply;
      return { allowed: true, state, epoch, token: String(reply.token), transition: transitionOf(reply) };
    }
    if (this.#permit.epoch !== reply.epoch) this.#permit = Object.freeze({ allowed: true, state: "closed", epoch: reply.epoch });
    return this.#permit;
  }

  #run(key: string, command: CircuitCommand): MaybePromise<CircuitReply> {
    if (this.#table !== undefined) return this.#table.run(key, command);
    const physical = this.#keys.get(key) ?? this.#physical(key);
    return this.#send(circuit, physical, command);
  }

  #physical(key: string): string {
    const physical = boundKey(this.#prefix + boundKey(key));
    if (this.#keys.size >= KEYS_REMEMBERED) this.#keys.clear();
    this.#keys.set(key, physical);
    return physical;
  }
}

const VIEW: CircuitCommand = { type: "view" };
const OUTCOMES: readonly CircuitOutcome[] = ["success", "failure", "slow", "unused"];
const MOVES: readonly CircuitState[] = ["closed", "open", "half-open"];

function transitionOf(reply: CircuitReply): CircuitTransition | undefined {
  const { from, to } = reply;
  return from === undefined || to === undefined || from === to ? undefined : { from, to };
}

function snapshotOf(reply: CircuitReply): CircuitBreakerSnapshot {
  return {
    state: reply.state,
    failureCount: reply.failureCount,
    successCount: reply.successCount,
    lastFailureTime: reply.lastFailureAt,
    lastStateChange: reply.changedAt,
  };
}
