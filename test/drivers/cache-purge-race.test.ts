/** Purges against fills, on the real servers: whatever comes in between, nothing that began before a purge is there after it. */

import { Redis } from "ioredis";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresAdapter } from "../../src/drivers/postgres/adapter.ts";
import { postgresDriver } from "../../src/drivers/postgres/driver.ts";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { redisAdapter } from "../../src/drivers/redis/adapter.ts";
import { redisDriver } from "../../src/drivers/redis/driver.ts";
import type { CachePurge, CacheRecord, CacheStore } from "../../src/state/contracts/cache.ts";
import { type CacheEntryCommand, cacheEntry } from "../../src/state/algorithms/cache-entry.ts";
import type { Algorithm, Operation, StateDriver } from "../../src/state/contracts/driver.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

type Store = Required<CacheStore>;

/** Two processes' stores: nothing is shared but the server. */
interface Place {
  readonly stores: readonly [Store, Store];
  readonly driver: StateDriver;
  end(): Promise<unknown>;
}

const makers: Record<string, () => Promise<Place>> = {
  async Redis() {
    const server = await startRedis();
    const clients = [new Redis(server.port, "127.0.0.1"), new Redis(server.port, "127.0.0.1")] as const;
    const adapters = clients.map((client) => redisAdapter({ client }));
    return {
      stores: adapters.map(({ cacheStore }) => cacheStore) as unknown as [Store, Store],
      driver: redisDriver(clients[0]),
      end: async () => {
        for (const adapter of adapters) await adapter.close();
        for (const client of clients) client.disconnect();
        await server.stop();
      },
    };
  },
  async Postgres() {
    const server = await startPostgres();
    const pools = [new Pool({ connectionString: server.url }), new Pool({ connectionString: server.url })] as const;
    await pools[0].query(POSTGRES_SCHEMA_SQL);
    const adapters = pools.map((client) => postgresAdapter({ client }));
    return {
      stores: adapters.map(({ cacheStore }) => cacheStore) as unknown as [Store, Store],
      driver: postgresDriver(pools[0], { table: "cache" }),
      end: async () => {
        for (const adapter of adapters) await adapter.close();
        for (const pool of pools) await pool.end();
        await server.stop();
      },
    };
  },
};

function record(text: string, tags: readonly string[]): CacheRecord {
  const now = Date.now();
  return { status: 200, headers: [], body: new TextEncoder().encode(text), storedAt: now, freshUntil: now + 600_000, keepUntil: now + 600_000, tags };
}

const ROUNDS = 150;

describe.each(Object.keys(makers))("on %s", (backend) => {
  let place: Place;
  beforeAll(async () => {
    place = await (makers[backend] as () => Promise<Place>)();
  });
  afterAll(() => place.end());

  it.each<[string, (key: string, tag: string) => CachePurge]>([
    ["tag", (_, tag) => ({ tags: [tag] })],
    ["prefix", (key) => ({ prefix: `${key}/` })],
  ])("a purge by %s leaves nothing of fills that began before it, and takes what it finds", async (kind, target) => {
    const [filler, purger] = place.stores;
    const found: unknown[] = [];
    let kept = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const [key, tag] = [`${kind}-${round}`, `${kind}-tag-${round}`];
      const opening = await filler.open(`${key}/a`, 10_000);
      if (opening.fill?.kind !== "fill") throw new Error("a free lock was not given");
      const { token } = opening.fill;
      const fill = (): Promise<unknown> => Promise.resolve(filler.write(`${key}/a`, record("before", [tag]), token));
      // A few turns of the event loop more or less.
      const writing = round % 2 === 0 ? fill() : Promise.resolve().then(() => new Promise((resolve) => setImmediate(resolve))).then(fill);
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      const purging = Promise.resolve(purger.purge(target(key, tag)));
      const [, dropped] = await Promise.all([writing, purging]);
      kept += dropped;
      const left = await purger.read(`${key}/a`);
      if (left !== undefined) found.push(round);
      // What begins now, where the purge is known, is stored and can be found.
      const next = await purger.open(`${key}/a`, 10_000);
      if (next.fill?.kind !== "fill") throw new Error("the lock was not freed");
      await purger.write(`${key}/a`, record("after", [tag]), next.fill.token);
      expect((await filler.read(`${key}/a`))?.status).toBe(200);
      expect(await purger.purge(target(key, tag))).toBe(1);
    }
    expect(found, "rounds in which a response from before the purge was there after it").toEqual([]);
    expect(kept, "both orders were met").toBeGreaterThan(0);
    expect(kept).toBeLessThan(ROUNDS);
  });

  it("a set of names of any size is added to and paged through", async () => {
    const [filler, purger] = place.stores;
    const keys = Array.from({ length: 700 }, (_, i) => `many/${i}`);
    await Promise.all(keys.map((key) => filler.write(key, record("x", ["everywhere"]))));
    expect(await purger.purge({ tags: ["everywhere"] })).toBe(keys.length);
    expect(await Promise.all(keys.map((key) => purger.read(key)))).toEqual(keys.map(() => undefined));
  });

  it("a purge that has read its first page finds an entry that is refreshed then", async () => {
    const { driver } = place;
    let between: (() => Promise<unknown>) | undefined;
    const cache = cacheStoreOn({
      ...driver, capabilities: driver.capabilities,
      run: async (batch) => {
        const replies = await driver.run(batch);
        const next = (batch[0]?.commands[0] as { type?: string } | undefined)?.type === "page" ? between : undefined;
        if (next !== undefined) between = undefined;
        await next?.();
        return replies;
      },
    }, { prefix: "paged:" });
    const soon = record("old", ["paged"]);
    await cache.write("x", { ...soon, keepUntil: soon.keepUntil - 1000 });
    for (let i = 0; i < 300; i += 20) await Promise.all(Array.from({ length: 20 }, (_, j) => cache.write(`k${i + j}`, record("v", ["paged"]))));
    const fill = await cache.lock("x", 30_000);
    if (fill.kind !== "fill") throw new Error("a free lock was not given");
    between = () => cache.write("x", record("fetched before", ["paged"]), fill.token);
    await cache.purge({ tags: ["paged"] });
    expect(between).toBeUndefined();
    expect(await cache.read("x")).toBeUndefined();
  });
});

