/** Every contract on a real Redis, through each client. */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { createClient as createClient4 } from "redis-4";
import { createClient as createClient5 } from "redis-5";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisConnection, fromIoredis, fromMinimal, fromNodeRedis } from "../../src/drivers/redis/client.ts";
import { type RedisStateDriver, redisDriver } from "../../src/drivers/redis/driver.ts";
import { redisRateLimiter, redisStore } from "../../src/drivers/redis/store.ts";
import type { StoreError } from "../../src/core/errors.ts";
import type { Algorithm, Operation } from "../../src/state/contracts/driver.ts";
import type { LimitDecision, LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { LimitLeaseGrant } from "../../src/state/lease/lease-command.ts";
import { leaseTerms } from "../../src/state/lease/lease-limit.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { type CompiledLimit, compileLimit } from "../../src/state/limit-policy.ts";
import { until } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

let server: RedisServer;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const close of open) await close();
  await server.stop();
});

const clients: Record<string, () => Promise<RedisConnection>> = {
  async ioredis() {
    const client = new Redis(server.port, "127.0.0.1");
    open.push(() => client.disconnect());
    return fromIoredis(client);
  },
  async "node-redis 6"() {
    const client = createClient({ url: server.url });
    await client.connect();
    open.push(() => client.destroy());
    return fromNodeRedis(client);
  },
  async "node-redis 5"() {
    const client = createClient5({ url: server.url });
    await client.connect();
    open.push(() => client.destroy());
    return fromNodeRedis(client);
  },
  async "node-redis 4"() {
    const client = createClient4({ url: server.url });
    await client.connect();
    open.push(() => client.disconnect());
    return fromNodeRedis(client as never);
  },
  async "get, set, del, eval"() {
    const client = new Redis(server.port, "127.0.0.1");
    open.push(() => client.disconnect());
    return fromMinimal({ get: (key) => client.get(key), set: (key, value) => client.set(key, value), del: (...keys) => client.del(...keys), eval: (script, count, ...rest) => client.eval(script, count, ...rest) });
  },
};

/** Clients that have only text. */
const textOnly = (name: string): boolean => name === "node-redis 4" || name === "get, set, del, eval";

describe.each(Object.entries(clients))("%s", (_, connect) => {
  const report = async (verify: (connect: () => Promise<RedisConnection>) => Promise<{ violations: readonly unknown[]; passed: readonly string[] }>): Promise<void> => {
    const { violations, passed } = await verify(connect);
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };

  it("key-value", () => report((make) => verifyStoreContract(async () => redisStore(await make(), { keyPrefix: "kv:" }), { ttlMs: 200 })));
  it("rate limits", () => report((make) => verifyRateLimitStoreContract(async () => createStores(redisDriver(await make())).rateLimitStore)));
  it("rate limiter", () => report((make) => verifyRateLimiterContract(async (policy) => redisRateLimiter(await make(), policy))));
  it("circuit breaker", () => report((make) => verifyCircuitBreakerStoreContract(async () => createStores(redisDriver(await make())).circuitBreakerStore)));
  it("cache", () => report((make) => verifyCacheStoreContract(async () => cacheStoreOn(redisDriver(await make())), { ttlMs: 200 })));
  it("cache, bodies in chunks", () => report((make) => verifyCacheStoreContract(async () => cacheStoreOn(redisDriver(await make()), { inlineBytes: 0 }), { ttlMs: 200 })));
  it("driver", () => report((make) => verifyDriverContract(async () => redisDriver(await make()))));
});

