import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SlidingWindowState } from "../algorithms/sliding-window.ts";
import type { LimitDecision, LimitTicket } from "../contracts/limits.ts";
import { fixedWindowLimit, slidingWindowLimit, tokenBucketLimit } from "../limit-policy.ts";
import { type LimitLeaseGrant, type LeasedAlgorithm, leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket } from "./lease-command.ts";

const START = 1_700_000_000_000;

/** A record and the clock beside it. */
class Store {
  state: unknown = undefined;
  now = START;
  private readonly algorithm: LeasedAlgorithm;
  private readonly policy: unknown;

  constructor(algorithm: unknown, policy: unknown) {
    this.algorithm = algorithm as LeasedAlgorithm;
    this.policy = policy;
  }

  run(command: object): LimitDecision & LimitLeaseGrant {
    const { state, reply } = this.algorithm.step(this.state, { ...command, policy: this.policy } as never, this.now);
    // As a backend would: through bytes.
    this.state = state === undefined ? undefined : this.algorithm.decode(this.algorithm.encode(state));
    return reply as LimitDecision & LimitLeaseGrant;
  }

  lease(want: number, more: object = {}): LimitLeaseGrant {
    return this.run({ lease: want, divisor: 16, ttlMs: 80, ...more });
  }
}

const kinds = {
  "fixed-window": (max: number) => new Store(leasedFixedWindow, fixedWindowLimit({ max, windowMs: 1000 }).policy),
  "sliding-window": (max: number) => new Store(leasedSlidingWindow, slidingWindowLimit({ max, windowMs: 1000 }).policy),
  "token-bucket": (max: number) => new Store(leasedTokenBucket, tokenBucketLimit({ capacity: max, max, windowMs: 1000 }).policy),
};

describe.each(Object.entries(kinds))("lease command: %s", (name, make) => {
  it("grants the lesser of the wish and the share of what is free, and debits it at once", () => {
    const store = make(160);
    expect(store.lease(4)).toMatchObject({ granted: 4, remaining: 156, limit: 160, retryAfterMs: 0 });
    expect(store.lease(100)).toMatchObject({ granted: 9, remaining: 147 });
    expect(store.run({ cost: 0 }).remaining).toBe(147);
    expect(store.run({ cost: 147 }).allowed).toBe(true);
    expect(store.lease(5).granted).toBe(0);
  });

  it("grants at least what one caller needs, and nothing when that is not free", () => {
    const store = make(16);
    expect(store.lease(1, { least: 7 })).toMatchObject({ granted: 7, remaining: 9 });
    const refused = store.lease(1, { least: 10 });
    expect(refused).toMatchObject({ granted: 0, remaining: 9 });
    expect(refused.retryAfterMs).toBe(store.run({ cost: 10 }).retryAfterMs);
    expect(store.lease(1, { least: 17 }).retryAfterMs).toBeNull();
    expect(store.run({ cost: 9 }).allowed).toBe(true);
  });

  it("grants what callers wait for beyond the share, up to that part of the limit", () => {
    expect(make(1600).lease(1000, { waiting: 60 }).granted).toBe(100);
    const store = make(1600);
    store.run({ cost: 1500 });
    expect(store.lease(1000, { waiting: 60 }).granted).toBe(60);
    expect(store.lease(1000, { waiting: 5000 }).granted).toBe(40);
  });

  it("writes nothing for a refusal", () => {
    const store = make(10);
    store.run({ cost: 10 });
    const algorithm = { "fixed-window": leasedFixedWindow, "sliding-window": leasedSlidingWindow, "token-bucket": leasedTokenBucket }[name] as LeasedAlgorithm;
    const before = store.state;
    const policy = (store as unknown as { policy: unknown }).policy;
    expect(algorithm.step(before, { lease: 3, divisor: 16, ttlMs: 80, policy }, START).state).toBe(before);
  });

  it("takes unspent units back by its ticket, once and in part", () => {
    const store = make(160);
    const { ticket } = store.lease(8) as { ticket: LimitTicket };
    expect(store.run({ refund: ticket, cost: 5 }).remaining).toBe(157);
    expect(store.run({ refund: { ...ticket, era: ticket.era + 1 }, cost: 3 }).remaining).toBe(157);
  });

  it("goes on with the record that unleased callers use", () => {
    const store = make(100);
    store.run({ cost: 90 });
    expect(store.lease(50).granted).toBe(1);
    expect(store.run({ cost: 10 }).allowed).toBe(false);
    expect(store.run({ cost: 9 }).allowed).toBe(true);
  });
});

