/** Names of statements with and without a pooler between: used where a session is ours, never where it is somebody else's next time. */

import pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { POSTGRES_SCHEMA_SQL, type PostgresClient, type PostgresClientOptions, postgresAdapter } from "../../src/postgres.ts";
import { type Pooler, startPooler } from "../servers/pgbouncer.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

let server: PostgresServer;
let pooler: Pooler;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  server = await startPostgres();
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query(POSTGRES_SCHEMA_SQL);
  await client.end();
  // Fewer sessions than the client has connections: a statement seldom meets the one it was prepared on.
  pooler = await startPooler(server.port, 2);
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

const javascript = (url: string, max: number): postgres.Sql => {
  const sql = postgres(url, { max, onnotice: () => undefined });
  open.push(() => sql.end({ timeout: 1 }));
  return sql;
};

/** Many statements of many texts on all connections at once; every count has to be there once. */
async function use(client: PostgresClient, key: string, options: PostgresClientOptions = {}): Promise<void> {
  const adapter = postgresAdapter({ client, combiner: { timeoutMs: 30_000 }, ...options });
  open.push(() => adapter.close());
  for (let round = 0; round < 15; round++) {
    await Promise.all([adapter.rateLimitStore?.increment(key, 600), adapter.store?.incr(key), adapter.store?.get(`${key}?`), adapter.cacheStore?.read(key), adapter.circuitBreakerStore?.getState(key)]);
  }
  expect([(await adapter.rateLimitStore?.increment(key, 600))?.count, await adapter.store?.incr(key)]).toEqual([16, 16]);
}

it("postgres.js with its defaults works through a pooler that forgets names", async () => {
  await use(javascript(pooler.url, 6), "pooled");
});

it("postgres.js prepares by name on a session of its own, unless told not to", async () => {
  const named = javascript(server.url, 1);
  await use(named, "direct");
  const names = async (sql: postgres.Sql): Promise<number> => Number((await sql.unsafe("SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE '%sluice%'"))[0]?.["n"]);
  expect(await names(named)).toBeGreaterThan(2);
  const told = javascript(server.url, 1);
  await use(told, "told", { prepare: false });
  expect(await names(told)).toBe(0);
});

it("pg with its defaults works through a pooler that forgets names", async () => {
  const pool = new pg.Pool({ connectionString: pooler.url, max: 6 });
  open.push(() => pool.end());
  await use(pool, "pg pooled");
});
