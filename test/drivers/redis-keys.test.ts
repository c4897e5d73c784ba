/** What is left in the server after everything was used: only keys under the prefix, each with an end; and what was there before. */

import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { redisAdapter, redisDriver } from "../../src/redis.ts";
import { cacheEntry } from "../../src/state/algorithms/cache-entry.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import { keySet } from "../../src/state/algorithms/key-set.ts";
import { purgeNumber } from "../../src/state/algorithms/purge-number.ts";
import type { Algorithm, Operation } from "../../src/state/contracts/driver.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.port, "127.0.0.1");
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

/** Names a caller could send to reach another key. */
const HOSTILE = ["plain", "a:b", "../x", "*", "?", "[a-z]", "{tag}", "x\u0000y", "\ud800", "sluice:rl", "app:", "%3a", "a\r\nSET b c\r\n", "__proto__", "é🙂", "k".repeat(2000), " "];

const LIMITS: LimitPolicy[] = [
  { algorithm: "fixed-window", max: 5, windowMs: 60_000 },
  { algorithm: "token-bucket", max: 5, windowMs: 60_000, capacity: 5 },
  { algorithm: "sliding-window", max: 5, windowMs: 60_000 },
  { algorithm: "sliding-window", max: 500, windowMs: 60_000 },
];

it("a key of another type fails its own command of the cache, and not the others of its call", async () => {
  const driver = redisDriver(client, { prefix: "types:" });
  await client.lpush("types:list", "x");
  const put = { type: "put", ttlMs: 60_000, write: 1, chunks: 0, status: 200, tags: "", text: "body" };
  const fill = (more: object): object => ({ ...put, fill: { name: "k", sets: ["set"], purges: "number", purge: 0, ...more } });
  const of = (algorithm: unknown, key: string, command: unknown): Operation => ({ algorithm: algorithm as Algorithm, key, commands: [command] });
  const replies = await driver.run([
    of(cacheEntry, "good", put), of(cacheEntry, "list", { type: "view" }), of(cacheEntry, "number of a list", fill({ purges: "list" })), of(cacheEntry, "set of a list", fill({ purge: undefined, sets: ["list"] })),
    of(keySet, "names", { type: "add", name: "n", ttlMs: 60_000 }), of(purgeNumber, "next", { type: "next" }),
  ]);
  const foreign = expect.objectContaining({ code: "STORE_WRONG_TYPE", outcome: "not-applied" });
  expect(replies.map(([reply]) => reply)).toEqual([expect.objectContaining({ ok: true }), foreign, foreign, foreign, { names: [] }, { last: expect.any(Number) }]);
  for (const command of [{ type: "check", token: 1 }, { type: "close", token: 1 }, { type: "drop" }, put]) expect((await driver.run([of(cacheEntry, "list", command), of(cacheEntry, "good", { type: "view" })])).flat()).toEqual([foreign, expect.objectContaining({ ok: true })]);
  const rest = await driver.run([of(purgeNumber, "list", { type: "next" }), of(purgeNumber, "next", { type: "next" }), of(keySet, "list", { type: "add", name: "n", ttlMs: 60_000 }), of(keySet, "names", { type: "page", from: 0, limit: 10 })]);
  expect(rest.flat()).toEqual([foreign, { last: expect.any(Number) }, foreign, { names: ["n"] }]);
  await client.flushall();
});

it("every key is under the prefix and ends; nothing else was touched", async () => {
  const others = { "other:app": "1", app: "2", sluice: "3", ap: "4" };
  for (const [key, value] of Object.entries(others)) await client.set(key, value);
  const adapter = redisAdapter({ client, prefix: "app:" });
  const { rateLimitStore, circuitBreakerStore, cacheStore, store } = adapter;
  if (rateLimitStore === undefined || circuitBreakerStore === undefined || cacheStore === undefined || store === undefined) throw new Error("a member is missing");
  const policy = circuitPolicy({ failureThreshold: 1, resetTimeoutMs: 50 });
  const limiter = adapter.rateLimiter({ capacity: 5, tokensPerSecond: 1 });
  const now = Date.now();
  for (const name of HOSTILE) {
    for (const limit of LIMITS) for (let i = 0; i < 7; i++) await rateLimitStore.check(name, limit, 1);
    await rateLimitStore.checkAll(name, LIMITS, 1);
    await rateLimitStore.increment(name, 60);
    if (name.length < 512) await limiter.consume(name, 1);
    for (const outcome of ["success", "failure"] as const) {
      const permit = await circuitBreakerStore.acquire(name, policy);
      if (permit.allowed) await circuitBreakerStore.report(name, policy, permit, outcome);
    }
    await circuitBreakerStore.recordFailure(name);
    for (const bytes of [10, 300_000]) await cacheStore.write(`${name}${bytes}`, { status: 200, headers: [["x", "y"]], body: new Uint8Array(bytes), storedAt: now, freshUntil: now + 60_000, keepUntil: now + 60_000 });
    await store.set(name, { name }, 60_000);
    await store.incr(`${name} counter`, 60_000);
  }
  const seen = new Map<string, number>();
  for (let cursor = "0"; ; ) {
    const [next, keys] = await client.scanBuffer(cursor, "COUNT", 1000);
    for (const key of keys) seen.set(key.toString("latin1"), await client.pttl(key));
    cursor = String(next);
    if (cursor === "0") break;
  }
  const ours = [...seen].filter(([key]) => !(key in others));
  expect(ours.length).toBeGreaterThan(HOSTILE.length * 8);
  expect(ours.filter(([key]) => !key.startsWith("app:")).map(([key]) => key)).toEqual([]);
  // -1 is a key without an end; -2 is one that has ended since it was listed.
  expect(ours.filter(([, ttl]) => ttl === -1).map(([key]) => key), "keys without an end").toEqual([]);
  expect(Math.max(...ours.map(([, ttl]) => ttl))).toBeLessThanOrEqual(86_400_000 + 2000);
  for (const [key, value] of Object.entries(others)) expect([await client.get(key), await client.pttl(key)]).toEqual([value, -1]);
  for (const name of HOSTILE) expect(await store.get(name)).toEqual({ name });
  await adapter.close();
});
