/**
 * The theorems of the lease, audited: a fleet with clocks of its own, delays and lost messages runs for many virtual
 * seconds, every admission is written down with its true instant, and a sweep looks at every interval.
 */

import { describe, expect, it } from "vitest";
import type { Clock, TimerHandle } from "../../src/core/clock.ts";
import { type ManualClock, manualClock } from "../../src/testing/manual-clock.ts";
import { type ScriptedDriver, scriptedDriver } from "../../src/testing/scripted-driver.ts";
import { type SeededRandom, seededRandom } from "../../src/testing/seeded-random.ts";
import { createCombiner } from "../../src/state/combiner.ts";
import type { Operation, StateDriver } from "../../src/state/contracts/driver.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { LeaseOptions } from "../../src/state/lease/lease-limit.ts";
import type { LeasedDecision } from "../../src/state/lease/leased-decision.ts";
import { createLeasedLimiter } from "../../src/state/lease/create-leased-limiter.ts";
import type { LeasedLimiter } from "../../src/state/lease/leased-limiter.ts";

/** One process: a clock of its own rate and offset, which may be suspended, and a network to the store. */
class Process {
  readonly base: ManualClock;
  readonly rate: number;
  suspended = false;
  /** Whether the monotonic clock stands still while suspended (sleep) or runs on (stop signal). */
  freezes = true;
  private frozenAt = 0;
  private lost = 0;
  private readonly offset: number;
  private readonly onResume: (() => void)[] = [];

  constructor(base: ManualClock, rate: number, offset: number) {
    this.base = base;
    this.rate = rate;
    this.offset = offset;
  }

  readonly clock: Clock = {
    now: () => this.base.now() + this.offset + this.base.monotonic() * (this.rate - 1),
    monotonic: () => ((this.suspended && this.freezes ? this.frozenAt : this.base.monotonic()) - this.lost) * this.rate,
    setTimeout: (callback: () => void, delayMs: number): TimerHandle => this.base.setTimeout(() => this.deliver(callback), delayMs / this.rate),
    clearTimeout: (handle: TimerHandle) => this.base.clearTimeout(handle),
  };

  /** What happens in a suspended process happens when it goes on. */
  deliver(callback: () => void): void {
    if (this.suspended) this.onResume.push(callback);
    else callback();
  }

  suspend(freezes: boolean): void {
    this.freezes = freezes;
    this.frozenAt = this.base.monotonic();
    this.suspended = true;
  }

  resume(): void {
    this.suspended = false;
    if (this.freezes) this.lost += this.base.monotonic() - this.frozenAt;
    for (const callback of this.onResume.splice(0)) callback();
  }
}

interface FleetOptions {
  readonly limit: LimitPolicy;
  readonly lease?: LeaseOptions;
  /** Calls per second, one process each. */
  readonly rates: readonly number[];
  readonly seconds: number;
  readonly seed: number;
  /** One-way delay in ms, and the share of requests and of replies that are lost. */
  readonly delayMs: readonly [min: number, max: number];
  readonly loss: number;
  readonly maxTickMs?: number;
  readonly cost?: (random: SeededRandom) => number;
  readonly disturb?: (fleet: Fleet, second: number) => void;
}

interface Fleet {
  readonly processes: Process[];
  readonly limiters: LeasedLimiter[];
  readonly killed: Set<number>;
  readonly store: ScriptedDriver;
}

interface Audit {
  readonly admitted: { readonly from: number; readonly at: number; readonly cost: number }[];
  /** Starts of the store's fixed windows. */
  readonly windows: number[];
  readonly calls: number;
  readonly roundTrips: number;
}

async function runFleet(options: FleetOptions): Promise<Audit> {
  const random = seededRandom(options.seed);
  const base = manualClock();
  const store = scriptedDriver({ clock: base, answer: "sync" });
  const windows = new Set<number>();
  const processes = options.rates.map((_, i) => new Process(base, 1 + [-0.0009, 0.0009, 0.0005, 0][i % 4]!, [-6000, 6000, 0, 137][i % 4]!));
  const limiters = processes.map((process) => createLeasedLimiter({
    driver: network(process, store, random, options, windows), limit: options.limit, lease: options.lease, clock: process.clock, failMode: "closed",
    combiner: createCombiner(network(process, store, random, options, windows), { clock: process.clock, timeoutMs: 100 + 4 * options.delayMs[1] }),
  }));
  const fleet: Fleet = { processes, limiters, killed: new Set(), store };
  const admitted: { from: number; at: number; cost: number }[] = [];
  let calls = 0;
  const owed = options.rates.map(() => random.next());
  for (let second = 0; base.monotonic() < options.seconds * 1000;) {
    const tickMs = 0.25 + random.next() * (options.maxTickMs ?? 4);
    base.advance(tickMs);
    if (base.monotonic() >= second * 1000) options.disturb?.(fleet, second++);
    for (let i = 0; i < limiters.length; i++) {
      if (processes[i]!.suspended || fleet.killed.has(i)) continue;
      // Bursts: an arrival process twice as uneven as a regular one.
      owed[i]! += 2 * random.next() * tickMs * (options.rates[i]! / 1000);
      for (; owed[i]! >= 1; owed[i]!--) {
        calls++;
        const cost = options.cost?.(random) ?? 1;
        const asked = base.now();
        // What the store charged itself was decided somewhere between question and answer.
        const note = ({ allowed, source }: LeasedDecision): void => {
          if (allowed) admitted.push({ from: source === "store" ? asked : base.now(), at: base.now(), cost });
        };
        const decision = limiters[i]!.check("key", cost);
        if (decision instanceof Promise) decision.then(note, () => {});
        else note(decision);
      }
    }
    for (let turn = 0; turn < 16; turn++) await undefined;
  }
  for (const limiter of limiters) {
    const { granted, spent, returned, expired, held } = limiter.stats();
    expect(granted).toBe(spent + returned + expired + held);
  }
  return { admitted, windows: [...windows].sort((a, b) => a - b), calls, roundTrips: limiters.reduce((sum, limiter) => sum + limiter.stats().roundTrips, 0) };
}

