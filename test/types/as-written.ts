/** What the guides of the field show, as their readers write it: only the import specifiers are ours. Checked by the type check. */

import { openKv } from "@deno/kv";
import type { CacheStorage as WorkerCaches, DurableObjectNamespace, ExecutionContext, KVNamespace } from "@cloudflare/workers-types";
import { Redis } from "ioredis";
import { Pool } from "pg";
import { createClient } from "redis";
import { Redis as Upstash } from "@upstash/redis";
import { createGateway, rateLimit, type GatewayAdapter, type RateLimitStore } from "../../src/gateway.ts";
import { createPolicyTestHarness } from "../../src/gateway-sdk.ts";
import { cloudflareAdapter, cloudflareKvStore, DurableObjectRateLimitStore } from "../../src/cloudflare.ts";
import { denoKvStore } from "../../src/deno.ts";
import { fromIoredis, fromUpstash, redisAdapter, redisStore } from "../../src/redis.ts";
import { POSTGRES_SCHEMA_SQL, type PostgresCacheStore, type PostgresRateLimitStore, postgresAdapter } from "../../src/postgres.ts";
import { seam } from "../../src/client.ts";
import { verifyStoreContract } from "../../src/testing.ts";

interface Env {
  RATE_LIMIT_KV: KVNamespace;
  RATE_LIMITER: DurableObjectNamespace;
  MY_KV: KVNamespace;
}

export const perRequest = {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const adapter = cloudflareAdapter({ rateLimitKv: env.RATE_LIMIT_KV, cache: (caches as unknown as WorkerCaches).default, executionCtx: ctx, env });
    const gateway = createGateway({ adapter, routes: [] });
    return gateway.app.fetch(request, env, ctx);
  },
};

export const durable = {
  fetch(request: Request, env: Env): Response | Promise<Response> {
    const store = new DurableObjectRateLimitStore(env.RATE_LIMITER);
    const gateway = createGateway({
      routes: [{ path: "/api/*", pipeline: { policies: [rateLimit({ max: 100, store })], upstream: { type: "url", target: "https://backend.internal" } } }],
    });
    return gateway.app.fetch(request, env);
  },
};

export const durableThroughAdapter = (env: Env): unknown => {
  const adapter = cloudflareAdapter({ rateLimitDo: env.RATE_LIMITER });
  return createGateway({
    routes: [{ path: "/api/*", pipeline: { policies: [rateLimit({ max: 100, store: adapter.rateLimitStore })], upstream: { type: "url", target: "https://backend.internal" } } }],
  });
};

export const onRedis = async (): Promise<unknown[]> => {
  const redis = new Redis(process.env.REDIS_URL!);
  const redis2 = new Redis(process.env.REDIS_URL!);
  const client = await createClient({ url: process.env.REDIS_URL }).connect();
  return [
    redisAdapter({ client: redis, stores: { rateLimit: false } }),
    redisAdapter({ client: client as any, setWithTTL: (c, k, v, ttl) => c.set(k, v, "EX", ttl) }),
    redisAdapter({ client }),
    seam({ store: redisStore(fromIoredis(redis2), { keyPrefix: "myapp:" }) }),
    seam({ store: redisStore(fromUpstash(Upstash.fromEnv())) }),
  ];
};

export const onPostgres = async (): Promise<void> => {
  const pool = new Pool({ connectionString: process.env.DATABASE_URL });
  await pool.query(POSTGRES_SCHEMA_SQL);
  const adapter = postgresAdapter({ client: pool, stores: { cache: false } });
  const rlStore = adapter.rateLimitStore as PostgresRateLimitStore;
  const cacheStore = adapter.cacheStore as PostgresCacheStore;
  await rlStore.cleanup();
  await cacheStore.cleanup();
};

export const onKv = async (env: Env): Promise<unknown[]> => [
  seam({ store: cloudflareKvStore(env.MY_KV) }),
  seam({ store: denoKvStore(await openKv(process.env.DENO_KV_URL)) }),
];

declare class MyRateLimitStore implements RateLimitStore {
  increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }>;
}

const backgroundQueue: Promise<unknown>[] = [];
export function myAdapter(): GatewayAdapter {
  return { rateLimitStore: new MyRateLimitStore(), waitUntil: (p) => backgroundQueue.push(p) };
}

export const tested = async (): Promise<void> => {
  const { request, adapter } = createPolicyTestHarness(rateLimit({ max: 1 }));
  const res = await request("/test");
  await adapter.waitAll();
  res.headers.get("x-ratelimit-limit");
  await verifyStoreContract(() => redisStore(fromIoredis(new Redis())));
};
