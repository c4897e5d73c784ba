/** Leases where the server loses what it had: the sentinel tells the holders, and replicas keep a debit over a failover. */

import { once } from "node:events";
import { Redis } from "ioredis";
import * as node6 from "redis";
import * as node5 from "redis-5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { type NodeRedisLike, type RedisConnection, fromIoredis, fromMinimal, fromNodeRedis } from "../../src/drivers/redis/client.ts";
import { type RedisStateDriver, redisDriver } from "../../src/drivers/redis/driver.ts";
import { redisRateLimiter } from "../../src/drivers/redis/store.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { LeaseEvent } from "../../src/state/lease/leased-decision.ts";
import { createLeasedLimiter } from "../../src/state/lease/create-leased-limiter.ts";
import type { LeasedLimiter } from "../../src/state/lease/leased-limiter.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, redisCommand, startRedis } from "../servers/redis.ts";

let server: RedisServer;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const close of open.reverse()) await close();
  await server.stop();
});

function connect(port: number): Redis {
  const client = new Redis(port, "127.0.0.1");
  open.push(() => client.disconnect());
  return client;
}

const LIMITS: [string, LimitPolicy][] = [
  ["fixed window", { algorithm: "fixed-window", max: 1000, windowMs: 60_000 }],
  ["sliding window", { algorithm: "sliding-window", max: 1000, windowMs: 60_000 }],
  ["token bucket", { algorithm: "token-bucket", max: 1000, windowMs: 1000, capacity: 1000 }],
];
const textOnly = (connection: RedisConnection): RedisConnection => ({ ...connection, evaluateBytes: undefined }) as unknown as RedisConnection;

describe.each(LIMITS)("%s", (name, limit) => {
  it.each([["bytes", (c: RedisConnection) => c], ["text", textOnly]] as const)("a server that lost its records is noticed at the next lease, as %s", async (form, as) => {
    const client = connect(server.port);
    const driver: RedisStateDriver = redisDriver(as(fromIoredis(client)), { prefix: `${name}:${form}:` });
    const limiter: LeasedLimiter = createLeasedLimiter({ driver, limit });
    open.push(() => limiter.close());
    const events: LeaseEvent[] = [];
    limiter.events.on((event) => events.push(event));
    expect(driver.runId).toBe(undefined);
    expect((await limiter.check("key")).allowed).toBe(true);
    const first = driver.runId;
    expect(first).toMatch(/^\d{16}$/);
    expect(await client.pttl(`${name}:${form}:~epoch`)).toBeGreaterThan(86_400_000);
    // Another holder is in the same life.
    const other = redisDriver(connect(server.port), { prefix: `${name}:${form}:` });
    const second = createLeasedLimiter({ driver: other, limit });
    open.push(() => second.close());
    await second.check("another key");
    expect(other.runId).toBe(first);
    expect(events).toEqual([]);

    await client.flushall();
    const decision = await limiter.check("a third key");
    expect(driver.runId).not.toBe(first);
    expect(events).toEqual([{ type: "lease.epoch", store: "redis", scope: "store" }]);
    // Others may still spend what they hold from before.
    expect(decision).toMatchObject({ allowed: false, degraded: true });
    expect(limiter.stats().epochChanges).toBe(1);
    await until("the quarantine is over", async () => (await limiter.check("a third key")).allowed);
  });
});

it("counts who leases, and each takes its part of the limit once the server is away", async () => {
  const own = await startRedis();
  open.push(() => own.stop());
  const fleet = await Promise.all(Array.from({ length: 4 }, async () => {
    const client = new Redis(own.port, "127.0.0.1", { enableOfflineQueue: false });
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    await once(client, "ready");
    const driver = redisDriver(client, { prefix: "fleet:" });
    const limiter = createLeasedLimiter({ driver, limit: { algorithm: "fixed-window", max: 100, windowMs: 60_000 }, failMode: "local" });
    open.push(() => limiter.close());
    return { driver, limiter };
  }));
  expect(fleet.map(({ driver }) => driver.holders)).toEqual(fleet.map(() => undefined));
  for (const { driver, limiter } of fleet) {
    await limiter.check("key");
    await until("it is counted", async () => driver.holders !== undefined);
  }
  expect(fleet.map(({ driver }) => driver.holders)).toEqual([1, 2, 3, 4]);
  const client = connect(own.port);
  expect(await client.pttl("fleet:~holders")).toBeGreaterThan(10_000);
  client.disconnect();
  await own.stop();
  const { limiter } = fleet[3]!;
  let admitted = 0;
  for (let call = 0; call < 60; call++) {
    const decision = await limiter.check("another key");
    expect(decision).toMatchObject({ source: "local", degraded: true });
    if (decision.allowed) admitted++;
  }
  expect(admitted).toBe(25);
});

