/** A Redis Cluster of three, through both cluster clients. */

import { Cluster } from "ioredis";
import { createCluster } from "redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { slotOf } from "../../src/drivers/redis/cluster-slot.ts";
import { type RedisClient, redisAdapter, redisDriver, redisPubSub, redisRateLimiter, redisStore } from "../../src/redis.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import type { ContractReport } from "../../src/testing/report.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyPubSubContract } from "../../src/testing/verify-pubsub.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { redisCommand } from "../servers/redis.ts";
import { type RedisCluster, startRedisCluster } from "../servers/redis-cluster.ts";

let cluster: RedisCluster;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(async () => {
  for (const close of open) await close();
  await cluster.stop();
});

const clients: Record<string, () => Promise<RedisClient>> = {
  async ioredis() {
    const client = new Cluster(cluster.ports.map((port) => ({ host: "127.0.0.1", port })));
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    return client as unknown as RedisClient;
  },
  async "node-redis"() {
    const client = createCluster({ rootNodes: cluster.ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) });
    client.on("error", () => undefined);
    await client.connect();
    open.push(() => client.destroy());
    return client as unknown as RedisClient;
  },
};

it("slots are those of the server", async () => {
  for (const key of ["", "a", "sluice:rl:k", "{x}y", "a{}b", "é🙂", "a{b}{c}", "}{"]) {
    expect(await redisCommand(cluster.ports[0] as number, "CLUSTER", "KEYSLOT", key)).toBe(`:${slotOf(key)}\r\n`);
  }
});

describe.each(Object.entries(clients))("%s", (name, connect) => {
  const conforms = async (verify: Promise<ContractReport>): Promise<void> => {
    const { violations, passed } = await verify;
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };
  it("key-value", async () => conforms(verifyStoreContract(async () => redisStore(await connect()), { ttlMs: 200 })));
  it("rate limits", async () => conforms(verifyRateLimitStoreContract(async () => createStores(redisDriver(await connect())).rateLimitStore)));
  it("rate limiter", async () => conforms(verifyRateLimiterContract(async (policy) => redisRateLimiter(await connect(), policy))));
  it("circuit breaker", async () => conforms(verifyCircuitBreakerStoreContract(async () => createStores(redisDriver(await connect())).circuitBreakerStore)));
  it("cache", async () => conforms(verifyCacheStoreContract(async () => cacheStoreOn(redisDriver(await connect()), { inlineBytes: 1000 }), { ttlMs: 200 })));
  it("driver", async () => conforms(verifyDriverContract(async () => redisDriver(await connect()))));
  it("pub/sub", async () => {
    const [a, b] = [await connect(), await connect()];
    let turn = 0;
    // Nodes pass messages on after the publisher has its answer: one that listens from now on may still get the last one.
    const skip = { "delivery/nothing-from-before": "cluster nodes forward messages asynchronously" };
    const report = await verifyPubSubContract(() => redisPubSub(turn++ % 2 === 0 ? a : b), { shared: true, skip });
    console.log(`${report.name} on a cluster, skipped: ${report.skipped.map(({ rule, reason }) => `${rule} (${reason})`).join(", ")}`);
    expect(report.skipped.filter(({ reason }) => !reason.includes("option idle")).map(({ rule }) => rule)).toEqual(Object.keys(skip));
    await conforms(Promise.resolve(report));
  });

  it("a batch over all slots is exact, and keys are on every node", async () => {
    const adapter = redisAdapter({ client: await connect(), prefix: `${name}:` });
    const counts = await Promise.all(Array.from({ length: 2000 }, async (_, i) => (await adapter.rateLimitStore?.increment(`k${i % 200}`, 60))?.count as number));
    expect(counts.reduce((a, b) => a + b, 0)).toBe(200 * 55);
    for (const port of cluster.ports) expect(Number((await redisCommand(port, "DBSIZE")).slice(1))).toBeGreaterThan(20);
    await adapter.close();
  });
});
