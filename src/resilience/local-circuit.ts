/**
 * The circuit of one process: the row machine of the circuit algorithm on a row of its own.
 *
 * The row is made by the first call that it must remember. A closed circuit that judges by failures alone reads one
 * field to admit and adds to one to count a good call: no clock, no allocation. Those counts enter the row in front of
 * the next thing that happens to it, which is the batched report that the algorithm has for instances of a fleet.
 */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { circuit, type CircuitCommand, type CircuitReply } from "../state/algorithms/circuit.ts";
import { HALF_OPEN, ISOLATED, OPEN, PHASE, WIDTH } from "../state/algorithms/circuit-row.ts";
import type { CircuitOutcome, CircuitPermit, CircuitRefusal, CircuitState, CircuitTransition } from "../state/contracts/circuits.ts";
import type { CircuitSettings, LocalCircuitBreaker } from "./circuit-settings.ts";
import { circuitOpen } from "./circuit-open-error.ts";

/** Permit of a circuit that never changed phase. Its epoch is one that the algorithm takes until the first change. */
const FIRST: CircuitPermit = Object.freeze({ allowed: true, state: "closed", epoch: 1024 });

/** One for all breakers: filled and read within one synchronous run, never kept across a call to somebody else's code. */
const scratch: CircuitReply = /* @__PURE__ */ circuit.row.reply();

export class LocalCircuit implements LocalCircuitBreaker {
  readonly #settings: CircuitSettings;
  #cells: Float64Array | undefined;
  /** The permit of the closed phase there is now; undefined in every other phase. */
  #permit: CircuitPermit | undefined = FIRST;
  /** Good calls of this phase that the row has not counted yet. */
  #good = 0;

  /** `openMs`: begins open, and probes after that time; nobody is told, as it is no transition of this circuit. */
  constructor(settings: CircuitSettings, openMs?: number) {
    this.#settings = settings;
    if (openMs === undefined) return;
    const { maxResetTimeoutMs: _, ...policy } = settings.policy;
    this.#apply({ type: "force", to: "open", policy: { ...policy, resetTimeoutMs: openMs } });
  }

  get state(): CircuitState {
    const phase = this.#cells?.[PHASE];
    if (phase === HALF_OPEN) return "half-open";
    return phase === OPEN || phase === ISOLATED ? "open" : "closed";
  }

  // By handlers rather than as an async function: a rejection that passes through one is thrown again, which costs a third of a
  // microsecond, and with it a failing call would cost more in the breaker than in itself.
  execute<T>(fn: (signal?: AbortSignal) => MaybePromise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, isFailure, key, policy } = this.#settings;
    const permit = this.#permit ?? this.acquire();
    if (!permit.allowed) return Promise.reject(circuitOpen(key, permit.state, permit.retryAfterMs));
    const start = policy.slowCallMs === undefined ? 0 : clock.monotonic();
    let result: MaybePromise<T>;
    try {
      result = fn(signal);
    } catch (error) {
      this.report(permit, judge(error, signal, isFailure));
      return Promise.reject(error);
    }
    return new Promise<T>((resolve, reject) => {
      const promise = result instanceof Promise ? result : Promise.resolve(result);
      promise.then(
        (value) => {
          this.#ended(permit, start);
          resolve(value);
        },
        (error: unknown) => {
          this.report(permit, judge(error, signal, isFailure));
          reject(error);
        },
      );
    });
  }

  acquire(): CircuitPermit | CircuitRefusal {
    if (this.#permit !== undefined) return this.#permit;
    const reply = this.#apply(this.#settings.ask);
    if (!reply.allowed) return { allowed: false, state: reply.state, retryAfterMs: reply.retryAfterMs };
    const { state, epoch, token } = reply;
    if (token === 0) return this.#permit ?? { allowed: true, state, epoch };
    const transition = this.#notify();
    return { allowed: true, state, epoch, token: String(token), transition };
  }

  report(permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined {
    const { token } = permit;
    if (token === undefined) {
      if (permit !== this.#permit && permit.epoch !== this.#permit?.epoch) return undefined;
      if (outcome === "unused") return undefined;
      if (outcome === "success" && !this.#settings.timed) {
        this.#good++;
        return undefined;
      }
    }
    const good = token === undefined ? this.#good : 0;
    this.#good -= good;
    const { policy, random } = this.#settings;
    this.#apply({
      type: "report",
      // A permit of the phase there is now always counts, also when its record has lapsed since.
      epoch: token === undefined ? 0 : permit.epoch,
      token: token === undefined ? 0 : Number(token),
      ok: good + (outcome === "success" ? 1 : 0),
      fail: outcome === "failure" ? 1 : 0,
      slow: outcome === "slow" ? 1 : 0,
      random: policy.maxResetTimeoutMs === undefined ? 0 : random.next(),
      policy,
    });
    return this.#notify();
  }

  isolate(): void {
    this.#force("isolated");
  }

  disable(): void {
    this.#force("disabled");
  }

  reset(): void {
    this.#force("closed");
  }

  #ended(permit: CircuitPermit, start: number): void {
    const { clock, policy } = this.#settings;
    const slow = policy.slowCallMs !== undefined && clock.monotonic() - start > policy.slowCallMs;
    this.report(permit, slow ? "slow" : "success");
  }

  #force(to: CircuitState | "isolated" | "disabled"): void {
    this.#good = 0;
    this.#permit = undefined;
    this.#apply({ type: "force", to, policy: this.#settings.policy });
    this.#notify();
  }

  #apply(command: CircuitCommand): CircuitReply {
    this.#cells ??= new Float64Array(WIDTH);
    circuit.row.apply(this.#cells, 0, command, this.#settings.now(), scratch);
    if (scratch.state !== "closed" || scratch.forced !== undefined) this.#permit = undefined;
    else this.#permit ??= Object.freeze({ allowed: true, state: "closed", epoch: scratch.epoch });
    return scratch;
  }

  /** Tells of the transition that the last command made, if it made one. Ends the use of `scratch`. */
  #notify(): CircuitTransition | undefined {
    const { from, to } = scratch;
    if (from === undefined || to === undefined || from === to) return undefined;
    this.#good = 0;
    tell(this.#settings, from, to);
    return { from, to };
  }
}

/** Whether a call that threw counts, and how. */
export function judge(error: unknown, signal: AbortSignal | undefined, isFailure: ((error: unknown) => boolean) | undefined): CircuitOutcome {
  if (signal?.aborted === true && (signal.reason as { name?: unknown } | null | undefined)?.name !== "TimeoutError") return "unused";
  if (isFailure === undefined) return "failure";
  try {
    return isFailure(error) ? "failure" : "success";
  } catch {
    // The caller must get the error of the call, whatever became of judging it.
    return "failure";
  }
}

export function tell(settings: CircuitSettings, from: CircuitState, to: CircuitState): void {
  try {
    const done: unknown = settings.onStateChange?.(settings.key, from, to);
    if (isPromise(done)) done.catch(() => undefined);
  } catch {
    // An observer: what it throws must not reach the call it observes.
  }
}
