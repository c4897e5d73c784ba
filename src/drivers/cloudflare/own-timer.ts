/** A wait for another request's work, under a timer of this one. */

import { type Clock, type TimerHandle, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";

/**
 * `work`, or `STORE_TIMEOUT` after twice `timeoutMs`. workerd cancels a request that waits for another one's work with nothing of
 * its own pending, and that other request may be gone.
 */
export async function ownTimer<T>(work: Promise<T>, timeoutMs = 1000, clock: Clock = systemClock): Promise<T> {
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
