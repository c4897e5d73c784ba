/** The adapter, its clients, its schema and its clean-up on a real Postgres. */

import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import {
  POSTGRES_SCHEMA_SQL, type PostgresClient, PostgresCacheStore, PostgresRateLimitStore, postgresAdapter, postgresDriver, postgresPubSub, postgresRateLimiter, postgresSchemaSql, postgresStore,
} from "../../src/postgres.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { until } from "../servers/process.ts";

let server: PostgresServer;
let pool: pg.Pool;
beforeAll(async () => {
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url, max: 8 });
  await pool.query(POSTGRES_SCHEMA_SQL);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

const count = async (table: string): Promise<number> => Number((await pool.query(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);

describe("schema", () => {
  it("is made once by any number of processes at a time, and again without an error", async () => {
    const sql = postgresSchemaSql({ tablePrefix: "many_" });
    await Promise.all(Array.from({ length: 8 }, () => pool.query(sql)));
    await pool.query(sql);
    expect(await count("many_rate_limits")).toBe(0);
  });

  it("keeps limits and circuits out of the log unless told otherwise", async () => {
    await pool.query(postgresSchemaSql({ tablePrefix: "logged_", durability: "logged" }));
    const { rows } = await pool.query("SELECT relname, relpersistence FROM pg_class WHERE relkind = 'r' AND (relname LIKE 'sluice\\_%' OR relname LIKE 'logged\\_%') ORDER BY relname");
    expect(Object.fromEntries(rows.map(({ relname, relpersistence }) => [relname, relpersistence]))).toEqual({
      sluice_cache: "p", sluice_circuit_breakers: "u", sluice_entries: "p", sluice_messages: "u", sluice_rate_limits: "u", sluice_topic_entries: "u", sluice_topics: "u",
      logged_cache: "p", logged_circuit_breakers: "p", logged_entries: "p", logged_messages: "u", logged_rate_limits: "p", logged_topic_entries: "u", logged_topics: "u",
    });
  });

  it.each(["", "A", "1a", "a-b", "a b", 'a"; drop table x; --', "a".repeat(42), 7])("refuses the prefix %j", (tablePrefix) => {
    expect(() => postgresSchemaSql({ tablePrefix: tablePrefix as string })).toThrow(/tablePrefix must be/);
    expect(() => postgresAdapter({ client: pool, tablePrefix: tablePrefix as string })).toThrow(/tablePrefix must be/);
  });
});

it.each([[undefined], [null], [7], [{}], [{ connect: () => undefined }], [() => undefined]])("refuses %j as a client, and says what is missing", (client) => {
  expect(() => postgresAdapter({ client: client as never })).toThrow(/client must be/);
});

it("gives back what its limiters have leased and not spent", async () => {
  await pool.query(postgresSchemaSql({ tablePrefix: "leased_" }));
  const adapter = postgresAdapter({ client: pool, tablePrefix: "leased_", lease: { targetMs: 60_000 } });
  const limiter = adapter.rateLimiter({ capacity: 1000, tokensPerSecond: 0.001 });
  // Units of the bucket that are owed: a million for each token.
  const owed = async (): Promise<number> => Math.round(Number((await pool.query("SELECT n2 FROM leased_rate_limits")).rows[0].n2) / 1_000_000);
  for (let spent = 0; spent < 20; spent++) expect((await limiter.consume("u", 1)).allowed).toBe(true);
  expect(await owed()).toBeGreaterThan(20);
  await adapter.close();
  expect(await owed()).toBe(20);
  await expect((async () => limiter.consume("u", 1))()).rejects.toMatchObject({ code: "STORE_CLOSED" });
});

it("refuses to listen on a pool of one connection, which goes on serving everything else", async () => {
  const one = new pg.Pool({ connectionString: server.url, max: 1 });
  const adapter = postgresAdapter({ client: one });
  const refused = { code: "CONFIG_INVALID", option: "client.options.max", message: expect.stringContaining("max must be at least 2") };
  await expect(adapter.pubsub?.subscribe("c", () => undefined)).rejects.toMatchObject(refused);
  await expect(adapter.pubsub?.start(() => undefined)).rejects.toMatchObject(refused);
  await adapter.pubsub?.publish("c", 1);
  await adapter.store?.set("pool of one", 1);
  expect(await adapter.store?.get("pool of one")).toBe(1);
  await adapter.close();
  await one.end();
});

it.each([
  ["the adapter's limiters", (client: PostgresClient, clock: Clock) => postgresAdapter({ client, clock, lease: true }).rateLimiter({ capacity: 10, tokensPerSecond: 0.001, prefix: "a" })],
  ["postgresRateLimiter", (client: PostgresClient, clock: Clock) => postgresRateLimiter(client, { capacity: 10, tokensPerSecond: 0.001, prefix: "b" }, { clock, lease: true })],
  ["PostgresRateLimitStore", (client: PostgresClient, clock: Clock) => {
    const store = new PostgresRateLimitStore(client, { clock, lease: true });
    return { consume: (key: string, cost: number) => store.check(key, { algorithm: "token-bucket", capacity: 10, max: 1, windowMs: 1_000_000 }, cost) };
  }],
])("leases of %s live on the clock that is given", async (_, make) => {
  let statements = 0;
  const limiter = make({ query: async (text: string, params: string[]) => (statements++, (await pool.query(text, params)).rows) }, { ...systemClock, now: () => 1_700_000_000_000, monotonic: () => 1000 });
  await until("a refusal", async () => !(await limiter.consume("u", 1)).allowed);
  const before = statements;
  // A refusal is remembered for a quarter of a second of that clock, which stands still.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect((await limiter.consume("u", 1)).allowed).toBe(false);
  expect(statements).toBe(before);
});

it("refuses pub/sub on a client with no session to give away", async () => {
  expect(() => postgresPubSub(new pg.Client(server.url))).toThrow(/can listen/);
  const adapter = postgresAdapter({ client: { query: async (text: string, params: string[]) => (await pool.query(text, params)).rows } });
  expect(adapter.pubsub).toBeUndefined();
  await adapter.close();
});

it("works on a single Client, whose statements take turns", async () => {
  const client = new pg.Client(server.url);
  await client.connect();
  const store = new PostgresRateLimitStore(client);
  const counts = await Promise.all(Array.from({ length: 50 }, (_, i) => store.increment(`single-${i % 5}`, 60)));
  expect(counts.map(({ count: n }) => n).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => Math.floor(i / 5) + 1));
  store.destroy();
  await client.end();
});

it("an expired row is not shown, is swept, and what lives stays; a row that somebody holds is passed over", async () => {
  const store = new PostgresRateLimitStore(pool, { tablePrefix: "many_" });
  await pool.query("INSERT INTO many_rate_limits (key, state, version, expires_at) SELECT 'old' || n, 'fixed-window/1', 1, 1 FROM generate_series(1, 2500) n");
  await store.increment("short", 0.001);
  await store.increment("long", 600);
  const holder = await pool.connect();
  await holder.query("BEGIN");
  await holder.query("SELECT FROM many_rate_limits WHERE key = 'old7' FOR UPDATE");
  await until("the short window has ended", async () => Number((await pool.query("SELECT count(*) AS n FROM many_rate_limits WHERE expires_at <= extract(epoch FROM clock_timestamp()) * 1000")).rows[0].n) === 2501);
  expect(await store.cleanup()).toBe(2500);
  await holder.query("ROLLBACK");
  holder.release();
  expect(await store.cleanup()).toBe(1);
  expect(await store.cleanup()).toBe(0);
  expect(await count("many_rate_limits")).toBe(1);
  expect((await store.increment("long", 600)).count).toBe(2);
  store.destroy();
});

it("a value deleted while somebody adds to it does not come back by a sweep between", async () => {
  const driver = postgresDriver(pool);
  const store = postgresStore(pool);
  await store.set("gone", "x");
  await store.set("gone", undefined);
  expect(await driver.cleanup("entries")).toBe(0);
  expect(await store.get("gone")).toBeUndefined();
  expect(await store.incr("gone")).toBe(1);
  await store.close();
  await driver.close();
});

it("a sweep takes the expired rows of a cache and of a key-value store", async () => {
  const cache = new PostgresCacheStore(pool);
  const store = postgresStore(pool, { keyPrefix: "sweep:" });
  await cache.put("a", new Response("x".repeat(300_000)), 0.05);
  await cache.put("b", new Response("stays"), 600);
  await store.set("a", 1, 20);
  await store.set("b", 2, 600_000);
  await until("both are past", async () => (await store.get("a")) === undefined && (await cache.get("a")) === undefined);
  await until("the rows of the cache are gone", async () => (await cache.cleanup()) > 0);
  expect(await store.cleanup()).toBeGreaterThan(0);
  expect(await (await cache.get("b"))?.text()).toBe("stays");
  expect(await store.get("b")).toBe(2);
  await store.close();
  await cache[Symbol.asyncDispose]();
});

it("leaves out the stores that are switched off, gives the client back open, and sweeps when told to", async () => {
  await pool.query("TRUNCATE sluice_rate_limits");
  const promises: Promise<unknown>[] = [];
  const adapter = postgresAdapter({ client: pool, stores: { cache: false, pubsub: false }, waitUntil: (promise) => void promises.push(promise), cleanupIntervalMs: 20 });
  expect(Object.keys(adapter)).toEqual(expect.arrayContaining(["rateLimitStore", "circuitBreakerStore", "store", "waitUntil", "rateLimiter", "cleanup", "close"]));
  expect(adapter.cacheStore).toBeUndefined();
  expect(adapter.pubsub).toBeUndefined();
  const limiter = adapter.rateLimiter({ capacity: 2, tokensPerSecond: 1000 });
  expect((await limiter.consume("k", 1)).allowed).toBe(true);
  await until("the row is swept", async () => (await count("sluice_rate_limits")) === 0);
  await adapter.close();
  await adapter.close();
  await expect(adapter.store?.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

it("names that Postgres would cut, fold or refuse are channels of their own", async () => {
  const pubsub = postgresPubSub(pool);
  const names = ["a", "A", "a b", 'a"b', "a'b", "ü", "x".repeat(60), "x".repeat(61), `${"x".repeat(80)}y`, `${"x".repeat(80)}z`, "a\u0000b", "\ud800", "\ud801", "*", "routers"];
  const seen: string[][] = names.map(() => []);
  for (const [i, name] of names.entries()) await pubsub.subscribe(name, (message) => void seen[i]?.push(message as string));
  for (const name of names) await pubsub.publish(name, `to ${name.replaceAll(/[\ud800\ud801]/g, (c) => c.charCodeAt(0).toString(16))}`);
  await until("all are there", () => seen.every((messages) => messages.length > 0));
  expect(seen.map((messages) => messages.length)).toEqual(names.map(() => 1));
  expect(new Set(seen.flat()).size).toBe(names.length);
  await pubsub.close();
});

it("messages around the size of a notification and far above it keep their order, equal ones included", async () => {
  const [here, there] = [postgresPubSub(pool), postgresPubSub(pool)];
  const seen: string[] = [];
  await there.subscribe("sizes", (message) => void seen.push(message as string));
  const sent = [1, 7000, 7890, 7899, 7900, 7901, 8000, 1_000_000, 3, 3, 3, 20_000, 1].map((size) => "ü".repeat(size / 2) + "x".repeat(size % 2));
  await Promise.all(sent.map((message) => here.publish("sizes", message)));
  await until("all are there", () => seen.length === sent.length);
  expect(seen.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
  await here.close();
  await there.close();
});

it("a limiter refuses what the policy cannot mean, before the server is asked", () => {
  expect(() => postgresRateLimiter(pool, { capacity: 0, tokensPerSecond: 1 })).toThrow(RangeError);
});
