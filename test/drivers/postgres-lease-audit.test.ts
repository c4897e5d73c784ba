/**
 * Leases over four OS processes on a real Postgres and the real clock: whatever one of them does, a limit is never passed in any
 * interval, also while a process is killed, another one stands still, and the server is restarted.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

/** Very unlike each other, together well above the limit. */
const RATES = [3000, 1200, 400, 50];
const RUN_MS = 7000;
/**
 * A lease is spent within 4 of these, or within a bucket of a sliding window, counted from before it was asked for. What a busy machine
 * takes for a round trip must be well within, or most of what is debited is dead on arrival: never too much, but next to nothing.
 */
const TARGET_MS = 100;
/** Two processes read the wall clock this far apart, in ms. */
const CLOCKS_MS = 2;

let server: PostgresServer;
const folder = mkdtempSync(join(tmpdir(), "sluice-lease-audit-"));
beforeAll(async () => {
  server = await startPostgres();
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(POSTGRES_SCHEMA_SQL);
  await admin.end();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Audit {
  /** Sorted apart: each admission was decided between the two. */
  readonly before: Float64Array;
  readonly after: Float64Array;
}

function auditOf(files: readonly string[]): Audit {
  const lines = files.filter((file) => existsSync(file)).flatMap((file) => readFileSync(file, "utf8").split("\n")).filter((line) => /^\d\S* \d\S*$/.test(line));
  const pairs = lines.map((line) => line.split(" ").map(Number) as [number, number]);
  return { before: Float64Array.from(pairs, ([at]) => at).sort(), after: Float64Array.from(pairs, ([, at]) => at).sort() };
}

/** How many of `sorted` are below `value`. */
function below(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The most that was certainly admitted within any interval of `lengthMs`: such an interval begins at an admission. */
function mostWithin({ before, after }: Audit, lengthMs: number): number {
  let most = 0;
  for (const from of before) most = Math.max(most, below(after, from + lengthMs - CLOCKS_MS) - below(before, from));
  return most;
}

const limits: [string, LimitPolicy, (audit: Audit) => void][] = [
  ["sliding window", { algorithm: "sliding-window", max: 1000, windowMs: 1000, buckets: 16 }, (audit) => expect(mostWithin(audit, 1000)).toBeLessThanOrEqual(1000)],
  ["small sliding window", { algorithm: "sliding-window", max: 40, windowMs: 1000, buckets: 64 }, (audit) => expect(mostWithin(audit, 1000)).toBeLessThanOrEqual(40)],
  ["token bucket", { algorithm: "token-bucket", capacity: 1000, max: 1000, windowMs: 1000 }, (audit) => {
    for (const ms of [50, 200, 1000, 3000]) expect(mostWithin(audit, ms), `in ${ms} ms`).toBeLessThanOrEqual(1000 + ms);
  }],
  // A window begins with its first debit, wherever that is: an interval of its length meets two of them.
  ["fixed window", { algorithm: "fixed-window", max: 1000, windowMs: 1000 }, (audit) => {
    expect(mostWithin(audit, 1000)).toBeLessThanOrEqual(2000);
    expect(mostWithin(audit, 3000)).toBeLessThanOrEqual(4000);
  }],
];

it.each(limits)("%s: never above the limit, with a process killed, one stopped and the server restarted", async (name, policy, check) => {
  const files = RATES.map((_, i) => join(folder, `${name}-${i}`));
  const fleet: ChildProcess[] = RATES.map(() => fork(fileURLToPath(new URL("fleet-process.js", import.meta.url)), ["postgres", server.url, JSON.stringify({ lease: { targetMs: TARGET_MS } })]));
  try {
    await Promise.all(fleet.map((child) => once(child, "message")));
    const ends = fleet.map((child) => Promise.race([once(child, "message"), once(child, "exit")]));
    fleet.forEach((child, i) => child.send({ task: "arrive", key: name, policy, perSecond: RATES[i], forMs: RUN_MS, file: files[i] }));
    await pause(1500);
    fleet[1]?.kill("SIGKILL");
    await pause(500);
    fleet[2]?.kill("SIGSTOP");
    await pause(1300);
    fleet[2]?.kill("SIGCONT");
    await pause(500);
    await server.restart();
    await Promise.all(ends);
  } finally {
    for (const child of fleet) child.kill("SIGKILL");
  }
  const audit = auditOf(files);
  check(audit);
  // A limiter that admits nothing would pass, too. The server is away for a part of the time, and two processes are.
  expect(audit.before.length).toBeGreaterThan((policy.max * RUN_MS) / 1000 / 3);
});
