/**
 * Limits in Postgres, beside rate-limiter-flexible and a bare upsert on the same server: one server of our own per run, with the
 * settings Postgres ships with (fsync and synchronous_commit on), the same pool of 10 connections for everybody.
 */
import { createJiti } from "jiti";
import pg from "pg";
import { RateLimiterPostgres } from "rate-limiter-flexible";

const { postgresAdapter, postgresStore, PostgresCacheStore, postgresPubSub, POSTGRES_SCHEMA_SQL } = await import("../../dist/postgres.js");
const { circuitPolicy } = await import("../../dist/state/algorithms/circuit-policy.js");

/** The run starts the server; its cells find the address in their environment. */
async function start() {
  const jiti = createJiti(import.meta.url);
  const { startPostgres } = await jiti.import("../../test/servers/postgres.ts");
  const server = await startPostgres({ fsync: "on", max_connections: "100" });
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query(POSTGRES_SCHEMA_SQL);
  await client.query("CREATE UNLOGGED TABLE floor_counts (key text PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50)");
  await client.end();
  return (process.env.SLUICE_BENCH_POSTGRES = server.url);
}

const url = process.env.SLUICE_BENCH_POSTGRES ?? (await start());
const AMPLE = 1e9;

/** Every connection has to make its plans, and every path its machine code, before anything is measured: the same time for all. */
const WARM_MS = 1200;

/** `call(i)` over and over by `callers` at a time; each call's time in ms is kept. */
async function flight(callers, call, teardown) {
  const times = [];
  let turn = 0;
  const run = async (n) => {
    let left = n;
    const caller = async () => {
      while (left-- > 0) {
        const began = performance.now();
        await call((turn += 7919));
        times.push(performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: Math.min(callers, n) }, caller));
  };
  for (const began = performance.now(); performance.now() - began < WARM_MS; ) await run(callers * 2);
  return { run, teardown, latencies: () => times };
}

const pools = () => new pg.Pool({ connectionString: url, max: 10 });
const name = (callers, keys) => `${callers} caller${callers === 1 ? "" : "s"}, ${keys === 1 ? "1 key" : `${keys} keys`}`;

/** Rounds of all callers in one measured batch: enough that its end costs little, and no more than a second or two. */
const batch = (callers, rounds) => (callers === 1 ? undefined : callers * rounds);

function sluice(callers, keys) {
  return {
    name: `sluice, ${name(callers, keys)}`, batch: batch(callers, keys === 1 ? 64 : 16),
    async setup() {
      const pool = pools();
      const { rateLimitStore } = postgresAdapter({ client: pool });
      const policy = { algorithm: "token-bucket", capacity: AMPLE, max: AMPLE, windowMs: 60_000 };
      return flight(callers, (i) => rateLimitStore.check(`k${i % keys}`, policy, 1), () => pool.end());
    },
  };
}

function peer(callers, keys) {
  return {
    name: `rate-limiter-flexible, ${name(callers, keys)}`, batch: batch(callers, 2),
    async setup() {
      const pool = pools();
      const limiter = await new Promise((resolve, reject) => {
        const made = new RateLimiterPostgres({ storeClient: pool, storeType: "pool", tableName: "peer", points: AMPLE, duration: 60 }, (error) => (error ? reject(error) : resolve(made)));
      });
      return flight(callers, (i) => limiter.consume(`k${i % keys}`, 1), () => pool.end());
    },
  };
}

function floor(callers, keys) {
  return {
    name: `bare upsert, ${name(callers, keys)}`, batch: batch(callers, 8),
    async setup() {
      const pool = pools();
      const text = "INSERT INTO floor_counts AS t (key, n) VALUES ($1, 1) ON CONFLICT (key) DO UPDATE SET n = t.n + 1 RETURNING n";
      return flight(callers, (i) => pool.query({ name: "floor", text, values: [`k${i % keys}`] }), () => pool.end());
    },
  };
}

const on = (label, callers, rounds, make) => ({
  name: label, batch: batch(callers, rounds),
  async setup() {
    const pool = pools();
    const { call, close } = await make(pool);
    return flight(callers, call, async () => {
      await close?.();
      await pool.end();
    });
  },
});

const shapes = [[1, 1, 3], [64, 1, 100], [64, 10_000, 10], [1024, 1, 300], [1024, 10_000, 15]];

export default {
  name: "postgres",
  description: "limits in Postgres, one server, pg Pool of 10, fsync on",
  cells: [
    ...shapes.flatMap(([callers, keys]) => [sluice(callers, keys), peer(callers, keys), floor(callers, keys)]),
    on("sluice, 64 callers, 1 key, all refused", 64, 64, async (pool) => {
      const { rateLimitStore } = postgresAdapter({ client: pool });
      const policy = { algorithm: "fixed-window", max: 1, windowMs: 86_400_000 };
      await rateLimitStore.check("refused", policy, 1);
      return { call: () => rateLimitStore.check("refused", policy, 1) };
    }),
    on("sluice, 64 callers, breaker acquire and report", 64, 8, async (pool) => {
      const { circuitBreakerStore } = postgresAdapter({ client: pool });
      const policy = circuitPolicy();
      return { call: async () => circuitBreakerStore.report("up", policy, await circuitBreakerStore.acquire("up", policy), "success") };
    }),
    on("sluice, 64 callers, 10000 keys, key-value incr", 64, 8, async (pool) => {
      const store = postgresStore(pool, { keyPrefix: "bench:" });
      return { call: (i) => store.incr(`n${i % 10_000}`, 600_000) };
    }),
    ...[1024, 102_400].map((bytes) => on(`sluice, 8 callers, cache get of ${bytes} bytes`, 8, 32, async (pool) => {
      const cache = new PostgresCacheStore(pool);
      await cache.put("page", new Response("x".repeat(bytes)), 600);
      return { call: async () => (await cache.get("page")).arrayBuffer() };
    })),
    on("sluice, 8 callers, cache put of 1024 bytes", 8, 16, async (pool) => {
      const cache = new PostgresCacheStore(pool);
      const body = "x".repeat(1024);
      return { call: (i) => cache.put(`page${i % 100}`, new Response(body), 600) };
    }),
    on("sluice, 64 callers, publish of 100 bytes", 64, 16, async (pool) => {
      const pubsub = postgresPubSub(pool);
      const message = "x".repeat(100);
      return { call: () => pubsub.publish("bench", message), close: () => pubsub.close() };
    }),
  ],
  ratios: [
    ...shapes.map(([callers, keys, atLeast]) => ({ name: `${name(callers, keys)}, against rate-limiter-flexible`, of: `sluice, ${name(callers, keys)}`, to: `rate-limiter-flexible, ${name(callers, keys)}`, atLeast })),
    { name: "1 caller, 1 key, against the bare upsert", of: `sluice, ${name(1, 1)}`, to: `bare upsert, ${name(1, 1)}`, atLeast: 0.9 },
    { name: "64 callers, 1 key, against the bare upsert", of: `sluice, ${name(64, 1)}`, to: `bare upsert, ${name(64, 1)}`, atLeast: 20 },
    { name: "64 callers, 10000 keys, against the bare upsert", of: `sluice, ${name(64, 10_000)}`, to: `bare upsert, ${name(64, 10_000)}`, atLeast: 4 },
    { name: "refused on one row, against the bare upsert", of: "sluice, 64 callers, 1 key, all refused", to: `bare upsert, ${name(64, 1)}`, atLeast: 20 },
    { name: "64 callers, 1 key, client CPU", of: `sluice, ${name(64, 1)}`, metric: "cpu", atMost: 1 },
  ],
};
