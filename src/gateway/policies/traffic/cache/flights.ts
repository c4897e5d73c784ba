/** Fills under way in this process: who leads, who waits, and which of them a purge has overtaken. */

import type { Clock } from "../../../../core/clock.ts";

/**
 * How a fill ended: the response is in the store; it may not be shared; the upstream failed with a 5xx; or nobody knows
 * (the leader left, the body broke), and somebody else may try.
 */
export type FlightEnd = "stored" | "unshared" | "error" | "failed";

export class Flight {
  /** Callers that wait for it. */
  waiters = 0;
  /** A purge or an unsafe request came in between: what it brings is not stored. */
  overtaken = false;
  /** The response has begun and is being stored. */
  filling = false;
  /** Tags of the URL it fills, by which an unsafe request finds it. */
  readonly urlTag: string;
  readonly #flights: Flights;
  readonly #key: string;
  #end: FlightEnd | undefined;
  #listeners: ((end: FlightEnd) => void)[] = [];

  constructor(flights: Flights, key: string, urlTag: string) {
    this.#flights = flights;
    this.#key = key;
    this.urlTag = urlTag;
  }

  /** Wakes everybody who waits. Only the first end counts. */
  settle(end: FlightEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#flights.remove(this.#key, this);
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(end);
  }

  get settled(): boolean {
    return this.#end !== undefined;
  }

  /** Waits for the end, at most `waitMs`. */
  wait(waitMs: number, clock: Clock): Promise<FlightEnd | "timeout"> {
    if (this.#end !== undefined) return Promise.resolve(this.#end);
    this.waiters++;
    return new Promise((resolve) => {
      const done = (end: FlightEnd | "timeout"): void => {
        this.waiters--;
        clock.clearTimeout(timer);
        resolve(end);
      };
      const timer = clock.setTimeout(() => {
        const at = this.#listeners.indexOf(done);
        if (at >= 0) this.#listeners.splice(at, 1);
        done("timeout");
      }, waitMs);
      this.#listeners.push(done);
    });
  }
}

/** Keys whose latest response may not be shared: nobody waits for the next one. */
const MAX_PASSES = 1000;

export class Flights {
  static readonly #tables: WeakMap<object, Flights> = new WeakMap();
  readonly #flights: Map<string, Flight> = new Map();
  /** Every fill, also those nobody can join. */
  readonly #fills: Set<Flight> = new Set();
  readonly #passes: Map<string, number> = new Map();

  /** The table of a store: gateways that share a store, or are made anew for each request, share it. */
  static of(store: object): Flights {
    let table = Flights.#tables.get(store);
    if (table === undefined) Flights.#tables.set(store, (table = new Flights()));
    return table;
  }

  get(key: string): Flight | undefined {
    return this.#flights.get(key);
  }

  /** Begins a fill. `joinable`: others may wait for it. */
  begin(key: string, urlTag: string, joinable: boolean): Flight {
    const flight = new Flight(this, key, urlTag);
    this.#fills.add(flight);
    if (joinable) this.#flights.set(key, flight);
    return flight;
  }

  remove(key: string, flight: Flight): void {
    this.#fills.delete(flight);
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  /** What runs now for these URLs, or for any without `urlTags`, will not be stored. */
  overtake(urlTags?: readonly string[]): void {
    for (const flight of this.#fills) if (urlTags === undefined || urlTags.includes(flight.urlTag)) flight.overtaken = true;
  }

  pass(key: string, until: number): void {
    this.#passes.delete(key);
    this.#passes.set(key, until);
    if (this.#passes.size > MAX_PASSES) this.#passes.delete(this.#passes.keys().next().value as string);
  }

  passes(key: string, now: number): boolean {
    if (this.#passes.size === 0) return false;
    const until = this.#passes.get(key);
    if (until === undefined) return false;
    if (until > now) return true;
    this.#passes.delete(key);
    return false;
  }
}
