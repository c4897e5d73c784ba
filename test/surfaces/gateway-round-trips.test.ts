/** How often a request waits for its store, counted at the wire on real servers. */

import { Redis } from "ioredis";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { postgresAdapter } from "../../src/drivers/postgres/adapter.ts";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { redisAdapter } from "../../src/drivers/redis/adapter.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { concurrencyLimit } from "../../src/gateway/policies/traffic/concurrency-limit.ts";
import { quota } from "../../src/gateway/policies/traffic/quota.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { GatewayEvent, Policy } from "../../src/gateway/types.ts";
import type { GatewayAdapter } from "../../src/state/contracts/adapter.ts";
import { startPostgres, type PostgresServer } from "../servers/postgres.ts";
import { startProxy, type TcpProxy } from "../servers/proxy.ts";
import { startRedis, type RedisServer } from "../servers/redis.ts";

/** Far enough away that a client has sent all it has before it hears anything. */
const DELAY_MS = 40;

interface Place {
  readonly proxy: TcpProxy;
  readonly adapter: GatewayAdapter & { close(): Promise<void> };
  end(): Promise<unknown>;
}

const makers: Record<string, () => Promise<Place>> = {
  async Redis() {
    const server: RedisServer = await startRedis();
    const proxy = await startProxy(server.port, { delayMs: DELAY_MS });
    const far = new Redis(proxy.port, "127.0.0.1");
    return {
      proxy,
      adapter: redisAdapter({ client: far }),
      end: async () => {
        far.disconnect();
        await proxy.close();
        await server.stop();
      },
    };
  },
  async Postgres() {
    const server: PostgresServer = await startPostgres();
    const proxy = await startProxy(server.port, { delayMs: DELAY_MS });
    const [far, direct] = [proxy.port, server.port].map((port) => new Pool({ host: "127.0.0.1", port, user: "sluice", database: "postgres" })) as [Pool, Pool];
    await direct.query(POSTGRES_SCHEMA_SQL);
    return {
      proxy,
      // Without timers no statement is taken for held up and sent again, however slow the machine is.
      adapter: postgresAdapter({ client: far, clock: { ...systemClock, setTimeout: () => undefined } }),
      end: async () => {
        await far.end();
        await direct.end();
        await proxy.close();
        await server.stop();
      },
    };
  },
};

let made = 0;