function network(process: Process, store: ScriptedDriver, random: SeededRandom, { delayMs, loss }: FleetOptions, windows: Set<number>): StateDriver {
  const delay = (): number => delayMs[0] + random.next() * (delayMs[1] - delayMs[0]);
  return {
    ...store, name: "store", capabilities: store.capabilities, get: store.get, set: store.set, delete: store.delete, close: async () => {},
    run: (batch: readonly Operation[]) => new Promise((resolve) => {
      if (random.next() < loss) return;
      process.base.setTimeout(() => {
        const replies = store.run(batch) as unknown[][];
        const peek = store.run(batch.map((operation) => ({ ...operation, commands: [{ cost: 0, policy: (operation.commands[0] as { policy: unknown }).policy }] }))) as { resetAt?: number; count?: number }[][];
        for (const [reply] of peek) if (reply?.resetAt !== undefined && (reply.count ?? 0) > 0) windows.add(reply.resetAt);
        (store.batches as unknown[]).length = 0;
        if (random.next() < loss) return;
        process.base.setTimeout(() => process.deliver(() => resolve(replies)), delay());
      }, delay());
    }),
  } as StateDriver;
}

/** Most cost that was certainly admitted in any half-open interval of `lengthMs`: such an interval starts at an admission. */
function worstInterval(admitted: Audit["admitted"], lengthMs: number): number {
  const byFrom = admitted.toSorted((a, b) => a.from - b.from);
  const byAt = admitted.toSorted((a, b) => a.at - b.at);
  let worst = 0;
  let sum = 0;
  let end = 0;
  for (const first of byFrom) {
    while (end < byAt.length && byAt[end]!.at < first.from + lengthMs) sum += byAt[end++]!.cost;
    worst = Math.max(worst, sum);
    sum -= first.cost;
  }
  return worst;
}

/** Highest level of a bucket that leaks `perMs`: the admitted cost of every interval less its refill is at most that. */
function worstLevel(admitted: Audit["admitted"], perMs: number): number {
  let worst = 0;
  let level = 0;
  let last = 0;
  for (const { at, cost } of admitted.toSorted((a, b) => a.at - b.at)) {
    level = Math.max(0, level - (at - last) * perMs) + cost;
    last = at;
    worst = Math.max(worst, level);
  }
  return worst;
}

/** Admissions per window of the store; one outside every window is a breach by itself. */
function perWindow({ admitted, windows }: Audit, windowMs: number): number[] {
  const sums = windows.map(() => 0);
  let outside = 0;
  let index = 0;
  for (const { at, cost } of admitted.toSorted((a, b) => a.at - b.at)) {
    while (index < windows.length && windows[index]! <= at) index++;
    if (index < windows.length && at >= windows[index]! - windowMs) sums[index]! += cost;
    else outside++;
  }
  expect(outside).toBe(0);
  return sums;
}

const total = (audit: Audit): number => audit.admitted.reduce((sum, { cost }) => sum + cost, 0);
const RATES = [800, 300, 100, 20];
const CALM = { delayMs: [0.2, 1.5], loss: 0 } as const;
const ROUGH = { delayMs: [0.2, 6], loss: 0.02 } as const;

