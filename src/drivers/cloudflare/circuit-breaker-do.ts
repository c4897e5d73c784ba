/** `CircuitBreakerDO`: one circuit per object. */

import { circuitAlgorithms } from "./object/registry.ts";
import { StateObject } from "./object/state-object.ts";
import type { DurableObjectStateLike } from "./types.ts";

/** A circuit nobody used for a day is closed again; there is no hurry. */
const SWEEP_EVERY_MS = 3_600_000;

/**
 * The circuit of one key: the rolling window, the phase and the probes that are out. `DurableObjectCircuitBreakerStore` gives
 * every key an object of its own. Every change is stored before it is answered.
 */
export class CircuitBreakerDO extends StateObject {
  constructor(ctx: DurableObjectStateLike, env: unknown) {
    super(ctx, env, circuitAlgorithms, SWEEP_EVERY_MS);
  }
}
