/**
 * Leases on the real server: four OS processes and a wall clock, one of them killed and the server restarted with its data in the
 * middle. What was admitted is never above the limit: per window for fixed windows, in every interval for rolling ones.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LimitPolicy } from "../../src/state/contracts.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const RATES = [8000, 3000, 1000, 200];
const WINDOW_MS = 1000;
const AUDIT_MS = 9000;

let server: RedisServer;
const fleet: ChildProcess[] = [];
beforeAll(async () => {
  // Every write is on disk before it is answered: a restart loses nothing.
  server = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
});
afterAll(async () => {
  for (const child of fleet) child.kill("SIGKILL");
  await server.stop();
});

interface Audit {
  readonly byMs: [number, number][];
  readonly byEnd: [number, number][];
  readonly asked: number;
  readonly failed: number;
  readonly roundTrips: number;
  readonly medianUs: number;
}

async function start(count: number): Promise<ChildProcess[]> {
  const children = Array.from({ length: count }, () => fork(fileURLToPath(new URL("redis-lease-process.js", import.meta.url)), [String(server.port)]));
  fleet.push(...children);
  await Promise.all(children.map((child) => once(child, "message")));
  return children;
}

async function audit(policy: LimitPolicy, disturb: (children: ChildProcess[]) => Promise<void>): Promise<Audit[]> {
  const children = await start(RATES.length);
  const untilAt = Date.now() + AUDIT_MS;
  const reports = children.map((child) => Promise.race([once(child, "message").then(([report]) => report as Audit), once(child, "exit").then(() => undefined)]));
  for (const [i, child] of children.entries()) child.send({ key: policy.algorithm, policy, perSecond: RATES[i], untilAt });
  await disturb(children);
  const done = (await Promise.all(reports)).filter((report) => report !== undefined);
  for (const child of children) child.kill("SIGKILL");
  return done;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function merged(audits: readonly Audit[], of: "byMs" | "byEnd"): [number, number][] {
  const all = new Map<number, number>();
  for (const audit of audits) for (const [at, count] of audit[of]) all.set(at, (all.get(at) ?? 0) + count);
  return [...all].sort(([a], [b]) => a - b);
}

/** Sums of admissions whose windows end at the same instant, give or take what reading two clocks takes. */
function windows(ends: readonly [number, number][]): number[] {
  const sums: number[] = [];
  let last = -Infinity;
  for (const [end, count] of ends) {
    if (end - last > WINDOW_MS / 2) sums.push(0);
    sums[sums.length - 1] = (sums.at(-1) as number) + count;
    last = end;
  }
  return sums;
}

/** The most in any interval of a window's length that begins at an admission. */
function busiest(instants: readonly [number, number][]): number {
  let [most, sum, from] = [0, 0, 0];
  for (const [at, count] of instants) {
    sum += count;
    while ((instants[from] as [number, number])[0] <= at - WINDOW_MS) sum -= (instants[from++] as [number, number])[1];
    most = Math.max(most, sum);
  }
  return most;
}

it("fixed window of 10,000/s: four processes, never above it in any window, at a hundredth of a round trip per decision", async () => {
  const max = 10_000;
  const audits = await audit({ algorithm: "fixed-window", max, windowMs: WINDOW_MS }, async () => undefined);
  const sums = windows(merged(audits, "byEnd"));
  const whole = sums.slice(1, -1);
  const [asked, roundTrips] = [audits.reduce((sum, a) => sum + a.asked, 0), audits.reduce((sum, a) => sum + a.roundTrips, 0)];
  console.log(`windows ${sums.join(" ")}; ${(roundTrips / asked).toFixed(4)} round trips per decision; medians ${audits.map(({ medianUs }) => medianUs?.toFixed(1)).join(" ")} us`);
  expect(whole.length).toBeGreaterThan(4);
  for (const sum of sums) expect(sum).toBeLessThanOrEqual(max);
  expect(roundTrips / asked).toBeLessThan(0.03);
  expect(whole.reduce((a, b) => a + b, 0) / whole.length, "and nearly all of it").toBeGreaterThan(0.9 * max);
});

it.each<[string, LimitPolicy]>([
  ["fixed window", { algorithm: "fixed-window", max: 1000, windowMs: WINDOW_MS }],
  ["sliding window", { algorithm: "sliding-window", max: 2000, windowMs: WINDOW_MS }],
])("%s: a process killed, and the server restarted with its data in the middle", async (_, policy) => {
  const audits = await audit(policy, async ([first]) => {
    await pause(2500);
    first?.kill("SIGKILL");
    await pause(1500);
    await server.restart({ empty: false });
  });
  expect(audits.length).toBe(RATES.length - 1);
  const [sums, most] = [windows(merged(audits, "byEnd")), busiest(merged(audits, "byMs"))];
  console.log(`windows ${sums.join(" ")}; most in any interval ${most}; failed ${audits.map(({ failed }) => failed).join(" ")}`);
  if (policy.algorithm === "fixed-window") for (const sum of sums) expect(sum).toBeLessThanOrEqual(policy.max as number);
  else expect(most).toBeLessThanOrEqual(policy.max as number);
  expect(audits.reduce((sum, { byMs }) => sum + byMs.reduce((a, [, count]) => a + count, 0), 0)).toBeGreaterThan(3 * (policy.max as number));
});