/** The audit over a share of its 600 virtual seconds; 20 s are a full round of suspensions, so the share of 120 s should be a multiple of it. */
export function auditLeases(share: number): void {
  describe("lease audit: fixed window", () => {
    const limit = { algorithm: "fixed-window", max: 1000, windowMs: 1000 } as const;

    it("never admits more than the limit in a window, and nearly all of it", async () => {
      const audit = await runFleet({ limit, rates: RATES, seconds: 600 * share, seed: 1, ...CALM });
      const windows = perWindow(audit, 1000);
      expect(Math.max(...windows)).toBeLessThanOrEqual(1000);
      const whole = windows.slice(0, -1);
      expect(Math.min(...whole)).toBeGreaterThanOrEqual(1000 - 4 * Math.ceil(1000 / 16));
      expect(whole.reduce((a, b) => a + b) / whole.length).toBeGreaterThanOrEqual(990);
    });

    it("holds with lost messages, delays, killed and suspended processes, for small limits too", async () => {
      for (const max of [20, 100, 1000]) {
        const audit = await runFleet({
          limit: { ...limit, max }, rates: RATES, seconds: 120 * share, seed: max, ...ROUGH,
          disturb(fleet, second) {
            if (second % 10 === 3) fleet.processes[0]!.suspend(second % 20 === 3);
            if (second % 10 === 6) fleet.processes[0]!.resume();
            if (second === Math.round(60 * share)) fleet.killed.add(1);
          },
        });
        expect(Math.max(...perWindow(audit, 1000))).toBeLessThanOrEqual(max);
        expect(total(audit)).toBeGreaterThan(0);
      }
    });

    it("needs few round trips at high rates", async () => {
      const audit = await runFleet({ limit: { ...limit, max: 10_000 }, rates: [8000, 3000, 1000], seconds: 20, seed: 5, ...CALM, maxTickMs: 1 });
      expect(Math.max(...perWindow(audit, 1000))).toBeLessThanOrEqual(10_000);
      expect(total(audit)).toBeGreaterThanOrEqual(0.99 * 10_000 * 19);
      expect(audit.roundTrips / audit.calls).toBeLessThanOrEqual(0.03);
    });
  });

  describe("lease audit: sliding window", () => {
    const limit = { algorithm: "sliding-window", max: 1000, windowMs: 1000 } as const;

    it("never admits more than the limit in any interval of the window, and nearly what an unleased ring would", async () => {
      const audit = await runFleet({ limit, rates: RATES, seconds: 600 * share, seed: 2, ...CALM });
      expect(worstInterval(audit.admitted, 1000)).toBeLessThanOrEqual(1000);
      // The ring gives 1000/1024 of an ideal log, a debit at the end of its lease 1000/1040; the rest is what holders do not spend.
      expect(total(audit)).toBeGreaterThanOrEqual(0.95 * 600 * share * 1000);
    });

    it("holds with lost messages, delays, killed and suspended processes, for small limits too", async () => {
      for (const max of [20, 100, 1000]) {
        const audit = await runFleet({
          limit: { ...limit, max }, rates: RATES, seconds: 120 * share, seed: max, ...ROUGH,
          disturb(fleet, second) {
            if (second % 10 === 3) fleet.processes[0]!.suspend(second % 20 === 3);
            if (second % 10 === 6) fleet.processes[0]!.resume();
            if (second === Math.round(60 * share)) fleet.killed.add(1);
          },
        });
        expect(worstInterval(audit.admitted, 1000)).toBeLessThanOrEqual(max);
        expect(total(audit)).toBeGreaterThan(0.5 * 60 * share * max);
      }
    });

    it.each([[10, 20, 0.9], [35, 60, 0.9], [100, 200, 0.7]] as const)("holds, and still admits, when the store is farther away than a lease lives: %i to %i ms, at least %f of the limit", async (from, to, part) => {
      const audit = await runFleet({ limit, rates: RATES, seconds: 60, seed: 9, delayMs: [from, to], loss: 0 });
      expect(worstInterval(audit.admitted, 1000)).toBeLessThanOrEqual(1000);
      expect(total(audit)).toBeGreaterThan(part * 60 * 1000);
    });
  });

  describe("lease audit: token bucket", () => {
    const limit = { algorithm: "token-bucket", capacity: 300, max: 1000, windowMs: 1000 } as const;

    it("never admits more than the burst and the refill of any interval, and nearly all of the refill", async () => {
      const audit = await runFleet({ limit, rates: RATES, seconds: 600 * share, seed: 3, ...CALM });
      // In finer time than whole ms: the refill of one ms more.
      expect(worstLevel(audit.admitted, 1)).toBeLessThanOrEqual(300 + 1);
      expect(total(audit)).toBeGreaterThanOrEqual(0.97 * 600 * share * 1000);
    });

    it("holds with costs, lost messages, delays, killed and suspended processes", async () => {
      const audit = await runFleet({
        limit, rates: RATES, seconds: 200 * share, seed: 4, ...ROUGH, cost: (random) => random.integer(1, 3),
        disturb(fleet, second) {
          if (second % 10 === 3) fleet.processes[0]!.suspend(second % 20 === 3);
          if (second % 10 === 6) fleet.processes[0]!.resume();
          if (second === Math.round(100 * share)) fleet.killed.add(1);
        },
      });
      expect(worstLevel(audit.admitted, 1)).toBeLessThanOrEqual(300 + 1);
      expect(total(audit)).toBeGreaterThan(0.5 * 200 * share * 1000);
    });
  });
}
