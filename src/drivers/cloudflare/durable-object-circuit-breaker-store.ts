/** `DurableObjectCircuitBreakerStore`: every circuit in an object of its own. */

import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../../state/contracts/circuits.ts";
import { DirectCombiner } from "../../state/combiner/direct.ts";
import { type CircuitBreakerStoreOptions, type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "../../state/stores/circuit-breaker-store.ts";
import { objectPerKeyDriver } from "./driver.ts";
import type { DurableObjectOptions } from "./object-calls.ts";
import type { DurableObjectNamespaceLike } from "./types.ts";

export interface DurableObjectCircuitBreakerStoreOptions extends DurableObjectOptions, Pick<CircuitBreakerStoreOptions, "policy" | "random"> {}

/**
 * Circuits that every isolate sees alike: failures of all of them count together, and half-open admits at most `halfOpenMax`
 * probes over all of them. The binding's class is `CircuitBreakerDO`.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * const store = new DurableObjectCircuitBreakerStore(env.CIRCUIT_BREAKER);
 */
export class DurableObjectCircuitBreakerStore implements CircuitBreakerStore {
  readonly capabilities: DriverCapabilities;
  readonly #store: DriverCircuitBreakerStore;

  constructor(namespace: DurableObjectNamespaceLike, options: DurableObjectCircuitBreakerStoreOptions = {}) {
    const { policy, random } = options;
    const driver = objectPerKeyDriver(namespace, "CircuitBreakerDO", options);
    const combiner = new DirectCombiner(driver);
    this.capabilities = driver.capabilities;
    this.#store = circuitBreakerStoreOn(driver, { prefix: "", policy, random, run: combiner.run });
  }

  async getState(key: string): Promise<CircuitBreakerSnapshot> {
    return this.#store.getState(key);
  }

  async recordSuccess(key: string): Promise<CircuitBreakerSnapshot> {
    return this.#store.recordSuccess(key);
  }

  async recordFailure(key: string): Promise<CircuitBreakerSnapshot> {
    return this.#store.recordFailure(key);
  }

  async transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot> {
    return this.#store.transition(key, to);
  }

  async reset(key: string): Promise<void> {
    return this.#store.reset(key);
  }

  async acquire(key: string, policy: CircuitPolicy): Promise<CircuitPermit | CircuitRefusal> {
    return this.#store.acquire(key, policy);
  }

  async report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): Promise<CircuitTransition | undefined> {
    return this.#store.report(key, policy, permit, outcome);
  }
}
