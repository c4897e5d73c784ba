/** Upstreams behind real sockets on Node: balancing, ejection, checks, canaries, circuits per target, bindings. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { systemRandom } from "../../src/core/random.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { retry } from "../../src/gateway/policies/resilience/retry.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { dynamicRouting } from "../../src/gateway/policies/traffic/dynamic-routing.ts";
import type { GatewayConfig, GatewayEvent, GatewayInstance, Policy, UpstreamConfig } from "../../src/gateway/types.ts";
import { serve } from "../../src/runtimes/node/serve.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

const owned: (() => unknown)[] = [];
afterEach(async () => {
  for (const free of owned.splice(0).reverse()) await free();
});

interface Origin {
  readonly url: string;
  hits: number;
  status: number;
}

async function origin(name: string, handle?: (request: IncomingMessage, response: ServerResponse) => void): Promise<Origin> {
  const state = { url: "", hits: 0, status: 200 };
  const server: Server = createServer((request, response) => {
    if (request.url === "/healthz") {
      response.writeHead(state.status).end();
      return;
    }
    state.hits++;
    if (handle !== undefined) handle(request, response);
    else response.writeHead(state.status, { "x-from": name }).end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  owned.push(() => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

/** Nobody listens there. */
const DEAD = "http://127.0.0.1:1";

function gateway(upstream: UpstreamConfig, policies: Policy[] = [], more: Partial<GatewayConfig> = {}): GatewayInstance & { ask: (headers?: Record<string, string>, path?: string) => Promise<Response> } {
  const made = createGateway({ ...more, routes: [{ path: "/*", pipeline: { policies, upstream } }] });
  owned.push(() => made.close({ graceMs: 0 }));
  return Object.assign(made, { ask: async (headers: Record<string, string> = {}, path = "/") => await made.app.request(path, { headers }) });
}

async function names(ask: () => Promise<Response>, times: number): Promise<string> {
  let text = "";
  for (let i = 0; i < times; i++) text += await (await ask()).text();
  return text;
}

