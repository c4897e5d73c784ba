/**
 * A circuit that lives in a store, and what a breaker does while the store fails: a twin in this process goes on from the store's last
 * answer, and counts what the store could not be told. Where the store answers, it decides.
 */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { guard, type Guard } from "../state/guard.ts";
import type { CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitRefusal, CircuitState, CircuitTransition } from "../state/contracts/circuits.ts";
import type { CircuitBreaker, CircuitSettings } from "./circuit-settings.ts";
import { circuitOpen } from "./circuit-open-error.ts";
import { judge, LocalCircuit, tell } from "./local-circuit.ts";

/** Admitted without asking: its report goes nowhere. */
const UNASKED: CircuitPermit = Object.freeze({ allowed: true, state: "closed", epoch: 0 });

/** A user's store may answer anything; what is no answer is a failure of the store, for the fail mode to decide. */
const STATES: readonly unknown[] = ["closed", "open", "half-open"] satisfies CircuitState[];
const ADMISSION = Object.freeze({
  validate: (answer: CircuitPermit | CircuitRefusal): boolean =>
    STATES.includes(answer.state) && (answer.allowed === true ? typeof answer.epoch === "number" : answer.allowed === false && answer.retryAfterMs >= 0),
});
const REPORT = Object.freeze({ validate: (moved: CircuitTransition | undefined): boolean => moved === undefined || (STATES.includes(moved.from) && STATES.includes(moved.to)) });

export class SharedCircuit implements CircuitBreaker {
  readonly #store: Required<Pick<CircuitBreakerStore, "acquire" | "report">>;
  readonly #settings: CircuitSettings;
  readonly #failMode: "local" | "open" | "closed";
  /** Bounds what a slow or dead store costs a call. */
  readonly #guard: Guard;
  readonly #ask: () => MaybePromise<CircuitPermit | CircuitRefusal>;
  #state: CircuitState = "closed";
  /** What the store said last, and the monotonic instant before which it gives no probe. */
  #told: CircuitState = "closed";
  #refusesUntil = 0;
  /** Decides while the store fails; its permits are told apart by identity. Kept while the store comes and goes: its failures add up. */
  #twin: LocalCircuit | undefined;
  /** Monotonic instant since when the store has answered, where there is a twin. */
  #backSince: number | undefined;
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
      const answer = this.#guard.call("acquire", this.#ask, ADMISSION);
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
      const answer = this.#guard.call("report", () => this.#store.report(key, policy, permit, outcome), REPORT);
      return isPromise(answer) ? answer.then((late) => this.#moved(late), () => this.#untold(permit, outcome)) : this.#moved(answer);
    } catch {
      // The call has its result; that nobody could be told of it does not change it.
      return this.#untold(permit, outcome);
    }
  }

  #seen(answer: CircuitPermit | CircuitRefusal): CircuitPermit | CircuitRefusal {
    this.#state = answer.state;
    if (answer.state !== "closed") this.#keep(answer.state, answer.allowed ? 0 : answer.retryAfterMs);
    else this.#told = "closed";
    if (this.#twin !== undefined) this.#back();
    if (answer.allowed && answer.transition !== undefined) this.#moved(answer.transition);
    return answer;
  }

  #moved(transition: CircuitTransition | undefined): CircuitTransition | undefined {
    if (transition === undefined) return undefined;
    this.#state = transition.to;
    this.#keep(transition.to, transition.to === "open" ? this.#settings.policy.resetTimeoutMs : 0);
    tell(this.#settings, transition.from, transition.to);
    return transition;
  }

  /** Everybody's circuit has moved: what this process counted by itself was before that. */
  #keep(state: CircuitState, waitMs: number): void {
    this.#told = state;
    this.#refusesUntil = this.#settings.clock.monotonic() + waitMs;
    this.#twin = undefined;
  }

  /** A store that has answered for a whole window knows more than the twin. */
  #back(): void {
    const now = this.#settings.clock.monotonic();
    this.#backSince ??= now;
    if (now - this.#backSince >= this.#settings.policy.windowMs) this.#twin = undefined;
  }

  #without(error: unknown): CircuitPermit | CircuitRefusal {
    // A bad argument is a mistake in the caller, not an outage.
    if (this.#failMode === "closed" || error instanceof RangeError) throw error;
    if (this.#failMode === "open") return UNASKED;
    if (this.#twin !== undefined && this.#backSince !== undefined) this.#back();
    const answer = this.#local().acquire();
    this.#state = answer.state;
    if (answer.allowed) this.#twinPermits.add(answer);
    return answer;
  }

  /** An outcome that did not get to the store. */
  #untold(permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined {
    if (this.#failMode !== "local" || permit.token !== undefined) return undefined;
    const twin = this.#local();
    const own = twin.state === "closed" ? twin.acquire() : undefined;
    return own?.allowed === true ? twin.report(own, outcome) : undefined;
  }

  #local(): LocalCircuit {
    this.#backSince = undefined;
    return (this.#twin ??= new LocalCircuit(this.#settings, this.#told === "closed" ? undefined : Math.max(0, Math.ceil(this.#refusesUntil - this.#settings.clock.monotonic()))));
  }
}
