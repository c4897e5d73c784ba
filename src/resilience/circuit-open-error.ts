/** The refusal of an open circuit, as an error. */

import { SluiceError } from "../core/errors.ts";
import type { CircuitState } from "../state/contracts/circuits.ts";

/** The call was not made: the circuit is open, or all probes of a half-open one are out. Code `CIRCUIT_OPEN`, no stack. */
export class CircuitOpenError extends SluiceError<"CIRCUIT_OPEN"> {
  /** Name of the circuit, as given to `createCircuitBreaker`. */
  readonly key: string;
  readonly state: CircuitState;
  /** Whole milliseconds until asking again makes sense. */
  declare readonly retryAfterMs: number;

  constructor(key: string, state: CircuitState, retryAfterMs: number) {
    super("CIRCUIT_OPEN", MESSAGE, { retryAfterMs });
    this.key = key;
    this.state = state;
  }

  override get name(): string {
    return "CircuitOpenError";
  }
}

/** Constant: building a text per refusal would cost more than the rest of it. The facts are fields. */
const MESSAGE = "the circuit is open: the call was refused without being made; see retryAfterMs";
const STACK: string = `CircuitOpenError: ${MESSAGE}`;

/** The brand stands once for all refusals, as every constructed error has its own. */
const prototype: object = /* @__PURE__ */ Object.create(CircuitOpenError.prototype, { [Symbol.for("sluice.error")]: { value: true } });

/**
 * A refusal for a hot path: an object of its own per caller, an instance of `CircuitOpenError`, but not made by the constructor of
 * `Error`, which takes 0.3 us even when it captures no stack. Node treats what has a `stack` of its own as an error.
 */
export function circuitOpen(key: string, state: CircuitState, retryAfterMs: number): CircuitOpenError {
  const error = Object.create(prototype) as { -readonly [Name in "code" | "key" | "message" | "retryAfterMs" | "stack" | "state"]: CircuitOpenError[Name] };
  error.stack = STACK;
  error.message = MESSAGE;
  error.code = "CIRCUIT_OPEN";
  error.key = key;
  error.state = state;
  error.retryAfterMs = retryAfterMs;
  return error as CircuitOpenError;
}
