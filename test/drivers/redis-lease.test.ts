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
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { LeaseStats } from "../../src/state/lease/leased-decision.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const MAX = 10_000;
const WINDOW_MS = 1000;
/** Unlike each other; without the second, which is killed, still above the limit. */
const RATES = [9000, 6000, 4000, 200];
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
  /** How many had come, and when, turn by turn. */
  readonly arrivals: readonly (readonly [at: number, asked: number])[];
  /** How many, by what was said. */
  readonly failures: Readonly<Record<string, number>>;
  readonly stats: LeaseStats;
  /** Absent where none was decided at once. */
  readonly medianUs: number | null;
}

type Admission = readonly [before: number, after: number, wholeAt: number];

interface Audit {
  /** Of each admission: it was decided between the first two, and the limit was to be whole again at the third. In order of `before`. */
  readonly pairs: readonly Admission[];
  /** Of the processes that lived. */
  readonly reports: readonly Report[];
  /** Windows of the record, as the server showed them: their first instants. */
  readonly starts: readonly number[];
  readonly restartedAt: readonly [number, number];
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function audit(policy: LimitPolicy, rates: readonly number[]): Promise<Audit> {
  const files = rates.map((_, i) => join(folder, `${policy.algorithm}-${policy.max}-${i}`));
  const fleet: ChildProcess[] = files.map((file) => fork(fileURLToPath(new URL("redis-lease-process.js", import.meta.url)), [String(server.port), file]));
  const watch = watchWindows();
  try {
    await Promise.all(fleet.map((child) => Promise.race([once(child, "message"), once(child, "exit").then(() => Promise.reject(new Error("a process ended before it began")))])));
    const ends = fleet.map((child) => Promise.race([once(child, "message").then(([report]) => report as Report), once(child, "exit").then(() => undefined)]));
    fleet.forEach((child, i) => child.send({ key: policy.algorithm === "fixed-window" ? "shared" : `shared-${policy.max}`, policy, perSecond: rates[i], forMs: RUN_MS }));
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

function pairsOf(file: string): Admission[] {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  // What a killed process wrote last may be a part.
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length - (bytes.length % 24))));
  return Array.from({ length: numbers.length / 3 }, (_, i) => [numbers[3 * i] as number, numbers[3 * i + 1] as number, numbers[3 * i + 2] as number]);
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

interface Window {
  readonly end: number;
  /** Admissions that were debited in it, each told when it ends. */
  readonly admitted: number;
}

/** Every admission in the window that it was debited in. Ends are told to the millisecond, and lie a window apart. */
function windowsOf({ pairs }: Audit): Window[] {
  const ends = pairs.map(([, , wholeAt]) => wholeAt).sort((a, b) => a - b);
  const windows: { end: number; admitted: number }[] = [];
  for (const end of ends) {
    const last = windows.at(-1);
    if (last === undefined || end > last.end + WINDOW_MS / 2) windows.push({ end, admitted: 1 });
    else last.admitted++;
  }
  return windows;
}

/** How many certainly came between two instants, of the processes that lived. */
function cameBetween({ reports }: Audit, from: number, to: number): number {
  return reports.reduce((sum, { arrivals }) => {
    const inside = arrivals.filter(([at]) => at >= from && at <= to);
    return inside.length < 2 ? sum : sum + (inside.at(-1) as readonly number[])[1]! - (inside[0] as readonly number[])[1]!;
  }, 0);
}

/** Whether an interval of the run is away from its beginning, in which the processes are still compiled, its end, the kill and the restart. */
function calm(from: number, to: number, { pairs, restartedAt: [down, up] }: Audit): boolean {
  const [first, last] = [pairs[0]?.[0] as number, pairs.at(-1)?.[0] as number];
  const killed = first + KILL_AT_MS;
  return from >= first + 2 * WINDOW_MS && to <= last && (to < killed || from > killed + WINDOW_MS) && (to < down - 100 || from > up + 2 * WINDOW_MS);
}

it("fixed window: every window has the limit, not one more, and all but a hundredth of it wherever enough callers came", async () => {
  const found = await audit({ algorithm: "fixed-window", max: MAX, windowMs: WINDOW_MS }, RATES);
  const windows = windowsOf(found);
  const whole = windows.filter(({ end }) => calm(end - WINDOW_MS, end, found));
  const judged = whole.filter(({ end }) => cameBetween(found, end - WINDOW_MS + CLOCKS_MS, end - WINDOW_MS / 10) >= 1.1 * MAX);
  console.log(`windows ${windows.map(({ admitted }) => admitted).join(" ")}; of ${whole.length} calm ones ${judged.length} with enough callers: ${judged.map(({ admitted }) => admitted).join(" ")}`);
  const trips = report("fixed window", found, judged.reduce((sum, { admitted }) => sum + admitted, 0) / judged.length / MAX);
  expect(windows.length).toBeGreaterThanOrEqual(10);
  for (const { admitted } of windows) expect(admitted).toBeLessThanOrEqual(MAX);
  // What the processes were told, beside what the server showed: by its windows nobody was admitted too much either.
  expect(found.starts.length).toBeGreaterThanOrEqual(10);
  for (const start of found.starts) expect(found.pairs.filter(([before, after]) => before >= start + CLOCKS_MS && after < start + WINDOW_MS - CLOCKS_MS).length).toBeLessThanOrEqual(MAX);
  expect(trips).toBeLessThanOrEqual(0.02);
  // A window begins with its first debit, so an interval of its length meets two of them.
  expect(mostWithin(found.pairs, WINDOW_MS - CLOCKS_MS)).toBeLessThanOrEqual(2 * MAX);
  expect(judged.length).toBeGreaterThanOrEqual(4);
  for (const { admitted } of judged) expect(admitted).toBeGreaterThanOrEqual(0.99 * MAX);
});

// A lease of a rolling limit lives for a sub-window: 63 ms of 16 in a second, 16 ms of 64. Where the machine stands still for longer its
// callers are charged one by one, for which a limit of 1,000 per second leaves it the time.
it.each([
  // The ring gives 1000/1071 of an ideal log, a debit at the end of its lease 1000/1134.
  ["10,000 per second, 16 sub-windows", { max: MAX, buckets: 16 }, 0.8, 0.02],
  // 1000/1024, and 1000/1040.
  ["1,000 per second, 64 sub-windows", { max: MAX / 10 }, 0.85, 1],
] as const)("sliding window of %s: no interval of the window has more than the limit, and nearly all of it", async (name, limit, least, mostTrips) => {
  const { max } = limit;
  const found = await audit({ algorithm: "sliding-window", windowMs: WINDOW_MS, ...limit }, RATES.map((rate) => (rate * max) / MAX));
  const first = found.pairs[0]?.[0] as number;
  const whole = Array.from({ length: Math.floor(RUN_MS / WINDOW_MS) }, (_, i) => first + i * WINDOW_MS).filter((from) => calm(from, from + WINDOW_MS, found));
  const filled = whole.reduce((sum, from) => sum + found.pairs.filter(([before]) => before >= from && before < from + WINDOW_MS).length, 0) / whole.length / max;
  const trips = report(`sliding window of ${name}`, found, filled);
  expect(mostWithin(found.pairs, WINDOW_MS - CLOCKS_MS)).toBeLessThanOrEqual(max);
  expect(trips).toBeLessThanOrEqual(mostTrips);
  expect(whole.length).toBeGreaterThanOrEqual(4);
  expect(filled).toBeGreaterThan(least);
});
