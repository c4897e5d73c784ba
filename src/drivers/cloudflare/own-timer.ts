/** Waits for another request's work, under a timer of this one. */

import { type Clock, type TimerHandle, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";

/** Calls of one turn: they belong to one request, so one timer does for all of them. */
interface Turn {
  readonly late: Promise<never>;
  readonly timer: TimerHandle;
  waiting: number;
}

/**
 * Gives a function that settles like its argument, or with `STORE_TIMEOUT` after twice `timeoutMs`. workerd cancels a request that
 * waits for another one's work with nothing of its own pending, and that other request may be gone.
 */
export function ownTimer(timeoutMs = 1000, clock: Clock = systemClock): <T>(work: Promise<T>) => Promise<T> {
  let current: Turn | undefined;
  const begin = (): Turn => {
    let expire!: (error: StoreError) => void;
    const late = new Promise<never>((_, reject) => (expire = reject));
    // Nobody may be left to hear it.
    late.catch(() => undefined);
    const timer = clock.setTimeout(() => expire(new StoreError("STORE_TIMEOUT", `no answer within ${timeoutMs * 2} ms`, { outcome: "unknown" })), timeoutMs * 2);
    // The microtasks of a turn are those of one request; this one runs after the callers who go on in it.
    queueMicrotask(() => (current = undefined));
    return (current = { late, timer, waiting: 0 });
  };
  return async (work) => {
    const turn = current ?? begin();
    turn.waiting++;
    try {
      return await Promise.race([work, turn.late]);
    } finally {
      // In the turn in which the caller goes on: a moment without it, and the runtime takes the request for hung.
      if (--turn.waiting === 0) {
        clock.clearTimeout(turn.timer);
        if (current === turn) current = undefined;
      }
    }
  };
}
