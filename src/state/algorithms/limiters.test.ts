/** What all limiters promise alike, and the bounds of each over every interval of random histories. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Admission, START, Subject, calls, firstPassing, most } from "../../../test/models/limit-subject.ts";
import { calendarLimit } from "../calendar-policy.ts";
import { type CompiledLimit, fixedWindowLimit, slidingLogLimit, slidingWindowLimit, tokenBucketLimit, tokenRateLimit } from "../limit-policy.ts";

const RUNS = { numRuns: 150 };

interface Kind {
  readonly name: string;
  readonly make: (max: number, windowMs: number) => CompiledLimit;
  /** Most that may be admitted in any interval of `length`. */
  readonly bound: (max: number, windowMs: number, length: number) => number;
}

const ratio = (length: number, windowMs: number): number => Math.ceil(length / windowMs);

const KINDS: readonly Kind[] = [
  { name: "fixed-window", make: (max, windowMs) => fixedWindowLimit({ max, windowMs }), bound: (max, windowMs, length) => max * (ratio(length, windowMs) + 1) },
  { name: "calendar-window", make: (max, windowMs) => calendarLimit({ max, windowMs, offsetMs: 3 }), bound: (max, windowMs, length) => max * (ratio(length, windowMs) + 1) },
  { name: "sliding-window", make: (max, windowMs) => slidingWindowLimit({ max, windowMs }), bound: (max, windowMs, length) => max * ratio(length, windowMs) },
  { name: "sliding-window of 16", make: (max, windowMs) => slidingWindowLimit({ max, windowMs, buckets: 16 }), bound: (max, windowMs, length) => max * ratio(length, windowMs) },
  { name: "sliding-window of 240", make: (max, windowMs) => slidingWindowLimit({ max, windowMs, buckets: 240 }), bound: (max, windowMs, length) => max * ratio(length, windowMs) },
  { name: "sliding-log", make: (max, windowMs) => slidingLogLimit({ max, windowMs }), bound: (max, windowMs, length) => max * ratio(length, windowMs) },
  // One ms of refill more in finer time than whole milliseconds.
  { name: "token-bucket", make: (max, windowMs) => tokenBucketLimit({ capacity: Math.max(1, max), max, windowMs }), bound: (max, windowMs, length) => Math.max(1, max) + (max * (length + 1)) / windowMs },
];

const windows = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(16, 64, 100, 999, 1000, 60_000, 86_400_000));

