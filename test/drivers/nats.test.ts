/** Every contract on a real NATS server. */

import { type NatsConnection, connect } from "@nats-io/transport-node";
import { type KV, Kvm } from "@nats-io/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natsAdapter } from "../../src/drivers/nats/adapter.ts";
import { natsDriver } from "../../src/drivers/nats/driver.ts";
import type { NatsKv } from "../../src/drivers/nats/kv.ts";
import { type NatsPubSub, natsPubSub } from "../../src/drivers/nats/pub-sub.ts";
import { natsStore } from "../../src/drivers/nats/store.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyPubSubContract } from "../../src/testing/verify-pubsub.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { type NatsServer, startNats } from "../servers/nats.ts";
import { until } from "../servers/process.ts";

let server: NatsServer;
const connections: NatsConnection[] = [];
const buckets: KV[] = [];
let turn = 0;
/** Two clients stand for two processes; a suite makes many objects on them. */
const kv = (): KV => buckets[turn++ % 2] as KV;

beforeAll(async () => {
  server = await startNats();
  for (let i = 0; i < 2; i++) {
    const connection = await connect({ servers: server.url });
    connections.push(connection);
    buckets.push(await new Kvm(connection).create("contracts", { history: 1 }));
  }
});
afterAll(async () => {
  for (const connection of connections) await connection.close();
  await server.stop();
});

describe("contracts", () => {
  const report = async (verified: Promise<{ violations: readonly unknown[]; passed: readonly string[] }>): Promise<void> => {
    const { violations, passed } = await verified;
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };

  it.concurrent("driver", () => report(verifyDriverContract(() => natsDriver(kv()))));
  it.concurrent("key-value", () => report(verifyStoreContract(() => natsStore(kv(), { keyPrefix: "kv:" }), { ttlMs: 200 })));
  it.concurrent("rate limits", () => report(verifyRateLimitStoreContract(() => createStores(natsDriver(kv())).rateLimitStore)));
  it.concurrent("rate limiter", () => report(verifyRateLimiterContract((policy) => createStores(natsDriver(kv())).rateLimiter(policy))));
  it.concurrent("circuit breaker", () => report(verifyCircuitBreakerStoreContract(() => createStores(natsDriver(kv())).circuitBreakerStore)));
  it.concurrent("pub/sub", async () => {
    const idle = (pubsub: unknown): boolean => Object.values((pubsub as NatsPubSub).size).every((count) => count === 0);
    const verified = await verifyPubSubContract(() => natsPubSub(connections[turn++ % 2] as NatsConnection), { shared: true, idle });
    expect(verified.violations).toEqual([]);
    expect(verified.skipped).toEqual([]);
  });
  it.concurrent("cache", () => report(verifyCacheStoreContract(() => cacheStoreOn(natsDriver(kv())))));
});

it("processes whose clocks are 6 s apart share one window and one bucket", async () => {
  const skewed = (byMs: number) => ({ now: () => Date.now() + byMs, monotonic: () => performance.now(), setTimeout: (callback: () => void, ms: number) => setTimeout(callback, ms), clearTimeout: (handle: unknown) => clearTimeout(handle as never) });
  const [ahead, behind] = [6000, -6000].map((byMs) => createStores(natsDriver(kv(), { prefix: "skew:", clock: skewed(byMs) })));
  const resets = new Set<number>();
  for (let n = 1; n <= 20; n++) {
    const { count, resetAt } = await (n % 2 === 1 ? ahead : behind)!.rateLimitStore.increment("window", 3);
    expect(count).toBe(n);
    resets.add(resetAt);
  }
  expect(resets.size).toBe(1);
  const policy = { algorithm: "token-bucket", capacity: 10, max: 1, windowMs: 10_000 } as const;
  let admitted = 0;
  // Without the stamp of the last writer, every second call would find 12 s of refill.
  for (let n = 0; n < 60; n++) if ((await (n % 2 === 0 ? ahead : behind)!.rateLimitStore.check("bucket", policy, 1)).allowed) admitted++;
  expect(admitted).toBe(10);
});

describe("names", () => {
  it("of 512 bytes fit, escaped and with a prefix", async () => {
    const driver = natsDriver(kv(), { prefix: "p".repeat(128) });
    for (const key of ["\u{1f600}".repeat(128), "\u0000".repeat(512), ":".repeat(512)]) {
      await driver.set(key, Uint8Array.of(7));
      expect(await driver.get(key)).toEqual(Uint8Array.of(7));
    }
    expect(() => natsDriver(kv(), { prefix: "p".repeat(129) })).toThrow(RangeError);
  });
});

describe("sizes", () => {
  it("a value of exactly the maximum is kept, one byte more is refused before anything is sent", async () => {
    const driver = natsDriver(kv());
    const { maxValueBytes } = driver.capabilities;
    await driver.set("large", new Uint8Array(maxValueBytes).fill(3), 60_000);
    expect((await driver.get("large"))?.length).toBe(maxValueBytes);
    await expect(driver.set("large", new Uint8Array(maxValueBytes + 1))).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE", outcome: "not-applied" });
    expect((await driver.get("large"))?.length).toBe(maxValueBytes);
  });

  it("what the bucket's own maximum refuses is a typed error, and a full bucket another", async () => {
    const kvm = new Kvm(connections[0] as NatsConnection);
    const small = natsDriver(await kvm.create("small", { history: 1, maxValueSize: 2000 }));
    await expect(small.set("k", new Uint8Array(3000))).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE", outcome: "not-applied" });
    const full = natsDriver(await kvm.create("full", { history: 1, max_bytes: 4000 }));
    await full.set("a", new Uint8Array(3000));
    await expect(full.set("b", new Uint8Array(3000))).rejects.toMatchObject({ code: "STORE_FULL", outcome: "not-applied" });
  });

  it("a message over max_payload is refused before anything is sent, and the connection lives", async () => {
    const pubsub = natsPubSub(connections[0] as NatsConnection);
    const seen: unknown[] = [];
    await pubsub.subscribe("c", (message) => void seen.push(message));
    await expect(pubsub.publish("c", "\u00fc".repeat(600_000))).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE", outcome: "not-applied" });
    await pubsub.publish("c", "x".repeat(1_000_000));
    await until("the message", () => seen.length === 1);
    await pubsub.close();
  });
});

