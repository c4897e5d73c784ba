/** How many statements leave for what a request of a gateway asks, counted on the wire between a real client and a real server. */

import { type Server, createServer, connect } from "node:net";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import type { CircuitPermit } from "../../src/state/contracts/circuits.ts";
import { POSTGRES_SCHEMA_SQL, type PostgresAdapter, postgresAdapter } from "../../src/postgres.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

let server: PostgresServer;
let wire: Server;
let statements = 0;
let pool: pg.Pool;
let adapter: PostgresAdapter;

/** Passes everything on, and counts the `Execute` messages of clients. The first message of a connection has no type byte. */
function countingWire(port: number): Server {
  return createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    let held = Buffer.alloc(0);
    let started = false;
    client.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (held.length < head + 4) break;
        const length = head + held.readUInt32BE(head);
        if (held.length < length) break;
        if (started && held[0] === "E".charCodeAt(0)) statements++;
        started = true;
        held = held.subarray(length);
      }
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => client.write(chunk));
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) from.on("close", () => to.destroy()).on("error", () => to.destroy());
  });
}

beforeAll(async () => {
  server = await startPostgres();
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(POSTGRES_SCHEMA_SQL);
  await admin.end();
  wire = countingWire(server.port);
  await new Promise<void>((resolve) => wire.listen(0, "127.0.0.1", resolve));
  pool = new pg.Pool({ connectionString: server.url.replace(String(server.port), String((wire.address() as AddressInfo).port)) });
});
afterAll(async () => {
  await adapter.close();
  await pool.end();
  wire.close();
  await server.stop();
});
beforeEach(async () => {
  await adapter?.close();
  // Without timers nothing is taken for held up, however slow the machine is.
  adapter = postgresAdapter({ client: pool, clock: { ...systemClock, setTimeout: () => undefined } });
});

/** Statements that `call` sends. */
async function sent(call: () => Promise<unknown>): Promise<number> {
  const before = statements;
  await call();
  return statements - before;
}

const limit: LimitPolicy = { algorithm: "token-bucket", capacity: 1000, max: 1000, windowMs: 60_000 };
const policy = circuitPolicy();

it("a limit, a permit and a look-up of one moment are one statement", async () => {
  const { rateLimitStore, circuitBreakerStore, cacheStore } = adapter;
  const ask = () => Promise.all([rateLimitStore!.check("one", limit, 1), circuitBreakerStore!.acquire("one", policy), cacheStore!.read("one")]);
  expect(await sent(ask)).toBe(1);
  const [decision, permit, record] = await ask();
  expect([decision.allowed, decision.remaining, permit.allowed, record]).toEqual([true, 998, true, undefined]);
});

it("a permit and the report on it are one statement each, also when the report opens the circuit", async () => {
  const { circuitBreakerStore: breakers } = adapter;
  const fragile = circuitPolicy({ failureThreshold: 1 });
  let permit!: CircuitPermit;
  expect(await sent(async () => (permit = (await breakers!.acquire("two", fragile)) as CircuitPermit))).toBe(1);
  expect(await sent(async () => expect(await breakers!.report("two", fragile, permit, "success")).toBeUndefined())).toBe(1);
  expect(await sent(async () => expect(await breakers!.report("two", fragile, permit, "failure")).toEqual({ from: "closed", to: "open" }))).toBe(1);
  expect(await sent(async () => expect(await breakers!.acquire("two", fragile)).toMatchObject({ allowed: false }))).toBe(1);
});

describe("values", () => {
  it("a counter is one statement per batch, new or in use, and a value is written in one", async () => {
    const store = adapter.store!;
    // From then on the server's time is known.
    await store.get("time");
    expect(await sent(async () => expect(await store.incr("counter")).toBe(1))).toBe(1);
    expect(await sent(async () => expect(await store.incr("counter")).toBe(2))).toBe(1);
    expect(await sent(async () => expect(await Promise.all([store.incr("counter"), store.incr("counter"), store.get("else")])).toEqual([3, 4, undefined]))).toBe(1);
    expect(await sent(() => store.set("value", { a: 1 }))).toBe(1);
    expect(await sent(async () => expect(await store.get("value")).toEqual({ a: 1 }))).toBe(1);
  });

  it("what another process wrote meanwhile is seen: two statements, and nothing is lost", async () => {
    const other = postgresAdapter({ client: pool });
    const store = adapter.store!;
    expect(await store.incr("shared")).toBe(1);
    expect(await other.store!.incr("shared")).toBe(2);
    expect(await sent(async () => expect(await store.incr("shared")).toBe(3))).toBe(2);
    expect(await sent(async () => expect(await other.store!.incr("shared")).toBe(4))).toBe(2);
    await pool.query("TRUNCATE sluice_entries");
    expect(await sent(async () => expect(await store.incr("shared")).toBe(1))).toBe(2);
    await other.close();
  });
});

