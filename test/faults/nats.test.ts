/**
 * What happens to a gateway when its NATS is gone, hung or restarted: every answer within the deadline, in the declared mode,
 * one event per change, and back by itself. A real server and the real client.
 */

import { Kvm } from "@nats-io/kv";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { FailMode, GatewayEvent, GatewayInstance } from "../../src/gateway/types.ts";
import { natsAdapter, natsDriver, natsPubSub } from "../../src/nats.ts";
import type { NatsKv } from "../../src/nats.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import { type NatsServer, startNats } from "../servers/nats.ts";
import { until } from "../servers/process.ts";

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
const open: (() => unknown)[] = [];
let server: NatsServer;

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  server = await startNats();
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  expect(unhandled).toEqual([]);
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await server.stop();
});

/** The client's own defaults wait 2 s between tries and give up after 10 of them. */
async function client(): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
  open.push(() => connection.close());
  return connection;
}

async function bucket(name: string): Promise<NatsKv> {
  return new Kvm(await client()).create(name, { history: 1 });
}

/** The deadline, and what a busy machine adds to it. */
const ANSWER_MS = 250 + 350;
const MODES: readonly FailMode[] = ["local", "open", "closed"];

interface Site {
  readonly gateway: GatewayInstance;
  readonly changes: string[];
  status(): Promise<number>;
}

function siteOf(mode: FailMode, kv: NatsKv, max = 100_000): Site {
  const adapter = natsAdapter({ kv, prefix: `${mode}:` });
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
    gateway, changes,
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

const faults: [string, { cause(): Promise<unknown>; cure(): Promise<unknown> }][] = [
  ["killed", { cause: () => server.kill(), cure: () => server.start() }],
  ["stopped (SIGSTOP)", { cause: async () => server.process.signal("SIGSTOP"), cure: async () => server.process.signal("SIGCONT") }],
];

it.each(faults)("%s: answers in time and in its mode, and is back within 2 s", async (_fault, { cause, cure }) => {
  const kv = await bucket("modes");
  const sites = MODES.map((mode) => siteOf(mode, kv));
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

it("killed and restarted: what was counted is counted", async () => {
  const site = siteOf("closed", await bucket("counted"), 3);
  for (let n = 0; n < 3; n++) expect(await site.status()).toBe(200);
  expect(await site.status()).toBe(429);
  await server.kill();
  expect(await site.status()).toBe(503);
  await server.start();
  let status = 503;
  await until("the store is asked again", async () => (status = await site.status()) !== 503);
  expect(status).toBe(429);
});

it("a bucket that is gone: nothing was applied, and a client that asks the leader says why", async () => {
  const kvm = new Kvm(await client());
  for (const [name, direct, error] of [["direct", true, { code: "STORE_TIMEOUT" }], ["asked", false, { code: "STORE_SCHEMA", message: expect.stringContaining("create it") }]] as const) {
    const kv = await kvm.create(name, { history: 1, allow_direct: direct });
    const driver = natsDriver(kv);
    const stores = createStores(driver);
    open.push(() => stores.close());
    await stores.store.set("k", 1);
    await kv.destroy();
    await expect(stores.store.set("k", 2)).rejects.toMatchObject({ name: "StoreError", outcome: "not-applied", ...error });
    await expect(driver.set("k", Uint8Array.of(1))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
  }
});

it("a reply lost after the write took effect: unknown, not sent again, and the next call is exact", async () => {
  const real = await bucket("lost");
  let lose = 0;
  const lossy: NatsKv = {
    get: (key) => real.get(key),
    delete: (key, options) => real.delete(key, options),
    async put(key, value, options) {
      const revision = await real.put(key, value, options);
      if (lose-- > 0) await new Promise(() => undefined);
      return revision;
    },
  };
  const stores = createStores(natsDriver(lossy, { timeoutMs: 50 }));
  open.push(() => stores.close());
  for (let n = 0; n < 10; n++) {
    lose = 1;
    await expect((async () => stores.rateLimitStore.increment("k", 600))()).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    expect((await stores.rateLimitStore.increment("k", 600)).count, "one by the lost call, one by this one").toBe(2 * n + 2);
  }
});

it("pub/sub listens again after a restart, with one gap per channel, and delivers what is published then", async () => {
  const [listener, publisher] = [natsPubSub(await client()), natsPubSub(await client(), { timeoutMs: 300 })];
  open.push(() => listener.close(), () => publisher.close());
  const gaps: string[] = [];
  listener.events.on(({ channel, since }) => void gaps.push(`${channel} ${typeof since}`));
  const seen: unknown[] = [];
  for (const channel of ["x", "y"]) await listener.subscribe(channel, (message) => void seen.push(message));
  await listener.subscribe("y", () => undefined);
  const stop = await listener.start(() => undefined);
  await server.kill();
  await expect(publisher.publish("x", "lost")).rejects.toMatchObject({ code: expect.stringMatching(/STORE_(UNAVAILABLE|TIMEOUT)/) });
  await expect(publisher.subscribe("z", () => undefined)).rejects.toMatchObject({ code: expect.stringMatching(/STORE_(UNAVAILABLE|TIMEOUT)/) });
  await server.start();
  await until("all gaps", () => gaps.length >= 3);
  await until("a publish is taken", async () => publisher.publish("x", "after").then(() => true));
  await until("a message", () => seen.includes("after"));
  expect(gaps.sort()).toEqual(["* number", "x number", "y number"]);
  await stop();
  await until("the subscription that failed is given up", () => publisher.size.channels === 0);
});

it("a server that hangs costs the deadline of a publish, and nobody waits longer", async () => {
  const pubsub = natsPubSub(await client(), { timeoutMs: 100 });
  open.push(() => pubsub.close());
  await pubsub.subscribe("before", () => undefined);
  server.process.signal("SIGSTOP");
  try {
    await expect(pubsub.publish("c", 1)).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await expect(pubsub.subscribe("c", () => undefined)).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
  } finally {
    server.process.signal("SIGCONT");
  }
  await until("a subscription that was given up is gone", () => pubsub.size.channels === 1);
});
