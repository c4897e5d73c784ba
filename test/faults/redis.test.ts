/**
 * What happens to a gateway when its Redis is gone, hung, full, locked or read-only: every answer within the deadline, in
 * the declared mode, one event per change, and back by itself. Real servers, real clients with their default settings.
 */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type RedisConnection, fromIoredis, fromMinimal } from "../../src/drivers/redis/client.ts";
import { redisDriver } from "../../src/drivers/redis/driver.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { FailMode, GatewayEvent, GatewayInstance } from "../../src/gateway/types.ts";
import { type RedisClient, redisAdapter } from "../../src/redis.ts";
import { cacheEntry } from "../../src/state/algorithms/cache-entry.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import { circuit } from "../../src/state/algorithms/circuit.ts";
import { keySet } from "../../src/state/algorithms/key-set.ts";
import { value } from "../../src/state/algorithms/value.ts";
import type { Operation } from "../../src/state/contracts/driver.ts";
import { defineAlgorithm } from "../../src/state/define-algorithm.ts";
import { type CompiledLimit, fixedWindowLimit, slidingLogLimit, slidingWindowLimit, tokenBucketLimit } from "../../src/state/limit-policy.ts";
import { until } from "../servers/process.ts";
import { startProxy } from "../servers/proxy.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
const open: (() => unknown)[] = [];
let server: RedisServer;
let admin: Redis;

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  server = await startRedis();
  admin = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 20 });
  admin.on("error", () => undefined);
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  expect(unhandled).toEqual([]);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  admin.disconnect();
  await server.stop();
});

const clients: Record<string, (port: number) => Promise<RedisClient>> = {
  async ioredis(port) {
    const client = new Redis(port, "127.0.0.1");
    client.on("error", () => undefined);
    open.push(() => client.disconnect());
    return client;
  },
  async "node-redis"(port) {
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    client.on("error", () => undefined);
    await client.connect();
    open.push(() => client.destroy());
    return client;
  },
};

/** The deadline, and what a busy machine adds to it. */
const ANSWER_MS = 250 + 350;
const MODES: readonly FailMode[] = ["local", "open", "closed"];

interface Site {
  readonly mode: FailMode;
  readonly gateway: GatewayInstance;
  readonly changes: string[];
  status(): Promise<number>;
}

