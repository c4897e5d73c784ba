/** A fleet of OS processes on one Postgres: what they were given is what some serial order gives. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { CircuitPolicy } from "../../src/state/contracts/circuits.ts";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { until } from "../servers/process.ts";

const PROCESSES = 8;
const DECISIONS = 50_000;
const KEYS = ["a", "b", "c"];

let server: PostgresServer;
let admin: pg.Client;
const fleet: ChildProcess[] = [];

beforeAll(async () => {
  server = await startPostgres();
  admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(POSTGRES_SCHEMA_SQL);
  // What is asserted is what was decided, not when: a machine with other work to do is no lost store.
  const options = JSON.stringify({ combiner: { timeoutMs: 60_000 } });
  for (let i = 0; i < PROCESSES; i++) fleet.push(fork(fileURLToPath(new URL("fleet-process.js", import.meta.url)), ["postgres", server.url, options]));
  await Promise.all(fleet.map((child) => once(child, "message")));
});
afterAll(async () => {
  for (const child of fleet) child.kill("SIGKILL");
  await admin.end();
  await server.stop();
});

async function all<T>(task: object): Promise<T[]> {
  const results = fleet.map((child) => Promise.race([once(child, "message"), once(child, "exit").then(([code]) => Promise.reject(new Error(`a process of the fleet ended with ${code}`)))]));
  for (const child of fleet) child.send(task);
  return (await Promise.all(results)).map(([{ result }]) => result as T);
}

/** Epoch ms of the server. */
async function serverNow(): Promise<number> {
  const { rows } = await admin.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now");
  return rows[0].now as number;
}

const totals = (results: readonly number[][]): number[] => KEYS.map((_, at) => results.reduce((sum, result) => sum + (result[at] as number), 0));

it(`${PROCESSES} x ${DECISIONS} counts on ${KEYS.length} keys: 1 to N, each once`, async () => {
  const results = await all<number[][]>({ task: "increment", keys: KEYS, count: DECISIONS, callers: 256 });
  for (const at of KEYS.keys()) {
    const counts = results.flatMap((result) => result[at] as number[]).sort((a, b) => a - b);
    expect(counts.length).toBeGreaterThan((PROCESSES * DECISIONS) / KEYS.length - PROCESSES);
    expect(counts.findIndex((count, i) => count !== i + 1)).toBe(-1);
  }
});

const limits: [string, LimitPolicy, number][] = [
  ["fixed-window", { algorithm: "fixed-window", max: 10_007, windowMs: 600_000 }, 1],
  ["sliding-window ring", { algorithm: "sliding-window", max: 10_007, windowMs: 600_000 }, 1],
  ["sliding-window log", { algorithm: "sliding-window", max: 31, windowMs: 600_000 }, 1],
  ["sliding-window ring, cost 3", { algorithm: "sliding-window", max: 10_007, windowMs: 600_000 }, 3],
];

it.each(limits)("%s: exactly the limit", async (name, policy, cost) => {
  const keys = KEYS.map((key) => `${name}:${key}`);
  expect(totals(await all({ task: "check", keys, count: DECISIONS, callers: 256, policy, cost }))).toEqual(KEYS.map(() => Math.floor(policy.max / cost)));
});

it("token bucket: what it held and what came in meanwhile by the server's clock, no token more and none lost", async () => {
  const policy: LimitPolicy = { algorithm: "token-bucket", capacity: 1000, max: 7001, windowMs: 1000 };
  const keys = KEYS.map((key) => `bucket:${key}`);
  const began = await serverNow();
  const admitted = totals(await all({ task: "check", keys, count: DECISIONS, callers: 256, policy, cost: 1 }));
  const elapsed = (await serverNow()) - began;
  for (const count of admitted) expect(count).toBeLessThanOrEqual(1000 + 7.001 * elapsed + 1);
  // The buckets are found empty all the time, so the fleet gets all of it, save what came in before the first call and after the last.
  const perKey = (PROCESSES * DECISIONS) / KEYS.length;
  for (const count of admitted) expect(count).toBeGreaterThan(Math.min(perKey, 1000 + 7.001 * elapsed * 0.5));
});

it("limiter: the same over consume", async () => {
  const began = await serverNow();
  const admitted = totals(await all({ task: "consume", keys: KEYS, count: DECISIONS, callers: 256, policy: { capacity: 500, tokensPerSecond: 100 } }));
  const elapsed = (await serverNow()) - began;
  for (const count of admitted) {
    expect(count).toBeGreaterThanOrEqual(500);
    expect(count).toBeLessThanOrEqual(500 + 0.1 * elapsed + 1);
  }
});

it("breaker: one opening, no more probes than allowed, and those of a crashed prober come back", async () => {
  const policy: CircuitPolicy = { failureThreshold: 20, windowMs: 60_000, minimumThroughput: 1, resetTimeoutMs: 1000, halfOpenMax: 3, successThreshold: 3, probeTimeoutMs: 1500 };
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  expect(sum(await all({ task: "fail", key: "up", count: 300, callers: 32, policy }))).toBe(1);
  expect(sum(await all({ task: "probe", key: "up", count: 300, callers: 32, policy })), "before its time").toBe(0);
  let permits = 0;
  await until("the first probes", async () => (permits = sum(await all({ task: "probe", key: "up", count: 50, callers: 16, policy }))) > 0);
  expect(permits).toBe(3);
  expect(sum(await all({ task: "probe", key: "up", count: 50, callers: 16, policy })), "while they are out").toBe(0);
  await until("their permits are back", async () => (permits = sum(await all({ task: "probe", key: "up", count: 10, callers: 8, policy }))) > 0);
  expect(permits).toBe(3);
});
