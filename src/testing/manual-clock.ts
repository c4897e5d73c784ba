/** A clock that is driven by hand: time passes only when a test says so. */

import { checkNonNegative } from "../core/check.ts";
import type { Clock, TimerHandle } from "../core/clock.ts";

export interface ManualClockOptions {
  /** Epoch milliseconds at the start. @default 0 */
  readonly now?: number;
}

export interface ManualClock extends Clock {
  /** Timers that are set and have not fired. */
  readonly pendingTimers: number;
  /** When the next timer fires, in ms from now, or `undefined` when none is set. */
  readonly nextTimerMs: number | undefined;
  /** Lets `ms` pass on both clocks and fires what falls due, in order, also timers set by those that fire. */
  advance(ms: number): void;
  /** The same, and lets everything that waits on promises run before the first timer, after each one, and at the end. */
  advanceAsync(ms: number): Promise<void>;
  /**
   * Lets time pass until no timer is set, and everything that waits run in between. Stops at `limitMs` of its own time, since something that
   * sets itself anew, a renewal for example, would never end. @default limitMs 3600000
   */
  runAll(limitMs?: number): Promise<void>;
  /** Timers that are set, as a call. */
  pending(): number;
  /** Moves the wall clock alone, as somebody who sets it does; may be negative. Timers and `monotonic` do not notice. */
  step(ms: number): void;
}

/**
 * A {@link Clock} that stands still until it is advanced. A number is the epoch milliseconds at the start.
 *
 * ```ts
 * const clock = manualClock();
 * clock.setTimeout(() => console.log("a second later"), 1000);
 * clock.advance(1000);
 * ```
 */
export function manualClock(options: ManualClockOptions | number = {}): ManualClock {
  return new Manual(typeof options === "number" ? options : (options.now ?? 0));
}

interface Timer {
  readonly dueAt: number;
  readonly callback: () => void;
}

class Manual implements ManualClock {
  private elapsed = 0;
  private wall: number;
  /** Sorted by due time, and by age within one. */
  private readonly timers: Timer[] = [];

  constructor(now: number) {
    this.wall = now;
  }

  get pendingTimers(): number {
    return this.timers.length;
  }

  get nextTimerMs(): number | undefined {
    const next = this.timers[0];
    return next === undefined ? undefined : Math.max(0, next.dueAt - this.elapsed);
  }

  // Arrow properties: users pass `clock.now` around, as they do with the system's.
  readonly now = (): number => this.wall + this.elapsed;
  readonly monotonic = (): number => this.elapsed;

  readonly setTimeout = (callback: () => void, delayMs: number): TimerHandle => {
    const timer: Timer = { dueAt: this.elapsed + Math.max(0, delayMs || 0), callback };
    let low = 0;
    let high = this.timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.timers[middle] as Timer).dueAt <= timer.dueAt) low = middle + 1;
      else high = middle;
    }
    this.timers.splice(low, 0, timer);
    return timer;
  };

  readonly clearTimeout = (handle: TimerHandle): void => {
    const at = this.timers.indexOf(handle as Timer);
    if (at >= 0) this.timers.splice(at, 1);
  };

  step(ms: number): void {
    this.wall += ms;
  }

  advance(ms: number): void {
    const end = this.elapsed + checkNonNegative("ms", ms);
    while (this.fireNext(end));
    this.elapsed = Math.max(this.elapsed, end);
  }

  async advanceAsync(ms: number): Promise<void> {
    const end = this.elapsed + checkNonNegative("ms", ms);
    await settle();
    while (this.fireNext(end)) await settle();
    this.elapsed = Math.max(this.elapsed, end);
    await settle();
  }

  async runAll(limitMs: number = 3_600_000): Promise<void> {
    const end = this.elapsed + checkNonNegative("limitMs", limitMs);
    await settle();
    while (this.fireNext(end)) await settle();
  }

  pending(): number {
    return this.timers.length;
  }

  private fireNext(end: number): boolean {
    const timer = this.timers[0];
    if (timer === undefined || timer.dueAt > end) return false;
    this.timers.shift();
    this.elapsed = Math.max(this.elapsed, timer.dueAt);
    timer.callback();
    return true;
  }
}

/**
 * Lets pending promise work finish. A turn of the event loop drains every microtask and tick; where there is no
 * `setImmediate`, 64 turns of the microtask queue do for any chain a test is likely to hold.
 */
async function settle(): Promise<void> {
  if (typeof globalThis.setImmediate === "function") {
    await new Promise<void>((resolve) => void globalThis.setImmediate(resolve));
    return;
  }
  for (let turn = 0; turn < 64; turn++) await undefined;
}