it("bytes are kept as bytes where the client can, else as text, and never misread", async () => {
  const admin = new Redis(server.port, "127.0.0.1");
  open.push(() => admin.disconnect());
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  for (const [name, connect] of Object.entries(clients)) {
    const driver = redisDriver(await connect());
    await driver.set(name, bytes, 60_000);
    const stored = (await admin.getBuffer(`sluice:${name}`)) as Buffer;
    expect([stored[0], stored.length]).toEqual(textOnly(name) ? [0x62, 345] : [0x72, 257]);
    for (const [other, connectOther] of Object.entries(clients)) {
      const reader = redisDriver(await connectOther());
      if (!textOnly(name) && textOnly(other)) await expect((async () => reader.get(name))()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
      else expect(await reader.get(name)).toEqual(bytes);
    }
  }
});

it("a record that has ended is absent, whatever kept it and whatever asks", async () => {
  const client = new Redis(server.port, "127.0.0.1");
  open.push(() => client.disconnect());
  const driver = redisDriver(client);
  const limits = [
    compileLimit({ algorithm: "fixed-window", max: 5, windowMs: 40 }),
    compileLimit({ algorithm: "token-bucket", max: 1, windowMs: 40, capacity: 1 }),
    compileLimit({ algorithm: "sliding-window", max: 5, windowMs: 64, dynamic: true }),
    compileLimit({ algorithm: "sliding-window", max: 5, windowMs: 40 }),
  ];
  const ask = async ({ algorithm, policy }: CompiledLimit, key: string): Promise<unknown> => (await driver.run([{ algorithm, key, commands: [{ cost: 1, policy }] }]))[0]?.[0];
  for (const [i, kept] of limits.entries()) {
    for (const [j, asked] of limits.entries()) {
      if (i === j) continue;
      const key = `ended:${i}:${j}`;
      expect(await ask(kept, key)).toMatchObject({ allowed: true });
      expect(await ask(asked, key), "while it lives").toMatchObject({ code: "STORE_WRONG_TYPE" });
      await until("the record has ended", async () => (await client.pttl(`sluice:${key}`)) <= 1000);
      expect(await client.exists(`sluice:${key}`), "still kept").toBe(1);
      expect(await ask(asked, key), `${asked.algorithm.name} after ${kept.algorithm.name}`).toMatchObject({ allowed: true });
    }
  }
});

describe("one call with many keys", () => {
  const fixed = compileLimit({ algorithm: "fixed-window", max: 3, windowMs: 60_000 });
  const operation = (key: string, ...costs: number[]): Operation => ({ algorithm: fixed.algorithm as Algorithm, key, commands: costs.map((cost) => ({ cost, policy: fixed.policy })) });
  const allowed = (replies: readonly (readonly unknown[])[]): unknown[] => replies.map((row) => row.map((reply) => (reply instanceof Error ? (reply as StoreError).code : (reply as LimitDecision).allowed)));
  const connected = (): { client: Redis; driver: RedisStateDriver } => {
    const client = new Redis(server.port, "127.0.0.1");
    open.push(() => client.disconnect());
    return { client, driver: redisDriver(client) };
  };

  it("answers a key that stands in it more than once in order", async () => {
    const { driver } = connected();
    const replies = await driver.run([operation("twice", 1), operation("other", 1), operation("twice", 2), operation("twice", 1)]);
    expect(allowed(replies)).toEqual([[true], [true], [true], [false]]);
  });

  it("leaves a key of another type alone, and says so, also where nothing is charged", async () => {
    const { client, driver } = connected();
    for (const name of ["list", "list 2"]) await client.rpush(`sluice:${name}`, "mine");
    expect(allowed(await driver.run([operation("list", 1), operation("beside", 1), operation("list 2", 0)]))).toEqual([["STORE_WRONG_TYPE"], [true], ["STORE_WRONG_TYPE"]]);
    expect(await client.lrange("sluice:list", 0, -1)).toEqual(["mine"]);
  });

  it("takes more keys than one script may have", async () => {
    const { driver } = connected();
    const batch = Array.from({ length: 700 }, (_, i) => operation(`many:${i}`, i % 5));
    expect(allowed(await driver.run(batch))).toEqual(batch.map((_, i) => [i % 5 <= 3]));
    expect(allowed(await driver.run(batch))).toEqual(batch.map((_, i) => [i % 5 <= 1]));
  });
});

it.each<[string, LimitPolicy]>([
  ["fixed window", { algorithm: "fixed-window", max: 100, windowMs: 60_000 }],
  ["token bucket", { algorithm: "token-bucket", max: 100, windowMs: 60_000, capacity: 100 }],
  ["sliding window", { algorithm: "sliding-window", max: 100, windowMs: 60_000 }],
])("a lease of a %s, and what is given back of it, are one call each, whatever else is in the batch", async (name, user) => {
  const client = new Redis(server.port, "127.0.0.1");
  open.push(() => client.disconnect());
  const whole = fromIoredis(client);
  for (const connection of [whole, { ...whole, evaluateBytes: undefined } as unknown as RedisConnection]) {
    let calls = 0;
    const key = `lease:${name}:${connection === whole}`;
    // Beside them a process tells now and then that it leases, for which nobody waits.
    const counted = <A extends readonly unknown[], R>(call: ((...args: A) => R) | undefined) => call === undefined ? undefined : (...args: A): R => ((args[1] as readonly string[]).some((name) => name.includes(key)) && calls++, call(...args));
    const { evaluate, evaluateBytes } = connection;
    const driver = redisDriver({ ...connection, evaluate: counted(evaluate) as typeof evaluate, evaluateBytes: counted(evaluateBytes) } as RedisConnection);
    const { algorithm, policy } = leaseTerms(driver, user);
    const [granted] = (await driver.run([{ algorithm: algorithm as Algorithm, key, commands: [{ lease: 40, waiting: 40, divisor: 2, ttlMs: 80, policy }, { cost: 3, policy }] }]))[0] as [LimitLeaseGrant];
    expect(granted).toMatchObject({ granted: 40 });
    const [, peek] = (await driver.run([{ algorithm: algorithm as Algorithm, key, commands: [{ refund: granted.ticket, cost: 25, policy }, { cost: 0, policy }] }]))[0] as [unknown, LimitDecision];
    // A bucket is smaller by what refills in the life of a lease, and has refilled a little.
    expect(Math.abs(peek.remaining - (100 - 40 - 3 + 25))).toBeLessThan(3);
    expect(calls).toBe(2);
  }
});
