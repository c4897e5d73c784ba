/** A circuit that lives in a store, and what a breaker does while the store fails. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { guard, type Guard } from "../state/guard.ts";
import type { CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitRefusal, CircuitState, CircuitTransition } from "../state/contracts/circuits.ts";
import type { CircuitBreaker, CircuitSettings } from "./circuit-settings.ts";
import { circuitOpen } from "./circuit-open-error.ts";
import { judge, LocalCircuit, tell } from "./local-circuit.ts";

/** Admitted without asking: its report goes nowhere. */
const UNASKED: CircuitPermit = Object.freeze({ allowed: true, state: "closed", epoch: 0 });

export class SharedCircuit implements CircuitBreaker {
  readonly #store: Required<Pick<CircuitBreakerStore, "acquire" | "report">>;
  readonly #settings: CircuitSettings;
  readonly #failMode: "local" | "open" | "closed";
  /** Bounds what a slow or dead store costs a call. */
  readonly #guard: Guard;
  readonly #ask: () => MaybePromise<CircuitPermit | CircuitRefusal>;
  #state: CircuitState = "closed";
  /** Decides while the store fails; its permits are told apart by identity. */
  #twin: LocalCircuit | undefined;
  readonly #twinPermits = new WeakSet<CircuitPermit>();

  constructor(store: Required<Pick<CircuitBreakerStore, "acquire" | "report">>, settings: CircuitSettings, failMode: "local" | "open" | "closed") {
    this.#store = store;
    this.#settings = settings;
    this.#failMode = failMode;
    this.#guard = guard(store, { clock: settings.clock });
    this.#ask = () => store.acquire(settings.key, settings.policy);
  }

  get state(): CircuitState {
    return this.#state;
  }

  async execute<T>(fn: (signal?: AbortSignal) => MaybePromise<T>, signal?: AbortSignal): Promise<T> {
    const answer = this.acquire();
    const permit = isPromise(answer) ? await answer : answer;
    const { clock, isFailure, key, policy } = this.#settings;
    if (!permit.allowed) throw circuitOpen(key, permit.state, permit.retryAfterMs);
    const { slowCallMs } = policy;
    const start = slowCallMs === undefined ? 0 : clock.monotonic();
    let value: T;
    try {
      value = await fn(signal);
    } catch (error) {
      await this.report(permit, judge(error, signal, isFailure));
      throw error;
    }
    const slow = slowCallMs !== undefined && clock.monotonic() - start > slowCallMs;
    const reported = this.report(permit, slow ? "slow" : "success");
    // The next call should find a circuit that this one has closed; an ordinary good call keeps nobody waiting.
    if (permit.token !== undefined) await reported;
    return value;
  }

  acquire(): MaybePromise<CircuitPermit | CircuitRefusal> {
    try {
      const answer = this.#guard.call("acquire", this.#ask);
      return isPromise(answer) ? answer.then((late) => this.#seen(late), (error: unknown) => this.#without(error)) : this.#seen(answer);
    } catch (error) {
      return this.#without(error);
    }
  }

  report(permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined> {
    if (permit === UNASKED) return undefined;
    if (this.#twinPermits.has(permit)) return this.#twin?.report(permit, outcome);
    const { key, policy } = this.#settings;
    try {
      const answer = this.#guard.call("report", () => this.#store.report(key, policy, permit, outcome));
      return isPromise(answer) ? answer.then((late) => this.#moved(late), () => undefined) : this.#moved(answer);
    } catch {
      // The call has its result; that nobody could be told of it does not change it.
      return undefined;
    }
  }

  #seen(answer: CircuitPermit | CircuitRefusal): CircuitPermit | CircuitRefusal {
    this.#state = answer.state;
    this.#twin = undefined;
    if (answer.allowed && answer.transition !== undefined) this.#moved(answer.transition);
    return answer;
  }

  #moved(transition: CircuitTransition | undefined): CircuitTransition | undefined {
    if (transition === undefined) return undefined;
    this.#state = transition.to;
    tell(this.#settings, transition.from, transition.to);
    return transition;
  }

  #without(error: unknown): CircuitPermit | CircuitRefusal {
    // A bad argument is a mistake in the caller, not an outage.
    if (this.#failMode === "closed" || error instanceof RangeError) throw error;
    if (this.#failMode === "open") return UNASKED;
    this.#twin ??= new LocalCircuit(this.#settings);
    const answer = this.#twin.acquire();
    this.#state = answer.state;
    if (answer.allowed) this.#twinPermits.add(answer);
    return answer;
  }
}