describe("a connection that has given up", () => {
  it("is a gap for whoever listens, and refuses whoever wants to from then on", async () => {
    const own = await startNats();
    const connection = await connect({ servers: own.url, maxReconnectAttempts: 2, reconnectTimeWait: 50 });
    const pubsub = natsPubSub(connection);
    const gaps: string[] = [];
    pubsub.events.on(({ channel, since }) => void gaps.push(`${channel} ${typeof since}`));
    const stop = await pubsub.subscribe("x", () => undefined);
    await pubsub.start(() => undefined);
    await own.kill();
    await until("the end of the connection", () => connection.isClosed());
    await until("the gaps", () => gaps.length === 2);
    expect(gaps.sort()).toEqual(["* number", "x number"]);
    for (const channel of ["x", "y"]) await expect(pubsub.subscribe(channel, () => undefined)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(gaps).toHaveLength(2);
    await stop();
    expect(pubsub.size.channels).toBe(0);
    await pubsub.close();
    await own.stop();
  });
});

describe("clean-up", () => {
  it("removes what has expired and what was deleted, under its prefix, and nothing that was written since", async () => {
    const bucket = await new Kvm(connections[0] as NatsConnection).create("sweep", { history: 1 });
    let now = Date.now() - 3_600_000;
    const clock = { now: () => now, monotonic: () => performance.now(), setTimeout: (callback: () => void, ms: number) => setTimeout(callback, ms), clearTimeout: (handle: unknown) => clearTimeout(handle as never) };
    const driver = natsDriver(bucket, { prefix: "mine:", clock });
    const other = natsDriver(bucket, { prefix: "other:", clock });
    const { rateLimitStore } = createStores(driver);
    await driver.set("short", Uint8Array.of(1), 1000);
    await driver.set("deleted", Uint8Array.of(1));
    await driver.delete("deleted");
    await driver.set("kept", Uint8Array.of(1));
    await driver.set("long", Uint8Array.of(1), 7 * 86_400_000);
    await rateLimitStore.increment("user", 1);
    await other.set("short", Uint8Array.of(1), 1000);
    expect((await bucket.status()).values).toBe(6);
    expect(await driver.cleanup()).toBe(0);
    now = Date.now();
    expect(await driver.cleanup()).toBe(2);
    now = Date.now() + 120_000;
    expect(await driver.cleanup()).toBe(1);
    const left: string[] = [];
    for await (const key of await bucket.keys()) left.push(key);
    expect(left.sort()).toEqual(["mine.kept", "mine.long", "other.short"]);
    await driver.set("short", Uint8Array.of(2));
    expect(await driver.get("short")).toEqual(Uint8Array.of(2));
  });

  it("is refused by a bucket that cannot list its messages", async () => {
    const bucket = kv();
    const plain: NatsKv = { get: (key) => bucket.get(key), put: (key, value, options) => bucket.put(key, value, options), delete: (key, options) => bucket.delete(key, options) };
    const driver = natsDriver(plain);
    await driver.set("k", Uint8Array.of(1));
    expect(await driver.get("k")).toEqual(Uint8Array.of(1));
    await expect(driver.cleanup()).rejects.toMatchObject({ code: "STORE_CAPABILITY" });
  });
});

describe("adapter", () => {
  it("has every member, keeps what is not its own open, and leaves out what it is told to", async () => {
    const connection = connections[0] as NatsConnection;
    const adapter = natsAdapter({ kv: buckets[0] as KV, connection, prefix: "app:" });
    expect((await adapter.rateLimitStore?.increment("k", 60))?.count).toBe(1);
    await adapter.cacheStore?.put("https://example.test/", new Response("x".repeat(300_000)), 60);
    expect((await (await adapter.cacheStore?.get("https://example.test/"))?.text())?.length).toBe(300_000);
    await adapter.store?.set("k", { a: 1 });
    expect(await adapter.rateLimiter({ capacity: 2, tokensPerSecond: 1 }).consume("k", 1)).toEqual({ allowed: true, remaining: 1 });
    expect((await adapter.circuitBreakerStore?.getState("k"))?.state).toBe("closed");
    const seen: unknown[] = [];
    await adapter.pubsub?.subscribe("c", (message) => void seen.push(message));
    await adapter.pubsub?.publish("c", 1);
    await until("the message", () => seen.length === 1);
    await adapter.close();
    await adapter.close();
    await expect(adapter.store?.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(connection.isClosed()).toBe(false);
    const partial = natsAdapter({ kv: buckets[1] as KV, stores: { cache: false } });
    expect(Object.keys(partial).sort()).toEqual(["circuitBreakerStore", "cleanup", "close", "rateLimitStore", "rateLimiter", "store"]);
    await partial.close();
  });

  it("refuses what is no bucket and no connection", () => {
    expect(() => natsAdapter({ kv: {} as never })).toThrow(/kv must be a key-value bucket of NATS; it lacks get, put, delete/);
    expect(() => natsAdapter({ kv: buckets[0] as KV, connection: {} as never })).toThrow(/connection must be a connection to NATS/);
    expect(() => natsAdapter({ kv: buckets[0] as KV, stores: { pubsub: true } })).toThrow(RangeError);
  });
});
