import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START, Subject } from "../../../test/models/limit-subject.ts";
import { RATES, grantsTheRate } from "../../../test/models/token-bucket-drift.ts";
import type { LimitDecision } from "../contracts/limits.ts";
import { MAX_UNITS, tokenBucketLimit, tokenRateLimit } from "../limit-policy.ts";

/** The bucket as one learns it: a level that rises with time, in exact fractions. Nothing is shared with the code under test. */
class NaiveBucket {
  /** Level times `scale`. */
  level: bigint;
  at: bigint;
  readonly full: bigint;
  readonly p: bigint;
  readonly q: bigint;

  constructor(capacity: bigint, p: bigint, q: bigint, now: number) {
    [this.p, this.q, this.full, this.level, this.at] = [p, q, capacity * q, capacity * q, BigInt(now)];
  }

  charge(cost: bigint, now: number): Pick<LimitDecision, "allowed" | "remaining" | "retryAfterMs"> {
    const time = BigInt(now);
    if (time > this.at) this.level += (time - this.at) * this.p;
    if (this.level > this.full) this.level = this.full;
    this.at = time;
    const need = cost * this.q;
    const allowed = need <= this.level;
    if (allowed) this.level -= need;
    const missing = need - this.level;
    return {
      allowed,
      remaining: Number(this.level / this.q),
      retryAfterMs: allowed ? 0 : need > this.full ? null : Number((missing + this.p - 1n) / this.p),
    };
  }
}

describe("token-bucket against exact fractions", () => {
  it("gives the same decisions in whole milliseconds, steps of the clock included", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.tuple(fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }) }, { weight: 1, arbitrary: fc.integer({ min: 41, max: 100_000 }) }, { weight: 1, arbitrary: fc.constantFrom(-1, -1000, -86_400_000) }), fc.integer({ min: 0, max: 60 })), { maxLength: 150, size: "max" }),
      (capacity, max, windowMs, history) => {
        const subject = new Subject(tokenBucketLimit({ capacity, max, windowMs }));
        const naive = new NaiveBucket(BigInt(capacity), BigInt(max), BigInt(windowMs), START);
        let now = START;
        let lastCharge = BigInt(START);
        let levelAtCharge = naive.level;
        for (const [gap, cost] of history) {
          if (gap < 0 && now + gap < Number((subject.state as readonly number[] | undefined)?.[0] ?? START)) {
            // Behind the last charge: what was owed then is owed still.
            naive.level = levelAtCharge;
            naive.at = BigInt(now + gap);
          } else if (gap < 0) {
            // Not behind it: the clock runs over the same time once more.
            naive.level = levelAtCharge;
            naive.at = lastCharge;
          }
          now += gap;
          const { allowed, remaining, retryAfterMs } = subject.charge(cost, now);
          const expected = naive.charge(BigInt(cost), now);
          expect({ allowed, remaining, retryAfterMs }).toEqual(expected);
          if ((expected.allowed && cost > 0) || BigInt(now) < lastCharge) {
            levelAtCharge = naive.level;
            lastCharge = BigInt(now);
          }
        }
      },
    ), { numRuns: 300 });
  });

  it("stays exact at the edges of its domain", () => {
    const edge = fc.tuple(fc.bigInt({ min: 1n, max: BigInt(MAX_UNITS) }), fc.integer({ min: 1, max: 34_560_000_000 })).filter(([, q]) => q <= MAX_UNITS);
    fc.assert(fc.property(edge, fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 40 }), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 5, maxLength: 40 }), ([p, q], history) => {
      const capacity = Math.floor(MAX_UNITS / q);
      const subject = new Subject(tokenBucketLimit({ capacity, max: Number(p), windowMs: q }));
      const naive = new NaiveBucket(BigInt(capacity), p, BigInt(q), START);
      let now = START;
      for (const [gap, share] of history) {
        now += gap % 3 === 0 ? gap : gap % 100;
        const cost = Math.floor(capacity * share);
        const { allowed, remaining, retryAfterMs } = subject.charge(cost, now);
        expect({ allowed, remaining, retryAfterMs }).toEqual(naive.charge(BigInt(cost), now));
        for (const cell of (subject.state as readonly number[] | undefined) ?? []) expect(Number.isSafeInteger(cell)).toBe(true);
      }
    }), { numRuns: 500 });
  });

  it("settles into the deepest debt exactly", () => {
    const limit = tokenBucketLimit({ capacity: MAX_UNITS, max: MAX_UNITS, windowMs: 1 });
    const subject = new Subject(limit);
    const { ticket } = subject.charge(MAX_UNITS, START);
    expect(subject.settle(ticket, Number.MAX_VALUE, START)).toMatchObject({ debt: MAX_UNITS, remaining: 0, resetAfterMs: 2 });
    expect(subject.charge(1, START)).toMatchObject({ allowed: false, retryAfterMs: 2 });
    expect(subject.charge(MAX_UNITS, START + 2)).toMatchObject({ allowed: true });

    const capped = new Subject(tokenBucketLimit({ capacity: 10, max: 10, windowMs: 1000, maxDebt: 2.5 }));
    const first = capped.charge(10, START).ticket;
    expect(capped.settle(first, 1000, START)).toMatchObject({ debt: 3 });
    expect(capped.charge(1, START).retryAfterMs).toBe(350);
    expect(capped.settle(first, 1000, START).debt).toBe(3);
  });
});

