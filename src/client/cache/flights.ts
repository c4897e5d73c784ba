/** Calls for one thing that overlap: one asks, the others take what it got. */

import type { Scope } from "../scope.ts";

interface Flight<T> {
  readonly waiting: Waiter<T>[];
}

interface Waiter<T> {
  readonly take: (value: T) => void;
  readonly lead: () => void;
}

/**
 * Only success is shared. When the one who asks fails or is aborted, the next in line asks; so a bad answer is never handed on, and
 * the upstream sees one call at a time. Whoever waits leaves alone.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();
  readonly #maxWaiting: number;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  get size(): number {
    return this.#flights.size;
  }

  /** The value, and whether it is another call's. `ask` resolves with a value to share, or with one that is its caller's alone. */
  async run(key: string, scope: Scope, ask: () => Promise<{ readonly value: T; readonly shared: boolean }>): Promise<{ readonly value: T; readonly joined: boolean }> {
    const flight = this.#flights.get(key);
    if (flight !== undefined && flight.waiting.length < this.#maxWaiting) {
      const value = await this.#wait(flight, scope);
      if (value !== undefined) return { value: value.value, joined: true };
    }
    return { value: await this.#lead(key, flight, ask), joined: false };
  }

  async #lead(key: string, before: Flight<T> | undefined, ask: () => Promise<{ readonly value: T; readonly shared: boolean }>): Promise<T> {
    const flight: Flight<T> = before ?? { waiting: [] };
    this.#flights.set(key, flight);
    try {
      const { value, shared } = await ask();
      if (shared) for (const waiter of flight.waiting.splice(0)) waiter.take(value);
      return value;
    } finally {
      const next = flight.waiting.shift();
      if (next !== undefined) next.lead();
      else if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** The shared value, or nothing when it is this caller's turn to ask. */
  #wait(flight: Flight<T>, scope: Scope): Promise<{ readonly value: T } | undefined> {
    return new Promise((resolve, reject) => {
      let forget = (): void => undefined;
      const waiter: Waiter<T> = {
        take: (value) => {
          forget();
          resolve({ value });
        },
        lead: () => {
          forget();
          resolve(undefined);
        },
      };
      flight.waiting.push(waiter);
      forget = scope.onCancel((reason) => {
        const at = flight.waiting.indexOf(waiter);
        if (at >= 0) flight.waiting.splice(at, 1);
        reject(reason);
      });
    });
  }
}
