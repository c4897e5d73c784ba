/** Deadlines of many calls on one platform timer, which is armed only while a deadline is pending. */

import { type Clock, type TimerHandle, systemClock } from "../core/clock.ts";
import { type Deadline, type Deadlines, IDLE } from "./deadline.ts";
import { TimerDeadlines } from "./timer-deadlines.ts";

const SLOTS = 256;
/** Width of a slot, in ms. It bounds how many entries a wake-up looks at, not how exact a deadline is. */
const SLOT_MS = 16;
/** A wake-up later than this found a blocked or suspended process: replies may sit unread in a socket. */
const STALL_MS = 25;
/** A timer this late was dropped by the platform: it is set again. */
const LOST_MS = 250;
const MIN_DELAY_MS = 0.001;
/** The slot of entries that were taken out and are about to expire. */
const FIRING = -2;

const wheels: WeakMap<Clock, Deadlines> = /* @__PURE__ */ new WeakMap();

/** The deadlines of a clock: one per process for the system's. */
export function deadlinesOf(clock: Clock = systemClock): Deadlines {
  let wheel = wheels.get(clock);
  if (wheel === undefined) wheels.set(clock, (wheel = clock === systemClock && timersEndWithRequests() ? new TimerDeadlines(clock) : new WheelDeadlines(clock)));
  return wheel;
}

/** workerd drops the timers of a request together with it: one that is shared would take the deadlines of other requests along. */
function timersEndWithRequests(): boolean {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === "Cloudflare-Workers";
}

/**
 * A hashed timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 6): arming
 * and disarming are O(1), and a deadline fires at its own instant, never before. After a stall of the process the
 * event loop gets one turn to deliver what has arrived before anything is declared late.
 */
export class WheelDeadlines implements Deadlines {
  private readonly clock: Clock;
  private readonly slots: (Deadline | undefined)[] = Array.from<Deadline | undefined>({ length: SLOTS });
  private count = 0;
  private timer: TimerHandle = undefined;
  /** When the timer fires; Infinity while there is none. */
  private wakeAt = Infinity;
  /** The tick before which no entry is due. */
  private cursor = 0;
  private graced = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Deadlines that are armed. */
  get size(): number {
    return this.count;
  }

  /** Arms `entry` to expire `afterMs` from now. An infinite time arms nothing. */
  arm(entry: Deadline, afterMs: number, now: number = this.clock.monotonic()): void {
    if (afterMs === Infinity) return;
    this.disarm(entry);
    entry.dueAt = now + Math.max(0, afterMs);
    const tick = Math.floor(entry.dueAt / SLOT_MS);
    if (this.count++ === 0) this.cursor = Math.floor(now / SLOT_MS);
    const slot = ((tick % SLOTS) + SLOTS) % SLOTS;
    const head = this.slots[slot];
    entry.slot = slot;
    entry.after = head;
    if (head !== undefined) head.before = entry;
    this.slots[slot] = entry;
    if (entry.dueAt < this.wakeAt) this.wake(entry.dueAt, now);
    else if (now - this.wakeAt > LOST_MS) this.wake(now, now);
  }

  /** Takes `entry` out; nothing happens when it is not armed. The last one out stops the timer. */
  disarm(entry: Deadline): void {
    if (entry.slot < 0) {
      entry.slot = IDLE;
      return;
    }
    this.unlink(entry, IDLE);
    if (this.count === 0) this.stop();
  }

  private unlink(entry: Deadline, slot: number): void {
    if (entry.before === undefined) this.slots[entry.slot] = entry.after;
    else entry.before.after = entry.after;
    if (entry.after !== undefined) entry.after.before = entry.before;
    entry.before = entry.after = undefined;
    entry.slot = slot;
    this.count--;
  }

  private wake(at: number, now: number): void {
    if (this.wakeAt !== Infinity) this.clock.clearTimeout(this.timer);
    this.wakeAt = at;
    // A timer may come a hair early; the rest of the way is not made in steps too small to move a double.
    this.timer = this.clock.setTimeout(this.onTimer, at <= now ? 0 : Math.max(MIN_DELAY_MS, at - now));
  }

  private stop(): void {
    if (this.wakeAt === Infinity) return;
    this.clock.clearTimeout(this.timer);
    this.wakeAt = Infinity;
    this.graced = false;
  }

  private readonly onTimer = (): void => {
    const now = this.clock.monotonic();
    const late = now - this.wakeAt;
    this.wakeAt = Infinity;
    if (late > STALL_MS && !this.graced) {
      this.graced = true;
      this.wake(now + 1, now);
      return;
    }
    this.graced = false;
    const due = this.collect(now);
    // The next wake-up is set first, so that what expire() arms is seen against it.
    if (this.count > 0) this.wake(this.earliest(now), now);
    for (const entry of due) {
      if (entry.slot !== FIRING) continue;
      entry.slot = IDLE;
      entry.expire();
    }
  };

  /** Takes out what is due, oldest deadline first. */
  private collect(now: number): Deadline[] {
    const due: Deadline[] = [];
    const last = Math.floor(now / SLOT_MS);
    const steps = Math.min(last - this.cursor, SLOTS - 1);
    for (let tick = last - steps; tick <= last; tick++) {
      let entry = this.slots[((tick % SLOTS) + SLOTS) % SLOTS];
      while (entry !== undefined) {
        const next: Deadline | undefined = entry.after;
        if (entry.dueAt <= now) {
          this.unlink(entry, FIRING);
          due.push(entry);
        }
        entry = next;
      }
    }
    this.cursor = last;
    // Lists hold the newest first: reversed, equal deadlines expire in the order in which they were armed.
    return due.reverse().sort((a, b) => a.dueAt - b.dueAt);
  }

  /** The soonest deadline: in the first slot that holds one of this turn of the wheel, else anywhere. */
  private earliest(now: number): number {
    const first = Math.floor(now / SLOT_MS);
    let overall = Infinity;
    for (let tick = first; tick < first + SLOTS; tick++) {
      let soonest = Infinity;
      for (let entry = this.slots[((tick % SLOTS) + SLOTS) % SLOTS]; entry !== undefined; entry = entry.after) {
        if (entry.dueAt < soonest) soonest = entry.dueAt;
      }
      if (soonest < (tick + 1) * SLOT_MS) return soonest;
      if (soonest < overall) overall = soonest;
    }
    return overall;
  }
}
