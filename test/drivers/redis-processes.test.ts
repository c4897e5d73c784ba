/** A fleet of OS processes on one Redis: what they were given is what some serial order gives. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { CircuitPolicy } from "../../src/state/contracts/circuits.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const PROCESSES = 8;
const DECISIONS = 50_000;
const KEYS = ["a", "b", "c"];

let server: RedisServer;
let admin: Redis;
const fleet: ChildProcess[] = [];

beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.port, "127.0.0.1");
  for (let i = 0; i < PROCESSES; i++) fleet.push(fork(fileURLToPath(new URL("fleet-process.js", import.meta.url)), ["redis", String(server.port)]));
  await Promise.all(fleet.map((child) => once(child, "message")));
});
afterAll(async () => {
  for (const child of fleet) child.kill("SIGKILL");
  admin.disconnect();
  await server.stop();
});

async function all<T>(task: object): Promise<T[]> {
  const results = fleet.map((child) => once(child, "message"));
  for (const child of fleet) child.send(task);
  return (await Promise.all(results)).map(([{ result }]) => result as T);
}

/** Epoch ms of the server. */
async function serverNow(): Promise<number> {
  const [seconds, micros] = await admin.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
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

/** The most permits that were certainly out at one instant: each from when its process had it until it ends at the soonest. */
function mostOut(permits: readonly Permit[], timeoutMs: number): number {
  const steps = permits.flatMap(([asked, had]) => (asked + timeoutMs - CLOCKS_MS > had ? [[had, 1], [asked + timeoutMs - CLOCKS_MS, -1]] as const : []));
  steps.sort(([a, up], [b, down]) => a - b || up - down);
  let out = 0;
  let most = 0;
  for (const [, step] of steps) most = Math.max(most, (out += step));
  return most;
}

type Permit = readonly [asked: number, had: number];

/** Two processes read the clock this far apart, in ms. */
const CLOCKS_MS = 2;

// Judged by instants, since a busy machine makes a round of all processes last longer than a probe.
it("breaker: one opening, no more probes than allowed, and those of a crashed prober come back", async () => {
  const policy: CircuitPolicy = { failureThreshold: 20, windowMs: 60_000, minimumThroughput: 1, resetTimeoutMs: 1000, halfOpenMax: 3, successThreshold: 3, probeTimeoutMs: 1500 };
  const opened = (await all<number[]>({ task: "openings", key: "up", count: 300, callers: 32, policy })).flat();
  expect(opened.length).toBe(1);
  const permits: Permit[] = [];
  // Two lives of a probe: those that were out come back, to whoever asks then.
  await until("the permits are back", async () => {
    permits.push(...(await all<Permit[]>({ task: "probeFor", key: "up", forMs: 4500, callers: 4, policy })).flat());
    return permits.length > policy.halfOpenMax;
  });
  for (const [, had] of permits) expect(had).toBeGreaterThanOrEqual((opened[0] as number) + policy.resetTimeoutMs - CLOCKS_MS);
  const most = mostOut(permits, policy.probeTimeoutMs);
  console.log(`${permits.length} probes, ${most} at once`);
  expect(most).toBeLessThanOrEqual(policy.halfOpenMax);
  // A place comes back every 1.5 s at most: more grants than that would be places that never were.
  const lives = 1 + Math.floor((Math.max(...permits.map(([, had]) => had)) - Math.min(...permits.map(([asked]) => asked)) + CLOCKS_MS) / policy.probeTimeoutMs);
  expect(permits.length).toBeLessThanOrEqual(lives * policy.halfOpenMax);
});
