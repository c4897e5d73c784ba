/** What stands between a call and the wire: circuits and throttles, with everything taken given back on every way out. */

import { chain, isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import type { CircuitOutcome, CircuitPermit } from "../state/contracts/circuits.ts";
import type { Call } from "./call.ts";
import type { CallInput } from "./config.ts";
import { StitchError, toStitchError } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import type { Circuit, Circuits } from "./limits/circuits.ts";
import type { Place } from "./limits/lanes.ts";
import type { FeedbackResponse } from "./limits/feedback.ts";
import type { Throttle } from "./limits/throttle.ts";
import type { Turn } from "./limits/pace-line.ts";
import type { Plan } from "./plan.ts";
import type { Scope } from "./scope.ts";

/** The throttles and circuits of a stitch, made by its first call. */
export interface Gates {
  /** The seam's before the member's. */
  readonly throttles: readonly Throttle[];
  readonly circuits: Circuits | undefined;
}

const NONE: Gates = Object.freeze({ throttles: [], circuits: undefined });

export function openGates(plan: Plan): MaybePromise<Gates> {
  const { runtime, throttle, circuit } = plan;
  if (throttle === undefined && runtime.throttleRules === undefined && circuit === undefined) return NONE;
  return chain(featuresOf(runtime).limits(), ({ Circuits: Made }) => chain(runtime.throttle(), (first) => chain(throttle === undefined ? undefined : runtime.makeThrottle(plan.name, throttle), (second) => {
    const throttles = [first, second].filter((each) => each !== undefined);
    const probeTimeoutMs = plan.timeout.attemptMs === Infinity ? 86_400_000 : Math.min(86_400_000, Math.max(1, plan.timeout.attemptMs));
    const make = (access: ConstructorParameters<typeof Made>[2]): Gates => ({
      throttles, circuits: circuit === undefined ? undefined : new Made(plan.name, circuit, access, runtime.clock, runtime.random, probeTimeoutMs),
    });
    if (circuit === undefined || runtime.store === undefined) return make(undefined);
    return chain(runtime.access(), make);
  })));
}

/** What one try holds. */
export class Passage {
  readonly #call: Call;
  readonly #gates: Gates;
  readonly #host: string;
  readonly #input: CallInput;
  #circuit: Circuit | undefined;
  #permit: CircuitPermit | undefined;
  #turns: Turn[] = [];
  #places: Place[] = [];
  #keys: (readonly [Throttle, string])[] | undefined;
  #used = false;

  constructor(call: Call, gates: Gates, host: string, input: CallInput) {
    this.#call = call;
    this.#gates = gates;
    this.#host = host;
    this.#input = input;
  }

  get probing(): boolean {
    return this.#permit?.token !== undefined;
  }

  /** A permit of the circuit. @throws StitchError `CIRCUIT_OPEN` */
  permit(): MaybePromise<void> {
    const { circuits } = this.#gates;
    if (circuits === undefined) return undefined;
    this.#circuit = circuits.of(this.#host);
    const take = (answer: Awaited<ReturnType<Circuit["acquire"]>>): void => {
      if (!answer.allowed) {
        this.#call.emit({ type: "progress", phase: "circuit", delayMs: answer.retryAfterMs });
        throw new StitchError("CIRCUIT_OPEN", "the circuit is open: the upstream failed too often", { sent: false, retryable: true, retryAfterMs: answer.retryAfterMs });
      }
      this.#permit = answer;
    };
    const answer = this.#circuit.acquire();
    if (!isPromise(answer)) {
      take(answer);
      return undefined;
    }
    this.#call.phase = "store";
    return (this.#call.scope.bound(answer) as typeof answer).then((late) => {
      this.#call.phase = "total";
      take(late);
    }, (error: unknown) => {
      // The permit that nobody waits for any more goes back.
      answer.then((late) => late.allowed && this.#circuit?.report(late, "unused"), () => undefined);
      throw toStitchError(error, "STORE_UNAVAILABLE", "the store failed");
    });
  }

  /** A turn of every throttle. */
  async turns(scope: Scope): Promise<void> {
    const call = this.#call;
    const before = call.phase;
    call.phase = "throttle";
    try {
      for (const [throttle, key] of this.#partitions()) {
        const turn = throttle.turn(key, throttle.costOf(this.#input), scope, (waitMs) => call.emit({ type: "progress", phase: "throttled", delayMs: waitMs }));
        const taken = isPromise(turn) ? await turn : turn;
        this.#turns.push(taken);
        call.waitedMs += taken.waitedMs;
      }
    } catch (error) {
      throw toStitchError(error, "STORE_UNAVAILABLE", "the store failed");
    } finally {
      call.phase = before;
    }
  }

  /** A turn only if every throttle has one now. */
  async tryTurns(): Promise<boolean> {
    for (const [throttle, key] of this.#partitions()) if (!(await throttle.tryTurn(key, throttle.costOf(this.#input)))) return false;
    return true;
  }

  /** A place on the wire of every throttle: the last thing taken before a request leaves. */
  async places(scope: Scope): Promise<void> {
    const call = this.#call;
    const before = call.phase;
    call.phase = "throttle";
    const began = call.runtime.clock.monotonic();
    try {
      for (const [throttle, key] of this.#partitions()) {
        const place = throttle.place(key, scope, () => call.emit({ type: "progress", phase: "throttled" }));
        this.#places.push(isPromise(place) ? await place : place);
      }
      this.#used = true;
    } finally {
      call.phase = before;
      call.waitedMs += call.runtime.clock.monotonic() - began;
    }
  }

  /** The request is off the wire. */
  leave(): void {
    for (const place of this.#places) place.release();
    this.#places = [];
  }

  /** What the answer says of limits. */
  heard(response: FeedbackResponse): void {
    for (const [throttle, key] of this.#partitions()) throttle.heard(key, response);
  }

  /** Ends the try for the circuit. A promise only for a probe, which the next call should find decided. */
  report(outcome: CircuitOutcome): MaybePromise<unknown> {
    const permit = this.#permit;
    this.#permit = undefined;
    return permit === undefined ? undefined : this.#circuit?.report(permit, outcome);
  }

  /** Gives back whatever is left: nothing, when the try ended in order. */
  undo(): void {
    this.leave();
    if (!this.#used) for (const turn of this.#turns) turn.refund();
    this.#turns = [];
    const permit = this.#permit;
    this.#permit = undefined;
    if (permit !== undefined) void this.#circuit?.report(permit, "unused");
  }

  /** Throttles with their keys; one key is taken once. */
  #partitions(): readonly (readonly [Throttle, string])[] {
    if (this.#keys === undefined) {
      const seen = new Set<string>();
      this.#keys = this.#gates.throttles.map((throttle) => [throttle, throttle.keyOf(this.#input, this.#host)] as const).filter(([, key]) => !seen.has(key) && seen.add(key) !== undefined);
    }
    return this.#keys;
  }
}