describe("balanced", () => {
  test("spreads by weight, and 0 drains", async () => {
    const [a, b, c] = await Promise.all([origin("a"), origin("b"), origin("c")]);
    const { ask } = gateway({ type: "balanced", targets: [{ url: a.url, weight: 2 }, { url: b.url }, { url: c.url, weight: 0 }] });
    expect([...(await names(ask, 6))].sort().join("")).toBe("aaaabb");
    expect(c.hits).toBe(0);
  });

  test("a retry goes to a target not tried yet, and a dead one is ejected", async () => {
    const a = await origin("a");
    const events: GatewayEvent[] = [];
    const made = gateway({ type: "balanced", targets: [{ url: DEAD }, { url: a.url }], ejection: { consecutiveFailures: 2 } }, [retry({ baseDelayMs: 1, maxRetries: 1 })]);
    made.events.on((event) => events.push(event));
    for (let i = 0; i < 8; i++) expect((await made.ask()).status).toBe(200);
    expect(events.filter((event) => event.type === "target")).toEqual([{ type: "target", route: "/*", target: DEAD, change: "ejected" }]);
  });

  test("502, 503 and 504 eject; other answers do not; the share that may be out is bounded", async () => {
    const [a, b] = await Promise.all([origin("a"), origin("b")]);
    const { ask } = gateway({ type: "balanced", targets: [{ url: a.url }, { url: b.url }], ejection: { consecutiveFailures: 1 } });
    a.status = 500;
    await names(ask, 4);
    expect([a.hits, b.hits]).toEqual([2, 2]);
    a.status = 503;
    await names(ask, 10);
    expect(a.hits).toBe(3);
    b.status = 503;
    await names(ask, 6);
    expect(a.hits).toBeGreaterThan(3);
  });

  test("all of them out of service: 503, and no retry of what was not sent", async () => {
    const a = await origin("a");
    const { ask } = gateway({ type: "balanced", targets: [{ url: a.url, weight: 0 }] }, [retry({ baseDelayMs: 1 })]);
    const response = await ask();
    expect([response.status, ((await response.json()) as { code: string }).code, response.headers.get("x-retry-count")]).toEqual([503, "no_healthy_upstream", null]);
  });

  test("a verdict counts while there are checks: update() without them takes the target back", async () => {
    const [a, b] = await Promise.all([origin("a"), origin("b")]);
    const clock = manualClock();
    const upstream: UpstreamConfig = { type: "balanced", targets: [{ url: a.url }, { url: b.url }], ejection: false };
    const checked: UpstreamConfig = { ...upstream, healthCheck: { path: "/healthz", intervalMs: 1000, healthy: 1, unhealthy: 1 } };
    const made = gateway(checked, [], { clock });
    const unhealthy = new Promise<void>((resolve) => made.events.on((event) => event.type === "target" && resolve()));
    a.status = 500;
    await made.ask();
    await unhealthy;
    const config = (one: UpstreamConfig): GatewayConfig => ({ clock, routes: [{ path: "/*", pipeline: { upstream: one } }] });
    await made.update(config({ ...checked }));
    expect(await names(made.ask, 4)).toBe("bbbb");
    a.status = 200;
    await made.update(config(upstream));
    expect((await names(made.ask, 4)).split("").sort().join("")).toBe("aabb");
    await made.close({ graceMs: 100 });
  });

  test("active checks take a target out and bring it back; close() ends them", async () => {
    const [a, b] = await Promise.all([origin("a"), origin("b")]);
    const clock = manualClock();
    const made = gateway({ type: "balanced", targets: [{ url: a.url }, { url: b.url }], ejection: false, healthCheck: { path: "/healthz", intervalMs: 100, healthy: 1, unhealthy: 2 } }, [], { clock });
    const changes: string[] = [];
    let wake: () => void = () => {};
    made.events.on((event) => {
      if (event.type !== "target") return;
      changes.push(event.change);
      wake();
    });
    // Checks go over real sockets: time moves on until the verdict has changed.
    const until = async (count: number): Promise<void> => {
      while (changes.length < count) {
        clock.advance(120);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 10);
        });
      }
    };
    a.status = 500;
    await made.ask();
    await until(1);
    expect(await names(made.ask, 4)).toBe("bbbb");
    a.status = 200;
    await until(2);
    expect(changes).toEqual(["unhealthy", "healthy"]);
    expect(await names(made.ask, 4)).toContain("a");
    await made.close({ graceMs: 100 });
    expect(clock.pendingTimers).toBe(0);
  });

  test("consistent-hash keeps a key on its target", async () => {
    const origins = await Promise.all(["a", "b", "c"].map((name) => origin(name)));
    const { ask } = gateway({ type: "balanced", balance: "consistent-hash", hashKey: (c) => c.req.header("x-user") ?? "", targets: origins.map(({ url }) => ({ url })) });
    const seen = new Set<string>();
    for (let user = 0; user < 20; user++) {
      const first = await (await ask({ "x-user": `u${user}` })).text();
      seen.add(first);
      expect(await names(() => ask({ "x-user": `u${user}` }), 3)).toBe(first.repeat(3));
    }
    expect(seen.size).toBe(3);
  });

  test("least-pending avoids the busy one until its body has ended", async () => {
    let finish: () => void = () => {};
    const slow = await origin("s", (_request, response) => {
      response.write("s");
      finish = () => response.end();
    });
    const fast = await origin("f");
    const { ask } = gateway({ type: "balanced", balance: "least-pending", targets: [{ url: slow.url }, { url: fast.url }] });
    const held = await ask();
    expect(held.headers.get("x-from")).toBe(null);
    expect(await names(ask, 4)).toBe("ffff");
    finish();
    await held.text();
  });
});

describe("canary", () => {
  test("a sticky caller stays on its side, and a rising share moves nobody back", async () => {
    const [stable, canary] = await Promise.all([origin("s"), origin("c")]);
    const at = (percent: number) => gateway({ type: "url", target: stable.url, canary: { target: canary.url, percent, stickyBy: (c) => c.req.header("x-user") } });
    const sides = async (percent: number): Promise<string[]> => {
      const { ask } = at(percent);
      return await Promise.all(Array.from({ length: 60 }, async (_, i) => await (await ask({ "x-user": `u${i}` })).text()));
    };
    const [few, again, more, all] = [await sides(20), await sides(20), await sides(60), await sides(100)];
    expect(again).toEqual(few);
    expect(few.filter((side) => side === "c").length).toBeGreaterThan(2);
    few.forEach((side, i) => side === "c" && expect(more[i]).toBe("c"));
    expect(new Set(all)).toEqual(new Set(["c"]));
  });

  test("without stickyBy the share is by chance, and a marked target gets traffic as a canary alone", async () => {
    const [stable, canary] = await Promise.all([origin("s"), origin("c")]);
    let draw = 0;
    const random = { next: () => (draw++ % 10) / 10, uuid: () => "00000000-0000-4000-8000-000000000000" };
    const { ask } = gateway({ type: "balanced", targets: [{ url: stable.url }, { url: canary.url, canary: true }], canary: { percent: 30 } }, [], { random });
    expect(await names(ask, 10)).toBe("cccsssssss");
  });
});

