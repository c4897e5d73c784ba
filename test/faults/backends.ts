/** The backends of the fault matrix: how each is broken and mended, and what has to be seen. */

import { execFileSync } from "node:child_process";
import { Kvm } from "@nats-io/kv";
import { type NatsConnection, connect as connectNats } from "@nats-io/transport-node";
import { Redis } from "ioredis";
import pg from "pg";
import { natsAdapter } from "../../src/nats.ts";
import { POSTGRES_SCHEMA_SQL, postgresAdapter } from "../../src/postgres.ts";
import { redisAdapter } from "../../src/redis.ts";
import { type NatsServer, startNats } from "../servers/nats.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { until } from "../servers/process.ts";
import { type TcpProxy, startProxy } from "../servers/proxy.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { STORES, type Site, type StoreName, siteOf } from "./site.ts";

export interface Expected {
  /** Stores that are given up on; the others go on. */
  readonly down: readonly StoreName[];
  /** What the bare key-value store says: `ok`, or `fails`. */
  readonly get: "ok" | "fails";
  readonly set: "ok" | "fails";
  /** Whether limits, values and responses are there afterwards. */
  readonly kept: { readonly limits: boolean; readonly values: boolean; readonly responses: boolean };
}

export interface Fault {
  readonly name: string;
  readonly expected: Expected;
  cause(): Promise<unknown>;
  cure(): Promise<unknown>;
}

export interface Backend {
  readonly name: string;
  readonly client: string;
  readonly faults: readonly Fault[];
  start(): Promise<void>;
  /** A gateway on a client of its own and empty data. */
  site(): Promise<Site>;
  stop(): Promise<void>;
}

const ALL = { limits: true, values: true, responses: true };
/** A Redis that takes no writes: permits are read, reports are lost. */
const REFUSES_WRITES: Expected = { down: ["rateLimitStore"], get: "ok", set: "fails", kept: ALL };
const NONE = { limits: false, values: false, responses: false };
const away = (kept = ALL): Expected => ({ down: STORES, get: "fails", set: "fails", kept });

async function dead(pid: number): Promise<void> {
  await until("the server is dead", () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
}

function redis(): Backend {
  let server: RedisServer;
  let proxy: TcpProxy;
  let admin: Redis;
  return {
    name: "Redis",
    client: "ioredis",
    async start() {
      server = await startRedis();
      proxy = await startProxy(server.port);
      admin = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 20 });
      admin.on("error", () => undefined);
    },
    async site() {
      await admin.flushall();
      // The pause between tries to connect is the client's part of coming back: its default grows to 2 s.
      const client = new Redis(proxy.port, "127.0.0.1", { retryStrategy: () => 100 });
      client.on("error", () => undefined);
      const site = siteOf(redisAdapter({ client }));
      return { ...site, close: async () => (await site.close(), client.disconnect()) };
    },
    faults: [
      { name: "killed, restarted empty", expected: away(NONE), cause: async () => (server.process.signal("SIGKILL"), dead(server.process.pid)), cure: () => server.restart() },
      { name: "restarted with its data", expected: { down: [], get: "ok", set: "ok", kept: ALL }, cause: () => server.restart({ empty: false }), cure: async () => undefined },
      { name: "stopped (SIGSTOP)", expected: away(), cause: async () => server.process.signal("SIGSTOP"), cure: async () => server.process.signal("SIGCONT") },
      { name: "out of memory (`maxmemory`, `noeviction`)", expected: REFUSES_WRITES, cause: () => admin.config("SET", "maxmemory", "1"), cure: () => admin.config("SET", "maxmemory", "0") },
      { name: "read-only replica", expected: REFUSES_WRITES, cause: () => admin.replicaof("127.0.0.1", 1), cure: () => admin.replicaof("NO", "ONE") },
      {
        name: "wrong password",
        expected: away(),
        async cause() {
          await admin.config("SET", "requirepass", "changed");
          await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        },
        cure: () => admin.config("SET", "requirepass", ""),
      },
      { name: "scripts flushed", expected: { down: [], get: "ok", set: "ok", kept: ALL }, cause: () => admin.script("FLUSH"), cure: async () => undefined },
      { name: "connection reset after the command took effect", expected: away(), cause: async () => proxy.loseReplies(Infinity), cure: async () => proxy.loseReplies(0) },
    ],
    async stop() {
      admin.disconnect();
      await proxy.close();
      await server.stop();
    },
  };
}

