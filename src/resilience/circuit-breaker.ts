/** A circuit breaker around calls: in this process alone, or shared through a store. */

import { StoreError } from "../core/errors.ts";
import type { CircuitBreakerStore } from "../state/contracts/circuits.ts";
import { circuitSettings, type CircuitBreaker, type CircuitBreakerOptions, type LocalCircuitBreaker } from "./circuit-settings.ts";
import { LocalCircuit } from "./local-circuit.ts";
import { SharedCircuit } from "./shared-circuit.ts";

export type { CircuitBreaker, CircuitBreakerOptions, LocalCircuitBreaker } from "./circuit-settings.ts";

/**
 * Makes a circuit breaker.
 *
 * It opens on `failureThreshold` failures inside a rolling `windowMs` (or by a rate, where one is set), refuses for
 * `resetTimeoutMs`, then lets at most `halfOpenMax` calls probe: `successThreshold` good ones close it, a bad one opens it
 * again. It owns no timer, and needs no closing.
 *
 * ```ts
 * const breaker = createCircuitBreaker({ failureThreshold: 5, windowMs: 10_000 });
 * const user = await breaker.execute(() => fetchUser(id));
 * ```
 *
 * @throws OptionError for an option outside its domain; StoreError `STORE_CAPABILITY` for a store without `acquire` and `report`.
 */
export function createCircuitBreaker(options: CircuitBreakerOptions & { readonly store: CircuitBreakerStore }): CircuitBreaker;
export function createCircuitBreaker(options?: CircuitBreakerOptions & { readonly store?: undefined }): LocalCircuitBreaker;
export function createCircuitBreaker(options?: CircuitBreakerOptions): CircuitBreaker;
export function createCircuitBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const settings = circuitSettings(options);
  const { store } = options;
  if (store === undefined) return new LocalCircuit(settings);
  if (store.acquire === undefined || store.report === undefined) {
    throw new StoreError("STORE_CAPABILITY", "the circuit breaker's store has no acquire and report, so it cannot count probes; use one made by circuitBreakerStoreOn(driver)");
  }
  return new SharedCircuit(store as SharedStore, settings, options.failMode ?? "local");
}

type SharedStore = CircuitBreakerStore & Required<Pick<CircuitBreakerStore, "acquire" | "report">>;
