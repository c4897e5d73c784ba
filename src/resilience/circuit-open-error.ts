/** The refusal of an open circuit, as an error. */

import { SluiceError, stackless } from "../core/errors.ts";
import type { CircuitState } from "../state/contracts.ts";

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

export function circuitOpen(key: string, state: CircuitState, retryAfterMs: number): CircuitOpenError {
  return stackless(() => new CircuitOpenError(key, state, retryAfterMs));
}
