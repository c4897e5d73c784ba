/** Waits for another request's work, under a timer of this one. */

import { type Clock, type TimerHandle, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";

/** Calls of one turn: they belong to one request, so one timer does for all of them. */
interface Turn {
  readonly waiting: Set<(error: StoreError) => void>;
  readonly timer: TimerHandle;
}

/**
 * Gives a function that settles like its argument, or with `STORE_TIMEOUT` after twice `timeoutMs`. workerd cancels a request that
 * waits for another one's work with nothing of its own pending, and that other request may be gone.
 */
export function ownTimer(timeoutMs = 1000, clock: Clock = systemClock): <T>(work: Promise<T>) => Promise<T> {
  let current: Turn | undefined;
  const begin = (): Turn => {
    const waiting: Turn["waiting"] = new Set();
    const timer = clock.setTimeout(() => {
      const error = new StoreError("STORE_TIMEOUT", `no answer within ${timeoutMs * 2} ms`, { outcome: "unknown" });
      for (const reject of waiting) reject(error);
    }, timeoutMs * 2);
    // The microtasks of a turn are those of one request; this one runs after the callers who go on in it.
    queueMicrotask(() => (current = undefined));
    return (current = { waiting, timer });
  };
  return (work) => new Promise((resolve, reject) => {
    const turn = current ?? begin();
    turn.waiting.add(reject);
    // In the turn in which the caller goes on: a moment without the timer, and the runtime takes the request for hung.
    const end = (): void => {
      turn.waiting.delete(reject);
      if (turn.waiting.size > 0) return;
      clock.clearTimeout(turn.timer);
      if (current === turn) current = undefined;
    };
    work.then((value) => (end(), resolve(value)), (error: unknown) => (end(), reject(error)));
  });
}
