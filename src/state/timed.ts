/** A bound on the time a promise is waited for. */

import { type Clock, systemClock } from "../core/clock.ts";
import { Deadline } from "./deadline.ts";
import { deadlinesOf } from "./deadlines.ts";

/** Settles like `work`, or rejects with what `late` gives after `timeoutMs`. What `work` does then is ignored. */
export function timed<T>(work: Promise<T>, timeoutMs: number, late: () => Error, clock: Clock = systemClock): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = new Timeout(() => reject(late()));
    const deadlines = deadlinesOf(clock);
    deadlines.arm(deadline, timeoutMs);
    work.then(
      (value) => {
        deadlines.disarm(deadline);
        resolve(value);
      },
      (error: unknown) => {
        deadlines.disarm(deadline);
        reject(error);
      },
    );
  });
}

class Timeout extends Deadline {
  readonly expire: () => void;

  constructor(expire: () => void) {
    super();
    this.expire = expire;
  }
}
