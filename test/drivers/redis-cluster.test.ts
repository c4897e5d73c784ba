/** A Redis Cluster of three, through both cluster clients. */

import { Cluster } from "ioredis";
import { createCluster } from "redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeValue } from "../../src/core/codec.ts";
import { slotOf } from "../../src/drivers/redis/cluster-slot.ts";
import { value } from "../../src/state/algorithms/value.ts";
import type { Algorithm } from "../../src/state/contracts/driver.ts";
import { type RedisClient, fromIoredis, redisAdapter, redisDriver, redisPubSub, redisRateLimiter, redisStore } from "../../src/redis.ts";
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
import { until } from "../servers/process.ts";
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

  it("each lost listening connection is a gap while messages come, and no message comes twice", async () => {
    const [pubsub, publisher] = [redisPubSub(await connect()), redisPubSub(await connect())];
    const [gaps, seen]: [unknown[], unknown[]] = [[], []];
    pubsub.events.on(({ channel }) => void gaps.push(channel));
    await pubsub.subscribe("steady", (message) => void seen.push(message));
    let [sent, steady] = [0, true];
    const publishing = (async () => {
      while (steady) await publisher.publish("steady", ++sent);
    })();
    for (let losses = 1; losses <= 3; losses++) {
      const before = seen.length;
      await until("messages", () => seen.length > before + 20);
      for (const port of cluster.ports) await redisCommand(port, "CLIENT", "KILL", "TYPE", "pubsub");
      await until("a gap", () => gaps.length >= losses);
      expect(gaps.length).toBe(losses);
    }
    steady = false;
    await publishing;
    await until("the last message", () => seen.at(-1) === sent);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => Number(a) - Number(b)));
    expect(gaps).toEqual(["steady", "steady", "steady"]);
    await Promise.all([pubsub.close(), publisher.close()]);
    await until("no connection listens", async () => (await Promise.all(cluster.ports.map((port) => redisCommand(port, "CLIENT", "LIST", "TYPE", "pubsub")))).every((list) => !list.includes("id=")));
  });

  it("a batch over all slots is exact, and keys are on every node", async () => {
    const adapter = redisAdapter({ client: await connect(), prefix: `${name}:` });
    const counts = await Promise.all(Array.from({ length: 2000 }, async (_, i) => (await adapter.rateLimitStore?.increment(`k${i % 200}`, 60))?.count as number));
    expect(counts.reduce((a, b) => a + b, 0)).toBe(200 * 55);
    for (const port of cluster.ports) expect(Number((await redisCommand(port, "DBSIZE")).slice(1))).toBeGreaterThan(20);
    await adapter.close();
  });
});

describe("a prefix of the client's own", () => {
  it("is refused on a cluster, with the option that takes its place", () => {
    const nodes = cluster.ports.map((port) => ({ host: "127.0.0.1", port }));
    const rootNodes = [{ url: `redis://127.0.0.1:${cluster.ports[0]}` }];
    for (const client of [new Cluster(nodes, { lazyConnect: true, keyPrefix: "app:" }), new Cluster(nodes, { lazyConnect: true, redisOptions: { keyPrefix: "app:" } }), createCluster({ rootNodes, keyPrefix: "app:" })]) {
      expect(() => redisAdapter({ client: client as unknown as RedisClient })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/keyPrefix must be left out.*give prefix/) }));
    }
  });

  it("keys of several slots did nothing", async () => {
    const client = new Cluster(cluster.ports.map((port) => ({ host: "127.0.0.1", port })));
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    // Whoever is taken for a single server gets keys of any slot.
    const driver = redisDriver({ ...fromIoredis(client as never), cluster: false });
    await expect(driver.run(["a", "b", "c"].map((key) => ({ algorithm: value as Algorithm, key, commands: [{ type: "set", text: "x" }] })))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
  });
});

describe("a node that is gone", () => {
  const connectTo: Record<string, (ports: readonly number[]) => Promise<[client: RedisClient, close: () => unknown]>> = {
    async ioredis(ports) {
      const client = new Cluster(ports.map((port) => ({ host: "127.0.0.1", port })));
      client.on("error", () => undefined);
      return [client as unknown as RedisClient, () => client.disconnect()];
    },
    async "node-redis"(ports) {
      const client = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) });
      client.on("error", () => undefined);
      await client.connect();
      return [client as unknown as RedisClient, () => client.destroy()];
    },
  };

  it.each(Object.keys(connectTo))("%s listens on another one, with one gap per channel", async (name) => {
    const small = await startRedisCluster(2);
    const [client, close] = await connectTo[name]!(small.ports);
    const pubsub = redisPubSub(client);
    try {
      const [gaps, heard, channels]: [string[], unknown[], string[]] = [[], [], Array.from({ length: 6 }, (_, i) => `c${i}`)];
      pubsub.events.on(({ channel }) => void gaps.push(channel));
      for (const channel of channels) await pubsub.subscribe(channel, (message) => void heard.push(message));
      const listening = await Promise.all(small.ports.map(async (port) => (await redisCommand(port, "PUBSUB", "NUMSUB", "sluice:channel:c0")).endsWith(":1\r\n")));
      expect(listening.filter(Boolean)).toHaveLength(1);
      await small.nodes[listening.indexOf(true)]!.stop();
      await until("all gaps", () => gaps.length === channels.length);
      expect(gaps.sort()).toEqual(channels);
      // Published on the node that lives, whatever its slots.
      await redisCommand(small.ports[listening.indexOf(false)]!, "PUBLISH", "sluice:channel:c3", encodeValue("after"));
      await until("the message", () => heard.length === 1);
    } finally {
      await pubsub.close();
      await close();
      await small.stop();
    }
  });
});
