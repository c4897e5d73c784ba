/**
 * Leases on the real server and the wall clock: four OS processes share one limit of 10,000 per second, one of them is killed and the
 * server restarted with its data in the middle. The limit is never passed, not by one, and is used up wherever enough callers come.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LimitPolicy } from "../../src/state/contracts.ts";
import type { LeaseStats } from "../../src/state/lease/leased-decision.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const MAX = 10_000;
const WINDOW_MS = 1000;
/** Unlike each other; without the second, which is killed, still above the limit. */
const RATES = [8000, 6000, 3000, 200];
const RUN_MS = 14_000;
const KILL_AT_MS = 4000;
const RESTART_AT_MS = 8000;
/** Two processes read one wall clock this far apart, in ms. */
const CLOCKS_MS = 1;

let server: RedisServer;
const folder = mkdtempSync(join(tmpdir(), "sluice-redis-lease-"));
beforeAll(async () => {
  // With a save point the server saves when it is told to end, after its last write: a restart loses nothing, and loads at once.
  server = await startRedis(["--save", "3600 1"]);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

interface Report {
  readonly asked: number;
  readonly admitted: number;
  readonly refused: number;
  readonly failed: number;
  /** How many, by what was said. */
  readonly failures: Readonly<Record<string, number>>;
  readonly stats: LeaseStats;
  /** Absent where none was decided at once. */
  readonly medianUs: number | null;
}

interface Audit {
  /** Of each admission: it was decided between the two. In order of `before`. */
  readonly pairs: readonly (readonly [before: number, after: number])[];
  /** Of the processes that lived. */
  readonly reports: readonly Report[];
  /** Windows of the record, as the server showed them: their first instants. */
  readonly starts: readonly number[];
  readonly restartedAt: readonly [number, number];
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function audit(policy: LimitPolicy, rates: readonly number[]): Promise<Audit> {
  const files = rates.map((_, i) => join(folder, `${policy.algorithm}-${i}`));
  const fleet: ChildProcess[] = files.map((file) => fork(fileURLToPath(new URL("redis-lease-process.js", import.meta.url)), [String(server.port), file]));
  const watch = watchWindows();
  try {
    await Promise.all(fleet.map((child) => Promise.race([once(child, "message"), once(child, "exit").then(() => Promise.reject(new Error("a process ended before it began")))])));
    const ends = fleet.map((child) => Promise.race([once(child, "message").then(([report]) => report as Report), once(child, "exit").then(() => undefined)]));
    fleet.forEach((child, i) => child.send({ key: "shared", policy, perSecond: rates[i], forMs: RUN_MS }));
    await pause(KILL_AT_MS);
    fleet[1]?.kill("SIGKILL");
    await pause(RESTART_AT_MS - KILL_AT_MS);
    const from = Date.now();
    await server.restart({ empty: false });
    const restartedAt = [from, Date.now()] as const;
    const reports = (await Promise.all(ends)).filter((report) => report !== undefined);
    return { pairs: files.flatMap(pairsOf).sort(([a], [b]) => a - b), reports, starts: await watch.stop(), restartedAt };
  } finally {
    for (const child of fleet) child.kill("SIGKILL");
    await watch.stop();
  }
}

function pairsOf(file: string): [number, number][] {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  // What a killed process wrote last may be a part.
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length - (bytes.length % 16))));
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] as number, numbers[2 * i + 1] as number]);
}

/** Reads the record of a fixed window again and again: two bytes, then its start as a double. */
function watchWindows(): { stop(): Promise<number[]> } {
  const client = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 20, maxRetriesPerRequest: 0 });
  client.on("error", () => undefined);
  const starts = new Set<number>();
  let going = true;
  const done = (async () => {
    while (going) {
      const record = await client.getBuffer("sluice:rl:shared:fixed-1000").catch(() => null);
      if (record?.length === 26 && record.readDoubleBE(10) > 0) starts.add(record.readDoubleBE(2));
      await pause(20);
    }
    client.disconnect();
  })();
  return {
    async stop() {
      going = false;
      await done;
      return [...starts].sort((a, b) => a - b);
    },
  };
}

/** The most that was certainly admitted in any interval of `lengthMs`: such an interval begins at an admission. */
function mostWithin(pairs: Audit["pairs"], lengthMs: number): number {
  const after = Float64Array.from(pairs, ([, at]) => at).sort();
  let most = 0;
  let ended = 0;
  pairs.forEach(([from], i) => {
    while (ended < after.length && (after[ended] as number) < from + lengthMs) ended++;
    // Those that had ended by then, less those that had begun before: at most what is certainly inside.
    most = Math.max(most, ended - i);
  });
  return most;
}

