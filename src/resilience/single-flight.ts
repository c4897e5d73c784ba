/** Single flight: calls for the same key that overlap share one run of the work. */

import type { MaybePromise } from "../core/maybe-promise.ts";

export interface SingleFlight<T> {
  /**
   * Joins the work under way for `key`, or starts `fn`. The result, or the failure, is that of the run for everybody who joined.
   * A caller whose `signal` aborts leaves with its reason; the run goes on for the others, and its own signal aborts
   * when the last one has left.
   */
  run(key: string, fn: (signal: AbortSignal) => MaybePromise<T>, signal?: AbortSignal): Promise<T>;
  /** Forgets the run of a key: the next call starts a new one, those who joined keep theirs. */
  forget(key: string): void;
  /** Keys being worked on. */
  readonly size: number;
}

/**
 * Makes a group of single flights. A run is forgotten in the very moment in which it ends, before anybody who waits for it goes
 * on: a caller that asks again gets a new run, never the old result.
 */
export function createSingleFlight<T>(): SingleFlight<T> {
  return new Group<T>();
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

class Group<T> implements SingleFlight<T> {
  readonly #flights: Map<string, Flight<T>> = new Map();

  get size(): number {
    return this.#flights.size;
  }

  run(key: string, fn: (signal: AbortSignal) => MaybePromise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const flight = this.#flights.get(key) ?? this.#start(key, fn);
    flight.waiting++;
    return signal === undefined ? flight.result : this.#join(key, flight, signal);
  }

  forget(key: string): void {
    this.#flights.delete(key);
  }

  #start(key: string, fn: (signal: AbortSignal) => MaybePromise<T>): Flight<T> {
    const controller = new AbortController();
    let settle!: { resolve: (value: T) => void; reject: (error: unknown) => void };
    const result = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
    const flight: Flight<T> = { result, controller, waiting: 0 };
    this.#flights.set(key, flight);
    const end = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    const fail = (error: unknown): void => {
      end();
      settle.reject(error);
    };
    // Those who left hear nothing; were they all, nobody would.
    result.catch(() => undefined);
    try {
      const value = fn(controller.signal);
      Promise.resolve(value).then((done) => {
        end();
        settle.resolve(done);
      }, fail);
    } catch (error) {
      fail(error);
    }
    return flight;
  }

  #join(key: string, flight: Flight<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        if (--flight.waiting > 0) return;
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.controller.abort(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      flight.result.then(
        (value) => {
          signal.removeEventListener("abort", leave);
          resolve(value);
        },
        (error: unknown) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      );
    });
  }
}
