import { describe, expect, it } from "vitest";
import { Subject } from "../../../test/models/limit-subject.ts";
import { calendarLimit, zoneBoundaries } from "../calendar-policy.ts";
import type { CalendarWindowDecision } from "./calendar-window.ts";

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe("calendar-window", () => {
  it("ends at the boundary for everybody, whenever the first charge came", () => {
    const subject = new Subject(calendarLimit({ max: 3, windowMs: HOUR }));
    expect(subject.charge(3, at("2026-05-01T10:59:00Z"))).toMatchObject({ remaining: 0, resetAfterMs: 60_000, resetAt: at("2026-05-01T11:00Z") });
    expect(subject.charge(1, at("2026-05-01T10:59:59.001Z"))).toMatchObject({ allowed: false, retryAfterMs: 999 });
    expect(subject.charge(3, at("2026-05-01T11:00Z"))).toMatchObject({ allowed: true, resetAfterMs: HOUR });
  });

  it("counts from the offset", () => {
    const subject = new Subject(calendarLimit({ max: 3, windowMs: 24 * HOUR, offsetMs: 5 * HOUR }));
    expect(subject.charge(1, at("2026-05-01T04:59:59Z")).resetAfterMs).toBe(1000);
    expect(subject.charge(1, at("2026-05-01T05:00Z"))).toMatchObject({ remaining: 2, resetAfterMs: 24 * HOUR });
  });

  it("goes on charging the later period when the clock is one behind, and moves it when more", () => {
    const subject = new Subject(calendarLimit({ max: 5, windowMs: HOUR }));
    subject.charge(2, at("2026-05-01T10:00:01Z"));
    expect(subject.charge(1, at("2026-05-01T09:59:59Z"))).toMatchObject({ remaining: 2, resetAt: at("2026-05-01T11:00Z") });
    const { state } = subject;
    subject.peek(at("2026-05-01T09:30Z"));
    expect(subject.state).toBe(state);
    expect(subject.charge(1, at("2026-05-01T08:59:59Z"))).toMatchObject({ remaining: 1, resetAt: at("2026-05-01T09:00Z") });
    expect(subject.charge(1, at("2026-05-01T09:00Z")).remaining).toBe(4);
  });

  it("picks between the caller's boundaries by the store's clock, and says when they are stale", () => {
    const noon = at("2026-10-24T12:00Z");
    const boundaries = zoneBoundaries("day", "Europe/Paris", noon);
    const subject = new Subject(calendarLimit({ max: 10, unit: "day", timeZone: "Europe/Paris", boundaries }));
    expect(subject.charge(4, noon)).toMatchObject({ remaining: 6, resetAfterMs: 10 * HOUR });
    expect(subject.charge(1, boundaries[1]).resetAfterMs).toBe(25 * HOUR);
    const { state } = subject;
    for (const outside of [boundaries[0] - 1, boundaries[2], boundaries[2] + HOUR]) {
      expect(subject.charge(1, outside) as CalendarWindowDecision).toMatchObject({ allowed: false, stale: outside });
    }
    expect(subject.state).toBe(state);
    const { stale } = subject.charge(1, boundaries[2]) as CalendarWindowDecision;
    (subject as { limit: unknown }).limit = calendarLimit({ max: 10, unit: "day", timeZone: "Europe/Paris", boundaries: zoneBoundaries("day", "Europe/Paris", stale as number) });
    expect(subject.charge(1, boundaries[2])).toMatchObject({ allowed: true, remaining: 9, resetAfterMs: 24 * HOUR });
  });

  it("charges one period for callers whose clocks disagree", () => {
    const midnight = at("2026-05-01T22:00Z");
    const limitAt = (now: number) => calendarLimit({ max: 10, unit: "day", timeZone: "Europe/Paris", boundaries: zoneBoundaries("day", "Europe/Paris", now) });
    const subject = new Subject(limitAt(midnight - 3000));
    subject.charge(3, midnight + 1);
    (subject as { limit: unknown }).limit = limitAt(midnight + 3000);
    expect(subject.charge(3, midnight + 2).remaining).toBe(4);
  });
});
