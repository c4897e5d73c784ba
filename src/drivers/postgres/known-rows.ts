/** What this process last saw in a table, and the server's time as it was told: enough to try a write without looking first. */

import type { Clock } from "../../core/clock.ts";
import type { Found } from "./record-parts.ts";

export interface Known {
  readonly found: Found;
  /** When the row was seen or written, by the server's clock in microseconds. */
  readonly atUs: number;
}

/** Rows of a table that are remembered, the latest used. */
const MOST_ROWS = 1024;

/** A longer state costs more to keep than a look costs. */
const MOST_CHARACTERS = 4096;

export class KnownRows {
  readonly #rows = new Map<string, Known>();

  get(key: string): Known | undefined {
    return this.#rows.get(key);
  }

  set(key: string, found: Found, atUs: number): void {
    this.#rows.delete(key);
    if (found.text.length > MOST_CHARACTERS) return;
    this.#rows.set(key, { found, atUs });
    if (this.#rows.size > MOST_ROWS) this.#rows.delete(this.#rows.keys().next().value as string);
  }
}

/**
 * The server's clock, from its last reading and the time since. The reading was taken before the reply came, so what this says is
 * never ahead of the server, unless one of the two clocks is not steady: the server checks it.
 */
export class ServerClock {
  readonly #clock: Clock;
  #readUs = Number.NaN;
  #at = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  told(nowUs: number): void {
    this.#readUs = nowUs;
    this.#at = this.#clock.monotonic();
  }

  /** In whole microseconds; `NaN` before the first reading. */
  guessUs(): number {
    return this.#readUs + Math.floor((this.#clock.monotonic() - this.#at) * 1000);
  }
}
