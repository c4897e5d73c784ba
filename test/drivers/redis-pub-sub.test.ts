/** Pub/sub on a real Redis: the contract through each client, reconnection, and what belongs to whom. */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { createClient as createClient5 } from "redis-5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RedisClient } from "../../src/drivers/redis/client.ts";
import { type RedisPubSub, redisPubSub } from "../../src/drivers/redis/pub-sub.ts";
import { verifyPubSubContract } from "../../src/testing/verify-pubsub.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, redisCommand, startRedis } from "../servers/redis.ts";

let server: RedisServer;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const close of open) await close();
  await server.stop();
});

const clients: Record<string, () => Promise<RedisClient>> = {
  async ioredis() {
    const client = new Redis(server.port, "127.0.0.1");
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    return client;
  },
  async "node-redis 6"() {
    const client = createClient({ url: server.url });
    client.on("error", () => undefined);
    await client.connect();
    open.push(() => client.destroy());
    return client;
  },
  async "node-redis 5"() {
    const client = createClient5({ url: server.url });
    client.on("error", () => undefined);
    await client.connect();
    open.push(() => client.destroy());
    return client;
  },
};

const channelsOf = async (): Promise<string> => redisCommand(server.port, "PUBSUB", "CHANNELS");
const clientCount = async (): Promise<number> => Number(/connected_clients:(\d+)/.exec(await redisCommand(server.port, "INFO", "clients"))?.[1]);

describe.each(Object.entries(clients))("%s", (_, connect) => {
  it("keeps the contract", async () => {
    const [a, b] = [await connect(), await connect()];
    let turn = 0;
    const idle = (pubsub: unknown): boolean => Object.values((pubsub as RedisPubSub).size).every((count) => count === 0);
    const report = await verifyPubSubContract(() => redisPubSub(turn++ % 2 === 0 ? a : b), { shared: true, idle });
    expect(report.violations).toEqual([]);
    expect(report.skipped).toEqual([]);
    await until("the server knows no channel", async () => (await channelsOf()) === "*0\r\n");
  });

  it("listens on one connection, made when it is needed and closed with the object", async () => {
    const client = await connect();
    await redisCommand(server.port, "PING");
    const before = await clientCount();
    const pubsub = redisPubSub(client);
    await pubsub.publish("c", 1);
    expect(await clientCount()).toBe(before);
    await Promise.all(["a", "b", "c"].map((channel) => pubsub.subscribe(channel, () => undefined)));
    expect(await clientCount()).toBe(before + 1);
    await pubsub.close();
    await until("the connection is gone", async () => (await clientCount()) === before);
    await expect(pubsub.publish("c", 1)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    // The client is the caller's, and still good.
    const again = redisPubSub(client);
    await again.publish("c", 2);
    await again.close();
  });

  it("a subscriber of the caller's stays open, and the client itself is refused as one", async () => {
    const [client, subscriber] = [await connect(), await connect()];
    expect(() => redisPubSub(client, { subscriber: client })).toThrow(RangeError);
    const pubsub = redisPubSub(client, { subscriber });
    const seen: unknown[] = [];
    await pubsub.subscribe("own", (message) => void seen.push(message));
    await pubsub.publish("own", { n: 1 });
    await until("a message", () => seen.length === 1);
    await pubsub.close();
    await until("the server knows no channel", async () => (await channelsOf()) === "*0\r\n");
    const next = redisPubSub(client, { subscriber });
    await next.subscribe("own", (message) => void seen.push(message));
    await next.publish("own", { n: 2 });
    await until("a message", () => seen.length === 2);
    await next.close();
  });

  it("listens again after a restart, with one gap per channel, and delivers what is published then", async () => {
    const pubsub = redisPubSub(await connect());
    const gaps: string[] = [];
    pubsub.events.on(({ channel, since }) => void gaps.push(`${channel} ${typeof since}`));
    const seen: unknown[] = [];
    for (const channel of ["x", "y"]) await pubsub.subscribe(channel, (message) => void seen.push(message));
    await pubsub.subscribe("y", () => undefined);
    await server.restart();
    await until("both gaps", () => gaps.length === 2);
    const publisher = redisPubSub(await connect());
    await publisher.publish("x", "after");
    await until("a message", () => seen.length === 1);
    expect(seen).toEqual(["after"]);
    expect(gaps.sort()).toEqual(["x number", "y number"]);
    await pubsub.close();
    await publisher.close();
  });
});

it("a message that is too large is refused before anything is sent", async () => {
  const pubsub = redisPubSub(await (clients["ioredis"] as () => Promise<RedisClient>)(), { maxMessageBytes: 1000 });
  await expect(pubsub.publish("c", "x".repeat(1001))).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  await pubsub.publish("c", "x".repeat(900));
  await pubsub.close();
});

it("a server that does not answer costs the deadline, and nobody waits longer", async () => {
  const pubsub = redisPubSub(await (clients["ioredis"] as () => Promise<RedisClient>)(), { timeoutMs: 100 });
  await pubsub.subscribe("before", () => undefined);
  server.process.signal("SIGSTOP");
  try {
    await expect(pubsub.publish("c", 1)).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await expect(pubsub.subscribe("c", () => undefined)).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
  } finally {
    server.process.signal("SIGCONT");
  }
  await until("a subscription that was given up is gone", async () => (await channelsOf()).includes("before") && pubsub.size.channels === 1);
  await pubsub.close();
});

it("a key prefix of the client's own changes no channel", async () => {
  const client = new Redis(server.port, "127.0.0.1", { keyPrefix: "app:" });
  client.on("error", () => undefined);
  open.push(() => client.disconnect());
  const pubsub = redisPubSub(client);
  const seen: unknown[] = [];
  await pubsub.subscribe("c", (message) => void seen.push(message));
  await pubsub.publish("c", 1);
  await pubsub.history?.append("t", "body", { size: 5, ttlMs: 60_000, maxBytes: 1000 }, { channel: "c", message: (offset) => ({ offset }) });
  await until("both messages", () => seen.length === 2);
  expect(seen).toEqual([1, { offset: expect.stringMatching(/^\d+:1$/) }]);
  await pubsub.close();
});

it("an object without publish or a way to listen is refused", () => {
  const minimal = { get: async () => null, set: async () => null, del: async () => 0, eval: async () => null };
  expect(() => redisPubSub(minimal as never)).toThrow(/publish/);
  const publishing = { evaluate: async () => null, publish: async () => 0, client: "mine", cluster: false };
  expect(() => redisPubSub(publishing)).toThrow(/subscriber must be a client that can listen/);
});
