/**
 * What happens to a gateway when its Postgres is gone, hung, locked, read-only, without tables or without a free connection:
 * every answer within the deadline, in the declared mode, one event per change, and back by itself. A real server, real
 * clients with their default settings.
 */

import pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { FailMode, GatewayEvent, GatewayInstance } from "../../src/gateway/types.ts";
import { POSTGRES_SCHEMA_SQL, type PostgresClient, postgresAdapter, postgresPubSub } from "../../src/postgres.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { until } from "../servers/process.ts";
import { startProxy } from "../servers/proxy.ts";

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
const open: (() => unknown)[] = [];
let server: PostgresServer;

/** One statement on a connection of its own. */
async function admin(sql: string): Promise<void> {
  const client = new pg.Client(server.url);
  await client.connect();
  try {
    await client.query("SET default_transaction_read_only = off");
    await client.query(sql);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  server = await startPostgres();
  await admin(POSTGRES_SCHEMA_SQL);
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  expect(unhandled).toEqual([]);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await server.stop();
});

const clients: Record<string, (port: number) => PostgresClient> = {
  "pg Pool"(port) {
    const pool = new pg.Pool({ connectionString: server.url.replace(String(server.port), String(port)) });
    open.push(() => pool.end());
    return pool;
  },
  "postgres.js"(port) {
    const sql = postgres(server.url.replace(String(server.port), String(port)), { onnotice: () => undefined });
    open.push(() => sql.end({ timeout: 1 }));
    return sql;
  },
};

/** The deadline, and what a busy machine adds to it. */
const ANSWER_MS = 250 + 350;
const MODES: readonly FailMode[] = ["local", "open", "closed"];

interface Site {
  readonly mode: FailMode;
  readonly gateway: GatewayInstance;
  readonly changes: string[];
  readonly codes: string[];
  status(): Promise<number>;
}

function siteOf(mode: FailMode, client: PostgresClient, max = 100_000, tablePrefix = "sluice_"): Site {
  const adapter = postgresAdapter({ client, tablePrefix });
  const gateway = createGateway({
    name: mode,
    adapter,
    stores: { guard: { threshold: 3, cooldownMs: 300, maxCooldownMs: 600 } },
    routes: [{ path: "/*", pipeline: { policies: [rateLimit({ max, windowSeconds: 600, failMode: mode, keyBy: () => "k" })], upstream: { type: "handler", handler: () => new Response("ok") } } }],
  } as Parameters<typeof createGateway>[0]);
  const changes: string[] = [];
  const codes: string[] = [];
  gateway.events.on((event: GatewayEvent) => {
    if (event.type === "store.down" || event.type === "store.up") changes.push(event.type);
    if (event.type === "store.error") codes.push(event.code);
  });
  open.push(async () => {
    await gateway.close({ graceMs: 0 });
    await adapter.close();
  });
  return {
    mode, gateway, changes, codes,
    async status() {
      const began = performance.now();
      const response = await gateway.fetch(new Request("http://gateway.test/x"));
      await response.text();
      expect(performance.now() - began, `an answer in mode ${mode}`).toBeLessThan(ANSWER_MS);
      return response.status;
    },
  };
}

