import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START, most } from "../../../test/models/limit-subject.ts";
import type { LimitTicket } from "../contracts/limits.ts";
import type { CursorReply } from "../contracts/key-value.ts";
import { type PaceOptions, compilePace } from "../pace.ts";
import { type CursorPolicy, cursor } from "./cursor.ts";

class Queue {
  readonly policy: CursorPolicy;
  state: readonly number[] | undefined;
  expiresAt: number | undefined;

  constructor(options: PaceOptions) {
    ({ policy: this.policy } = compilePace(options));
  }

  run(command: object, now: number): CursorReply {
    const step = cursor.step(this.state, { policy: this.policy, ...command } as never, now);
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  reserve(now: number, command: { cost?: number; maxWaitMs?: number } = {}): CursorReply {
    return this.run(command, now);
  }

  refund(ticket: LimitTicket | undefined, now: number): void {
    this.run({ refund: ticket }, now);
  }
}

const paces: fc.Arbitrary<PaceOptions> = fc.oneof(
  fc.record({ spacingMs: fc.constantFrom(1, 7, 100, 0.25, 12.5, 1000 / 3), burst: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ count: fc.integer({ min: 1, max: 9 }), periodMs: fc.integer({ min: 1, max: 1000 }), burst: fc.integer({ min: 1, max: 5 }) }),
);

const spacingOf = ({ p, q }: CursorPolicy): number => q / p;

describe("cursor", () => {
  it("never gives more turns than burst + time / spacing, by the instants of the turns, whoever comes when", () => {
    fc.assert(fc.property(paces, fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0, 5, 100, undefined)), { minLength: 10, maxLength: 120, size: "max" }), (pace, history) => {
      const queue = new Queue(pace);
      const spacing = spacingOf(queue.policy);
      const turns: { at: number; cost: number }[] = [];
      let now = START;
      for (const [gap, maxWaitMs] of history) {
        now += gap;
        const { granted, waitMs } = queue.reserve(now, { maxWaitMs });
        if (granted) {
          expect(waitMs).toBeLessThanOrEqual(maxWaitMs ?? Infinity);
          turns.push({ at: now + waitMs, cost: 1 });
        } else expect(waitMs).toBeGreaterThan(maxWaitMs as number);
      }
      for (const length of [spacing, spacing * 3, spacing * 7.5, 500]) {
        // A hair less: instants are doubles of epoch size here, unlike in the code.
        expect(most(turns, length - 0.001)).toBeLessThanOrEqual((pace.burst ?? 1) + length / spacing);
      }
    }), { numRuns: 300 });
  });

  it("leaves no turn idle while somebody waits", () => {
    fc.assert(fc.property(paces, fc.integer({ min: 2, max: 60 }), (pace, callers) => {
      const queue = new Queue(pace);
      const spacing = spacingOf(queue.policy);
      const waits = Array.from({ length: callers }, () => queue.reserve(START).waitMs);
      waits.forEach((waitMs, i) => expect(waitMs).toBeCloseTo(Math.max(0, (i + 1 - (pace.burst ?? 1)) * spacing), 6));
    }));
  });

  it("refuses a wait beyond the caller's limit and reserves nothing", () => {
    const queue = new Queue({ spacingMs: 100 });
    queue.reserve(START);
    const { state } = queue;
    expect(queue.reserve(START, { maxWaitMs: 99 })).toEqual({ granted: false, waitMs: 100, ticket: undefined });
    expect(queue.reserve(START, { cost: 0 })).toMatchObject({ granted: true, waitMs: 0 });
    for (const cost of [Number.NaN, -1, Number.POSITIVE_INFINITY]) expect(queue.reserve(START, { cost }).granted).toBe(false);
    expect(queue.state).toBe(state);
    expect(queue.reserve(START, { maxWaitMs: 100 }).granted).toBe(true);
  });

  it("keeps fractions of a millisecond over a million turns", () => {
    const queue = new Queue({ spacingMs: 1000 / 3 });
    let now = START;
    let last = 0;
    for (let i = 0; i < 1_000_000; i++) {
      last = now + queue.reserve(now).waitMs;
      now = Math.floor(last);
    }
    expect(last - START).toBeCloseTo((999_999 * 1000) / 3, 1);
  });

  it("hands the newest turn back, as if it had never been reserved, and only once", () => {
    fc.assert(fc.property(paces, fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 20 }), fc.integer({ min: 0, max: 300 }), (pace, gaps, later) => {
      const [queue, without] = [new Queue(pace), new Queue(pace)];
      let now = START;
      for (const gap of gaps) {
        now += gap;
        queue.reserve(now);
        without.reserve(now);
      }
      const { ticket } = queue.reserve(now);
      queue.refund(ticket, now + later);
      queue.refund(ticket, now + later);
      expect(queue.reserve(now + later).waitMs).toBeCloseTo(without.reserve(now + later).waitMs, 9);
    }));
  });

  it("keeps an older turn, one from before a pause, a step or a reset, and one of a lost record", () => {
    const queue = new Queue({ spacingMs: 100 });
    const first = queue.reserve(START).ticket;
    queue.reserve(START);
    queue.refund(first, START);
    expect(queue.reserve(START, { cost: 0 }).waitMs).toBe(100);
    const second = queue.reserve(START).ticket;
    queue.run({ pauseMs: 5000 }, START);
    queue.refund(second, START);
    expect(queue.reserve(START, { maxWaitMs: 0 }).waitMs).toBe(5000);
    const third = queue.reserve(START).ticket;
    queue.run({ reset: true }, START);
    expect(queue.reserve(START).waitMs).toBe(0);
    queue.refund(third, START);
    expect(queue.reserve(START, { maxWaitMs: 0 }).waitMs).toBe(100);
    const other = new Queue({ spacingMs: 100 });
    other.reserve(START + 1);
    other.refund(third, START + 1);
    expect(other.reserve(START + 1, { maxWaitMs: 0 }).waitMs).toBe(100);
  });

  it("pauses: the next turn no earlier, the others one spacing apart, the longest pause wins", () => {
    const queue = new Queue({ spacingMs: 100, burst: 3 });
    queue.run({ pauseMs: 1000 }, START);
    queue.run({ pauseMs: 400 }, START);
    expect([0, 1, 2].map(() => queue.reserve(START).waitMs)).toEqual([1000, 1100, 1200]);
    const { state } = queue;
    for (const pauseMs of [0, -5, Number.NaN, 700]) queue.run({ pauseMs }, START);
    expect(queue.state).toBe(state);
    queue.run({ pauseMs: Number.POSITIVE_INFINITY }, START);
    expect(queue.reserve(START).granted).toBe(false);
    expect(queue.state!.every(Number.isSafeInteger)).toBe(true);
  });

  it("keeps its backlog over a step of the clock", () => {
    const queue = new Queue({ spacingMs: 100 });
    for (let i = 0; i < 5; i++) queue.reserve(START);
    expect(queue.reserve(START - 86_400_000).waitMs).toBe(500);
    expect(queue.reserve(START - 86_400_000 + 200).waitMs).toBe(400);
  });

  it("is kept until the whole backlog is over, and one spacing more", () => {
    const queue = new Queue({ spacingMs: 100 });
    for (let i = 0; i < 5; i++) queue.reserve(START);
    expect(queue.expiresAt).toBe(START + 600);
  });
});

