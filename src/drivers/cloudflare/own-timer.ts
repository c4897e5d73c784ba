/** A wait for another request's work, under a timer of this one. */

import { type Clock, type TimerHandle, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";

/** Turns of the microtask queue within which a call that needs no I/O is over. */
const LOCAL_TURNS = 6;

/**
 * `work`, or `STORE_TIMEOUT` after twice `timeoutMs`. workerd cancels a request that waits for another one's work with nothing of
 * its own pending, and that other request may be gone.
 */
export async function ownTimer<T>(work: Promise<T>, timeoutMs = 1000, clock: Clock = systemClock): Promise<T> {
  // Most calls of a leased limit need nobody: they are over within the turn, and a timer would be most of their cost.
  let ended = false;
  const end = (): void => void (ended = true);
  work.then(end, end);
  for (let turn = 0; turn < LOCAL_TURNS && !ended; turn++) await undefined;
  if (ended) return work;
  let timer: TimerHandle;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimeout(() => reject(new StoreError("STORE_TIMEOUT", `no answer within ${timeoutMs * 2} ms`, { outcome: "unknown" })), timeoutMs * 2);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    // In the turn in which the caller goes on: a moment without it, and the runtime takes the request for hung.
    clock.clearTimeout(timer);
  }
}
