import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { Deadline } from "./deadline.ts";
import { deadlinesOf, type WheelDeadlines } from "./deadlines.ts";
import { TimerDeadlines } from "./timer-deadlines.ts";

class Note extends Deadline {
  firedAt: number | undefined;
  readonly clock: { monotonic(): number };

  constructor(clock: { monotonic(): number }) {
    super();
    this.clock = clock;
  }

  expire(): void {
    expect(this.firedAt).toBeUndefined();
    this.firedAt = this.clock.monotonic();
  }
}

describe("deadlines", () => {
  it("fire at their own instant, and not when disarmed; no timer stays behind", () => {
    const action = fc.record({ after: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 20_000 })), passes: fc.integer({ min: 0, max: 300 }), drop: fc.boolean() });
    fc.assert(fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const clock = manualClock();
      const wheel = deadlinesOf(clock) as WheelDeadlines;
      const entries: { note: Note; due: number; droppedAt: number }[] = [];
      for (const { after, passes, drop } of actions) {
        const note = new Note(clock);
        wheel.arm(note, after);
        entries.push({ note, due: clock.monotonic() + after, droppedAt: Infinity });
        clock.advance(passes);
        const victim = entries[Math.floor(entries.length / 2)]!;
        if (drop && victim.note.firedAt === undefined && victim.droppedAt === Infinity) {
          wheel.disarm(victim.note);
          victim.droppedAt = clock.monotonic();
        }
        expect(clock.pendingTimers).toBe(wheel.size === 0 ? 0 : 1);
      }
      clock.advance(30_000);
      for (const { note, due, droppedAt } of entries) expect(note.firedAt).toBe(droppedAt === Infinity ? due : undefined);
      expect([wheel.size, clock.pendingTimers]).toEqual([0, 0]);
    }), { numRuns: 300 });
  });

  it("are one wheel per clock, and an infinite one arms nothing", () => {
    const clock = manualClock();
    expect(deadlinesOf(clock)).toBe(deadlinesOf(clock));
    deadlinesOf(clock).arm(new Note(clock), Infinity);
    expect(clock.pendingTimers).toBe(0);
  });

  it("can be disarmed and armed anew by one that expires at the same instant", () => {
    const clock = manualClock();
    const wheel = deadlinesOf(clock);
    const gone = new Note(clock);
    const later = new Note(clock);
    class First extends Deadline {
      expire(): void {
        wheel.disarm(gone);
        wheel.arm(later, 7);
      }
    }
    wheel.arm(new First(), 10);
    wheel.arm(gone, 10);
    wheel.arm(later, 10);
    clock.advance(50);
    expect([gone.firedAt, later.firedAt, clock.pendingTimers]).toEqual([undefined, 17, 0]);
  });

  it("survive a platform that drops the timer", () => {
    const base = manualClock();
    let deaf = true;
    const clock = { ...base, now: base.now, monotonic: base.monotonic, clearTimeout: base.clearTimeout, setTimeout: (f: () => void, ms: number) => (deaf ? {} : base.setTimeout(f, ms)) };
    const wheel = deadlinesOf(clock);
    const first = new Note(clock);
    wheel.arm(first, 10);
    base.advance(1000);
    deaf = false;
    wheel.arm(new Note(clock), 500);
    base.advance(2);
    expect(first.firedAt).toBeGreaterThanOrEqual(1000);
  });

  it("give the loop one turn after a stall of the process", () => {
    const base = manualClock();
    let stalled = 0;
    const clock = { ...base, monotonic: () => base.monotonic() + stalled, setTimeout: base.setTimeout, clearTimeout: base.clearTimeout, now: base.now };
    const wheel = deadlinesOf(clock);
    const answered = new Note(clock);
    const silent = new Note(clock);
    wheel.arm(answered, 100);
    wheel.arm(silent, 100);
    stalled = 5000;
    base.advance(100);
    expect(answered.firedAt).toBeUndefined();
    wheel.disarm(answered);
    base.advance(1);
    expect([answered.firedAt, silent.firedAt]).toEqual([undefined, 5101]);
  });

  it("with a timer each: the same instants, days away as well, and nothing stays behind", () => {
    const clock = manualClock();
    const deadlines = new TimerDeadlines(clock);
    const [a, b, c, d] = [new Note(clock), new Note(clock), new Note(clock), new Note(clock)];
    deadlines.arm(a, 10);
    deadlines.arm(b, 20);
    deadlines.arm(c, Infinity);
    deadlines.arm(d, 40 * 86_400_000);
    expect([a.slot < 0, c.slot < 0, a.dueAt]).toEqual([false, true, 10]);
    deadlines.arm(a, 30);
    deadlines.disarm(b);
    clock.advance(29);
    expect([a.firedAt, b.firedAt]).toEqual([undefined, undefined]);
    clock.advance(1);
    expect([a.firedAt, a.slot < 0, clock.pendingTimers]).toEqual([30, true, 1]);
    clock.advance(40 * 86_400_000 - 30);
    expect([b.firedAt, c.firedAt, d.firedAt, clock.pendingTimers]).toEqual([undefined, undefined, 40 * 86_400_000, 0]);
  });

  it("with a timer each: a timer that comes early or is cut short waits for the rest", () => {
    const hand = manualClock();
    const deadlines = new TimerDeadlines({ ...hand, monotonic: hand.monotonic, setTimeout: (callback, delayMs) => hand.setTimeout(callback, Math.min(delayMs, 100)) });
    const note = new Note(hand);
    deadlines.arm(note, 250);
    hand.advance(249);
    expect(note.firedAt).toBeUndefined();
    hand.advance(1);
    expect([note.firedAt, hand.pendingTimers]).toEqual([250, 0]);
  });
});
