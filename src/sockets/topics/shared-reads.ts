/** Reads of one history by many at once: after a restart thousands of clients ask for the same slice. */

import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";

interface Flight<T> {
  readonly running: Promise<T>;
  /** Begins when the running one has ended; whoever comes meanwhile shares it. */
  next: Promise<T> | undefined;
}

/**
 * At most one read per key at a time. A caller never gets a read that had begun before it asked: what was appended
 * between that beginning and the caller's subscription would be in neither. So it shares the next one.
 */
export class SharedReads<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** Keys that are being read. */
  get size(): number {
    return this.#flights.size;
  }

  read(key: string, start: () => MaybePromise<T>): MaybePromise<T> {
    const flight = this.#flights.get(key);
    if (flight === undefined) return this.#start(key, start);
    const again = (): MaybePromise<T> => this.#start(key, start);
    return (flight.next ??= flight.running.then(again, again));
  }

  #start(key: string, start: () => MaybePromise<T>): MaybePromise<T> {
    let work: MaybePromise<T>;
    try {
      work = start();
    } catch (error) {
      this.#flights.delete(key);
      throw error;
    }
    if (!isPromise(work)) {
      this.#flights.delete(key);
      return work;
    }
    const flight: Flight<T> = { running: work, next: undefined };
    this.#flights.set(key, flight);
    const done = (): void => {
      if (flight.next === undefined && this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    work.then(done, done);
    return work;
  }
}