describe("token-bucket over time", () => {
  // `test/models` runs ten million steps.
  it.each(RATES)("grants neither more nor less than %s over ten years or two hundred thousand steps", (_, tokensPerSecond, capacity, __, cost) => {
    grantsTheRate(tokensPerSecond, capacity, 200_000, cost);
  });

  it("loses nothing to thousands of polls between two refills", () => {
    for (const [tokensPerSecond, pollMs] of [[0.001, 137], [1 / 3, 1], [0.7, 0.5], [1 / 86_400, 10_000]] as const) {
      const period = 1000 / tokensPerSecond;
      const subject = new Subject(tokenRateLimit({ capacity: 1, tokensPerSecond }));
      const grants: number[] = [];
      for (let now = START; grants.length < 4; now += pollMs) if (subject.charge(1, now).allowed) grants.push(now - START);
      grants.forEach((at, i) => {
        expect(at).toBeGreaterThanOrEqual(Math.floor(i * period));
        expect(at).toBeLessThan(i * (period + pollMs + 1) + 1);
      });
    }
  });

  it("a rate of a third is a third: the promise of an empty bucket is 3000 ms", () => {
    const subject = new Subject(tokenRateLimit({ capacity: 2, tokensPerSecond: 1 / 3 }));
    subject.charge(2, START);
    expect(subject.charge(1, START).retryAfterMs).toBe(3000);
    expect(subject.charge(2, START).retryAfterMs).toBe(6000);
  });

  it("counts in whole milliseconds, those that have begun", () => {
    const subject = new Subject(tokenBucketLimit({ capacity: 1, max: 1, windowMs: 1000 }));
    subject.charge(1, START + 0.9);
    expect(subject.charge(1, START + 999.9)).toMatchObject({ allowed: false, retryAfterMs: 1 });
    expect(subject.charge(1, START + 1000).allowed).toBe(true);
  });

  it("ignores a ticket from before a step of the clock, also after the clock has passed it again", () => {
    const subject = new Subject(tokenBucketLimit({ capacity: 10, max: 1, windowMs: 1000 }));
    const { ticket } = subject.charge(4, START);
    subject.peek(START - 1);
    expect(subject.refund(ticket, START).remaining).toBe(6);
  });

  it("gives back by a refund only what has not drained meanwhile", () => {
    const subject = new Subject(tokenBucketLimit({ capacity: 10, max: 1, windowMs: 1000 }));
    const { ticket } = subject.charge(4, START);
    subject.charge(6, START + 1000);
    // One of the four is back already, so three are given.
    expect(subject.refund(ticket, START + 1000).remaining).toBe(4);
    expect(subject.fork().refund(ticket, START + 5000).remaining).toBe(8);
  });

  it("takes net admissions into account: charges and refunds at random stay below capacity + rate * time", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 1, max: 6 }), fc.boolean()), { minLength: 20, maxLength: 100, size: "max" }), (history) => {
      const subject = new Subject(tokenBucketLimit({ capacity: 8, max: 3, windowMs: 1000 }));
      const events: { at: number; cost: number }[] = [];
      let now = START;
      let open: { ticket: any; cost: number; index: number } | undefined;
      for (const [gap, cost, refund] of history) {
        now += gap;
        if (refund && open !== undefined) {
          subject.refund(open.ticket, now);
          events[open.index]!.cost = 0;
          open = undefined;
          continue;
        }
        const decision = subject.charge(cost, now);
        if (!decision.allowed) continue;
        open = { ticket: decision.ticket, cost, index: events.length };
        events.push({ at: now, cost });
      }
      for (const { at: from } of events) {
        let sum = 0;
        let excess = -Infinity;
        for (const { at, cost } of events) {
          if (at < from) continue;
          sum += cost;
          excess = Math.max(excess, sum - (8 + (3 * (at - from)) / 1000));
        }
        expect(excess).toBeLessThanOrEqual(0);
      }
    }), { numRuns: 300 });
  });
});