function siteOf(mode: FailMode, client: RedisClient, max = 100_000): Site {
  const adapter = redisAdapter({ client, prefix: `${mode}:` });
  const gateway = createGateway({
    adapter,
    stores: { guard: { threshold: 3, cooldownMs: 300, maxCooldownMs: 600 } },
    routes: [{ path: "/*", pipeline: { policies: [rateLimit({ max, windowSeconds: 600, failMode: mode, keyBy: () => "k" })], upstream: { type: "handler", handler: () => new Response("ok") } } }],
  } as Parameters<typeof createGateway>[0]);
  const changes: string[] = [];
  gateway.events.on((event: GatewayEvent) => {
    if (event.type === "store.down" || event.type === "store.up") changes.push(event.type);
  });
  open.push(async () => {
    await gateway.close({ graceMs: 0 });
    await adapter.close();
  });
  return {
    mode, gateway, changes,
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

const faults: Record<string, { cause(): Promise<unknown>; cure(): Promise<unknown> }> = {
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
    cause: async () => server.process.signal("SIGSTOP"),
    cure: async () => server.process.signal("SIGCONT"),
  },
  "out of memory": {
    cause: () => admin.config("SET", "maxmemory", "1"),
    cure: () => admin.config("SET", "maxmemory", "0"),
  },
  "a read-only replica": {
    cause: () => admin.replicaof("127.0.0.1", 1),
    cure: () => admin.replicaof("NO", "ONE"),
  },
  "a password changed": {
    async cause() {
      await admin.config("SET", "requirepass", "changed");
      await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    async cure() {
      await admin.config("SET", "requirepass", "");
    },
  },
};

describe.each(Object.entries(clients))("%s", (_name, connect) => {
  it.each(Object.entries(faults))("%s: answers in time and in its mode, and is back within 2 s", async (_fault, { cause, cure }) => {
    const client = await connect(server.port);
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

  it("a script flush is not noticed", async () => {
    const client = await connect(server.port);
    const sites = MODES.map((mode) => siteOf(mode, client));
    for (let n = 0; n < 20; n++) {
      for (const site of sites) expect(await site.status()).toBe(200);
      if (n % 5 === 0) await admin.script("FLUSH");
    }
    expect(sites.map(({ changes }) => changes)).toEqual([[], [], []]);
  });

  it.each([["with its data", false], ["empty", true]] as const)("restarted %s: what was counted is counted, or begins anew", async (_, empty) => {
    const client = await connect(server.port);
    await admin.flushall();
    const site = siteOf("closed", client, 3);
    for (let n = 0; n < 3; n++) expect(await site.status()).toBe(200);
    expect(await site.status()).toBe(429);
    await server.restart({ empty });
    let status = 503;
    await until("the store is asked again", async () => (status = await site.status()) !== 503);
    expect(status).toBe(empty ? 200 : 429);
  });

  it("a reply lost after the command took effect: answered in time, and asked again as soon as the client is back", async () => {
    await admin.flushall();
    const proxy = await startProxy(server.port);
    open.push(() => proxy.close());
    const site = siteOf("open", await connect(proxy.port));
    expect(await site.status()).toBe(200);
    for (let n = 0; n < 5; n++) {
      proxy.loseReplies(1);
      expect(await site.status()).toBe(200);
      await until("a reply was lost", () => proxy.lost === n + 1);
      // The client comes back by itself.
      await until("the store answers", async () => (await site.status()) === 200 && proxy.lost === n + 1);
    }
    expect(proxy.lost).toBe(5);
  });
});

it("what is not known to have happened is not sent again", async () => {
  await admin.flushall();
  const proxy = await startProxy(server.port);
  open.push(() => proxy.close());
  // The client's own resending is off: what is left is ours.
  const client = new Redis(proxy.port, "127.0.0.1", { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, retryStrategy: () => 5 });
  client.on("error", () => undefined);
  open.push(() => client.disconnect());
  const adapter = redisAdapter({ client });
  open.push(() => adapter.close());
  expect((await adapter.rateLimitStore?.increment("k", 600))?.count).toBe(1);
  for (let n = 1; n <= 10; n++) {
    proxy.loseReplies(1);
    await expect((async () => adapter.rateLimitStore?.increment("k", 600))()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "unknown" });
    let count = 0;
    await until("the store answers", async () => {
      count = (await adapter.rateLimitStore?.increment("k", 600))?.count ?? 0;
      return true;
    });
    expect(count, "one by the lost call, one by this one").toBe(1 + 2 * n);
  }
});

const highest = defineAlgorithm<number, number, number>({
  name: "highest", version: 1, maxStateBytes: 8,
  step: (state, wanted) => (state !== undefined && state >= wanted ? { state, reply: state, expiresAt: undefined } : { state: wanted, reply: wanted, expiresAt: undefined }),
  encode: (state) => new Uint8Array(Float64Array.of(state).buffer),
  decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true),
});

const wires: Record<string, (client: Redis) => RedisConnection> = {
  bytes: (client) => fromIoredis(client),
  text: (client) => fromMinimal({ get: (key) => client.get(key), set: (key, text) => client.set(key, text), del: (...keys) => client.del(...keys), eval: (script, count, ...rest) => client.eval(script, count, ...rest) }),
};

describe.each(["out of memory", "a read-only replica"])("%s", (fault) => {
  it.each(Object.entries(wires))("fails the keys whose write failed, and no other of their batch: %s", async (_, connection) => {
    await admin.flushall();
    const driver = redisDriver(connection(admin));
    const shape = { max: 2, windowMs: 600_000 };
    const limits: CompiledLimit[] = [fixedWindowLimit(shape), slidingWindowLimit(shape), slidingLogLimit(shape), tokenBucketLimit({ ...shape, capacity: 2 })];
    const policy = circuitPolicy({ failureThreshold: 3, resetTimeoutMs: 60_000 });
    const report = { type: "report", policy, epoch: 0, ok: 0, fail: 1, slow: 0 };
    const asked: { name: string; operation: Operation; reply: unknown }[] = [];
    const ask = (name: string, algorithm: unknown, commands: readonly unknown[], reply: unknown): void => {
      asked.push({ name, operation: { algorithm: algorithm as Operation["algorithm"], key: name, commands }, reply });
    };
    for (const { algorithm, policy: limited } of limits) {
      const command = (cost: number): object => ({ cost, policy: limited });
      ask(`${algorithm.name} with room`, algorithm, [command(1)], "fails");
      ask(`${algorithm.name} used up`, algorithm, [command(1)], expect.objectContaining({ allowed: false }));
      ask(`${algorithm.name} asked`, algorithm, [command(0)], expect.objectContaining({ remaining: 2 }));
      ask(`${algorithm.name} charged and asked`, algorithm, [command(1), command(0)], "fails, then answers");
    }
    ask("circuit asked", circuit, [{ type: "acquire", policy }], expect.objectContaining({ allowed: true }));
    ask("circuit told", circuit, [report], "fails");
    ask("circuit told and asked", circuit, [report, { type: "view" }], "fails, then answers");
    ask("value read", value, [{ type: "get" }], expect.objectContaining({ ok: true, text: "there" }));
    ask("value written", value, [{ type: "set", text: "new" }], "fails");
    ask("value counted", value, [{ type: "add", by: 1 }], "fails");
    ask("response read", cacheEntry, [{ type: "view" }], expect.objectContaining({ ok: false }));
    ask("response opened", cacheEntry, [{ type: "open", lockMs: 1000 }], "fails");
    ask("names read", keySet, [{ type: "page", from: 0, limit: 9 }], { names: [] });
    ask("names added", keySet, [{ type: "add", name: "n", ttlMs: 60_000 }], "fails");
    ask("own rule with nothing new", highest, [1], 5);
    ask("own rule", highest, [9], "fails");

    const used = limits.map(({ algorithm, policy: limited }) => ({ algorithm: algorithm as Operation["algorithm"], key: `${algorithm.name} used up`, commands: [{ cost: 2, policy: limited }] }));
    await driver.run([...used, { algorithm: value as Operation["algorithm"], key: "value read", commands: [{ type: "set", text: "there" }] }, { algorithm: highest as Operation["algorithm"], key: "own rule with nothing new", commands: [5] }]);
    await faults[fault]?.cause();
    try {
      const replies = await driver.run(asked.map(({ operation }) => operation));
      const failure = expect.objectContaining({ code: "STORE_READ_ONLY", outcome: "not-applied", message: expect.stringMatching(/OOM|READONLY/) });
      asked.forEach(({ name, reply }, i) => {
        const [first, second] = replies[i] as unknown[];
        expect(first, name).toEqual(reply === "fails" || reply === "fails, then answers" ? failure : reply);
        if (reply === "fails, then answers") expect(second, name).not.toBeInstanceOf(Error);
      });
    } finally {
      await faults[fault]?.cure();
    }
    const after = await driver.run(limits.map(({ algorithm, policy: limited }) => ({ algorithm: algorithm as Operation["algorithm"], key: `${algorithm.name} with room`, commands: [{ cost: 2, policy: limited }] })));
    expect(after.map(([reply]) => (reply as { allowed: boolean }).allowed), "what failed was not charged").toEqual([true, true, true, true]);
  });
});

it("a refusal of the server says that nothing happened", async () => {
  const client = await (clients["ioredis"] as (port: number) => Promise<RedisClient>)(server.port);
  const adapter = redisAdapter({ client });
  open.push(() => adapter.close());
  for (const [fault, code] of [["out of memory", "OOM"], ["a read-only replica", "READONLY"]] as const) {
    await faults[fault]?.cause();
    try {
      await expect((async () => adapter.store?.set("k", 1, 1000))()).rejects.toMatchObject({ code: "STORE_READ_ONLY", outcome: "not-applied", message: expect.stringContaining(code) });
    } finally {
      await faults[fault]?.cure();
    }
  }
});
