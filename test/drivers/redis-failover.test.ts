/**
 * A master that dies under traffic, behind Sentinel and in a Cluster: the process recovers by itself, nothing is admitted beyond
 * what the dead one had not passed on, and every call ends.
 */

import { Cluster, Redis } from "ioredis";
import { createCluster } from "redis";
import { afterEach, describe, expect, it } from "vitest";
import { type RedisAdapter, type RedisClient, redisAdapter } from "../../src/redis.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, redisCommand } from "../servers/redis.ts";
import { startRedisCluster } from "../servers/redis-cluster.ts";
import { startRedisSentinel } from "../servers/redis-sentinel.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const MAX = 400;
const POLICY = { algorithm: "fixed-window", max: MAX, windowMs: 600_000 } as const;

interface Traffic {
  /** Admissions per key, as callers saw them. */
  readonly admitted: Map<string, number>;
  readonly failed: Set<string>;
  lastSuccessAt: number;
  end(): Promise<void>;
}

/** A few callers who ask for each key again and again, until told to end. */
function traffic(adapter: RedisAdapter, keys: readonly string[]): Traffic {
  const admitted = new Map(keys.map((key) => [key, 0]));
  const failed = new Set<string>();
  let going = true;
  const self: Traffic = { admitted, failed, lastSuccessAt: 0, end };
  const callers = keys.flatMap((key) => [0, 1].map(async () => {
    while (going) {
      try {
        if ((await adapter.rateLimitStore?.check(key, POLICY, 1))?.allowed) admitted.set(key, (admitted.get(key) as number) + 1);
        self.lastSuccessAt = performance.now();
      } catch (error) {
        failed.add((error as { code: string }).code);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }));
  async function end(): Promise<void> {
    going = false;
    await Promise.all(callers);
  }
  return self;
}

it("Sentinel: the replica takes over, and the limit goes on from what it had", async () => {
  const fleet = await startRedisSentinel();
  open.push(() => fleet.stop());
  const client = new Redis({ sentinels: [...fleet.sentinels], name: fleet.name, sentinelRetryStrategy: () => 50, retryStrategy: () => 50, maxRetriesPerRequest: 1 });
  client.on("error", () => undefined);
  open.push(() => client.disconnect());
  const adapter = redisAdapter({ client });
  open.push(() => adapter.close());
  const keys = ["a", "b"];
  const flow = traffic(adapter, keys);
  await until("some admissions", () => Math.min(...flow.admitted.values()) > 20);
  const [master, replica] = fleet.servers as [RedisServer, RedisServer];
  const killedAt = performance.now();
  master.process.signal("SIGKILL");
  await until("the replica is the master", async () => (await fleet.master()) === replica.port);
  const promotedAt = performance.now();
  await until("calls are answered again", () => flow.lastSuccessAt > promotedAt);
  expect(performance.now() - promotedAt, "back within two seconds of the new master").toBeLessThan(2000 + 1500);
  expect(promotedAt).toBeGreaterThan(killedAt);
  await until("the limit is reached", async () => (await adapter.rateLimitStore?.check("a", POLICY, 1))?.allowed === false && (await adapter.rateLimitStore?.check("b", POLICY, 1))?.allowed === false);
  await flow.end();
  // Two callers per key: at most what was on the wire or not yet replicated when the master died.
  for (const key of keys) expect(flow.admitted.get(key)).toBeLessThanOrEqual(MAX + 2 * 2);
  for (const code of flow.failed) expect(["STORE_UNAVAILABLE", "STORE_TIMEOUT"]).toContain(code);
});

const clients: Record<string, (ports: readonly number[]) => Promise<RedisClient>> = {
  async ioredis(ports) {
    const client = new Cluster(ports.map((port) => ({ host: "127.0.0.1", port })), { clusterRetryStrategy: () => 50, slotsRefreshInterval: 500, redisOptions: { maxRetriesPerRequest: 1 } });
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    return client as unknown as RedisClient;
  },
  async "node-redis"(ports) {
    const client = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })), defaults: { socket: { reconnectStrategy: 50 } } });
    client.on("error", () => undefined);
    await client.connect();
    open.push(() => client.destroy());
    return client as unknown as RedisClient;
  },
};

describe.each(Object.entries(clients))("Cluster, %s", (name, connect) => {
  it("a replica takes over a dead master's slots; other slots go on; no limit is passed", async () => {
    const cluster = await startRedisCluster(3, { replicas: true });
    open.push(() => cluster.stop());
    const adapter = redisAdapter({ client: await connect(cluster.ports), prefix: `${name}:` });
    open.push(() => adapter.close());
    const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
    const flow = traffic(adapter, keys);
    await until("some admissions", () => Math.min(...flow.admitted.values()) > 20);
    const [dead] = cluster.nodes;
    const before = new Map(flow.admitted);
    dead?.process.signal("SIGKILL");
    const replica = cluster.replicas[0] as number;
    await until("the replica is a master", async () => (await redisCommand(replica, "ROLE")).includes("master"), 30_000);
    const promotedAt = performance.now();
    await until("every key moves on", () => keys.every((key) => (flow.admitted.get(key) as number) > (before.get(key) as number) + 4), 20_000);
    expect(performance.now() - promotedAt).toBeLessThan(2000 + 3000);
    await until("every limit is reached", async () => {
      const decisions = await Promise.all(keys.map((key) => adapter.rateLimitStore?.check(key, POLICY, 1)));
      return decisions.every((decision) => decision?.allowed === false);
    }, 30_000);
    await flow.end();
    for (const key of keys) expect(flow.admitted.get(key), key).toBeLessThanOrEqual(MAX + 2 * 2);
    for (const code of flow.failed) expect(["STORE_UNAVAILABLE", "STORE_TIMEOUT"]).toContain(code);
  });
});
