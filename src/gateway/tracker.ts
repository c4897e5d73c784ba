/** Counts what is in flight and keeps background work, so that `close()` can wait for both. */

import type { Clock } from "../core/clock.ts";
import { createSlots } from "../core/slots.ts";

export interface Tracker {
  /** One more request, body or connection in flight. */
  begin(): void;
  end(): void;
  readonly inFlight: number;
  /** Background work; what it throws goes to `onError`. */
  track(promise: Promise<unknown>, onError: (error: unknown) => void): void;
  /** Something to abort when the grace period ends; the function returned forgets it. */
  onAbort(abort: (reason: unknown) => void): () => void;
  /** Resolves with true once nothing is in flight, or with false after `graceMs`. */
  drain(graceMs: number, clock: Clock): Promise<boolean>;
  /** Aborts everything registered. */
  abort(reason: unknown): void;
}

export function createTracker(): Tracker {
  let inFlight = 0;
  const tasks = createSlots<true>();
  const aborts = createSlots<(reason: unknown) => void>();
  let idle: (() => void) | undefined;
  const check = (): void => {
    if (idle !== undefined && inFlight === 0 && tasks.size === 0) idle();
  };
  return {
    begin() {
      inFlight++;
    },
    end() {
      inFlight--;
      if (idle !== undefined) check();
    },
    get inFlight() {
      return inFlight;
    },
    track(promise, onError) {
      const place = tasks.add(true);
      const done = (): void => {
        tasks.remove(place);
        check();
      };
      Promise.resolve(promise).then(done, (error: unknown) => {
        done();
        onError(error);
      });
    },
    onAbort(abort) {
      const place = aborts.add(abort);
      let held = true;
      return () => {
        // Once only: the place may be somebody else's by now.
        if (held) aborts.remove(place);
        held = false;
      };
    },
    drain(graceMs, clock) {
      return new Promise((resolve) => {
        if (inFlight === 0 && tasks.size === 0) {
          resolve(true);
          return;
        }
        const timer = clock.setTimeout(() => {
          idle = undefined;
          resolve(false);
        }, graceMs);
        idle = () => {
          idle = undefined;
          clock.clearTimeout(timer);
          resolve(true);
        };
      });
    },
    abort(reason) {
      for (const abort of aborts.items()) abort(reason);
    },
  };
}
