/**
 * A model of writing ahead: random histories of charges, leases, refunds and pauses on one object, with crashes and evictions at
 * random points, beside the same history on the pure algorithm, which forgets nothing. Whatever happens, the object never
 * has more left than the algorithm: no count is given back.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../core/clock.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { LimitDecision, LimitPolicy, LimitTicket } from "../../../state/contracts/limits.ts";
import { leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket, type LimitLeaseGrant } from "../../../state/lease/lease-command.ts";
import { compileLimit } from "../../../state/limit-policy.ts";
import { manualClock } from "../../../testing/manual-clock.ts";
import { Alarm } from "./alarm.ts";
import { ObjectRecords } from "./records.ts";
import { Registry, limitAlgorithms } from "./registry.ts";
import type { RecordStorage } from "./storage.ts";

/** What outlives a crash. A write is there at once, as SQLite's is: the output gate holds back whatever was said before it was. */
function storage(): RecordStorage & { writes: number } {
  const records = new Map<string, Uint8Array>();
  return {
    maxRecordBytes: 2_000_000,
    writes: 0,
    read: (keys) => keys.map((key) => records.get(key)?.slice()),
    write(key, bytes) {
      this.writes++;
      records.set(key, bytes.slice());
    },
    delete: (key) => records.delete(key),
    sweep: () => ({ next: undefined, empty: false }),
    forget: () => records.clear(),
  };
}

const leased: Record<string, Algorithm> = { "fixed-window": leasedFixedWindow as Algorithm, "sliding-window": leasedSlidingWindow as Algorithm, "token-bucket": leasedTokenBucket as Algorithm };

/** An object, and the pure algorithm beside it. */
class Pair {
  readonly clock = manualClock({ now: 1_800_000_000_000 });
  readonly storage = storage();
  readonly algorithm: Algorithm;
  readonly policy: object;
  readonly tickets: LimitTicket[] = [];
  life: { over: boolean } = { over: false };
  records: ObjectRecords;
  state: unknown;
  admitted = 0;

  constructor(limit: LimitPolicy) {
    const { algorithm, policy } = compileLimit(limit);
    this.algorithm = leased[algorithm.name] as Algorithm;
    this.policy = policy as object;
    this.records = this.awake();
  }

  awake(): ObjectRecords {
    const life = (this.life = { over: false });
    // Timers end with the object that set them.
    const clock: Clock = {
      now: () => this.clock.now(),
      monotonic: () => this.clock.monotonic(),
      setTimeout: (callback, delayMs) => this.clock.setTimeout(() => void (life.over || callback()), delayMs),
      clearTimeout: (handle) => this.clock.clearTimeout(handle),
    };
    const alarm = new Alarm({ setAlarm: async () => undefined } as never, 1000);
    return new ObjectRecords({ storage: this.storage, registry: new Registry("Test", limitAlgorithms), alarm, clock });
  }

  /** Memory is gone, whatever was dirty in it. */
  crash(): void {
    this.life.over = true;
    this.records = this.awake();
  }

  object<R>(command: object): R {
    const { name, version } = this.algorithm;
    const [reply] = this.records.run([{ algorithm: { name, version }, key: "k", commands: [command] }]) as { replies: R[]; error?: { message: string } }[];
    if (reply?.replies === undefined) throw new Error(reply?.error?.message);
    return reply.replies[0] as R;
  }

  model<R>(command: object): R {
    const step = this.algorithm.step(this.state, command, this.clock.now());
    this.state = step.expiresAt !== undefined && step.expiresAt <= this.clock.now() ? undefined : step.state;
    return step.reply as R;
  }

  charge(cost: number): void {
    const { policy } = this;
    const decision = this.object<LimitDecision>({ cost, policy, ticket: true });
    if (!decision.allowed) return;
    if (decision.ticket !== undefined) this.tickets.push(decision.ticket);
    this.admitted += cost;
    // What the object admits the algorithm admits, too.
    expect(this.model<LimitDecision>({ cost, policy, ticket: true }).allowed).toBe(true);
  }

  lease(want: number, ttlMs: number): void {
    const { policy } = this;
    const { granted, ticket } = this.object<LimitLeaseGrant>({ lease: want, divisor: 4, ttlMs, policy });
    if (granted === 0) return;
    if (ticket !== undefined) this.tickets.push(ticket);
    this.admitted += granted;
    expect(this.model<LimitLeaseGrant>({ lease: granted, least: granted, divisor: 1, ttlMs, policy }).granted).toBe(granted);
  }

  refund(at: number): void {
    const [ticket] = this.tickets.splice(at % Math.max(1, this.tickets.length), 1);
    if (ticket === undefined) return;
    for (const run of [(command: object) => this.object(command), (command: object) => this.model(command)]) run({ refund: ticket, cost: 1, policy: this.policy });
  }

