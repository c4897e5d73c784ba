import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START, Subject, calls } from "../../../test/models/limit-subject.ts";
import { MAX_LOG, type SlidingLogState } from "./sliding-log.ts";
import { slidingLogLimit } from "../limit-policy.ts";

describe("sliding-log", () => {
  it("decides as the full history does, in whole milliseconds", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 10 }), calls(4), (windowMs, max, history) => {
      const subject = new Subject(slidingLogLimit({ max, windowMs }));
      const log: { at: number; cost: number }[] = [];
      let now = START;
      for (const { gap, cost } of history) {
        now += Math.round((gap * windowMs) / 20);
        const spent = log.reduce((sum, entry) => sum + (now - entry.at < windowMs ? entry.cost : 0), 0);
        const decision = subject.charge(cost, now);
        expect(decision.allowed).toBe(spent + cost <= max);
        expect(decision.remaining).toBe(max - spent - (decision.allowed ? cost : 0));
        if (decision.allowed) log.push({ at: now, cost });
        const pairs = ((subject.state as SlidingLogState | undefined)?.pairs.length ?? 0) / 2;
        expect(pairs).toBeLessThanOrEqual(max);
      }
    }), { numRuns: 300 });
  });

  it("gives a unit back exactly one window after it was spent", () => {
    const subject = new Subject(slidingLogLimit({ max: 2, windowMs: 1000 }));
    subject.charge(1, START);
    subject.charge(1, START + 300);
    expect(subject.charge(1, START + 400).retryAfterMs).toBe(600);
    expect(subject.charge(2, START + 400).retryAfterMs).toBe(900);
    expect(subject.dry(1, START + 999).allowed).toBe(false);
    expect(subject.dry(1, START + 1000).allowed).toBe(true);
  });

  it("keeps its size under settlements without end", () => {
    const subject = new Subject(slidingLogLimit({ max: 3, windowMs: 100_000 }));
    const { ticket } = subject.charge(1, START);
    for (let i = 1; i < 500; i++) subject.settle(ticket, 2, START + i);
    expect((subject.state as SlidingLogState).pairs.length).toBeLessThanOrEqual(8);
    expect(subject.peek(START + 500)).toMatchObject({ remaining: 0, debt: 497 });
    expect(subject.peek(START + 499 + 100_000)).toMatchObject({ remaining: 3, debt: 0 });
  });

  it("has a largest limit", () => {
    expect(() => slidingLogLimit({ max: MAX_LOG + 1, windowMs: 1 })).toThrow(`max must be an integer from 0 to ${MAX_LOG}`);
  });
});