it("a plain charge neither needs nor writes the sentinel", async () => {
  const client = connect(server.port);
  const driver = redisDriver(client, { prefix: "plain:" });
  const limiter = createLeasedLimiter({ driver, limit: LIMITS[0]![1] });
  open.push(() => limiter.close());
  await limiter.check("key", 0);
  expect(await client.exists("plain:~epoch", "plain:~holders")).toBe(0);
  expect(driver.holders).toBe(undefined);
});

it("what a caller names does not reach the sentinel or the list of those who lease", async () => {
  const driver = redisDriver(connect(server.port), { prefix: "own:" });
  const limiter = createLeasedLimiter({ driver, limit: LIMITS[0]![1] });
  open.push(() => limiter.close());
  await limiter.check("key");
  await until("it is counted", async () => driver.holders !== undefined);
  const life = driver.runId;
  for (const name of ["epoch", "holders"]) {
    for (const key of [name, `~${name}`, `~~${name}`, `%7e${name}`]) await driver.set(key, new TextEncoder().encode("mine"));
  }
  await limiter.check("another key");
  expect(driver.runId).toBe(life);
  expect(new TextDecoder().decode(await driver.get("epoch"))).toBe("mine");
  expect(driver.physical("epoch")).toBe("own:epoch");
});

it("leases of redisRateLimiter live on the clock that is given", async () => {
  let calls = 0;
  const connection = fromIoredis(connect(server.port));
  const counted: RedisConnection = { ...connection, evaluateBytes: (...call) => (calls++, connection.evaluateBytes!(...call)), evaluate: (...call) => (calls++, connection.evaluate(...call)) };
  const limiter = redisRateLimiter(counted, { capacity: 10, tokensPerSecond: 0.001 }, { prefix: "still:", lease: true, clock: { ...systemClock, now: () => 1_700_000_000_000, monotonic: () => 1000 } });
  await until("a refusal", async () => !(await limiter.consume("u", 1)).allowed);
  const before = calls;
  // A refusal is remembered for a quarter of a second of that clock, which stands still.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect((await limiter.consume("u", 1)).allowed).toBe(false);
  expect(calls).toBe(before);
});

describe("waitForReplicas", () => {
  const [, limit] = LIMITS[0]!;

  it("a lease is answered once the replica has it, and refused as a failure when it has not", async () => {
    const replica = await startRedis(["--replicaof", `127.0.0.1 ${server.port}`]);
    open.push(() => replica.stop());
    await until("the replica follows", async () => (await redisCommand(replica.port, "INFO", "replication")).includes("master_link_status:up"));
    const driver = redisDriver(connect(server.port), { prefix: "replicas:" });
    const limiter = createLeasedLimiter({ driver, limit, lease: { waitForReplicas: 1 }, failMode: "closed" });
    open.push(() => limiter.close());
    expect(await limiter.check("key")).toMatchObject({ allowed: true });
    // Not sooner or later: the debit is there when the caller has its answer.
    const reader = connect(replica.port);
    expect((await reader.getBuffer("replicas:key"))?.readDoubleBE(10)).toBe(1);

    process.kill(replica.process.pid, "SIGSTOP");
    try {
      await expect((async () => limiter.check("second"))()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "unknown", message: "a lease is with 0 of 1 replicas" });
      // Its units are nobody's.
      expect(limiter.stats()).toMatchObject({ granted: 1, spent: 1 });
    } finally {
      process.kill(replica.process.pid, "SIGCONT");
    }
    await until("leases are granted again", async () => (await (async () => limiter.check("third"))().catch(() => ({ allowed: false }))).allowed);
  });

  it("is refused at construction on a pool, whose calls take any connection, and not on one connection", async () => {
    const url = `redis://127.0.0.1:${server.port}`;
    const made = [
      [await node6.createClientPool({ url }, { minimum: 2 }).connect(), await node6.createClient({ url }).connect()],
      [await node5.createClientPool({ url }, { minimum: 2 }).connect(), await node5.createClient({ url }).connect()],
    ] as unknown as [pool: NodeRedisLike & { destroy(): void }, client: NodeRedisLike & { destroy(): void }][];
    for (const [pool, client] of made) {
      open.push(() => pool.destroy(), () => client.destroy());
      expect([fromNodeRedis(pool).replicas, typeof fromNodeRedis(client).replicas]).toEqual([undefined, "function"]);
      expect(() => createLeasedLimiter({ driver: redisDriver(pool), limit, lease: { waitForReplicas: 1 } })).toThrow(expect.objectContaining({ code: "STORE_CAPABILITY" }));
    }
  });

  it("is refused at construction where a call has no connection of its own", () => {
    const client = connect(server.port);
    const minimal = fromMinimal({ get: (key) => client.get(key), set: (key, value) => client.set(key, value), del: (...keys) => client.del(...keys), eval: (script, count, ...rest) => client.eval(script, count, ...rest) });
    expect(() => createLeasedLimiter({ driver: redisDriver(minimal), limit, lease: { waitForReplicas: 1 } })).toThrow(expect.objectContaining({ code: "STORE_CAPABILITY" }));
    expect(() => createLeasedLimiter({ driver: redisDriver(client), limit, lease: { waitForReplicas: -1 } })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});