  compare(): void {
    const peek = { cost: 0, policy: this.policy };
    const [object, model] = [this.object<LimitDecision>(peek), this.model<LimitDecision>(peek)];
    expect(object.remaining, "what the object has left").toBeLessThanOrEqual(model.remaining);
  }
}

type Move = { readonly kind: "charge" | "lease" | "refund" | "pass" | "crash" | "burst"; readonly n: number; readonly ms: number };

const moves = fc.array(
  fc.record({
    kind: fc.constantFrom<Move["kind"]>("charge", "charge", "charge", "burst", "lease", "lease", "refund", "pass", "pass", "pass", "crash", "crash"),
    n: fc.integer({ min: 1, max: 40 }),
    ms: fc.oneof({ weight: 2, arbitrary: fc.integer({ min: 0, max: 30 }) }, { weight: 4, arbitrary: fc.integer({ min: 0, max: 400 }) }, fc.integer({ min: 0, max: 1500 }), fc.integer({ min: 0, max: 40_000 })),
  }),
  { minLength: 20, maxLength: 120 },
);

const limits: readonly LimitPolicy[] = [
  { algorithm: "fixed-window", max: 500, windowMs: 10_000 },
  { algorithm: "sliding-window", max: 500, windowMs: 10_000, buckets: 64 } as LimitPolicy,
  { algorithm: "sliding-window", max: 5000, windowMs: 600_000, buckets: 64 } as LimitPolicy,
  { algorithm: "token-bucket", capacity: 300, max: 50, windowMs: 1000 },
  { algorithm: "token-bucket", capacity: 40, max: 7, windowMs: 60_000 },
];

function play(pair: Pair, { kind, n, ms }: Move): void {
  if (kind === "charge") pair.charge(n % 5);
  else if (kind === "burst") for (let i = 0; i < n; i++) pair.charge(1);
  else if (kind === "lease") pair.lease(n, 80);
  else if (kind === "refund") pair.refund(n);
  else if (kind === "pass") pair.clock.advance(ms);
  else pair.crash();
}

describe.each(limits.map((limit) => [`${limit.algorithm} of ${limit.windowMs} ms`, limit] as const))("%s", (_, limit) => {
  it("never has more left than the algorithm that forgets nothing", () => {
    fc.assert(
      fc.property(moves, (history) => {
        const pair = new Pair(limit);
        for (const move of history) {
          play(pair, move);
          pair.compare();
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("what the units ahead have to cover", () => {
  const bucket = (capacity: number): Pair => {
    const pair = new Pair({ algorithm: "token-bucket", capacity, max: 100, windowMs: 1000 });
    // The second charge within a second writes ahead, a sixteenth of what is free.
    pair.charge(1);
    pair.clock.advance(1);
    pair.charge(1);
    return pair;
  };

  it("is what drains from a bucket while they wait", () => {
    const pair = bucket(1600);
    pair.clock.advance(900);
    const { writes } = pair.storage;
    for (let i = 0; i < 90; i++) pair.charge(1);
    expect(pair.storage.writes).toBe(writes);
    pair.crash();
    pair.compare();
  });

  it("is nothing once they are dead", () => {
    const pair = bucket(160);
    pair.clock.advance(500);
    for (let i = 0; i < 9; i++) pair.charge(1);
    pair.crash();
    pair.compare();
  });

  it("is a lease of a sliding window to its end", () => {
    for (let offset = 0; offset < 157; offset += 12) {
      for (let wait = 60; wait < 157; wait += 16) {
        const pair = new Pair({ algorithm: "sliding-window", max: 500, windowMs: 10_000, buckets: 64 } as LimitPolicy);
        pair.clock.advance(offset);
        // Units ahead double with every write.
        for (const cost of [1, 1, 2, 4, 8, 16]) pair.charge(cost);
        pair.clock.advance(wait);
        pair.lease(5, 80);
        pair.crash();
        pair.clock.advance(9700);
        for (let ms = 0; ms < 900; ms += 13) {
          pair.clock.advance(13);
          pair.compare();
        }
      }
    }
  });
});

it("needs few writes for many leases, and gives none of them back", () => {
  const pair = new Pair({ algorithm: "token-bucket", capacity: 1_000_000, max: 1_000_000, windowMs: 1000 });
  for (let i = 0; i < 1000; i++) {
    pair.lease(100, 80);
    if (i % 5 === 0) pair.clock.advance(1);
    if (i % 97 === 96) pair.crash();
    pair.compare();
  }
  expect(pair.admitted).toBe(100_000);
  expect(pair.storage.writes).toBeLessThan(400);
});