/** Prints, checks the counts, and gives the round trips per decision. */
function report(name: string, { pairs, reports }: Audit, filled: number): number {
  const [asked, roundTrips] = [reports.reduce((sum, { asked }) => sum + asked, 0), reports.reduce((sum, { stats }) => sum + stats.roundTrips, 0)];
  console.log(`${name}: ${pairs.length} admitted, ${(100 * filled).toFixed(1)} % of the limit where nothing was disturbed; ${(roundTrips / asked).toFixed(4)} round trips per decision; median ${reports.map(({ medianUs }) => medianUs?.toFixed(1)).join(", ")} us; failed ${reports.map(({ failed, failures }) => `${failed} ${JSON.stringify(failures)}`).join(", ")}`);
  expect(reports.length).toBe(RATES.length - 1);
  for (const { stats, admitted, refused, failed, asked: calls } of reports) {
    expect(stats.granted).toBe(stats.spent + stats.returned + stats.expired + stats.held);
    expect(admitted + refused + failed).toBe(calls);
  }
  return roundTrips / asked;
}

/** Whether an interval of the run is away from its beginning, in which the processes are still compiled, its end, the kill and the restart. */
function calm(from: number, to: number, { pairs, restartedAt: [down, up] }: Audit): boolean {
  const [first, last] = [pairs[0]?.[0] as number, pairs.at(-1)?.[0] as number];
  const killed = first + KILL_AT_MS;
  return from >= first + 2 * WINDOW_MS && to <= last && (to < killed || from > killed + WINDOW_MS) && (to < down - 100 || from > up + 2 * WINDOW_MS);
}

it("fixed window: no window has more than the limit, and nearly all of it", async () => {
  const found = await audit({ algorithm: "fixed-window", max: MAX, windowMs: WINDOW_MS }, RATES);
  const sums = found.starts.map((start) => found.pairs.filter(([before, after]) => before >= start + CLOCKS_MS && after < start + WINDOW_MS - CLOCKS_MS).length);
  const whole = sums.filter((_, i) => calm(found.starts[i] as number, (found.starts[i] as number) + WINDOW_MS, found));
  const filled = whole.reduce((a, b) => a + b, 0) / whole.length / MAX;
  console.log(`windows ${sums.join(" ")}`);
  const trips = report("fixed window", found, filled);
  expect(found.starts.length).toBeGreaterThanOrEqual(10);
  for (const sum of sums) expect(sum).toBeLessThanOrEqual(MAX);
  expect(trips).toBeLessThanOrEqual(0.02);
  // A window begins with its first debit, so an interval of its length meets two of them.
  expect(mostWithin(found.pairs, WINDOW_MS - CLOCKS_MS)).toBeLessThanOrEqual(2 * MAX);
  expect(whole.length).toBeGreaterThanOrEqual(4);
  // The middle one: a window in which the machine let no process run says nothing of leases, and the mean is printed.
  expect(whole.toSorted((a, b) => a - b)[whole.length >> 1]).toBeGreaterThan(0.95 * MAX);
});

// A lease of a rolling limit lives for a sub-window, 16 ms, and where the machine stands still for longer its callers are charged one
// by one: a limit of 1,000 per second leaves it the time for that.
it("sliding window: no interval of the window has more than the limit, and nearly all of it", async () => {
  const max = MAX / 10;
  const found = await audit({ algorithm: "sliding-window", max, windowMs: WINDOW_MS }, RATES.map((rate) => rate / 10));
  const first = found.pairs[0]?.[0] as number;
  const whole = Array.from({ length: Math.floor(RUN_MS / WINDOW_MS) }, (_, i) => first + i * WINDOW_MS).filter((from) => calm(from, from + WINDOW_MS, found));
  const filled = whole.reduce((sum, from) => sum + found.pairs.filter(([before]) => before >= from && before < from + WINDOW_MS).length, 0) / whole.length / max;
  report("sliding window", found, filled);
  expect(mostWithin(found.pairs, WINDOW_MS - CLOCKS_MS)).toBeLessThanOrEqual(max);
  expect(whole.length).toBeGreaterThanOrEqual(4);
  // The ring gives 1000/1024 of an ideal log, a debit at the end of its lease 1000/1040.
  expect(filled).toBeGreaterThan(0.85);
});