describe("compilePace", () => {
  it("keeps fractional spacings exact", () => {
    expect(compilePace({ spacingMs: 0.1 }).policy).toEqual({ p: 10, q: 1, capacityUnits: 1 });
    expect(compilePace({ spacingMs: 1000 / 3, burst: 2 }).policy).toEqual({ p: 3, q: 1000, capacityUnits: 2000 });
    expect(compilePace({ spacingMs: 12.5 }).policy).toEqual({ p: 2, q: 25, capacityUnits: 25 });
    expect(compilePace({ count: 6, periodMs: 1000 }).policy).toEqual({ p: 6, q: 1000, capacityUnits: 1000 });
    expect(compilePace({ spacingMs: 50 }).keySuffix).not.toBe(compilePace({ spacingMs: 60 }).keySuffix);
  });

  it.each<[PaceOptions, string]>([
    [{ spacingMs: 0 }, "spacingMs"], [{ spacingMs: Number.NaN }, "spacingMs"], [{ spacingMs: 1e12 }, "spacingMs"], [{ spacingMs: 1e-20 }, "spacingMs"],
    [{ count: 0, periodMs: 1 }, "count"], [{ count: 1.5, periodMs: 1 }, "count"], [{ count: 1, periodMs: 0 }, "periodMs"],
    [{ spacingMs: 1, burst: 0 }, "burst"], [{ spacingMs: 1e10, burst: 1e6 }, "burst"],
  ])("refuses %j, naming %s", (options, option) => {
    expect(() => compilePace(options)).toThrow(expect.objectContaining({ name: "OptionError", option }));
  });
});
