/** The adapter on a real Redis: in front of a gateway, with each client, and what it leaves in the database. */

import { Redis as Upstash } from "@upstash/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { createClient as createClient5 } from "redis-5";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { GatewayInstance } from "../../src/gateway/types.ts";
import { type RedisAdapter, type RedisAdapterOptions, type RedisClient, redisAdapter } from "../../src/redis.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

let server: RedisServer;
let admin: Redis;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.port, "127.0.0.1");
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await admin.flushall();
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

const clients: Record<string, () => Promise<RedisClient>> = {
  async ioredis() {
    const client = new Redis(server.port, "127.0.0.1");
    open.push(() => client.disconnect());
    return client;
  },
  async "node-redis 6"() {
    const client = createClient({ url: server.url });
    await client.connect();
    open.push(() => client.destroy());
    return client;
  },
  async "node-redis 5"() {
    const client = createClient5({ url: server.url });
    await client.connect();
    open.push(() => client.destroy());
    return client;
  },
  async "get, set, del, eval"() {
    const client = new Redis(server.port, "127.0.0.1");
    open.push(() => client.disconnect());
    return { get: (key: string) => client.get(key), set: (key: string, value: string) => client.set(key, value), del: (...keys: string[]) => client.del(...keys), eval: (script: string, count: number, ...rest: string[]) => client.eval(script, count, ...rest) };
  },
};

function adapterOf(options: RedisAdapterOptions): RedisAdapter {
  const adapter = redisAdapter(options);
  open.push(() => adapter.close());
  return adapter;
}

function gatewayOn(adapter: RedisAdapter, calls: { count: number }): GatewayInstance {
  const gateway = createGateway({
    adapter,
    routes: [{ path: "/*", pipeline: { policies: [rateLimit({ max: 4, windowSeconds: 60 }), circuitBreaker(), cache({ ttlSeconds: 60 })], upstream: { type: "handler", handler: () => {
      calls.count++;
      return new Response(`answer ${calls.count}`, { headers: { "x-f": "1", "cache-control": "public, max-age=60" } });
    } } } }],
  } as Parameters<typeof createGateway>[0]);
  open.push(() => gateway.close({ graceMs: 0 }));
  return gateway;
}

async function expectTtlOnAll(): Promise<string[]> {
  const keys = await admin.keys("*");
  for (const key of keys) expect([key, await admin.pttl(key)]).toEqual([key, expect.toSatisfy((ttl: number) => ttl > 0)]);
  return keys;
}

