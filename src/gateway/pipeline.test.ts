import { describe, expect, test } from "vitest";
import { getGatewayContext } from "./context.ts";
import { createGateway } from "./create-gateway.ts";
import { definePolicy } from "./define-policy.ts";
import { GatewayError } from "./errors.ts";
import { createPolicyTestHarness } from "./sdk/harness.ts";
import type { Policy } from "./types.ts";

const plain = (name: string, handler: Policy["handler"], more: Partial<Policy> = {}): Policy => ({ name, handler, ...more });
const json = async (response: Response | Promise<Response>): Promise<Record<string, unknown>> => (await (await response).json()) as Record<string, unknown>;

describe("answers of policies", () => {
  test("a returned response is the response, before and after next()", async () => {
    expect((await createPolicyTestHarness(plain("a", () => new Response("early", { status: 418 }))).request("/")).status).toBe(418);
    const late = createPolicyTestHarness(plain("a", async (_c, next) => { await next(); return new Response("late", { status: 202 }); }), {
      upstream: () => new Response("a much longer body", { headers: { "content-length": "18", "content-encoding": "identity", "x-up": "1" } }),
    });
    const response = await late.request("/");
    expect([response.status, await response.text(), response.headers.get("content-length"), response.headers.get("x-up")]).toEqual([202, "late", null, "1"]);
  });

  test("neither next() nor a response is a 500 that names the policy", async () => {
    expect(await json(createPolicyTestHarness(plain("lazy", () => {})).request("/"))).toMatchObject({ status: 500, code: "policy_no_response", detail: expect.stringContaining("lazy") });
  });

  test("next() that nobody awaits is waited for", async () => {
    const { request } = createPolicyTestHarness(plain("a", (_c, next) => void next()), { upstream: (c) => Promise.resolve(c.text("x")) });
    expect(await (await request("/")).text()).toBe("x");
  });

  test("next() called again gives the later answer alone", async () => {
    let calls = 0;
    const { request } = createPolicyTestHarness(plain("again", async (_c, next) => { await next(); await next(); }), {
      upstream: () => new Response(`call ${++calls}`, { headers: { [`x-${calls}`]: "1" } }),
    });
    const response = await request("/");
    expect([await response.text(), response.headers.get("x-1"), response.headers.get("x-2")]).toEqual(["call 2", null, "1"]);
  });

  test("what comes after a policy has answered changes nothing, and its body is freed", async () => {
    let cancelled = 0;
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const impatient = plain("impatient", (_c, next) => { void next(); return new Response("too late", { status: 504 }); }, { priority: 1 });
    const seen: number[] = [];
    const outer = plain("outer", async (c, next) => { await next(); release(); await new Promise((resolve) => setTimeout(resolve, 5)); seen.push(c.res.status); }, { priority: 0 });
    const { request } = createPolicyTestHarness([outer, impatient], {
      upstream: async () => { await gate; return new Response(new ReadableStream({ cancel: () => void cancelled++ })); },
    });
    const response = await request("/");
    expect([response.status, await response.text(), seen, cancelled]).toEqual([504, "too late", [504], 1]);
  });

  test.each([["a fetch result", () => fetch("data:text/plain,hello")], ["a redirect", () => Response.redirect("http://elsewhere/", 302)]])("%s can be changed by outer policies", async (_name, upstream) => {
    const outer = plain("outer", async (c, next) => { await next(); c.res.headers.set("x-outer", "1"); });
    const response = await createPolicyTestHarness(outer, { upstream }).request("/");
    expect([response.headers.get("x-outer"), response.headers.has("x-request-id")]).toEqual(["1", true]);
  });

  test.each<[string, Policy["handler"]]>([
    ["at once", () => Response.error()],
    ["after next()", async (_c, next) => { await next(); return Response.error(); }],
  ])("Response.error() of a policy %s is a 502, also inside others", async (_when, handler) => {
    const { request, gateway } = createPolicyTestHarness([plain("outer", (_c, next) => next(), { priority: 0 }), plain("bad", handler)]);
    expect(await json(request("/"))).toMatchObject({ status: 502, code: "upstream_error", detail: expect.stringContaining("bad") });
    await gateway.close({ graceMs: 0 });
  });

  test.each<[string, unknown, number]>([
    ["a line break in a field", new GatewayError(418, "x", "m", { "x-a": "a\r\nb: c" }), 418],
    ["a field name that is none", new GatewayError(418, "x", "m", { "x a": "a" }), 418],
    ["a member that JSON cannot hold", new GatewayError(418, "x", "m", undefined, { members: { big: 1n } }), 418],
    ["an error that throws when looked at", new Proxy({}, { get() { throw new Error("g"); }, has() { throw new Error("h"); } }), 500],
  ])("%s: still a problem document, and nothing stays in flight", async (_name, thrown, status) => {
    const { request, gateway } = createPolicyTestHarness(plain("a", () => { throw thrown; }));
    const response = await request("/");
    expect([response.status, response.headers.get("content-type"), response.headers.has("x-request-id")]).toEqual([status, "application/problem+json", true]);
    const started = performance.now();
    await gateway.close({ graceMs: 2000 });
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("an onError that gives Response.error() is the default 500", async () => {
    const gateway = createGateway({ onError: () => Response.error(), routes: [{ path: "/", pipeline: { upstream: { type: "handler", handler: () => { throw new Error("x"); } } } }] });
    expect(await json(gateway.app.request("/"))).toMatchObject({ status: 500, code: "internal_error" });
    await gateway.close({ graceMs: 0 });
  });

  test("Response.error() is a 502", async () => expect((await createPolicyTestHarness([], { upstream: () => Response.error() }).request("/")).status).toBe(502));
});

describe("errors", () => {
  test.each([["an Error", new Error("secret")], ["a string", "secret"], ["null", null], ["undefined", undefined]])("%s thrown anywhere is the default problem", async (_name, thrown) => {
    for (const harness of [
      createPolicyTestHarness(plain("p", () => { throw thrown; })),
      createPolicyTestHarness(plain("p", async () => Promise.reject(thrown))),
      createPolicyTestHarness([], { upstream: () => { throw thrown; } }),
      createPolicyTestHarness([], { upstream: async () => Promise.reject(thrown) }),
    ]) {
      const response = await harness.request("/");
      const text = await response.text();
      expect([response.status, response.headers.get("content-type"), response.headers.get("cache-control")]).toEqual([500, "application/problem+json", "no-store"]);
      expect(JSON.parse(text)).toEqual({ type: "about:blank", title: "Internal Server Error", status: 500, detail: "An unexpected error occurred", code: "internal_error", requestId: response.headers.get("x-request-id") });
      expect(text).not.toContain("secret");
    }
  });

  test("an error replaces an answer wholly", async () => {
    const late = plain("late", async (_c, next) => { await next(); throw new GatewayError(400, "bad_request", "no"); });
    const response = await createPolicyTestHarness(late, { upstream: () => new Response("x", { headers: { "content-length": "1", "cache-control": "public", "x-up": "1" } }) }).request("/");
    expect([response.status, response.headers.get("cache-control"), response.headers.get("x-up")]).toEqual([400, "no-store", null]);
  });

  test("onError answers; when it fails the default problem does", async () => {
    const fail = plain("p", () => { throw new Error("x"); });
    expect((await createPolicyTestHarness(fail, { onError: (_error, c) => c.text("mine", 503) }).request("/")).status).toBe(503);
    expect(await json(createPolicyTestHarness(fail, { onError: () => { throw new Error("y"); } }).request("/"))).toMatchObject({ code: "internal_error" });
    expect(await json(createPolicyTestHarness(fail, { onError: async () => undefined as never }).request("/"))).toMatchObject({ code: "internal_error" });
  });

  test("what an error's status needs stays with the answer of onError, whose own fields win", async () => {
    const refuse = plain("p", () => { throw new GatewayError(401, "unauthorized", "no", { "WWW-Authenticate": 'Bearer realm="a"', "retry-after": "5", "content-type": "x/y", "bad name": "1", "x-split": "a\r\nb" }); });
    const ask = (onError: () => Response | Promise<Response>): Promise<Response> => createPolicyTestHarness(refuse, { onError }).request("/");
    const seen = ({ status, headers }: Response): unknown[] => [status, ...["www-authenticate", "retry-after", "content-type", "x-split"].map((name) => headers.get(name))];
    const own = { "retry-after": "9", "content-type": "text/plain" };
    expect(seen(await ask(() => new Response("mine", { status: 401, headers: own })))).toEqual([401, 'Bearer realm="a"', "9", "text/plain", null]);
    expect(seen(await ask(async () => new Response(null, { status: 404, headers: own })))).toEqual([404, 'Bearer realm="a"', "9", "text/plain", null]);
    expect(seen(await ask(() => Response.redirect("http://login.example/")))).toEqual([302, null, null, null, null]);
    expect(await (await ask(() => new Response("mine", { status: 401 }))).text()).toBe("mine");
  });

  test("HEAD has no body, and the length GET has", async () => {
    const { request } = createPolicyTestHarness([], { upstream: (c) => c.text("hello") });
    const head = await request("/", { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("content-length")]).toEqual([200, "", "5"]);
    const failed = await createPolicyTestHarness([], { upstream: () => { throw new Error("x"); } }).request("/", { method: "HEAD" });
    expect([failed.status, await failed.text()]).toEqual([500, ""]);
  });
});

describe("order and identity", () => {
  const names = (gateway: ReturnType<typeof createGateway>, at = 0): readonly string[] => gateway._registry.routes[at]!.policies;
  const upstream = { type: "handler", handler: () => new Response() } as const;
  const pass = plain("p", (_c, next) => next());

  test("route beats scope beats global of one identity; ties keep their order", () => {
    const log = (name: string, priority?: number): Policy => plain(name, (_c, next) => next(), priority === undefined ? {} : { priority });
    const gateway = createGateway({ policies: [log("g"), log("same", 1)], routes: [{ path: "/", pipeline: { policies: [log("r"), log("same", 200), log("first", 0)], upstream } }] });
    expect(names(gateway)).toEqual(["first", "g", "r", "same"]);
  });

  test("a guard runs before anything that serves stored responses", () => {
    const gateway = createGateway({ routes: [{ path: "/", pipeline: { policies: [plain("cache", pass.handler, { priority: 40 }), plain("guard", pass.handler, { priority: 80, guard: true })], upstream } }] });
    expect(names(gateway)).toEqual(["guard", "cache"]);
    expect(gateway._registry.policies.find((policy) => policy.name === "guard")?.priority).toBe(39);
  });

  test("one identity twice in one list is refused, with route and policy", () => {
    expect(() => createGateway({ routes: [{ path: "/users", pipeline: { policies: [pass, pass], upstream } }] })).toThrow(/"p".*"\/users"/);
  });

  test("a policy has state per place: a global one is shared, a route's is not", async () => {
    const sites: string[] = [];
    const counter = definePolicy<object, { count: number }>({
      name: "counter",
      setup: (_config, site) => { sites.push(site.scopeKey); return { count: 0 }; },
      handler: async (c, next, { state }) => { state.count++; await next(); c.res.headers.append("x-count", String(state.count)); },
    });
    const global = counter();
    const own = counter({ name: "own" });
    const route = (path: string) => ({ path, pipeline: { policies: [own], upstream } });
    const gateway = createGateway({ policies: [global], routes: [route("/a"), route("/b")] });
    await gateway.app.request("/a");
    expect((await gateway.app.request("/b")).headers.get("x-count")).toBe("1, 2");
    expect(sites).toEqual(["edge-gateway:*:counter", "edge-gateway:GET,POST,PUT,PATCH,DELETE,OPTIONS /a:counter%3aown", "edge-gateway:GET,POST,PUT,PATCH,DELETE,OPTIONS /b:counter%3aown"]);
  });

  test("skip is transparent, and a throwing skip is a 500", async () => {
    const refuse = definePolicy({ name: "refuse", handler: () => new Response(null, { status: 403 }) });
    expect((await createPolicyTestHarness(refuse({ skip: () => true })).request("/")).status).toBe(200);
    expect((await createPolicyTestHarness(refuse({ skip: async () => false })).request("/")).status).toBe(403);
    for (const skip of [() => { throw new Error("x"); }, async () => Promise.reject(new Error("x"))]) {
      expect(await json(createPolicyTestHarness(refuse({ skip })).request("/"))).toMatchObject({ status: 500, code: "policy_error", policy: "refuse" });
    }
  });
});

describe("the context", () => {
  test("background work is kept by the adapter; its failure is an event", async () => {
    const events: unknown[] = [];
    const { request, adapter, gateway } = createPolicyTestHarness(plain("bg", (c, next) => { getGatewayContext(c)!.waitUntil(Promise.reject(new Error("late"))); return next(); }));
    gateway.events.on((event) => events.push(event));
    await request("/");
    await expect(adapter.waitAll()).rejects.toThrow(AggregateError);
    expect(events).toMatchObject([{ type: "background.error", error: new Error("late") }]);
  });

  test("the end of a body is told once, with its size", async () => {
    const ends: unknown[] = [];
    const watch = plain("watch", (c, next) => { getGatewayContext(c)!.onBodyEnd((end) => ends.push(end)); return next(); });
    await (await createPolicyTestHarness(watch, { upstream: (c) => c.text("h\u00e9llo") }).request("/")).text();
    const stream = createPolicyTestHarness(watch, { upstream: () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(3)) })) });
    const response = await stream.request("/");
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    expect(ends).toEqual([{ bytes: 6, aborted: false }, { bytes: 3, aborted: true }]);
  });

  test("trace ids come from a valid traceparent, else they are fresh", async () => {
    const ids: string[] = [];
    const { request } = createPolicyTestHarness(plain("spy", (c, next) => { ids.push(getGatewayContext(c)!.traceId); return next(); }));
    await request("/", { headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } });
    await request("/", { headers: { traceparent: "00-0000-bad" } });
    expect(ids[0]).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(ids[1]).toMatch(/^[0-9a-f]{32}$/);
  });

  test("a trusted request id is kept, any other is replaced", async () => {
    const id = async (trustRequestId: boolean, given: string): Promise<string | null> =>
      (await createPolicyTestHarness([], { trustRequestId }).request("/", { headers: { "x-request-id": given } })).headers.get("x-request-id");
    expect(await id(true, "abc-1")).toBe("abc-1");
    expect(await id(false, "abc-1")).not.toBe("abc-1");
    expect(await id(true, "a b")).not.toBe("a b");
  });
});
