/** A timer for each deadline: where a timer lives as long as the request that waits for it, and where few deadlines are pending at once. */

import { type Clock, type TimerHandle, systemClock } from "../core/clock.ts";
import { type Deadline, type Deadlines, IDLE } from "./deadline.ts";

/** The deadlines of a clock. */
export function deadlinesOf(clock: Clock = systemClock): Deadlines {
  return new TimerDeadlines(clock);
}

export class TimerDeadlines implements Deadlines {
  private readonly clock: Clock;
  /** Weak: of a request that was cut off nobody disarms anything. */
  private readonly timers = new WeakMap<Deadline, TimerHandle>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  arm(entry: Deadline, afterMs: number, now: number = this.clock.monotonic()): void {
    if (afterMs === Infinity) return;
    this.disarm(entry);
    entry.dueAt = now + Math.max(0, afterMs);
    entry.slot = 0;
    this.wait(entry, Math.max(0, afterMs));
  }

  disarm(entry: Deadline): void {
    const timer = this.timers.get(entry);
    entry.slot = IDLE;
    if (timer === undefined) return;
    this.timers.delete(entry);
    this.clock.clearTimeout(timer);
  }

  private wait(entry: Deadline, delayMs: number): void {
    const timer = this.clock.setTimeout(() => {
      // Armed again, or disarmed by another request, which cannot clear this one's timer.
      if (this.timers.get(entry) !== timer) return;
      const leftMs = entry.dueAt - this.clock.monotonic();
      // A timer may come a hair early, and none is as long as some deadlines are.
      if (leftMs > 0) return this.wait(entry, leftMs);
      this.timers.delete(entry);
      entry.slot = IDLE;
      entry.expire();
    }, delayMs);
    this.timers.set(entry, timer);
  }
}
