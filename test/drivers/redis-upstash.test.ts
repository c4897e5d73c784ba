/** Redis over HTTP: the real client, its wire format, a real Redis behind it. */

import { Redis as Upstash } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisAdapter, redisDriver, redisRateLimiter, redisStore } from "../../src/redis.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import type { ContractReport } from "../../src/testing/report.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { type UpstashServer, startUpstash } from "../servers/upstash.ts";

let server: RedisServer;
let http: UpstashServer;
beforeAll(async () => {
  server = await startRedis();
  http = await startUpstash(server.port);
});
afterAll(async () => {
  await http.stop();
  await server.stop();
});

describe.each([["with automatic pipelining", true], ["without", false]])("@upstash/redis %s", (_, enableAutoPipelining) => {
  const connect = (): Upstash => new Upstash({ url: http.url, token: http.token, enableAutoPipelining });
  const conforms = async (verify: Promise<ContractReport>): Promise<void> => {
    const { violations, passed } = await verify;
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };
  // The suite is a thousand requests; once is enough.
  if (enableAutoPipelining) it("key-value", async () => conforms(verifyStoreContract(() => redisStore(connect()), { ttlMs: 300 })));
  it("rate limits", async () => conforms(verifyRateLimitStoreContract(() => createStores(redisDriver(connect())).rateLimitStore)));
  it("rate limiter", async () => conforms(verifyRateLimiterContract((policy) => redisRateLimiter(connect(), policy))));
  it("circuit breaker", async () => conforms(verifyCircuitBreakerStoreContract(() => createStores(redisDriver(connect())).circuitBreakerStore)));
  it("cache", async () => conforms(verifyCacheStoreContract(() => cacheStoreOn(redisDriver(connect()), { inlineBytes: 1000 }), { ttlMs: 400 })));
  it("driver", async () => conforms(verifyDriverContract(() => redisDriver(connect()))));

  it("1,000 decisions made at once are a few requests", async () => {
    const adapter = redisAdapter({ client: connect() });
    await adapter.rateLimitStore?.increment("warm", 60);
    const before = http.requests;
    const counts = await Promise.all(Array.from({ length: 1000 }, async () => (await adapter.rateLimitStore?.increment("k" + String(enableAutoPipelining), 60))?.count));
    expect(counts.sort((a, b) => Number(a) - Number(b)).at(-1)).toBe(1000);
    expect(http.requests - before).toBeLessThan(5);
    await adapter.close();
  });
});

it("a wrong token is a store failure that did nothing", async () => {
  const store = redisStore(new Upstash({ url: http.url, token: "wrong", retry: false }));
  await expect(store.set("k", 1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
});