describe("lease command: lifetimes", () => {
  it("ends with a fixed window", () => {
    const store = kinds["fixed-window"](100);
    expect(store.lease(1).ttlMs).toBe(1000);
    store.now += 700.25;
    expect(store.lease(1).ttlMs).toBe(299.75);
  });

  it("is the one asked for in a bucket, and at most a sub-window in a ring", () => {
    expect(kinds["token-bucket"](100).lease(1).ttlMs).toBe(80);
    expect(kinds["sliding-window"](100).lease(1).ttlMs).toBe(16);
    expect(kinds["sliding-window"](100).lease(1, { ttlMs: 5 }).ttlMs).toBe(5);
  });
});

describe("lease command: the ring", () => {
  it("keeps every debit in the bucket in which its lease ends, in any history with unleased charges, refunds and clock steps", () => {
    const event = fc.record({
      kind: fc.constantFrom("lease", "charge", "refund"), units: fc.integer({ min: 1, max: 12 }), ttlMs: fc.integer({ min: 1, max: 40 }),
      passes: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1500 })),
    });
    fc.assert(fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const policy = slidingWindowLimit({ max: 50, windowMs: 1000 }).policy;
      const store = new Store(leasedSlidingWindow, policy);
      /** The independent model: bucket to units. */
      const model = new Map<number, number>();
      const tickets: { ticket: LimitTicket; units: number }[] = [];
      const add = (bucket: number, units: number): void => void model.set(bucket, (model.get(bucket) ?? 0) + units);
      for (const { kind, units, ttlMs, passes } of events) {
        store.now += passes;
        const index = Math.floor(store.now / 16);
        for (const bucket of model.keys()) if (bucket < index - policy.span) model.delete(bucket);
        const used = [...model.values()].reduce((a, b) => a + b, 0);
        if (kind === "lease") {
          const { granted, ttlMs: lives, ticket } = store.lease(units, { ttlMs, divisor: 1 });
          expect(granted).toBe(used >= 50 ? 0 : Math.min(units, 50 - used));
          if (granted === 0) continue;
          expect(lives).toBe(Math.min(16, ttlMs));
          add(Math.floor((store.now + lives) / 16), granted);
          tickets.push({ ticket: ticket as LimitTicket, units: granted });
        } else if (kind === "charge") {
          const { allowed } = store.run({ cost: units });
          expect(allowed).toBe(used + units <= 50);
          if (allowed) add(index, units);
        } else {
          const back = tickets.pop();
          if (back === undefined) continue;
          const live = model.get(back.ticket.at) ?? 0;
          const before = store.run({ cost: 0 }).remaining;
          const after = store.run({ refund: back.ticket, cost: back.units }).remaining;
          expect(after - before).toBeLessThanOrEqual(back.units);
          if (after > before) model.set(back.ticket.at, live - (after - before));
        }
        const left = [...model.values()].reduce((a, b) => a + b, 0);
        expect(store.run({ cost: 0 }).remaining).toBe(50 - left);
        const ring = store.state as SlidingWindowState | undefined;
        expect((ring?.sum ?? 0) - (ring?.count ?? 0)).toBe((ring?.older ?? []).reduce((sum, value, i) => sum + (i % 2 === 1 ? value : 0), 0));
      }
    }), { numRuns: 500 });
  });
});

it("never grants a window's units that it could not debit", () => {
  for (const [algorithm, limit] of [[leasedFixedWindow, fixedWindowLimit], [leasedSlidingWindow, slidingWindowLimit]] as const) {
    const max = 2 ** 40;
    const store = new Store(algorithm, limit({ max, windowMs: 60_000 }).policy);
    const { granted } = store.lease(2 ** 33, { divisor: 1 });
    expect(granted).toBe(2 ** 31 - 1);
    expect(store.run({ cost: 0 }).remaining).toBe(max - granted);
  }
});