describe.each(Object.entries(clients))("%s", (name, connect) => {
  it("two gateways share limits, circuits and cache, and every key ends by itself", async () => {
    const calls = { count: 0 };
    const [a, b] = [gatewayOn(adapterOf({ client: await connect() }), calls), gatewayOn(adapterOf({ client: await connect() }), calls)];
    const ask = async (gateway: GatewayInstance): Promise<Response> => await gateway.fetch(new Request("http://gateway.test/x"));
    const first = await ask(a);
    expect([first.status, await first.text()]).toEqual([200, "answer 1"]);
    // The record is there from the lock on; its fourth number is the end of the entry.
    const [key] = await admin.keys("sluice:cache:entry:*");
    await until("the answer is stored", async () => Number((await admin.get(key as string))?.split(" ")[4]) > 0);
    const second = await ask(b);
    expect(await second.text()).toBe("answer 1");
    expect(second.headers.get("x-f")).toBe("1");
    await ask(a);
    await ask(b);
    expect((await ask(a)).status).toBe(429);
    expect((await ask(b)).status).toBe(429);
    expect(calls.count).toBe(1);
    const keys = await expectTtlOnAll();
    expect(keys.length).toBeGreaterThan(1);
    expect(keys.filter((key) => !key.startsWith("sluice:"))).toEqual([]);
  });

  it("setWithTTL writes the bodies, with both styles of options, and the keys end", async () => {
    const seen: [string, number][] = [];
    const styles: RedisAdapterOptions["setWithTTL"][] = [(c, k, v, ttl) => c.set(k, v, "EX", ttl), (c, k, v, ttl) => c.set(k, v, { EX: ttl })];
    for (const [i, style] of styles.entries()) {
      const { cacheStore } = adapterOf({ client: await connect(), prefix: `p${i}:`, setWithTTL: (c, k, v, ttl) => (seen.push([k, ttl]), style?.(c, k, v, ttl)) });
      const body = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256);
      await cacheStore?.put("k", new Response(body, { status: 203, headers: { "x-f": "1" } }), 1.5);
      const back = (await cacheStore?.get("k")) as Response;
      expect([back.status, back.headers.get("x-f"), Buffer.compare(Buffer.from(await back.arrayBuffer()), body)]).toEqual([203, "1", 0]);
      expect(seen.length).toBe(2 * (i + 1));
      expect(seen.at(-1)).toEqual([expect.stringMatching(new RegExp(`^p${i}:cache:body:k:`)), 2]);
    }
    await expectTtlOnAll();
    await until("the bodies are gone", async () => (await admin.keys("p?:cache:body:*")).length === 0);
  });

  it("a member that is left out is not there, and the rest works", async () => {
    const adapter = adapterOf({ client: await connect(), stores: { rateLimit: false, cache: false, pubsub: false } });
    expect([adapter.rateLimitStore, adapter.cacheStore, adapter.pubsub]).toEqual([undefined, undefined, undefined]);
    await adapter.store?.set("k", { n: 1 }, 60_000);
    expect(await adapter.store?.get("k")).toEqual({ n: 1 });
    expect(await adapter.rateLimiter({ capacity: 2, tokensPerSecond: 1 }).consume("u", 1)).toEqual({ allowed: true, remaining: 1 });
  });

  it("close ends its own work and not the client", async () => {
    const client = await connect();
    const adapter = redisAdapter({ client });
    expect(adapter.pubsub === undefined).toBe(name === "get, set, del, eval");
    await adapter.store?.set("k", 1);
    await adapter.close();
    await adapter.close();
    await expect(adapter.store?.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    const next = adapterOf({ client });
    expect(await next.store?.get("k")).toBe(1);
  });
});

it("what a user names cannot leave the prefix, nor another store's keys", async () => {
  const adapter = adapterOf({ client: await (clients["ioredis"] as () => Promise<RedisClient>)(), prefix: "app:" });
  for (const key of ["*", "../x", "a:b", "%", "\u0000", "é🙂", "{x}", "x".repeat(2000), "__proto__"]) {
    await adapter.store?.set(key, 1, 60_000);
    await adapter.rateLimitStore?.increment(key, 60);
    await adapter.cacheStore?.put(key, new Response("x"), 60);
    await adapter.circuitBreakerStore?.recordFailure(key);
    await adapter.rateLimiter({ capacity: 2, tokensPerSecond: 0.1 }).consume(key.slice(0, 100), 1);
  }
  expect((await admin.keys("*")).filter((key) => !key.startsWith("app:"))).toEqual([]);
});

it("commands of all stores that wait leave together", async () => {
  const client = new Redis(server.port, "127.0.0.1");
  open.push(() => client.disconnect());
  const adapter = adapterOf({ client });
  const policy = { failureThreshold: 5, windowMs: 1000, minimumThroughput: 1, resetTimeoutMs: 1000, halfOpenMax: 1, successThreshold: 1, probeTimeoutMs: 1000 };
  await Promise.all([adapter.rateLimitStore?.increment("k", 60), adapter.circuitBreakerStore?.acquire("k", policy)]);
  const before = Number(/total_commands_processed:(\d+)/.exec(await admin.info("stats"))?.[1]);
  await Promise.all(Array.from({ length: 500 }, () => [adapter.rateLimitStore?.increment("k", 60), adapter.circuitBreakerStore?.acquire("k", policy)]).flat());
  const after = Number(/total_commands_processed:(\d+)/.exec(await admin.info("stats"))?.[1]);
  // Those inside scripts are counted, too: TIME, GET and SET.
  expect(after - before).toBeLessThan(30);
});

it("a client of no known shape is refused, naming what is missing", () => {
  expect(() => redisAdapter({ client: { get: () => undefined, set: () => undefined } as never })).toThrow(/del, eval are missing/);
  expect(() => redisAdapter({ client: undefined as never })).toThrow(RangeError);
  expect(() => redisAdapter({ client: new Upstash({ url: "http://127.0.0.1:1", token: "t" }) })).not.toThrow();
});
