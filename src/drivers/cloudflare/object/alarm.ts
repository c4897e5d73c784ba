/** The one alarm of an object: set for the next expiry, no sooner than the object wants to be woken for it. */

import type { DurableObjectStorageLike } from "../types.ts";

export class Alarm {
  readonly #storage: DurableObjectStorageLike;
  readonly #everyMs: number;
  /** When it rings, as far as this instance of the object knows. */
  #at: number | undefined;

  /** `everyMs`: expiries closer than this to each other, or to now, are taken together. */
  constructor(storage: DurableObjectStorageLike, everyMs: number) {
    this.#storage = storage;
    this.#everyMs = everyMs;
  }

  /** Sees to it that somebody looks after `expiresAt`. Setting an alarm is a write: one that rings soon enough stays. */
  arm(expiresAt: number, now: number): void {
    const at = Math.ceil(Math.max(expiresAt, now + this.#everyMs));
    if (this.#at !== undefined && this.#at >= now && this.#at <= at + this.#everyMs) return;
    this.#at = at;
    this.#storage.setAlarm(at).catch(() => {
      if (this.#at === at) this.#at = undefined;
    });
  }

  /** It has rung: the platform has forgotten it. */
  rang(): void {
    this.#at = undefined;
  }
}