function postgres(): Backend {
  let server: PostgresServer;
  let proxy: TcpProxy;
  async function admin(...statements: string[]): Promise<void> {
    const client = new pg.Client(server.url.replace("sluice@", "keeper@"));
    await client.connect();
    try {
      await client.query("SET default_transaction_read_only = off");
      for (const sql of statements) await client.query(sql);
    } finally {
      await client.end();
    }
  }
  let locker: pg.Client;
  let pool: pg.Pool;
  let taken: pg.PoolClient[] = [];
  const locked = (sql: string): Pick<Fault, "cause" | "cure"> => ({
    async cause() {
      locker = new pg.Client(server.url.replace("sluice@", "keeper@"));
      await locker.connect();
      await locker.query("BEGIN");
      await locker.query(sql);
    },
    cure: async () => (await locker.query("ROLLBACK"), locker.end()),
  });
  const signal = (name: NodeJS.Signals): void => {
    const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(server.process.pid)], { encoding: "utf8" }).split("\n").map(Number).filter((pid) => pid > 0);
    for (const pid of [server.process.pid, ...children]) {
      try {
        process.kill(pid, name);
      } catch {
        // Gone meanwhile.
      }
    }
  };
  const TABLES = ["sluice_rate_limits", "sluice_circuit_breakers", "sluice_cache", "sluice_entries"];
  return {
    name: "Postgres",
    client: "pg Pool",
    async start() {
      server = await startPostgres();
      proxy = await startProxy(server.port);
      const first = new pg.Client(server.url);
      await first.connect();
      await first.query("CREATE ROLE keeper SUPERUSER LOGIN");
      await first.query(POSTGRES_SCHEMA_SQL);
      await first.end();
    },
    async site() {
      await admin(`TRUNCATE ${TABLES.join(", ")}`);
      pool = new pg.Pool({ connectionString: server.url.replace(String(server.port), String(proxy.port)) });
      const own = pool;
      const site = siteOf(postgresAdapter({ client: own }));
      return { ...site, close: async () => (await site.close(), own.end()) };
    },
    faults: [
      // A crash empties unlogged tables; those of values and responses are logged.
      { name: "killed, restarted", expected: away({ limits: false, values: true, responses: true }), cause: async () => (server.process.signal("SIGKILL"), dead(server.process.pid)), cure: () => server.restart() },
      { name: "restarted in order", expected: { down: [], get: "ok", set: "ok", kept: ALL }, cause: () => server.restart(), cure: async () => undefined },
      { name: "stopped (SIGSTOP)", expected: away(), cause: async () => signal("SIGSTOP"), cure: async () => signal("SIGCONT") },
      {
        name: "read-only",
        expected: { down: ["rateLimitStore"], get: "ok", set: "fails", kept: ALL },
        cause: () => admin("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"),
        cure: () => admin("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
      },
      {
        name: "login refused",
        expected: away(),
        cause: () => admin("ALTER ROLE sluice NOLOGIN", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sluice'"),
        cure: () => admin("ALTER ROLE sluice LOGIN"),
      },
      { name: "rows of the limits locked by somebody else", expected: { down: ["rateLimitStore"], get: "ok", set: "ok", kept: ALL }, ...locked("SELECT FROM sluice_rate_limits FOR UPDATE") },
      { name: "tables locked by somebody else", expected: away(), ...locked(`LOCK TABLE ${TABLES.join(", ")} IN ACCESS EXCLUSIVE MODE`) },
      {
        name: "no free connection in the pool",
        expected: away(),
        cause: async () => void (taken = await Promise.all(Array.from({ length: 10 }, () => pool.connect()))),
        cure: async () => taken.forEach((client) => client.release()),
      },
      {
        name: "tables missing",
        expected: away(),
        cause: () => admin(...TABLES.map((table) => `ALTER TABLE ${table} RENAME TO gone_${table}`)),
        cure: () => admin(...TABLES.map((table) => `ALTER TABLE gone_${table} RENAME TO ${table}`)),
      },
      { name: "connection reset after the command took effect", expected: away(), cause: async () => proxy.loseReplies(Infinity), cure: async () => proxy.loseReplies(0) },
    ],
    async stop() {
      await proxy.close();
      await server.stop();
    },
  };
}

function nats(): Backend {
  let server: NatsServer;
  let made = 0;
  return {
    name: "NATS",
    client: "@nats-io/kv",
    async start() {
      server = await startNats();
    },
    async site() {
      const connection: NatsConnection = await connectNats({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
      const kv = await new Kvm(connection).create(`faults${made++}`, { history: 1 });
      const site = siteOf(natsAdapter({ kv }));
      return { ...site, close: async () => (await site.close(), connection.close()) };
    },
    faults: [
      { name: "killed, restarted", expected: away(), cause: () => server.kill(), cure: () => server.start() },
      { name: "restarted in order", expected: { down: [], get: "ok", set: "ok", kept: ALL }, cause: () => server.restart(), cure: async () => undefined },
      { name: "stopped (SIGSTOP)", expected: away(), cause: async () => server.process.signal("SIGSTOP"), cure: async () => server.process.signal("SIGCONT") },
    ],
    stop: () => server.stop(),
  };
}

export const backends: readonly Backend[] = [redis(), postgres(), nats()];
