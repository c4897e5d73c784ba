import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START, Subject, calls } from "../../../test/models/limit-subject.ts";
import { fixedWindowLimit } from "../limit-policy.ts";
import { type FixedWindowDecision, fixedWindow } from "./fixed-window.ts";

describe("fixed-window", () => {
  it("decides as a list of windows does, each begun by its first debit", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 10 }), calls(4), (windowMs, max, history) => {
      const subject = new Subject(fixedWindowLimit({ max, windowMs }));
      const windows: { start: number; costs: number[] }[] = [];
      let now = START;
      for (const { gap, cost } of history) {
        now += (gap * windowMs) / 20;
        let current = windows.find(({ start }) => now >= start && now < start + windowMs);
        const spent = current?.costs.reduce((a, b) => a + b, 0) ?? 0;
        const decision = subject.charge(cost, now) as FixedWindowDecision;
        expect(decision.allowed).toBe(spent + cost <= max);
        if (decision.allowed) {
          if (current === undefined) windows.push((current = { start: Math.floor(now), costs: [] }));
          current.costs.push(cost);
        }
        expect(decision.count).toBe(current?.costs.reduce((a, b) => a + b, 0) ?? 0);
        if (current !== undefined) expect(decision.resetAt).toBe(current.start + windowMs);
        else expect(decision.resetAt).toBe(Math.floor(now));
      }
    }), { numRuns: 300 });
  });

  it("counts past the limit when forced, and says whether it was one", () => {
    const { policy } = fixedWindowLimit({ max: 2, windowMs: 1000 });
    let state: readonly number[] | undefined;
    const replies: FixedWindowDecision[] = [];
    for (let i = 0; i < 4; i++) {
      const step = fixedWindow.step(state, { cost: 1, policy, force: true }, START + i);
      state = step.state;
      replies.push(step.reply);
    }
    expect(replies.map(({ count }) => count)).toEqual([1, 2, 3, 4]);
    expect(replies.map(({ allowed }) => allowed)).toEqual([true, true, false, false]);
    expect(replies.map(({ resetAt }) => resetAt)).toEqual(Array<number>(4).fill(START + 1000));
    expect(replies[3]).toMatchObject({ remaining: 0, debt: 2, retryAfterMs: 997 });
  });

  it("moves to the clock when that steps behind its start, and keeps the count", () => {
    const subject = new Subject(fixedWindowLimit({ max: 5, windowMs: 1000 }));
    subject.charge(3, START);
    expect(subject.peek(START - 10_000)).toMatchObject({ remaining: 2, resetAt: START - 9000, resetAfterMs: 1000 });
    expect(subject.peek(START - 9000)).toMatchObject({ remaining: 5 });
  });

  it("begins a new window after a reset", () => {
    const subject = new Subject(fixedWindowLimit({ max: 5, windowMs: 1000 }));
    subject.charge(3, START);
    subject.reset(START + 400);
    expect(subject.charge(1, START + 500)).toMatchObject({ resetAt: START + 1500, remaining: 4 });
  });

  it("ignores a ticket of an earlier window, also where stepping clocks gave both one era", () => {
    const subject = new Subject(fixedWindowLimit({ max: 5, windowMs: 5 }));
    subject.charge(1, START);
    const { ticket } = subject.charge(2, START - 100);
    expect(subject.charge(3, START - 90)).toMatchObject({ remaining: 2, ticket: { era: ticket!.era } });
    expect(subject.refund(ticket, START - 90).remaining).toBe(2);
  });

  it("keeps its window when everything in it was refunded", () => {
    const subject = new Subject(fixedWindowLimit({ max: 5, windowMs: 1000 }));
    const { ticket } = subject.charge(3, START);
    subject.refund(ticket, START + 400);
    expect(subject.charge(1, START + 500)).toMatchObject({ resetAt: START + 1000, remaining: 4 });
  });
});
