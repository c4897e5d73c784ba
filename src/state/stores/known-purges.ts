/** The number of a cache's latest purge, as one process knows it. */

import type { Clock } from "../../core/clock.ts";
import { type MaybePromise, chain, isPromise } from "../../core/maybe-promise.ts";

/**
 * How long a number is gone by. A fill that began within it after another process's purge of the same name counts as an
 * older one, and is not kept: one more miss. Asking each time would be one more key per look-up.
 */
const KNOWN_MS = 250;

export class KnownPurges {
  readonly #ask: () => MaybePromise<number>;
  readonly #clock: Clock;
  #known = -1;
  #askedAt = 0;

  /** `ask` gives the number from the store. */
  constructor(ask: () => MaybePromise<number>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** At most the true number: a smaller one drops fills that might have been kept, and never keeps one that a purge concerns. */
  latest(): MaybePromise<number> {
    const now = this.#clock.monotonic();
    if (this.#known >= 0 && now - this.#askedAt < KNOWN_MS) return this.#known;
    const latest = chain(this.#ask(), (purge) => {
      this.#askedAt = now;
      return this.saw(purge);
    });
    // Whoever needs the number hears of a failure; others do not.
    if (isPromise(latest)) latest.catch(() => {});
    return latest;
  }

  /** A number that this process has got by other means. */
  saw(purge: number): number {
    this.#known = Math.max(this.#known, purge);
    return purge;
  }
}