it("a fill of the cache: one statement for the look-up, one for the lock, one to free it", async () => {
  const cache = adapter.cacheStore!;
  expect(await sent(async () => expect(await cache.read("page")).toBeUndefined())).toBe(1);
  let token = "";
  // Fills ask once for the number of the last purge.
  await cache.lock("other page", 10_000);
  expect(await sent(async () => (token = ((await cache.lock("page", 10_000)) as { token: string }).token))).toBeLessThanOrEqual(2);
  expect(await sent(() => cache.unlock("page", token))).toBe(1);
});

it("the end of a fill is one statement: the entry, its names and the freed lock, and the report on the call with it", async () => {
  const { cacheStore: cache, circuitBreakerStore: breakers } = adapter;
  const record = (tags: string[]) => ({ status: 200, headers: [], body: new TextEncoder().encode("body"), storedAt: Date.now(), freshUntil: Date.now() + 60_000, keepUntil: Date.now() + 60_000, tags });
  const ask = () => Promise.all([breakers!.acquire("fill", policy), cache!.open("filled", 10_000)]);
  // The first look-up also asks for the number of the last purge.
  await cache!.open("other", 10_000);
  let asked!: Awaited<ReturnType<typeof ask>>;
  expect(await sent(async () => void (asked = await ask()))).toBe(1);
  const [permit, { fill }] = asked as [CircuitPermit, { fill: { kind: "fill"; token: string } }];
  expect(fill.kind).toBe("fill");
  expect(await sent(() => Promise.all([cache!.write("filled", record(["a", "b"]), fill.token), breakers!.report("fill", policy, permit, "success")]))).toBe(1);
  expect((await cache!.read("filled"))?.status).toBe(200);
  expect(await cache!.purge({ tags: ["b"] })).toBe(1);
  expect(await cache!.read("filled")).toBeUndefined();
});

it("a request of a gateway is one statement before the upstream and one behind it", async () => {
  const background: Promise<unknown>[] = [];
  let before = 0;
  const gateway = createGateway({
    name: "wire",
    adapter: { ...adapter, waitUntil: (promise) => void background.push(promise) },
    stores: { timeoutMs: 60_000, putTimeoutMs: 60_000 },
    routes: [{ path: "/*", pipeline: { policies: [rateLimit({ max: 100 }), circuitBreaker(), cache()], upstream: { type: "handler", handler: (c) => {
      before = statements;
      return c.text("fresh", 200, { "cache-control": "max-age=60" });
    } } } }],
  });
  const ask = async (path: string): Promise<{ result: string | null; before: number; after: number }> => {
    const began = statements;
    before = -1;
    const response = await gateway.fetch(new Request(`http://wire.test${path}`));
    await response.text();
    const behind = before === -1 ? statements : before;
    while (background.length > 0) await Promise.all(background.splice(0));
    return { result: response.headers.get("x-cache"), before: behind - began, after: statements - behind };
  };
  // The first request also asks for the number of the last purge and learns the server's time.
  await ask("/first");
  expect(await ask("/a")).toEqual({ result: "MISS", before: 1, after: 1 });
  expect(await ask("/a")).toEqual({ result: "HIT", before: 1, after: 0 });
  await gateway.close();
});

it("a fill on which a purge has come asks whether it is meant", async () => {
  const cache = adapter.cacheStore!;
  const record = (tags: string[]) => ({ status: 200, headers: [], body: new Uint8Array(3), storedAt: Date.now(), freshUntil: Date.now() + 60_000, keepUntil: Date.now() + 60_000, tags });
  const tokens = await Promise.all(["mine", "not mine"].map(async (key) => ((await cache.lock(key, 10_000)) as { token: string }).token));
  await cache.purge({ tags: ["gone"] });
  await cache.write("mine", record(["gone"]), tokens[0]);
  await cache.write("not mine", record(["else"]), tokens[1]);
  expect([await cache.read("mine"), (await cache.read("not mine"))?.status]).toEqual([undefined, 200]);
});

it("a look is not held up by somebody's lock on a row that was charged in the same statement", async () => {
  await adapter.close();
  adapter = postgresAdapter({ client: pool });
  const { rateLimitStore, circuitBreakerStore, cacheStore } = adapter;
  const ask = () => [rateLimitStore!.check("locked", limit, 1), circuitBreakerStore!.acquire("locked", policy), cacheStore!.read("locked")] as const;
  await Promise.all(ask());
  const locker = new pg.Client(server.url);
  await locker.connect();
  await locker.query("BEGIN");
  await locker.query("SELECT FROM sluice_rate_limits FOR UPDATE");
  const [decision, permit, record] = ask();
  expect(await Promise.all([permit, record])).toMatchObject([{ allowed: true }, undefined]);
  await locker.query("ROLLBACK");
  await locker.end();
  expect(await decision).toMatchObject({ allowed: true });
});