describe("circuitBreaker with scope target", () => {
  test("skips the open target; when all are open the refusal is the answer", async () => {
    const [a, b] = await Promise.all([origin("a"), origin("b")]);
    const { ask } = gateway({ type: "balanced", targets: [{ url: a.url }, { url: b.url }], ejection: false }, [circuitBreaker({ scope: "target", failureThreshold: 1 }), retry({ baseDelayMs: 1, maxRetries: 2 })]);
    a.status = 503;
    expect(await names(ask, 6)).toBe("bbbbbb");
    expect(a.hits).toBeLessThanOrEqual(1);
    b.status = 503;
    await ask();
    const refused = await ask();
    expect([refused.status, ((await refused.json()) as { code: string }).code, refused.headers.get("retry-after")]).toEqual([503, "circuit_open", "30"]);
    expect(a.hits).toBe(1);
  });

  test("a fixed url has one circuit", async () => {
    const a = await origin("a");
    const { ask } = gateway({ type: "url", target: a.url }, [circuitBreaker({ scope: "target", failureThreshold: 2 })]);
    a.status = 500;
    for (let i = 0; i < 2; i++) expect((await ask()).status).toBe(500);
    expect((await ask()).status).toBe(503);
    expect(a.hits).toBe(2);
  });

  test("is refused where there are no targets", () => {
    expect(() => gateway({ type: "handler", handler: () => new Response() }, [circuitBreaker({ scope: "target" })])).toThrow(/scope.*"target"/);
  });
});

describe("service-binding", () => {
  test("calls the adapter with the client's request less the connection's fields, and cannot change its origin", async () => {
    const seen: Request[] = [];
    const adapter = { dispatchBinding: async (service: string, request: Request) => (seen.push(request), new Response(service, { headers: { connection: "x-a", "x-a": "1", "x-b": "2" } })) };
    const made = gateway({ type: "service-binding", service: "USERS", rewritePath: (path) => path.replace("/api", "") }, [], { adapter });
    const response = await made.app.request("http://shop.example/api/u?q=1", { method: "POST", body: "hello", headers: { connection: "x-drop", "x-drop": "1", "x-forwarded-for": "6.6.6.6" } });
    expect([await response.text(), response.headers.get("x-a"), response.headers.get("x-b"), response.headers.get("via")]).toEqual(["USERS", null, "2", "1.1 sluice"]);
    const request = seen[0] as Request;
    expect([request.url, request.method, await request.text(), request.headers.get("x-drop"), request.headers.get("x-forwarded-for")]).toEqual(["http://shop.example/u?q=1", "POST", "hello", null, null]);
    const evil = gateway({ type: "service-binding", service: "USERS", rewritePath: () => "//evil.example/" }, [], { adapter });
    expect((await evil.ask()).status).toBe(502);
    expect(seen).toHaveLength(1);
  });

  test("without a way to call it: 502 that names the binding", async () => {
    const { ask } = gateway({ type: "service-binding", service: "USERS" });
    const response = await ask();
    expect([response.status, await response.json()]).toEqual([502, expect.objectContaining({ code: "config_error", detail: expect.stringContaining("USERS") })]);
  });
});

test.each<[string, object, RegExp]>([
  ["no targets", { targets: [] }, /"targets".*route/],
  ["a bad weight", { targets: [{ url: "http://a", weight: -1 }] }, /targets\[0\]\.weight.*-1/],
  ["one target twice", { targets: [{ url: "http://a" }, { url: "http://a" }] }, /targets\[1\]\.url/],
  ["a bad URL", { targets: [{ url: "file:///etc/passwd" }] }, /file/],
  ["an unknown balance", { targets: [{ url: "http://a" }], balance: "random" }, /"balance".*"random"/],
  ["an unknown option", { targets: [{ url: "http://a" }], ballance: "weighted" }, /ballance.*did you mean "balance"/],
  ["a bad percentage", { targets: [{ url: "http://a" }], canary: { target: "http://b", percent: 101 } }, /canary\.percent.*101/],
  ["a canary without target", { targets: [{ url: "http://a" }], canary: { percent: 1 } }, /canary\.target/],
  ["a check without path", { targets: [{ url: "http://a" }], healthCheck: {} }, /healthCheck\.path/],
  ["a bad ejection", { targets: [{ url: "http://a" }], ejection: { consecutiveFailures: 0.5 } }, /ejection\.consecutiveFailures.*0\.5/],
])("refuses %s", (_name, options, message) => {
  expect(() => gateway({ type: "balanced", ...options } as UpstreamConfig)).toThrow(message);
});