/** Requests one after the other until `done`; the statuses seen. */
async function askUntil(site: Site, done: () => boolean, limitMs = 5000): Promise<Set<number>> {
  const seen = new Set<number>();
  const end = performance.now() + limitMs;
  do {
    seen.add(await site.status());
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (!done() && performance.now() < end);
  return seen;
}

interface Fault {
  cause(): Promise<unknown>;
  cure(): Promise<unknown>;
}

let locker: pg.Client;
const lockBy = (sql: string): Fault => ({
  async cause() {
    locker = new pg.Client(server.url);
    await locker.connect();
    await locker.query("BEGIN");
    await locker.query(sql);
  },
  async cure() {
    await locker.query("ROLLBACK");
    await locker.end();
  },
});

const faults: Record<string, Fault> = {
  killed: {
    async cause() {
      server.process.signal("SIGKILL");
      await until("the server is dead", () => {
        try {
          process.kill(server.process.pid, 0);
          return false;
        } catch {
          return true;
        }
      });
    },
    cure: () => server.restart(),
  },
  "stopped (SIGSTOP)": {
    cause: async () => signalAll("SIGSTOP"),
    cure: async () => signalAll("SIGCONT"),
  },
  "a table locked by somebody else": lockBy("LOCK TABLE sluice_rate_limits IN ACCESS EXCLUSIVE MODE"),
  "a row locked by somebody else": lockBy("SELECT FROM sluice_rate_limits FOR UPDATE"),
  "read-only": {
    async cause() {
      await admin("ALTER SYSTEM SET default_transaction_read_only = on");
      await admin("SELECT pg_reload_conf()");
    },
    async cure() {
      await admin("ALTER SYSTEM RESET default_transaction_read_only");
      await admin("SELECT pg_reload_conf()");
    },
  },
  "tables dropped": {
    cause: () => admin("ALTER TABLE sluice_rate_limits RENAME TO somewhere_else"),
    cure: () => admin("ALTER TABLE somewhere_else RENAME TO sluice_rate_limits"),
  },
};

/** The server and the processes of its sessions. */
async function signalAll(name: NodeJS.Signals): Promise<void> {
  const { execFileSync } = await import("node:child_process");
  const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(server.process.pid)], { encoding: "utf8" }).split("\n").map(Number).filter((pid) => pid > 0);
  for (const pid of [server.process.pid, ...children]) {
    try {
      process.kill(pid, name);
    } catch {
      // Gone meanwhile.
    }
  }
}

describe.each(Object.entries(clients))("%s", (_name, connect) => {
  it.each(Object.entries(faults))("%s: answers in time and in its mode, and is back within 2 s", async (_fault, { cause, cure }) => {
    const client = connect(server.port);
    const sites = MODES.map((mode) => siteOf(mode, client));
    for (const site of sites) expect(await site.status()).toBe(200);
    await cause();
    const seen = await Promise.all(sites.map((site) => askUntil(site, () => site.changes.length > 0)));
    expect(sites.map(({ changes }) => changes)).toEqual([["store.down"], ["store.down"], ["store.down"]]);
    // Suspended: nobody waits for the deadline any more, save the one that probes.
    for (const [i, site] of sites.entries()) {
      for (let n = 0; n < 20; n++) seen[i]?.add(await site.status());
    }
    expect(seen.map((statuses) => [...statuses])).toEqual([[200], [200], [503]]);
    await cure();
    const back = performance.now();
    await Promise.all(sites.map((site) => askUntil(site, () => site.changes.length > 1)));
    expect(performance.now() - back, "until all stores are asked again").toBeLessThan(2000 + ANSWER_MS);
    expect(sites.map(({ changes }) => changes)).toEqual(Array.from(MODES, () => ["store.down", "store.up"]));
    for (const site of sites) expect(await site.status()).toBe(200);
  });

  it("restarted in order: what was counted is counted; crashed: it begins anew", async () => {
    const client = connect(server.port);
    await admin("TRUNCATE sluice_rate_limits");
    const site = siteOf("closed", client, 3);
    for (let n = 0; n < 3; n++) expect(await site.status()).toBe(200);
    expect(await site.status()).toBe(429);
    await server.restart();
    let status = 503;
    await until("the store is asked again", async () => (status = await site.status()) !== 503);
    expect(status).toBe(429);
    await faults["killed"]?.cause();
    await server.restart();
    await until("the store is asked again", async () => (status = await site.status()) !== 503);
    expect(status).toBe(200);
  });
});

it("no free connection: answered in time, and back when there is one", async () => {
  const pool = new pg.Pool({ connectionString: server.url, max: 2 });
  open.push(() => pool.end());
  const sites = MODES.map((mode) => siteOf(mode, pool));
  for (const site of sites) expect(await site.status()).toBe(200);
  const taken = [await pool.connect(), await pool.connect()];
  const seen = await Promise.all(sites.map((site) => askUntil(site, () => site.changes.length > 0)));
  expect(seen.map((statuses) => [...statuses])).toEqual([[200], [200], [503]]);
  for (const client of taken) client.release();
  await Promise.all(sites.map((site) => askUntil(site, () => site.changes.length > 1)));
  expect(sites.map(({ changes }) => changes)).toEqual(Array.from(MODES, () => ["store.down", "store.up"]));
});

