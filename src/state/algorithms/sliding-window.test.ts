import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Admission, START, Subject, calls } from "../../../test/models/limit-subject.ts";
import { slidingLogLimit, slidingWindowLimit } from "../limit-policy.ts";
import { type SlidingWindowState, slidingWindow } from "./sliding-window.ts";

describe("sliding-window", () => {
  it("refuses only what a log of a window one sixteenth longer would refuse", () => {
    fc.assert(fc.property(fc.constantFrom(16, 17, 63, 64, 65, 100, 999, 1000, 60_000), fc.integer({ min: 1, max: 20 }), calls(4), (windowMs, max, history) => {
      const subject = new Subject(slidingWindowLimit({ max, windowMs }));
      const log: Admission[] = [];
      let now = START;
      for (const { gap, cost } of history) {
        now += (gap * windowMs) / 20;
        const longer = windowMs + windowMs / 16;
        const spent = log.reduce((sum, entry) => sum + (entry.at > now - longer ? entry.cost : 0), 0);
        const decision = subject.charge(cost, now);
        if (decision.allowed) log.push({ at: now, cost });
        else expect(spent + cost).toBeGreaterThan(max);
      }
    }), { numRuns: 300 });
  });

  it.each([[1000, 64, 0.968], [60_000, 64, 0.98], [64, 64, 0.955], [500, 64, 0.955], [60_000, 16, 0.94], [60_000, 240, 0.995]])(
    "under saturation lets through %i ms windows of %i buckets at least %f of an ideal log",
    (windowMs, buckets, share) => {
      const [subject, ideal] = [new Subject(slidingWindowLimit({ max: 20, windowMs, buckets })), new Subject(slidingLogLimit({ max: 20, windowMs }))];
      let [granted, most] = [0, 0];
      const stepMs = Math.max(0.25, windowMs / 2000);
      for (let i = 0; i * stepMs < 40 * windowMs; i++) {
        if (subject.charge(1, START + i * stepMs).allowed) granted += 1;
        if (ideal.charge(1, START + i * stepMs).allowed) most += 1;
      }
      expect(granted / most).toBeGreaterThanOrEqual(share);
    },
  );

  it("recovers after the window and at most one bucket more, never sooner than the window", () => {
    for (const windowMs of [16, 33, 100, 1000, 1001, 86_400_000]) {
      for (const at of [START, START + 0.25, START + 999.5, START + 77]) {
        const subject = new Subject(slidingWindowLimit({ max: 5, windowMs }));
        subject.charge(5, at);
        const wait = subject.charge(1, at).retryAfterMs as number;
        expect(wait).toBeGreaterThanOrEqual(windowMs);
        expect(wait).toBeLessThanOrEqual(Math.ceil(windowMs + windowMs / 16) + 1);
      }
    }
  });

  it("has at most max pairs, and at most two more than its buckets", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), calls(1, 400), (max, history) => {
      const subject = new Subject(slidingWindowLimit({ max, windowMs: 640 }));
      let now = START;
      for (const { gap, cost } of history) {
        subject.charge(cost, (now += gap * 10));
        const { older, count } = subject.state as SlidingWindowState;
        const pairs = older.length / 2 + (count > 0 ? 1 : 0);
        expect(pairs).toBeLessThanOrEqual(Math.min(max, 66));
      }
    }), { numRuns: 50 });
  });

  it("shares the older buckets while charges stay in one, and is small when stored", () => {
    const subject = new Subject(slidingWindowLimit({ max: 1_000_000, windowMs: 64_000 }));
    for (let i = 0; i < 64; i++) subject.charge(1000, START + i * 1000);
    const before = subject.state as SlidingWindowState;
    subject.charge(1, START + 63_500);
    expect((subject.state as SlidingWindowState).older).toBe(before.older);
    expect(slidingWindow.encode(before).length).toBeLessThan(64 * 4 + 16);
  });

  it("books a charge one bucket behind the newest where it belongs", () => {
    const limit = slidingWindowLimit({ max: 5, windowMs: 640 });
    const subject = new Subject(limit);
    const base = Math.floor(START / 10) * 10;
    subject.charge(2, base + 10);
    // One bucket behind: inside the reserve, so nothing moves.
    expect(subject.charge(1, base + 9)).toMatchObject({ remaining: 2, ticket: { era: base + 10 } });
    expect(subject.charge(1, base + 8).remaining).toBe(1);
    const index = base / 10;
    expect(subject.state).toMatchObject({ head: index + 1, count: 2, sum: 4, older: [index, 2] });
    // Two behind: everything moves to one bucket ahead of the clock, and tickets end.
    expect(subject.peek(base - 1)).toMatchObject({ remaining: 1 });
    expect(subject.state).toMatchObject({ era: base + 11, head: index, older: [index - 1, 2] });
  });
});
