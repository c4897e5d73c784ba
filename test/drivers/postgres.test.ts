/** Every contract on a real Postgres, through each client. */

import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PostgresConnection, fromPg, fromPostgresJs, fromQuery } from "../../src/drivers/postgres/client.ts";
import { postgresDriver } from "../../src/drivers/postgres/driver.ts";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { postgresRateLimiter, postgresStore } from "../../src/drivers/postgres/store.ts";
import { PostgresCacheStore } from "../../src/drivers/postgres/cache-store.ts";
import { type PostgresPubSub, postgresPubSub } from "../../src/drivers/postgres/pub-sub.ts";
import { PostgresCircuitBreakerStore, PostgresRateLimitStore } from "../../src/drivers/postgres/stores.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyPubSubContract } from "../../src/testing/verify-pubsub.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { type Pooler, startPooler } from "../servers/pgbouncer.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

interface Lite {
  exec(sql: string): Promise<unknown>;
  query(text: string, params?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  close(): Promise<void>;
}

let server: PostgresServer;
let lite: Lite;
let pooler: Pooler;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startPostgres();
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query(POSTGRES_SCHEMA_SQL);
  await client.query(POSTGRES_SCHEMA_SQL);
  await client.end();
  pooler = await startPooler(server.port);
  // Its declarations ask for a global namespace that this project does not have.
  const { PGlite } = (await import("@electric-sql/pglite" as string)) as { PGlite: new () => Lite };
  lite = new PGlite();
  await lite.exec(POSTGRES_SCHEMA_SQL);
});
afterAll(async () => {
  for (const close of open) await close();
  await lite.close();
  await pooler.stop();
  await server.stop();
});

const clients: Record<string, () => PostgresConnection> = {
  "pg Pool"() {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    open.push(() => pool.end());
    return fromPg(pool);
  },
  "pg Pool, nothing prepared"() {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    open.push(() => pool.end());
    return fromPg(pool, { prepare: false });
  },
  "postgres.js"() {
    const sql = postgres(server.url, { max: 4, onnotice: () => undefined });
    open.push(() => sql.end({ timeout: 1 }));
    return fromPostgresJs(sql);
  },
  "query(text, params)"() {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    open.push(() => pool.end());
    return fromQuery({ query: async (text, params) => (await pool.query(text, params)).rows });
  },
  PGlite: () => fromQuery(lite),
  // Four clients of each process on three sessions of the server: a statement seldom meets the session it was prepared on.
  "pg Pool, through PgBouncer"() {
    const pool = new pg.Pool({ connectionString: pooler.url, max: 4 });
    open.push(() => pool.end());
    return fromPg(pool);
  },
  "pg Pool, nothing prepared, through PgBouncer"() {
    const pool = new pg.Pool({ connectionString: pooler.url, max: 4 });
    open.push(() => pool.end());
    return fromPg(pool, { prepare: false });
  },
  "postgres.js, through PgBouncer"() {
    const sql = postgres(pooler.url, { max: 4, onnotice: () => undefined });
    open.push(() => sql.end({ timeout: 1 }));
    return fromPostgresJs(sql);
  },
};

/** What is asserted is what was answered: a machine with other work to do is no lost store. */
const combiner = { timeoutMs: 30_000 };

describe.each(Object.entries(clients))("%s", (name, connect) => {
  // PGlite is a database in this process: suites at the same time would only hold each other up.
  const run = name === "PGlite" ? it : it.concurrent;
  // Two clients stand for two processes; a suite makes many objects on them.
  const made: PostgresConnection[] = [];
  let next = 0;
  const pair = (): PostgresConnection => (made[next++ % 2] ??= connect());
  const report = async (verify: (connect: () => PostgresConnection) => Promise<{ violations: readonly unknown[]; passed: readonly string[] }>): Promise<void> => {
    const { violations, passed } = await verify(pair);
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };

  run("driver", () => report((make) => verifyDriverContract(() => postgresDriver(make(), { hungMs: 30_000 }), { timeoutMs: 60_000 })));
  run("key-value", () => report((make) => verifyStoreContract(() => postgresStore(make(), { keyPrefix: "kv:", combiner }), { ttlMs: 200 })));
  run("rate limits", () => report((make) => verifyRateLimitStoreContract(() => new PostgresRateLimitStore(make(), { combiner }))));
  run("rate limiter", () => report((make) => verifyRateLimiterContract((policy) => postgresRateLimiter(make(), policy, { combiner }))));
  run("circuit breaker", () => report((make) => verifyCircuitBreakerStoreContract(() => new PostgresCircuitBreakerStore(make(), { combiner }))));
  run("cache", () => report((make) => verifyCacheStoreContract(() => new PostgresCacheStore(make(), { combiner }))));
});

describe.each(Object.entries(clients).filter(([name]) => name !== "query(text, params)" && !name.endsWith("PgBouncer")))("%s: pub/sub", (_, connect) => {
  it("keeps the contract", async () => {
    const made: PostgresConnection[] = [];
    let next = 0;
    const { violations, passed } = await verifyPubSubContract(() => postgresPubSub((made[next++ % 2] ??= connect())), {
      idle: (pubsub) => JSON.stringify((pubsub as PostgresPubSub).size) === '{"channels":0,"clients":0,"routers":0}',
    });
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(20);
  });
});
