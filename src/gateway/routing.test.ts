import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { getGatewayContext } from "./context.ts";
import { createGateway } from "./create-gateway.ts";
import { definePolicy } from "./define-policy.ts";
import { GatewayError } from "./errors.ts";
import { cors } from "./policies/traffic/cors.ts";
import { scope } from "./scope.ts";
import type { GatewayConfig, GatewayInstance, Policy, RouteConfig } from "./types.ts";

const echo: RouteConfig["pipeline"]["upstream"] = {
  type: "handler",
  handler: (c) => c.json({ route: getGatewayContext(c)!.routePath, path: getGatewayContext(c)!.path, params: c.req.param(), meta: getGatewayContext(c)!.metadata }),
};
const route = (path: string, more: Partial<RouteConfig> = {}): RouteConfig => ({ path, pipeline: { upstream: echo }, ...more });
const get = async (config: Partial<GatewayConfig> & { routes: RouteConfig[] }, path: string, init?: RequestInit): Promise<[number, Record<string, unknown>]> => {
  const response = await createGateway(config).app.request(path, init);
  return [response.status, response.status === 308 ? { location: response.headers.get("location") } : ((await response.json()) as Record<string, unknown>)];
};

describe("matching", () => {
  test.each([
    ["/users/:id", "/users/7", { id: "7" }], ["/users/:id", "/users/a%2Fb", { id: "a/b" }], ["/files/*", "/files/a/b", {}], ["/:id{[0-9]+}", "/12", { id: "12" }],
    ["/caf\u00e9", "/caf%C3%A9", {}], ["/opt/:x?", "/opt", {}],
  ])("%s takes %s", async (pattern, path, params) => expect(await get({ routes: [route(pattern)] }, path)).toMatchObject([200, { route: expect.any(String), params }]));

  test("the first configured route wins", async () => {
    expect(await get({ routes: [route("/a/:x"), route("/a/b")] }, "/a/b")).toMatchObject([200, { route: "/a/:x" }]);
  });

  test("a protected path cannot be reached by another spelling", async () => {
    const guard: Policy = { name: "guard", handler: () => new Response(null, { status: 401 }) };
    const gateway = createGateway({ routes: [{ path: "/admin/*", pipeline: { policies: [guard], upstream: echo } }, route("/*")] });
    for (const path of ["/admin/x", "/%61dmin/x", "/a/../admin/x", "/a/%2e%2e/admin/x", "/./admin/x", "/%2E/admin/x"]) {
      expect((await gateway.fetch(new Request(`http://h${path}`))).status, path).toBe(401);
    }
    // Where the runtime has not parsed the URL.
    expect((await gateway.fetch({ url: "http://h/a/%2e%2e/%61dmin/x", method: "GET", headers: new Headers(), signal: new AbortController().signal } as Request)).status).toBe(401);
  });

  test.each([
    ["alias", "/a", "/a/", 200], ["alias", "/a/", "/a", 200], ["alias", "/a/:id", "/a/1/", 200], ["strict", "/a", "/a/", 404], ["strict", "/a/", "/a", 404],
    ["redirect", "/a", "/a/", 308], ["redirect", "/a/", "/a", 308], ["redirect", "/a", "/a", 200], ["redirect", "/a/*", "/a/", 200],
  ] as const)("trailingSlash %s: %s and %s is %i", async (trailingSlash, pattern, path, status) => expect((await get({ trailingSlash, routes: [route(pattern)] }, path))[0]).toBe(status));

  test("a redirect keeps the query and the origin", async () => {
    expect(await get({ trailingSlash: "redirect", routes: [route("/a")] }, "/a/?q=1")).toEqual([308, { location: "/a?q=1" }]);
    expect(await get({ trailingSlash: "redirect", routes: [route("/:rest{.+}")] }, "http://h//evil.com/x/")).toMatchObject([308, { location: "/.//evil.com/x" }]);
  });

  test("a preflight is answered by the chain of the method it asks for", async () => {
    const pre = (by: string): Policy => ({ name: "pre", priority: 5, preflight: true, handler: () => new Response(null, { status: 204, headers: { "x-pre": by } }) });
    const on = (method: "GET" | "DELETE" | "PUT", policies: Policy[]): RouteConfig => ({ path: "/a", methods: [method], pipeline: { policies, upstream: echo } });
    const gateway = createGateway({ routes: [on("GET", [pre("get")]), on("DELETE", [pre("delete")]), on("PUT", [])] });
    const ask = async (method: string) => {
      const response = await gateway.app.request("/a", { method: "OPTIONS", headers: { origin: "https://a.example", ...(method === "" ? {} : { "access-control-request-method": method }) } });
      return [response.status, response.headers.get("x-pre")];
    };
    expect(await Promise.all(["GET", "HEAD", "DELETE", "PUT", "PATCH", ""].map(ask))).toEqual([[204, "get"], [204, "get"], [204, "delete"], [204, null], [204, "get"], [204, "get"]]);
  });

  test("OPTIONS outside the methods of a route: 204 with Allow, or the chain up to its preflight policy", async () => {
    const plain = await createGateway({ routes: [route("/a", { methods: ["GET"] })] }).app.request("/a", { method: "OPTIONS" });
    expect([plain.status, plain.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    const preflight: Policy = { name: "pre", priority: 5, preflight: true, handler: () => new Response(null, { status: 204, headers: { "x-pre": "1" } }) };
    const auth: Policy = { name: "auth", priority: 10, handler: () => new Response(null, { status: 401 }) };
    const gateway = createGateway({ routes: [{ path: "/a", methods: ["GET"], pipeline: { policies: [preflight, auth], upstream: echo } }] });
    expect((await gateway.app.request("/a", { method: "OPTIONS" })).headers.get("x-pre")).toBe("1");
    expect((await gateway.app.request("/a")).status).toBe(204);
  });

  test("early global policies and unmatchedPolicies run when nothing matched", async () => {
    const mark = (name: string, priority: number): Policy => ({ name, priority, handler: async (c, next) => { await next(); c.res.headers.set(`x-${name}`, String(c.res.status)); } });
    const gateway = createGateway({ policies: [mark("log", 0), mark("late", 50)], unmatchedPolicies: [mark("extra", 60)], routes: [route("/a")] });
    const response = await gateway.app.request("/nowhere");
    expect([response.headers.get("x-log"), response.headers.get("x-late"), response.headers.get("x-extra")]).toEqual(["404", null, "404"]);
  });

  test("basePath goes before every route", async () => {
    expect((await get({ basePath: "/v1", routes: [route("/"), route("/a")] }, "/v1"))[0]).toBe(200);
    expect((await get({ basePath: "/v1", routes: [route("/a")] }, "/a"))[0]).toBe(404);
  });

  test("1,000 routes are found as fast as they were configured", async () => {
    const gateway = createGateway({ routes: Array.from({ length: 1000 }, (_, i) => route(`/r${i}/:id`)) });
    expect(gateway.routeCount).toBe(6000);
    expect(await (await gateway.app.request("/r999/x")).json()).toMatchObject({ route: "/r999/:id", params: { id: "x" } });
  });
});

describe("scope", () => {
  test("nests, merges metadata, and the route overrides", async () => {
    const log: string[] = [];
    const mark = definePolicy<{ as: string }>({ name: "mark", handler: (_c, next, { config, site }) => { log.push(`${config.as} ${site.scopeKey}`); return next(); } });
    const other = definePolicy<{ as: string }>({ name: "other", handler: (_c, next, { config, site }) => { log.push(`${config.as} ${site.scopeKey}`); return next(); } });
    const routes = scope({
      prefix: "/api", policies: [mark({ as: "api" }), other({ as: "shared" })], metadata: { a: 1, b: 1 },
      routes: [...scope({ prefix: "/v1/", policies: [mark({ as: "v1" })], metadata: { b: 2 }, routes: [route("/"), route("/x", { metadata: { b: 3 } })] }), route("/y")],
    });
    expect(routes.map((one) => [one.path, one.metadata])).toEqual([["/api/v1", { a: 1, b: 2 }], ["/api/v1/x", { a: 1, b: 3 }], ["/api/y", { a: 1, b: 1 }]]);
    const gateway = createGateway({ name: "g", routes });
    await gateway.app.request("/api/v1/x");
    await gateway.app.request("/api/y");
    expect(log).toEqual(["shared g:/api:other", "v1 g:/api/v1:mark", "api g:/api:mark", "shared g:/api:other"]);
  });

  test("two scopes of one prefix are two places", () => {
    const keys: string[] = [];
    const spy = definePolicy<object, undefined>({ name: "spy", setup: (_config, site) => void keys.push(site.scopeKey), handler: (_c, next) => next() });
    createGateway({ name: "g", routes: [...scope({ prefix: "/a", policies: [spy()], routes: [route("/1")] }), ...scope({ prefix: "/a", policies: [spy()], routes: [route("/2")] })] });
    expect(keys).toEqual(["g:/a:spy", "g:/a#2:spy"]);
  });
});

describe("methods of other protocols", () => {
  const dav = route("/dav/*", { methods: ["GET", "PROPFIND", "M-SEARCH"] });

  test("are served where a route lists them", async () => {
    const { app } = createGateway({ routes: [dav, route("/a")] });
    for (const method of ["PROPFIND", "M-SEARCH"]) expect((await app.request("/dav/x", { method })).status, method).toBe(200);
    const elsewhere = await app.request("/a", { method: "PROPFIND" });
    expect([elsewhere.status, elsewhere.headers.get("allow")?.includes("PROPFIND")]).toEqual([405, false]);
    const other = await app.request("/dav/x", { method: "PUT" });
    expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, PROPFIND, M-SEARCH, HEAD, OPTIONS"]);
  });

  test("are unknown where none does, and a name that nobody knows is refused", async () => {
    const { app } = createGateway({ routes: [route("/a")] });
    const answer = await app.request("/a", { method: "PROPFIND" });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([501, "method_not_implemented"]);
    for (const name of ["GTE", "get", "TRACE", "CONNECT", ""]) expect(() => createGateway({ routes: [route("/a", { methods: [name as never] })] }), name).toThrow(JSON.stringify(name));
  });
});

describe("inside another Hono application", () => {
  test("route(): matched below the prefix, the path stays whole, params are the gateway's", async () => {
    const outer = new Hono<{ Variables: { user: string } }>();
    outer.use("*", async (c, next) => { c.set("user", "u"); await next(); });
    const gateway = createGateway({ routes: [route("/users/:id"), { path: "/who", pipeline: { upstream: { type: "handler", handler: (c) => c.text(c.get("user")) } } }] });
    outer.route("/api", gateway.app);
    expect(await (await outer.request("/api/users/7")).json()).toEqual({ route: "/users/:id", path: "/api/users/7", params: { id: "7" }, meta: {} });
    expect(await (await outer.request("/api/who")).text()).toBe("u");
    expect((await outer.request("/api/none")).status).toBe(404);
    await gateway.update({ routes: [route("/new")] });
    expect((await outer.request("/api/new")).status).toBe(200);
    expect((await outer.request("/api/new", { method: "HEAD" })).status).toBe(200);
  });

  test("mount(): the prefix is gone", async () => {
    const outer = new Hono();
    outer.mount("/api", createGateway({ routes: [route("/users/:id")] }).fetch as never);
    expect(await (await outer.request("/api/users/7")).json()).toMatchObject({ path: "/users/7", params: { id: "7" } });
  });

  test("routes and middleware added to gateway.app itself go first", async () => {
    const { app } = createGateway({ routes: [route("/a")] });
    app.use("*", async (c, next) => { await next(); c.res.headers.set("x-mw", "1"); });
    app.get("/extra", (c) => c.text("extra"));
    expect(await (await app.request("/extra")).text()).toBe("extra");
    expect((await app.request("/a")).headers.get("x-mw")).toBe("1");
  });
});

describe("a path that other servers read as another route", () => {
  const seen: string[] = [];
  const guard: Policy = { name: "guard", guard: true, priority: 10, handler: () => { throw new GatewayError(403, "forbidden", "No"); } };
  const everywhere = cors();
  const gateway = (routes: readonly { path: string; policies?: readonly Policy[] }[]): GatewayInstance =>
    createGateway({ policies: [everywhere], routes: routes.map(({ path, policies = [] }) => ({ path, pipeline: { policies, upstream: { type: "handler", handler: (c) => (seen.push(c.req.path), c.text("in")) } } })) });
  // As Node and Deno hand it over: nothing has parsed the URL.
  const ask = async (instance: GatewayInstance, path: string): Promise<number> => {
    const request = new Request("http://gateway/");
    Object.defineProperty(request, "url", { value: `http://gateway${path}` });
    return (await instance.fetch(request)).status;
  };

  test.each([
    ["//admin/x", 400], ["///admin//x", 400], ["/admin%2fx", 400], ["/admin%2Fx", 400], ["/admin%5cx", 400], ["/admin\\x", 400], ["/%2fadmin/x", 400], ["/;/admin/x", 400], ["/.;/admin/x", 400], ["/admin;a=1/x", 400],
    ["/a/..;/admin/x", 400], ["/a%2f..%2fadmin/x", 400], ["/%3b/admin/x", 400], ["/users/%40me", 400], ["/caf%c3%a9/x", 403], ["/%61dmin/x", 403], ["/a/%2e%2e/admin/x", 403],
    ["/open%2Fx", 200], ["//open", 200], ["/open;v=1", 200], ["/a%26b", 200],
  ])("%s without the guards of that route is %i", async (path, status) => {
    const instance = gateway([{ path: "/admin/*", policies: [guard] }, { path: "/caf\u00e9/*", policies: [guard] }, { path: "/users/@me", policies: [guard] }, { path: "/*" }]);
    expect(await ask(instance, path)).toBe(status);
    await instance.close();
  });

  test("an encoded separator is a part of a parameter where no guard is missed", async () => {
    const other: Policy = { name: "open", guard: true, handler: (_c, next) => next() };
    const instance = gateway([{ path: "/projects/:id", policies: [other] }, { path: "/projects/:id/files", policies: [other] }, { path: "/*" }]);
    seen.length = 0;
    expect(await ask(instance, "/projects/group%2Fname")).toBe(200);
    expect(seen).toEqual(["/projects/group%2Fname"]);
    await instance.close();
  });

  test("a policy that does not say what it is counts as a guard", async () => {
    const plain: Policy = { name: "mine", handler: () => new Response("no", { status: 401 }) };
    const instance = gateway([{ path: "/admin/*", policies: [plain] }, { path: "/*" }]);
    expect(await ask(instance, "//admin/x")).toBe(400);
    await instance.close();
  });
});
