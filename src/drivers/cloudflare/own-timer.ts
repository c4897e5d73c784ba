/** A wait for another request's work, under a timer of this one. */

import { type Clock, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";

/**
 * `work`, or `STORE_TIMEOUT` after twice `timeoutMs`. workerd cancels a request that waits for another one's work with nothing of
 * its own pending, and that other request may be gone.
 */
export function ownTimer<T>(work: Promise<T>, timeoutMs = 1000, clock: Clock = systemClock): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new StoreError("STORE_TIMEOUT", `no answer within ${timeoutMs * 2} ms`, { outcome: "unknown" })), timeoutMs * 2);
    const leave = (): void => clock.clearTimeout(timer);
    work.then(resolve, reject);
    work.then(leave, leave);
  });
}
