import { describe, expect, test, vi } from "vitest";
import { definePolicy } from "../define-policy.ts";
import { GatewayError, defaultErrorResponse, errorToResponse, isGatewayError } from "../errors.ts";
import { createPolicyTestHarness } from "./harness.ts";
import { resolveConfig } from "./resolve-config.ts";
import { safeCall } from "./safe-call.ts";
import { createTestAdapter } from "./test-adapter.ts";
import { withSkip } from "./with-skip.ts";
import type { PolicyHandler } from "../types.ts";

describe("safeCall", () => {
  test.each<[string, () => unknown, unknown]>([
    ["a value", () => 1, 1], ["a promise", async () => 2, 2], ["a throw", () => { throw new Error("x"); }, "fallback"], ["a rejection", async () => Promise.reject(new Error("x")), "fallback"],
    ["undefined is a value", () => undefined, undefined], ["a thrown undefined", () => { throw undefined; }, "fallback"],
  ])("%s", async (_name, fn, expected) => expect(await safeCall(fn, "fallback")).toBe(expected));

  test("gives up at the deadline, and swallows what comes later", async () => {
    vi.useFakeTimers();
    try {
      let reject: (error: Error) => void = () => {};
      const debug = vi.fn();
      const result = safeCall(() => new Promise<number>((_resolve, fail) => (reject = fail)), 7, debug);
      await vi.advanceTimersByTimeAsync(1000);
      expect(await result).toBe(7);
      reject(new Error("late"));
      await Promise.resolve();
      expect(debug.mock.calls).toEqual([["%s failed: %s", "safeCall", "no answer within 1000 ms"]]);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test("gives up when the signal aborts", async () => {
    const controller = new AbortController();
    const result = safeCall(() => new Promise(() => {}), "gone", undefined, undefined, { signal: controller.signal });
    controller.abort();
    expect(await result).toBe("gone");
    expect(await safeCall(() => "never", "gone", undefined, undefined, { signal: controller.signal })).toBe("gone");
  });

  test("a failing logger changes nothing", async () => {
    expect(await safeCall(() => { throw new Error("x"); }, 1, () => { throw new Error("log"); })).toBe(1);
  });
});

describe("resolveConfig", () => {
  test("undefined is the default; null and false are values; nothing is mutated", () => {
    const defaults: Partial<{ a: number; b: number | null; c: boolean }> = Object.freeze({ a: 1, b: 2, c: true });
    const user = Object.freeze({ a: undefined, b: null, c: false });
    expect(resolveConfig(defaults, user)).toEqual({ a: 1, b: null, c: false });
    expect(resolveConfig(defaults)).toEqual(defaults);
    const hostile = resolveConfig<Record<string, unknown>>({}, JSON.parse('{"__proto__": {"polluted": 1}}') as object);
    expect([hostile["polluted"], Object.getPrototypeOf(hostile)]).toEqual([undefined, Object.prototype]);
  });
});

test("withSkip gives the same handler without a function, and keeps return values with one", () => {
  const response = new Response();
  const handler: PolicyHandler = () => response;
  expect(withSkip(undefined, handler)).toBe(handler);
  expect(withSkip(() => false, handler)({} as never, async () => {})).toBe(response);
  const next = Promise.resolve();
  expect(withSkip(() => true, handler)({} as never, () => next)).toBe(next);
});

describe("TestAdapter", () => {
  test("waits for work that is added meanwhile, and resets", async () => {
    const adapter = createTestAdapter();
    const done: number[] = [];
    adapter.waitUntil(Promise.resolve().then(() => { done.push(1); adapter.waitUntil(Promise.resolve().then(() => void done.push(2))); }));
    await adapter.waitAll();
    expect(done).toEqual([1, 2]);
    await adapter.rateLimitStore!.increment("k", 60);
    adapter.waitUntil(Promise.reject(new Error("dropped")));
    adapter.reset();
    await adapter.waitAll();
    expect(await adapter.rateLimitStore!.increment("k", 60)).toMatchObject({ count: 1 });
  });
});

describe("problems", () => {
  test("a GatewayError: its headers are added, never the content type; members never replace the standard ones", async () => {
    const error = new GatewayError(429, "rate_limited", "slow down", { "Retry-After": "3", "Content-Type": "text/html" }, { type: "https://example.com/quota", members: { status: 1, "violated-policies": ["a"] }, cause: new Error("inner") });
    const response = errorToResponse(error, "id-1");
    expect([response.status, response.headers.get("retry-after"), response.headers.get("content-type")]).toEqual([429, "3", "application/problem+json"]);
    expect(await response.json()).toEqual({ type: "https://example.com/quota", title: "Too Many Requests", status: 429, detail: "slow down", code: "rate_limited", requestId: "id-1", "violated-policies": ["a"] });
    expect([isGatewayError(error), isGatewayError(new Error("x")), (error.cause as Error).message]).toEqual([true, false, "inner"]);
  });

  test("a status that is none is a 500, and Hono's exceptions bring their own answer", async () => {
    expect(errorToResponse(new GatewayError(200, "internal_error", "x")).status).toBe(500);
    expect(errorToResponse({ getResponse: () => new Response("mine", { status: 418 }) }).status).toBe(418);
    expect(await defaultErrorResponse(undefined, "m").json()).toEqual({ type: "about:blank", title: "Internal Server Error", status: 500, detail: "m", code: "internal_error" });
  });
});

describe("definePolicy", () => {
  const limit = definePolicy<{ max: number }>({
    name: "limit",
    validate: ({ max }) => { if (!(max > 0)) throw new RangeError(`max must be above 0, got ${max}`); },
    handler: (c, _next, { config, gateway, site }) => c.json({ max: config.max, name: site.policyName, gateway: gateway.gatewayName }),
  });

  test("gives its handler the options, the site and the context", async () => {
    expect(await (await createPolicyTestHarness(limit({ max: 3, name: "burst" })).request("/")).json()).toEqual({ max: 3, name: "limit:burst", gateway: "test-gateway" });
  });

  test.each<[unknown, RegExp]>([
    [{ max: 0 }, /limit.*max.*0/], [{ max: Number.NaN }, /NaN/], [{ max: 1, priority: "high" }, /priority.*"high"/], [{ max: 1, skip: true }, /skip.*true/], [{ max: 1, name: "" }, /name.*""/], ["x", /options.*"x"/],
  ])("refuses %j", (options, message) => {
    expect(() => limit(options as never)).toThrow(message);
    expect(() => limit(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });

  test("its handler can be called by another policy", async () => {
    const inner = limit({ max: 9 });
    const { request } = createPolicyTestHarness({ name: "outer", handler: (c, next) => inner.handler(c, next) });
    expect(await (await request("/")).json()).toMatchObject({ max: 9 });
  });
});

test("the harness takes requests of either kind where a server has put its own in the place of the runtime's", async () => {
  const native = globalThis.Request;
  const { request } = createPolicyTestHarness(definePolicy({ name: "p", handler: (_c, next) => next() })(), { upstream: (c) => c.text(`${c.req.method} ${c.req.path} ${c.req.header("x-a")}`) });
  const given = new native("http://localhost/a", { headers: { "x-a": "1" } });
  globalThis.Request = class extends native {};
  try {
    expect(await (await request(given)).text()).toBe("GET /a 1");
    expect(await (await request(given, { method: "PUT" })).text()).toBe("PUT /a 1");
    expect(await (await request(new URL("http://localhost/b"))).text()).toBe("GET /b undefined");
  } finally {
    globalThis.Request = native;
  }
});