it("somebody else's lock, however long, keeps a few connections and no more", async () => {
  const { rateLimitStore, close } = postgresAdapter({ client: clients["pg Pool"]!(server.port) });
  open.push(close);
  await rateLimitStore?.increment("held", 600);
  const { cause, cure } = lockBy("SELECT FROM sluice_rate_limits FOR UPDATE");
  await cause();
  const codes = new Set<string>();
  const end = performance.now() + 3500;
  while (performance.now() < end) await rateLimitStore?.increment("held", 600).catch(({ code }: { code: string }) => codes.add(code));
  const { rows } = await locker.query("SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
  await cure();
  expect([...codes].toSorted()).toEqual(["STORE_OVERLOADED", "STORE_TIMEOUT"]);
  expect(rows[0].n).toBeLessThanOrEqual(4);
  await until("it answers again", async () => rateLimitStore!.increment("held", 600).then(() => true));
});

it("no tables: the first use fails with a named error that says what to do, in every mode visible", async () => {
  const pool = clients["pg Pool"]!(server.port);
  const adapter = postgresAdapter({ client: pool, tablePrefix: "absent_" });
  open.push(() => adapter.close());
  await expect((async () => adapter.rateLimitStore?.increment("k", 60))()).rejects.toMatchObject({ code: "STORE_SCHEMA", outcome: "not-applied", message: expect.stringContaining("POSTGRES_SCHEMA_SQL") });
  await expect(adapter.store?.get("k")).rejects.toMatchObject({ code: "STORE_SCHEMA" });
  const sites = MODES.map((mode) => siteOf(mode, pool, 100, "absent_"));
  const statuses: number[] = [];
  for (const site of sites) statuses.push(await site.status());
  expect(statuses).toEqual([200, 200, 503]);
  expect(sites.map(({ codes }) => codes)).toEqual([["STORE_SCHEMA"], ["STORE_SCHEMA"], ["STORE_SCHEMA"]]);
});

it("what is not known to have happened is not sent again", async () => {
  await admin("TRUNCATE sluice_rate_limits");
  const proxy = await startProxy(server.port);
  open.push(() => proxy.close());
  const adapter = postgresAdapter({ client: clients["pg Pool"]!(proxy.port) });
  open.push(() => adapter.close());
  const increment = async (): Promise<number> => (await adapter.rateLimitStore?.increment("k", 600))?.count ?? 0;
  expect(await increment()).toBe(1);
  let most = 1;
  for (let n = 0; n < 10; n++) {
    // The first reply that is lost is that of the read, which did nothing.
    proxy.loseReplies(1);
    await expect(increment()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    const count = await increment();
    expect([most + 1, most + 2]).toContain(count);
    most = count;
  }
});

it.each(Object.entries(clients))("%s, pub/sub: a lost session is listened on again, with one gap per channel", async (_, connect) => {
  const pubsub = postgresPubSub(connect(server.port));
  open.push(() => pubsub.close());
  const seen: unknown[] = [];
  const gaps: string[] = [];
  const long = "x".repeat(1_000_000);
  pubsub.events.on((gap) => void gaps.push(gap.channel));
  await pubsub.subscribe("orders", (message) => void seen.push(message));
  await pubsub.subscribe("Other channel: ü", (message) => void seen.push(message));
  await pubsub.publish("orders", 1);
  await until("the first", () => seen.length === 1);
  await admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
  await until("a gap for each channel", () => gaps.length === 2);
  expect(gaps.toSorted()).toEqual(["Other channel: ü", "orders"]);
  await until("a publish goes through", async () => pubsub.publish("orders", long).then(() => true));
  await pubsub.publish("Other channel: ü", 3);
  await until("the others", () => seen.includes(long) && seen.includes(3));
  expect(seen.length).toBe(3);
  await server.restart();
  await until("gaps again", () => gaps.length === 4);
  await until("a publish goes through", async () => pubsub.publish("orders", 4).then(() => true));
  await until("it is heard", () => seen.includes(4));
  await faults["killed"]?.cause();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await faults["killed"]?.cure();
  await until("gaps after an outage", () => gaps.length === 6);
  await until("a publish goes through", async () => pubsub.publish("orders", 5).then(() => true));
  await until("it is heard", () => seen.includes(5));
});