describe.each(KINDS)("$name", ({ make, bound }) => {
  it("never admits more than its bound in any interval", () => {
    fc.assert(fc.property(windows, fc.integer({ min: 1, max: 12 }), calls(3), (windowMs, max, history) => {
      const subject = new Subject(make(max, windowMs));
      const admissions: Admission[] = [];
      let now = START;
      for (const { gap, cost } of history) {
        now += (gap * windowMs) / 20;
        if (subject.charge(cost, now).allowed) admissions.push({ at: now, cost });
      }
      for (const length of [windowMs, windowMs * 2, windowMs * 2.5, windowMs / 3]) {
        expect(most(admissions, length)).toBeLessThanOrEqual(bound(max, windowMs, length));
      }
    }), RUNS);
  });

  it("never admits more in true time when the clock steps back, and loses nothing for longer than its horizon", () => {
    const steps = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, 7, 1000, 86_400_000);
    fc.assert(fc.property(fc.constantFrom(5, 16, 64, 100, 1000), fc.integer({ min: 1, max: 8 }), fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 3 }), steps), { minLength: 30, maxLength: 120, size: "max" }), (windowMs, max, history) => {
      const limit = make(max, windowMs);
      const subject = new Subject(limit);
      const admissions: Admission[] = [];
      let time = START;
      let behind = 0;
      for (const [gap, cost, step] of history) {
        time += gap;
        behind += step;
        const before = subject.fork().peek(time - behind + step);
        const decision = subject.charge(cost, time - behind);
        if (step > 0 && !limit.keySuffix.startsWith("calendar")) expect(decision.remaining).toBeLessThanOrEqual(before.remaining);
        if (decision.allowed) admissions.push({ at: time, cost });
        else if (cost <= limit.limit) expect(decision.retryAfterMs).toBeLessThanOrEqual(limit.horizonMs * 2 + 2);
      }
      if (!limit.keySuffix.startsWith("calendar")) {
        for (const length of [windowMs, windowMs * 3]) expect(most(admissions, length)).toBeLessThanOrEqual(bound(max, windowMs, length));
      }
      expect(subject.peek(time - behind + 2 * limit.horizonMs + 2).remaining).toBe(limit.limit);
    }), RUNS);
  });

  it("keeps its promise: a refused cost passes after retryAfterMs and not one ms sooner", () => {
    let refusals = 0;
    fc.assert(fc.property(windows, fc.integer({ min: 1, max: 12 }), calls(5, 60), (windowMs, max, history) => {
      const limit = make(max, windowMs);
      const subject = new Subject(limit);
      let now = START;
      for (const { gap, cost } of history) {
        now += (gap * windowMs) / 20;
        const decision = subject.charge(cost, now);
        expect(decision.remaining).toBe(Math.min(limit.limit, Math.max(0, decision.remaining)));
        expect(Number.isInteger(decision.remaining)).toBe(true);
        if (decision.allowed) {
          expect(decision.retryAfterMs).toBe(0);
          continue;
        }
        refusals += 1;
        if (cost > limit.limit) {
          expect(decision.retryAfterMs).toBeNull();
          continue;
        }
        const wait = decision.retryAfterMs as number;
        expect(wait).toBeGreaterThan(0);
        expect(subject.dry(cost, now + wait).allowed).toBe(true);
        expect(subject.dry(cost, now + wait - 1).allowed).toBe(false);
        if (wait < 50) expect(firstPassing(subject, cost, now, wait)).toBe(wait);
      }
      const { resetAfterMs, remaining } = subject.peek(now);
      if (resetAfterMs > 0) {
        expect(subject.peek(now + resetAfterMs).remaining).toBe(limit.limit);
        expect(subject.peek(now + resetAfterMs).resetAfterMs).toBe(0);
        expect(subject.peek(now + resetAfterMs - 1).resetAfterMs).toBeGreaterThan(0);
      } else expect(remaining).toBe(limit.limit);
    }), RUNS);
    expect(refusals).toBeGreaterThan(100);
  });

  it("refuses a cost and then admits a smaller one that fits", () => {
    const subject = new Subject(make(10, 1000));
    subject.charge(8, START);
    expect(subject.charge(3, START)).toMatchObject({ allowed: false, remaining: 2 });
    expect(subject.charge(2, START)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it("does nothing on a peek and on a dry charge", () => {
    const subject = new Subject(make(10, 1000));
    expect(subject.peek(START)).toMatchObject({ allowed: true, remaining: 10, limit: 10, retryAfterMs: 0, resetAfterMs: 0, debt: 0 });
    expect(subject.dry(4, START)).toMatchObject({ allowed: true, remaining: 10 });
    expect(subject.state).toBeUndefined();
    subject.charge(4, START);
    const { state } = subject;
    expect(subject.dry(6, START)).toMatchObject({ allowed: true, remaining: 6, ticket: undefined });
    expect(subject.dry(7, START).allowed).toBe(false);
    expect(subject.dry(11, START).retryAfterMs).toBeNull();
    expect(subject.state).toBe(state);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, "1", undefined, null])("refuses the cost %s for ever and changes nothing", (cost) => {
    const subject = new Subject(make(10, 1000));
    subject.charge(4, START);
    const { state } = subject;
    expect(subject.charge(cost as number, START)).toMatchObject({ allowed: false, retryAfterMs: null, remaining: 6 });
    expect(subject.state).toBe(state);
  });

  it("gives a ticket only to an admitted positive cost that asked for one", () => {
    const subject = new Subject(make(2, 1000));
    expect(subject.charge(0, START).ticket).toBeUndefined();
    expect(subject.run({ cost: 1 }, START).ticket).toBeUndefined();
    expect(subject.charge(1, START).ticket).toMatchObject({ era: START, need: expect.any(Number) });
    expect(subject.charge(1, START).ticket).toBeUndefined();
  });

  it("gives back what a ticket says, all or in part, and never what is not there", () => {
    const subject = new Subject(make(10, 1000));
    const { ticket } = subject.charge(6, START);
    expect(subject.refund(ticket, START, 2)).toMatchObject({ allowed: true, remaining: 6, retryAfterMs: 0 });
    subject.charge(1, START);
    expect(subject.refund(ticket, START, 4).remaining).toBe(9);
    expect(subject.refund(ticket, START, 6).remaining).toBe(10);
    expect(subject.refund(ticket, START).remaining).toBe(10);
    expect(subject.refund({ era: START, at: Number.NaN, need: 5 }, START).remaining).toBe(10);
    subject.charge(5, START);
    const { state } = subject;
    for (const cost of [-1, Number.NaN, "3" as never]) subject.refund(ticket, START, cost);
    subject.refund({ ...ticket!, need: Number.NaN }, START);
    subject.refund({ ...ticket!, need: -3 }, START);
    subject.refund({ ...ticket!, era: ticket!.era + 1 }, START);
    expect(subject.state).toBe(state);
  });

  it("ignores a ticket from before a reset, a step of the clock, or the loss of the record", () => {
    const subject = new Subject(make(10, 1000));
    const { ticket } = subject.charge(6, START);
    expect(subject.reset(START)).toMatchObject({ allowed: true, remaining: 10, resetAfterMs: 0 });
    // A store may not drop the record in this millisecond: a new one would begin the same era.
    expect(subject.expiresAt).toBeGreaterThan(START);
    subject.charge(5, START);
    expect(subject.refund(ticket, START).remaining).toBe(5);

    const lost = new Subject(make(10, 1000));
    lost.charge(5, START + 1);
    expect(lost.refund(ticket, START + 1).remaining).toBe(5);
    expect(new Subject(make(10, 1000)).refund(ticket, START).remaining).toBe(10);

    const stepped = new Subject(make(10, 1000));
    const { ticket: old } = stepped.charge(6, START);
    stepped.peek(START - 86_400_000);
    expect(stepped.refund(old, START - 86_400_000).remaining).toBe(4);
  });

  it("starts afresh after a reset, tombstone or not", () => {
    const subject = new Subject(make(4, 1000));
    subject.charge(4, START + 500);
    subject.reset(START + 600);
    const { state } = subject;
    subject.reset(START + 600);
    expect(subject.state).toBe(state);
    for (let i = 0; i < 4; i++) expect(subject.charge(1, START + 600).allowed).toBe(true);
    expect(subject.charge(1, START + 600).allowed).toBe(false);
  });

  it("settles up, down and into debt, which it then works off", () => {
    const subject = new Subject(make(10, 1000));
    const { ticket } = subject.charge(4, START);
    expect(subject.settle(ticket, 6, START)).toMatchObject({ allowed: true, remaining: 4, debt: 0 });
    const other = subject.charge(3, START).ticket;
    expect(subject.settle(other, 1, START)).toMatchObject({ remaining: 3, debt: 0 });
    expect(subject.settle(other, 3, START)).toMatchObject({ remaining: 3 });
    const deep = subject.charge(3, START).ticket;
    expect(subject.settle(deep, 10, START)).toMatchObject({ remaining: 0, debt: 7 });
    const refusal = subject.charge(1, START);
    expect(refusal).toMatchObject({ allowed: false, remaining: 0, debt: 7 });
    const wait = refusal.retryAfterMs as number;
    expect(subject.dry(1, START + wait).allowed).toBe(true);
    expect(subject.dry(1, START + wait - 1).allowed).toBe(false);
  });

  it("charges an excess whose ticket is no longer known, and gives nothing back for one", () => {
    const subject = new Subject(make(10, 1000));
    const { ticket } = subject.charge(4, START);
    expect(subject.settle(ticket, 6, START + 100_000).remaining).toBe(8);
    const again = new Subject(make(10, 1000));
    again.charge(5, START + 200_000);
    expect(again.settle(ticket, 0, START + 200_000).remaining).toBe(5);
    for (const actual of [Number.NaN, -1, Number.POSITIVE_INFINITY]) expect(again.settle(ticket, actual, START + 200_000).remaining).toBe(5);
  });

  it("refuses everything at max 0, for ever, and takes a changing max on the same state", () => {
    const none = new Subject(make(0, 1000));
    for (const cost of [1, 5]) expect(none.charge(cost, START)).toMatchObject({ allowed: false, limit: 0, remaining: 0, retryAfterMs: null });
    expect(none.state).toBeUndefined();

    const wide = new Subject(make(20, 1000));
    wide.charge(12, START);
    const narrow = wide.fork();
    (narrow as { limit: CompiledLimit }).limit = make(5, 1000);
    expect(narrow.limit.keySuffix).toBe(wide.limit.keySuffix);
    expect(narrow.peek(START)).toMatchObject({ limit: 5, remaining: 0, debt: 7 });
    expect(narrow.charge(1, START)).toMatchObject({ allowed: false });
    expect(narrow.charge(6, START).retryAfterMs).toBeNull();
    (narrow as { limit: CompiledLimit }).limit = make(30, 1000);
    expect(narrow.charge(18, START)).toMatchObject({ allowed: true, remaining: 0, limit: 30 });
  });

  it("works with a clock that begins at 0", () => {
    const subject = new Subject(make(3, 1000));
    for (let i = 2; i >= 0; i--) expect(subject.charge(1, 0).remaining).toBe(i);
    expect(subject.charge(1, 0).allowed).toBe(false);
    expect(subject.charge(1, 2000).allowed).toBe(true);
  });
});

describe("limits of the exact integers", () => {
  const MOST = Number.MAX_SAFE_INTEGER;

  it.each([
    ["fixed-window", fixedWindowLimit({ max: MOST, windowMs: 1000 })],
    ["calendar-window", calendarLimit({ max: MOST, windowMs: 1000 })],
    ["sliding-window", slidingWindowLimit({ max: MOST, windowMs: 1000 })],
  ])("%s counts exactly up to 2^53 - 1 and stays there", (_, limit) => {
    const subject = new Subject(limit);
    const step = 2 ** 31 - 1;
    for (let left = MOST, i = 0; i < 5; i++) expect(subject.charge(step, START).remaining).toBe((left -= step));
    // Most of the way in one leap: 2^22 charges would take long.
    const near = JSON.parse(JSON.stringify(subject.state), (_key, value) => (value === 5 * step ? MOST - 1 : (value as unknown)));
    subject.state = near;
    expect(subject.charge(2, START)).toMatchObject({ allowed: false, remaining: 1 });
    expect(subject.charge(1, START)).toMatchObject({ allowed: true, remaining: 0 });
    expect(subject.charge(1, START)).toMatchObject({ allowed: false, remaining: 0, debt: 0 });
    expect(subject.settle({ era: START, at: 0, need: 1 }, step, START)).toMatchObject({ remaining: 0, debt: 0 });
    expect(limit.algorithm.decode(limit.algorithm.encode(subject.state))).toEqual(subject.state);
  });

  it("token-bucket takes fractions of a token, in units of its scale", () => {
    const subject = new Subject(tokenRateLimit({ capacity: 2, tokensPerSecond: 1 }));
    expect(subject.charge(0.5, START).remaining).toBe(1);
    expect(subject.charge(0.25, START).remaining).toBe(1);
    expect(subject.charge(1.2504, START)).toMatchObject({ allowed: false, retryAfterMs: 1 });
    expect(subject.charge(1.25, START)).toMatchObject({ allowed: true, remaining: 0 });
    expect(subject.charge(0.001, START)).toMatchObject({ allowed: false, retryAfterMs: 1 });
  });
});