it("on Postgres, fills that share a name in a set are one statement", async () => {
  const server = await startPostgres();
  const pool = new Pool({ connectionString: server.url });
  await pool.query(POSTGRES_SCHEMA_SQL);
  const driver = postgresDriver(pool, { table: "cache" });
  const put = (ttlMs: number, sets: readonly string[]): CacheEntryCommand => ({ type: "put", ttlMs, write: 1, chunks: 0, status: 200, tags: "", text: "{}", fill: { name: "a", sets, purges: "purges" } });
  const operation = (key: string, ...commands: CacheEntryCommand[]): Operation => ({ algorithm: cacheEntry as Algorithm, key, commands });
  const ok = { ok: true };
  // The same entry twice, in one operation and in two; one set twice; one name for two entries.
  expect(await driver.run([operation("a", put(1000, ["s"]), put(2000, ["s"])), operation("a", put(3000, ["s"]))])).toMatchObject([[ok, ok], [ok]]);
  expect(await driver.run([operation("b", put(4000, ["s", "s"])), operation("c", put(60_000, ["s"]))])).toMatchObject([[ok], [ok]]);
  const { rows } = await pool.query("SELECT expires_at - extract(epoch FROM now()) * 1000 AS left_ms FROM sluice_cache WHERE state = 'a'");
  expect(rows).toHaveLength(1);
  expect(Number(rows[0].left_ms)).toBeGreaterThan(30_000);
  await driver.close();
  await pool.end();
  await server.stop();
});

it("on Postgres, a purge waits for a fill that has seen no purge and is not done yet", async () => {
  const server = await startPostgres();
  const pool = new Pool({ connectionString: server.url });
  await pool.query(POSTGRES_SCHEMA_SQL);
  const adapter = postgresAdapter({ client: pool, combiner: { timeoutMs: 60_000 } });
  const cache = adapter.cacheStore as unknown as Store;
  const waiting = async (): Promise<number> => Number((await pool.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).rows[0].count);

  // The name stands in the set of all keys, for a shorter time than the next fill wants.
  const short = record("first", []);
  await cache.write("held", { ...short, keepUntil: short.storedAt + 60_000 });
  await cache.delete("held");
  const opening = await cache.open("held", 60_000);
  const locker = await pool.connect();
  await locker.query("BEGIN");
  expect((await locker.query("SELECT FROM sluice_cache WHERE key LIKE 'cache:keys:%' FOR UPDATE")).rowCount).toBe(1);
  const writing = Promise.resolve(cache.write("held", record("before", ["tag"]), (opening.fill as { token: string }).token));
  await expect.poll(waiting).toBe(1);
  let purged = false;
  const purging = Promise.resolve(cache.purge({ tags: ["tag"] })).then((dropped) => {
    purged = true;
    return dropped;
  });
  await expect.poll(async () => purged || (await waiting()) === 2).toBe(true);
  await locker.query("ROLLBACK");
  locker.release();
  await writing;
  expect(await purging).toBe(1);
  expect(await cache.read("held")).toBeUndefined();
  await adapter.close();
  await pool.end();
  await server.stop();
});
