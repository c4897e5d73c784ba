/** The in-memory circuit breaker store as a class. */

import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../../state/contracts/circuits.ts";
import { type CircuitBreakerStoreOptions, type DriverCircuitBreakerStore, circuitBreakerStoreOn } from "../../state/stores/circuit-breaker-store.ts";
import { type MemoryDriver, type MemoryDriverOptions, memoryDriver } from "./memory-driver.ts";

export interface InMemoryCircuitBreakerStoreOptions extends MemoryDriverOptions, Omit<CircuitBreakerStoreOptions, "prefix"> {}

/**
 * Circuit breakers in this process. The verbs of the contract answer with promises; the pair that guards calls,
 * `acquire` and `report`, answers at once.
 *
 * @throws OptionError for a bound or interval that is no positive integer.
 *
 * @example
 * const store = new InMemoryCircuitBreakerStore();
 * const { state } = await store.getState("payments");
 */
export class InMemoryCircuitBreakerStore implements CircuitBreakerStore {
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  readonly #driver: MemoryDriver;
  readonly #store: DriverCircuitBreakerStore;

  constructor(options: InMemoryCircuitBreakerStoreOptions = {}) {
    this.#driver = memoryDriver(options);
    this.#store = circuitBreakerStoreOn(this.#driver, { policy: options.policy, random: options.random });
    this.capabilities = this.#driver.capabilities;
  }

  /** Circuits with something to remember. */
  get size(): number {
    return this.#driver.size;
  }

  acquire(key: string, policy: CircuitPolicy): CircuitPermit | CircuitRefusal {
    return this.#store.acquire(key, policy) as CircuitPermit | CircuitRefusal;
  }

  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined {
    return this.#store.report(key, policy, permit, outcome) as CircuitTransition | undefined;
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
    await this.#store.reset(key);
  }

  /** Refuses every call until `reset`, `transition` or `disable`. */
  async isolate(key: string): Promise<CircuitBreakerSnapshot> {
    return this.#store.isolate(key);
  }

  /** Admits every call and counts none until `reset`, `transition` or `isolate`. */
  async disable(key: string): Promise<CircuitBreakerSnapshot> {
    return this.#store.disable(key);
  }

  /** Frees everything. Later calls fail with `STORE_CLOSED`. Idempotent. */
  destroy(): void {
    this.#driver.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }
}