describe.each(Object.keys(makers))("on %s", (backend) => {
  let place: Place;
  beforeAll(async () => {
    place = await (makers[backend] as () => Promise<Place>)();
  });
  afterAll(async () => {
    await place.adapter.close();
    await place.end();
  });

  function setup(policies: readonly Policy[]) {
    const { proxy, adapter } = place;
    let before = 0;
    let status = 200;
    const events: GatewayEvent[] = [];
    const background: Promise<unknown>[] = [];
    const waitUntil = (promise: Promise<unknown>): void => void background.push(promise);
    const gateway = createGateway({
      // Data of its own: a case that is tried again starts from nothing.
      name: `gateway-${++made}`,
      adapter: { ...adapter, waitUntil },
      stores: { timeoutMs: 5000 },
      routes: [{ path: "/*", pipeline: { policies, upstream: { type: "handler", handler: (c) => {
        before = proxy.roundTrips;
        return c.text("fresh", status as 200, { "cache-control": "max-age=60" });
      } } } }],
    });
    gateway.events.on((event) => void events.push(event));
    const settle = async (): Promise<void> => {
      while (background.length > 0) await Promise.allSettled(background.splice(0));
    };
    return {
      gateway,
      events,
      settle,
      answer: (next: number) => void (status = next),
      /** One request: its status, its cache result, the round trips before the upstream (or the answer) and after it. */
      async send(path: string, headers: Readonly<Record<string, string>> = {}) {
        const began = proxy.roundTrips;
        before = -1;
        const response = await gateway.fetch(new Request(`http://gateway.test${path}`, { headers }));
        await response.text();
        const reached = before !== -1;
        const asked = (reached ? before : proxy.roundTrips) - began;
        await settle();
        return { status: response.status, cache: response.headers.get("x-cache"), reached, before: asked, after: reached ? proxy.roundTrips - before : 0 };
      },
    };
  }

  it("limit, breaker and cache are one round trip before the upstream and one behind it; a hit has none behind it", async () => {
    const { send, gateway } = setup([rateLimit({ max: 100 }), circuitBreaker(), cache()]);
    // Connections, prepared statements and scripts come with the first requests.
    for (const path of ["/warm", "/warm", "/warm2"]) await send(path);
    expect(await send("/a")).toEqual({ status: 200, cache: "MISS", reached: true, before: 1, after: 1 });
    expect(await send("/a")).toEqual({ status: 200, cache: "HIT", reached: false, before: 1, after: 0 });
    await gateway.close();
  });

  it("without a cache, a call is one round trip before it and one after it", async () => {
    const { send, gateway } = setup([rateLimit({ max: 100 }), circuitBreaker()]);
    for (let i = 0; i < 2; i++) await send("/warm");
    const { after, ...rest } = await send("/a");
    expect(rest).toEqual({ status: 200, cache: null, reached: true, before: 1 });
    expect(after).toBeLessThanOrEqual(1);
    await gateway.close();
  });

  it("a refused request leaves nothing behind: neither a probe nor the lock of what it would have filled", async () => {
    const { send, gateway, answer, events } = setup([
      rateLimit({ max: (c) => Number(c.req.header("x-max")), keyBy: () => "everybody" }),
      circuitBreaker({ failureThreshold: 1, resetTimeoutMs: 50, probeTimeoutMs: 60_000 }),
      cache(),
    ]);
    answer(500);
    expect(await send("/fails", { "x-max": "100" })).toMatchObject({ status: 500, reached: true });
    answer(200);
    // The circuit's time is over when the store is asked: the permit is the one probe there is.
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await send("/a", { "x-max": "1" })).toMatchObject({ status: 429, reached: false });
    expect(events.flatMap((event) => (event.type === "circuit" ? [event.to] : []))).toEqual(["open", "half-open"]);
    expect(await send("/a", { "x-max": "100" })).toMatchObject({ status: 200, cache: "MISS", reached: true, before: 1 });
    expect(events.flatMap((event) => (event.type === "circuit" ? [event.to] : []))).toEqual(["open", "half-open", "closed"]);
    expect(await send("/a", { "x-max": "100" })).toMatchObject({ cache: "HIT" });
    await gateway.close();
  });

  it("several limits, a quota, breaker and cache are one round trip before the upstream", async () => {
    const { send, gateway } = setup([
      rateLimit({ max: 100 }), rateLimit({ name: "slow", max: 1000, windowSeconds: 3600 }), rateLimit({ name: "bucket", algorithm: "token-bucket", max: 50 }),
      quota({ max: 10_000, keyBy: () => "tenant" }), circuitBreaker(), cache(),
    ]);
    for (const path of ["/warm", "/warm", "/warm2", "/warm3"]) await send(path);
    expect(await send("/a")).toMatchObject({ status: 200, cache: "MISS", reached: true, before: 1 });
    expect(await send("/a")).toMatchObject({ status: 200, cache: "HIT", reached: false, before: 1 });
    await gateway.close();
  });

  it("what was charged or taken behind a limit that refuses is given back", async () => {
    const { send, gateway, settle } = setup([
      rateLimit({ name: "first", max: (c) => Number(c.req.header("x-max")), headers: "none" }),
      rateLimit({ name: "second", max: 5 }),
      quota({ max: 7, keyBy: () => "tenant" }),
      concurrencyLimit({ max: 1 }),
    ]);
    expect(await send("/a", { "x-max": "1" })).toMatchObject({ status: 200 });
    for (let i = 0; i < 4; i++) expect(await send("/a", { "x-max": "1" })).toMatchObject({ status: 429, reached: false });
    const { status, headers } = await gateway.fetch(new Request("http://gateway.test/a", { headers: { "x-max": "100" } }));
    await settle();
    expect(status, "the place is free").toBe(200);
    expect(headers.get("ratelimit"), "two requests were admitted").toMatch(/"second";r=3;[^,]*, "quota";r=5;/);
    await gateway.close();
  });

  it("the second limit is charged when the first has admitted, and not before", async () => {
    const { send, gateway } = setup([
      rateLimit({ name: "first", max: (c) => Number(c.req.header("x-max")) }),
      rateLimit({ name: "second", max: 5, headers: "x" }),
    ]);
    for (const max of ["1", "1", "1", "100"]) await send("/a", { "x-max": max });
    const { headers } = await gateway.fetch(new Request("http://gateway.test/a", { headers: { "x-max": "100" } }));
    expect(headers.get("x-ratelimit-remaining"), "two of five were admitted before this one").toBe("2");
    await gateway.close();
  });
});