describe("cache before several targets", () => {
  const fresh = (name: string) => origin(name, (_request, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end(name));

  test("targets are replicas: what one answered is stored for all", async () => {
    const [a, b] = await Promise.all([fresh("x"), fresh("x")]);
    const { ask } = gateway({ type: "balanced", targets: [{ url: a.url }, { url: b.url }] }, [cache()]);
    const found: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await ask();
      await response.text();
      found.push(response.headers.get("x-cache"));
    }
    expect([found, a.hits + b.hits]).toEqual([["MISS", "HIT", "HIT"], 1]);
  });

  test("a canary's answers are stored beside the others', and each caller gets those of its side", async () => {
    const [stable, canary] = await Promise.all([fresh("s"), fresh("c")]);
    const users = Array.from({ length: 12 }, (_, i) => `user ${i}`);
    for (const upstream of [
      { type: "url", target: stable.url, canary: { target: canary.url, percent: 50, stickyBy: (c) => c.req.header("x-user") } },
      { type: "balanced", targets: [{ url: stable.url }, { url: canary.url, canary: true }], canary: { percent: 50, stickyBy: async (c) => c.req.header("x-user") } },
    ] satisfies UpstreamConfig[]) {
      stable.hits = canary.hits = 0;
      const plain = gateway(upstream);
      const sides = [];
      for (const user of users) sides.push(await (await plain.ask({ "x-user": user })).text());
      expect(new Set(sides).size).toBe(2);
      stable.hits = canary.hits = 0;
      const cached = gateway(upstream, [cache()]);
      const got = [];
      for (const user of users) got.push(await (await cached.ask({ "x-user": user })).text());
      expect(got).toEqual(sides);
      expect([stable.hits, canary.hits]).toEqual([1, 1]);
    }
  });

  test("a side that is drawn by chance is drawn once: what is stored for it comes from there", async () => {
    const [stable, canary] = await Promise.all([fresh("s"), fresh("c")]);
    // The first draw says canary, the next one would not.
    const draws = [0.1, 0.9, 0.9, 0.1];
    const random = { ...systemRandom, next: () => draws.shift() ?? 0.9 };
    const { ask } = gateway({ type: "url", target: stable.url, canary: { target: canary.url, percent: 50 } }, [cache()], { random });
    expect(await names(ask, 4)).toBe("cssc");
    expect([stable.hits, canary.hits]).toEqual([1, 1]);
  });

  test("where dynamicRouting sends a request stays a place of its own", async () => {
    const [a, elsewhere] = await Promise.all([fresh("a"), fresh("e")]);
    const routed = dynamicRouting({ rules: [{ condition: (c) => c.req.header("x-to") === "e", target: elsewhere.url }] });
    const { ask } = gateway({ type: "url", target: a.url }, [cache(), routed]);
    const to = (header: string) => ask({ "x-to": header }).then((response) => response.text());
    expect([await to("a"), await to("e"), await to("a"), await to("e"), a.hits, elsewhere.hits]).toEqual(["a", "e", "a", "e", 1, 1]);
  });
});

test("a trusted proxy's host is part of the cache key, and what the upstream sees; anybody else's is neither", async () => {
  const echo = await origin("echo", (request, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end(String(request.headers["x-forwarded-host"])));
  const start = async (trustProxy: GatewayConfig["trustProxy"]) => {
    const made = createGateway({ ...(trustProxy === undefined ? undefined : { trustProxy }), routes: [{ path: "/*", pipeline: { policies: [cache()], upstream: { type: "url", target: echo.url } } }] });
    const server = await serve(made, { port: 0 });
    owned.push(() => server.close({ graceMs: 0 }));
    return async (host: string) => await (await fetch(`${server.url}/x`, { headers: { "x-forwarded-host": host } })).text();
  };
  const trusted = await start(1);
  expect([await trusted("a.example"), await trusted("b.example"), await trusted("a.example"), await trusted("evil.example, b.example")]).toEqual(["a.example", "b.example", "a.example", "b.example"]);
  const untrusted = await start(undefined);
  const own = await untrusted("evil.example");
  expect([own, await untrusted("other.example")]).toEqual([own, own]);
  expect(own).toMatch(/^127\.0\.0\.1:\d+$/);
});
