import { describe, expect, test } from "vitest";
import { createGateway } from "./create-gateway.ts";
import { definePolicy } from "./define-policy.ts";
import { getGatewayContext } from "./context.ts";
import { GatewayError } from "./errors.ts";
import { Priority } from "./priority.ts";
import { createPolicyTestHarness } from "./sdk/harness.ts";
import type { GatewayConfig, RouteConfig } from "./types.ts";

const ok = (path = "/ok", policies: RouteConfig["pipeline"]["policies"] = []): RouteConfig => ({
  path,
  pipeline: { policies, upstream: { type: "handler", handler: (c) => c.json({ path: c.req.path, id: c.req.param("id") ?? null }) } },
});

describe("createGateway", () => {
  test("serves a handler, with a request id", async () => {
    const gateway = createGateway({ routes: [ok("/users/:id")] });
    const response = await gateway.fetch(new Request("http://gateway/users/7"));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ path: "/users/7", id: "7" });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("runs policies in priority order around the upstream", async () => {
    const log: string[] = [];
    const mark = (name: string, priority: number) =>
      definePolicy({
        name,
        priority,
        handler: async (_c, next) => {
          log.push(`>${name}`);
          await next();
          log.push(`<${name}`);
        },
      })();
    const gateway = createGateway({ policies: [mark("late", 60)], routes: [ok("/ok", [mark("mid", 50), mark("early", 1)])] });
    await gateway.app.request("/ok");
    expect(log).toEqual([">early", ">mid", ">late", "<late", "<mid", "<early"]);
  });

  test("a thrown error is a response to the outer policies", async () => {
    let seen = 0;
    const outer = definePolicy({ name: "outer", priority: Priority.EARLY, handler: async (c, next) => { await next(); seen = c.res.status; c.res.headers.set("x-outer", "1"); } });
    const thrower = definePolicy({ name: "thrower", handler: () => { throw new GatewayError(418, "forbidden", "no", { "x-extra": "1" }); } });
    const { request } = createPolicyTestHarness([outer(), thrower()]);
    const response = await request("/x");
    expect([seen, response.status, response.headers.get("x-extra"), response.headers.get("x-outer")]).toEqual([418, 418, "1", "1"]);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({ type: "about:blank", status: 418, code: "forbidden", detail: "no", requestId: response.headers.get("x-request-id") });
  });

  test("404, 405 with Allow, 501, OPTIONS, HEAD", async () => {
    const gateway = createGateway({ routes: [{ ...ok("/ok"), methods: ["GET", "POST"] }] });
    const at = (path: string, method = "GET") => gateway.app.request(path, { method });
    expect(await (await at("/none")).json()).toMatchObject({ code: "not_found", gateway: "edge-gateway" });
    const wrong = await at("/ok", "DELETE");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, POST, HEAD, OPTIONS"]);
    expect((await at("/ok", "FOO")).status).toBe(501);
    expect((await at("/ok", "OPTIONS")).status).toBe(204);
    const head = await at("/ok", "HEAD");
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("the context tells who, where and when", async () => {
    let context: unknown;
    const spy = definePolicy({ name: "spy", handler: (c, next) => { const { requestId, gatewayName, routePath, adapter } = getGatewayContext(c)!; context = { requestId, gatewayName, routePath, adapter }; return next(); } });
    const { request, adapter } = createPolicyTestHarness(spy(), { path: "/a/:b" });
    const response = await request("/a/c");
    expect(context).toEqual({ requestId: response.headers.get("x-request-id"), gatewayName: "test-gateway", routePath: "/a/:b", adapter });
  });
});

describe("a bad configuration names the option and quotes the value", () => {
  const handler = { type: "handler", handler: () => new Response() } as const;
  test.each<[string, unknown, RegExp]>([
    ["no routes", { routes: [] }, /"routes".*\[\]/],
    ["routes missing", {}, /"routes".*undefined/],
    ["path", { routes: [{ path: "users", pipeline: { upstream: handler } }] }, /"path".*"users"/],
    ["upstream type", { routes: [{ path: "/a", pipeline: { upstream: { type: "grpc" } } }] }, /"type".*"grpc"/],
    ["not a policy", { routes: [{ path: "/a", pipeline: { policies: [{ nope: 1 }], upstream: handler } }] }, /policies.*nope/],
    ["typo", { routes: [{ path: "/a", pipeline: { upstream: handler } }], adaptor: {} }, /"adaptor".*did you mean "adapter"/],
  ])("%s", (_name, config, message) => {
    expect(() => createGateway(config as GatewayConfig)).toThrow(message);
    expect(() => createGateway(config as GatewayConfig)).toThrow(expect.objectContaining({ code: "config_error", statusCode: 500 }));
  });
});
