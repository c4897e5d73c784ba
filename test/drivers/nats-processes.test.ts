/** A fleet of OS processes on one bucket: what they were given is what some serial order gives. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Kvm } from "@nats-io/kv";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { natsAdapter } from "../../src/drivers/nats/adapter.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { CircuitPolicy } from "../../src/state/contracts/circuits.ts";
import { until } from "../servers/process.ts";
import { type NatsServer, startNats } from "../servers/nats.ts";

const PROCESSES = 4;
const DECISIONS = 10_000;
const KEYS = ["a", "b", "c"];

let server: NatsServer;
let connection: NatsConnection;
const fleet: ChildProcess[] = [];

beforeAll(async () => {
  server = await startNats();
  connection = await connect({ servers: server.url });
  await new Kvm(connection).create("fleet", { history: 1 });
  for (let i = 0; i < PROCESSES; i++) fleet.push(fork(fileURLToPath(new URL("fleet-process.js", import.meta.url)), ["nats", server.url]));
  await Promise.all(fleet.map((child) => once(child, "message")));
});
afterAll(async () => {
  for (const child of fleet) child.kill("SIGKILL");
  await connection.close();
  await server.stop();
});

async function all<T>(task: object): Promise<T[]> {
  const results = fleet.map((child) => once(child, "message"));
  for (const child of fleet) child.send(task);
  return (await Promise.all(results)).map(([{ result }]) => result as T);
}

it(`${PROCESSES} x ${DECISIONS} counts on ${KEYS.length} keys: 1 to N, each once`, async () => {
  const results = await all<number[][]>({ task: "increment", keys: KEYS, count: DECISIONS, callers: 128 });
  for (const at of KEYS.keys()) {
    const counts = results.flatMap((result) => result[at] as number[]).sort((a, b) => a - b);
    expect(counts.length).toBeGreaterThan((PROCESSES * DECISIONS) / KEYS.length - PROCESSES);
    expect(counts.findIndex((count, i) => count !== i + 1)).toBe(-1);
  }
});

const limits: [string, LimitPolicy, number][] = [
  ["fixed-window", { algorithm: "fixed-window", max: 1009, windowMs: 600_000 }, 1],
  ["sliding-window ring, cost 3", { algorithm: "sliding-window", max: 1009, windowMs: 600_000 }, 3],
  ["sliding-window log", { algorithm: "sliding-window", max: 31, windowMs: 600_000 }, 1],
];

it.each(limits)("%s: exactly the limit", async (name, policy, cost) => {
  const keys = KEYS.map((key) => `${name}:${key}`);
  const admitted = await all<number[]>({ task: "check", keys, count: 3000, callers: 128, policy, cost });
  expect(KEYS.map((_, at) => admitted.reduce((sum, result) => sum + (result[at] as number), 0))).toEqual(KEYS.map(() => Math.floor(policy.max / cost)));
});

it("half-open: as many probes as allowed over the whole fleet, and the places of those that crashed come back", async () => {
  const adapter = natsAdapter({ kv: await new Kvm(connection).open("fleet") });
  const store = adapter.circuitBreakerStore as Required<NonNullable<typeof adapter.circuitBreakerStore>>;
  const policy: CircuitPolicy = { failureThreshold: 1, windowMs: 60_000, minimumThroughput: 1, resetTimeoutMs: 1, halfOpenMax: 3, successThreshold: 3, probeTimeoutMs: 1500 };
  const permit = await store.acquire("site", policy);
  if (!permit.allowed) throw new Error("a closed circuit refused");
  await store.report("site", policy, permit, "failure");
  await new Promise((resolve) => setTimeout(resolve, 10));
  const permits = await all<number>({ task: "probe", key: "site", count: 20, callers: 20, policy });
  expect(permits.reduce((sum, count) => sum + count, 0)).toBe(policy.halfOpenMax);
  await until("a place is free again", async () => (await store.acquire("site", policy)).allowed);
  await adapter.close();
});
