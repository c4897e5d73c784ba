import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGateway } from "../../create-gateway.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { circuitBreaker } from "../resilience/circuit-breaker.ts";
import { cache } from "./cache.ts";
import { dynamicRouting, type RoutingRule } from "./dynamic-routing.ts";

const servers: Server[] = [];
const urls: string[] = [];

beforeAll(async () => {
  for (const name of ["own", "beta"]) {
    const server = createServer((request, response) => {
      response.setHeader("cache-control", "max-age=600");
      if (request.url?.startsWith("/down")) response.statusCode = 500;
      response.end(`${name} ${request.url} ${request.headers["x-rule"] ?? "-"}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
});
afterAll(() => void servers.forEach((server) => server.close()));

const harness = (rule: Partial<RoutingRule> = {}, more: object = {}) =>
  createPolicyTestHarness([cache(), dynamicRouting({ rules: [{ condition: (c) => c.req.header("x-beta") === "1", target: `${urls[1]}/v2`, headers: { "x-rule": "beta" }, ...rule }], ...more })], { upstream: { type: "url", target: urls[0] as string } });

describe("dynamicRouting", () => {
  it("sends a request where the first rule says, and caches apart", async () => {
    const { request, gateway } = harness({ rewritePath: (path) => path.replace("/a", "/b") });
    const beta = { headers: { "x-beta": "1" } };
    expect(await (await request("/a?q=1")).text()).toBe("own /a?q=1 -");
    expect(await (await request("/a?q=1", beta)).text()).toBe("beta /v2/b?q=1 beta");
    for (const [init, text] of [[beta, "beta /v2/b?q=1 beta"], [{}, "own /a?q=1 -"]] as const) {
      const stored = await request("/a?q=1", init);
      expect([stored.headers.get("x-cache"), await stored.text()]).toEqual(["HIT", text]);
    }
    await gateway.close();
  });

  it.each([undefined, "shop"])("has a circuit per target, named %s: one that fails leaves the others alone", async (key) => {
    const { request, gateway } = createPolicyTestHarness(
      [circuitBreaker({ failureThreshold: 1, key }), dynamicRouting({ rules: [{ condition: (c) => c.req.header("x-beta") === "1", target: `${urls[1]}/down` }] })],
      { upstream: { type: "url", target: urls[0] as string } },
    );
    const keys: string[] = [];
    gateway.events.on((event) => {
      if (event.type === "circuit") keys.push(`${event.key} ${event.to}`);
    });
    const statuses: number[] = [];
    for (const beta of ["1", "1", "0", "1", "0"]) statuses.push((await request("/a", { headers: { "x-beta": beta } })).status);
    expect(statuses).toEqual([500, 503, 200, 503, 200]);
    expect(keys).toHaveLength(1);
    statuses.length = 0;
    for (const path of ["/down", "/down", "/a"]) statuses.push((await request(path)).status);
    expect(statuses).toEqual([500, 503, 503]);
    expect(new Set(keys).size).toBe(2);
    await gateway.close();
  });

  it("answers 404 without a rule where told to", async () => {
    const { request, gateway } = harness({}, { fallthrough: false });
    expect(await (await request("/a")).json()).toMatchObject({ code: "no_route", status: 404 });
    await gateway.close();
  });

  it("does not let a rewrite leave the target", async () => {
    const { request, gateway } = harness({ rewritePath: () => "//evil.example/" });
    expect((await request("/a", { headers: { "x-beta": "1" } })).status).toBe(502);
    await gateway.close();
  });

  it("a condition that fails is a 500", async () => {
    const { request, gateway } = harness({ condition: () => { throw new Error("x"); } });
    expect(await (await request("/a")).json()).toMatchObject({ code: "policy_error" });
    await gateway.close();
  });

  it("is a config_error where it could do nothing", () => {
    const rules = [{ condition: () => true, target: "https://a.example" }];
    for (const upstream of [() => new Response(), { type: "balanced" as const, targets: [{ url: "https://b.example" }] }, { type: "service-binding" as const, service: "S" }]) {
      expect(() => createPolicyTestHarness(dynamicRouting({ rules }), { upstream })).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringContaining("dynamic-routing") }));
    }
    const own = { path: "/own", pipeline: { upstream: { type: "handler" as const, handler: () => new Response() } } };
    expect(() => createGateway({ policies: [dynamicRouting({ rules })], routes: [own] })).not.toThrow();
  });

  it.each([{}, { rules: [] }, { rules: [{ condition: () => true, target: "/x" }] }, { rules: [{ target: "https://a.example" }] }])("refuses %j", (options) => {
    const make = dynamicRouting;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
