/**
 * Limits in Postgres, beside rate-limiter-flexible and a bare upsert on the same server: one server of our own per run, with the
 * settings Postgres ships with (fsync and synchronous_commit on), the same pool of 10 connections for everybody.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
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
const WARM_MS = 3000;

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

/** Statements that one request of a gateway sends, before its upstream is called and after. */
async function roundTrips() {
  const { createGateway, cache, circuitBreaker, rateLimit } = await import("../../dist/gateway.js");
  const { fromPg } = await import("../../dist/postgres.js");
  const pool = pools();
  const real = fromPg(pool);
  const sent = { before: 0, after: 0 };
  let phase = "before";
  const adapter = postgresAdapter({ client: { client: "counted", execute: (...call) => (sent[phase]++, real.execute(...call)) } });
  const handler = () => ((phase = "after"), new Response("ok", { headers: { "cache-control": "max-age=600" } }));
  const route = (path, policies) => ({ path, pipeline: { policies, upstream: { type: "handler", handler } } });
  const limit = () => rateLimit({ max: 1e6, windowSeconds: 600, keyBy: () => "k" });
  const gateway = createGateway({ adapter, routes: [route("/limit", [limit()]), route("/all/*", [limit(), circuitBreaker(), cache({})])] });
  const request = async (path) => {
    phase = "before";
    await (await gateway.fetch(new Request(`http://bench.test${path}`))).text();
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const measure = async (path, n) => {
    for (let i = 0; i < 5; i++) await request(path(-i));
    sent.before = sent.after = 0;
    for (let i = 1; i <= n; i++) await request(path(i));
    return `${(sent.before / n).toFixed(1)} + ${(sent.after / n).toFixed(1)}`;
  };
  const rows = [
    { name: "statements per request before + after the upstream: rateLimit", text: await measure(() => "/limit", 30) },
    { name: "the same: rateLimit, circuitBreaker and cache, a miss", text: await measure((i) => `/all/${i}`, 30) },
    { name: "the same, a hit", text: await measure(() => "/all/hit", 30) },
  ];
  await gateway.close();
  await adapter.close();
  await pool.end();
  return rows;
}

/** How long the event loop stands while bodies of 10 MiB are put and read. */
async function largeBodies(times) {
  const pool = pools();
  const cache = new PostgresCacheStore(pool);
  const body = new Uint8Array(10 * 2 ** 20).fill(120);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const timed = async (call) => {
    delay.reset();
    delay.enable();
    const began = performance.now();
    for (let i = 0; i < times; i++) await call(i);
    const ms = (performance.now() - began) / times;
    delay.disable();
    return { ms, p99: delay.percentile(99) / 1e6 };
  };
  await cache.put("warm", new Response(body), 600);
  const put = await timed((i) => cache.put(`big${i}`, new Response(body), 600));
  const get = await timed(async (i) => (await (await cache.get(`big${i}`)).arrayBuffer()).byteLength);
  await pool.end();
  return [
    { name: "cache put of 10 MiB, event-loop delay p99", text: `${put.p99.toFixed(1)} ms (${put.ms.toFixed(0)} ms each)`, required: "at most 20 ms", ok: put.p99 <= 20, far: put.p99 > 40 },
    { name: "cache get of 10 MiB, event-loop delay p99", text: `${get.p99.toFixed(1)} ms (${get.ms.toFixed(0)} ms each)` },
  ];
}

/** Messages of 100 bytes from this process to another one. */
async function fanOut(count) {
  const child = fork(fileURLToPath(new URL("../postgres-listener.js", import.meta.url)), [url, String(count)]);
  await once(child, "message");
  const pool = pools();
  const pubsub = postgresPubSub(pool);
  const began = performance.timeOrigin + performance.now();
  const told = once(child, "message");
  const text = "x".repeat(80);
  for (let left = count; left > 0; left -= 64) await Promise.all(Array.from({ length: Math.min(64, left) }, () => pubsub.publish("fan-out", { at: performance.timeOrigin + performance.now(), text })));
  const [{ meanMs, endedAt }] = await told;
  child.kill();
  await pubsub.close();
  await pool.end();
  return [{ name: "pub/sub to another process, 64 publishers", text: `${Math.round(count / ((endedAt - began) / 1000))}/s, ${meanMs.toFixed(2)} ms` }];
}

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
  extra: async ({ quick }) => [...(await roundTrips()), ...(await largeBodies(quick ? 5 : 20)), ...(await fanOut(quick ? 3000 : 20_000))],
  ratios: [
    ...shapes.map(([callers, keys, atLeast]) => ({ name: `${name(callers, keys)}, against rate-limiter-flexible`, of: `sluice, ${name(callers, keys)}`, to: `rate-limiter-flexible, ${name(callers, keys)}`, atLeast })),
    { name: "1 caller, 1 key, against the bare upsert", of: `sluice, ${name(1, 1)}`, to: `bare upsert, ${name(1, 1)}`, atLeast: 0.9 },
    { name: "64 callers, 1 key, against the bare upsert", of: `sluice, ${name(64, 1)}`, to: `bare upsert, ${name(64, 1)}`, atLeast: 20 },
    { name: "64 callers, 10000 keys, against the bare upsert", of: `sluice, ${name(64, 10_000)}`, to: `bare upsert, ${name(64, 10_000)}`, atLeast: 4 },
    { name: "refused on one row, against the bare upsert", of: "sluice, 64 callers, 1 key, all refused", to: `bare upsert, ${name(64, 1)}`, atLeast: 20 },
    { name: "64 callers, 1 key, client CPU", of: `sluice, ${name(64, 1)}`, metric: "cpu", atMost: 1 },
  ],
};
