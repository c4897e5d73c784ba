import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { mockAdapter, type MockResponse, type MockRoute } from "../testing/mock-adapter.ts";
import type { StitchConfig } from "./config.ts";
import { isStitchError, type StitchError } from "./errors.ts";
import type { StitchEvent } from "./events.ts";
import { isStitch, stitch } from "./stitch.ts";

const ok = (respond: MockRoute["respond"] = { body: { id: 7 } }) => mockAdapter([{ respond }]);
const code = async (call: PromiseLike<unknown>): Promise<string> => {
  try {
    await call;
  } catch (error) {
    if (isStitchError(error)) return error.code;
    throw error;
  }
  return "resolved";
};
const caught = async (call: PromiseLike<unknown>): Promise<StitchError> => {
  try {
    await call;
  } catch (error) {
    return error as StitchError;
  }
  throw new Error("resolved");
};

describe("a plain call", () => {
  test("asks where the template says, and parses JSON", async () => {
    const adapter = ok();
    const user = stitch({ url: "https://api.test/users/{id}", adapter });
    expect(isStitch(user)).toBe(true);
    expect(await user({ params: { id: 7 } })).toEqual({ id: 7 });
    expect(adapter.lastRequest).toMatchObject({ method: "GET", url: "https://api.test/users/7", body: null });
  });

  test("nothing is sent before it is consumed, and it is sent once", async () => {
    const adapter = ok();
    const result = stitch({ url: "https://api.test/", adapter })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(adapter.callCount).toBe(0);
    expect([await result, await result, await result.safe(), await result.then((value) => value)]).toEqual([{ id: 7 }, { id: 7 }, { ok: true, data: { id: 7 } }, { id: 7 }]);
    expect(adapter.callCount).toBe(1);
  });

  test("safe gives the very error", async () => {
    const result = stitch({ url: "https://api.test/", adapter: ok({ status: 404, body: { why: "no" } }) })();
    const safe = await result.safe();
    expect(safe).toMatchObject({ ok: false, error: { code: "HTTP_STATUS", status: 404, sent: true, body: { why: "no" }, attempts: 1 } });
    expect(await caught(result)).toBe(safe.ok ? undefined : safe.error);
  });

  test("events come in order, one end", async () => {
    const events: StitchEvent[] = [];
    for await (const event of stitch({ url: "https://api.test/", adapter: ok() }).stream()) events.push(event);
    expect(events.map((event) => event.type)).toEqual(["start", "progress", "progress", "result", "done"]);
    expect(events.at(-2)).toMatchObject({ data: { id: 7 }, status: 200, source: "live", attempt: 1 });
    const failed: string[] = [];
    for await (const event of stitch({ url: "https://api.test/", adapter: ok({ status: 500 }) }).stream()) failed.push(event.type);
    expect(failed).toEqual(["start", "progress", "progress", "error", "done"]);
  });

  test("inspect tells how it went and never rejects", async () => {
    const call = stitch({ url: "https://api.test/", pick: "a.b", adapter: ok({ body: { a: { b: 1 } }, headers: { "x-y": "z" } }) });
    const inspection = await call.inspect();
    expect(inspection).toMatchObject({ ok: true, data: 1, status: 200, headers: { "x-y": "z" }, attempts: 1, source: "live", findings: [] });
    expect(inspection.raw).toEqual({ a: { b: 1 } });
    expect(Object.keys(inspection)).not.toContain("raw");
    expect(await stitch({ url: "https://api.test/", adapter: ok({ error: "ECONNREFUSED" }) }).inspect()).toMatchObject({ ok: false, error: { code: "NETWORK", sent: false } });
  });

  test("with binds input, the call's wins", async () => {
    const adapter = ok();
    const call = stitch({ url: "https://api.test/{a}/{b}", adapter }).with({ params: { a: 1, b: 2 }, query: { x: 1 } } as never);
    await call({ params: { b: 3 }, query: { y: 2 } } as never);
    expect(adapter.lastRequest?.url).toBe("https://api.test/1/3?x=1&y=2");
  });

  test("config is frozen JSON without secrets", () => {
    const call = stitch({ name: "n", url: "https://api.test/?api_key=s3cretvalue&a=1", headers: { authorization: "Bearer s3cretvalue", "x-plain": "p" }, output: () => true, adapter: ok() });
    expect(JSON.parse(JSON.stringify(call.config))).toEqual(call.config);
    expect(Object.isFrozen(call.config)).toBe(true);
    expect(JSON.stringify(call.config)).not.toContain("s3cret");
    expect(call.config).toMatchObject({ name: "n", method: "GET", headers: { "x-plain": "p", authorization: "[redacted]" } });
  });
});

describe("declarations", () => {
  const refused: [unknown, RegExp][] = [
    ["ftp://x.test/", /url must be an absolute/],
    [{ url: "https://a.test/", path: "/x" }, /path must be left out/],
    [{ url: "https://u:p@a.test/" }, /user name or password/],
    [{ url: "https://{host}/x" }, /host is fixed/],
    [{ url: "https://a.test/../x" }, /dot segments/],
    [{ url: "https://a.test/{" }, /balanced/],
    [{ url: "https://a.test/", method: "TRACE" }, /method/],
    [{ url: "https://a.test/", bogus: 1 }, /bogus.*no option/],
    [{ url: "https://a.test/", retry: { attempts: 0 } }, /retry\.attempts.*got 0/],
    [{ url: "https://a.test/", timeout: -1 }, /totalMs.*-1/],
    [{ url: "https://a.test/", timeout: { bogus: 1 } }, /timeout\.bogus/],
    [{ url: "https://a.test/", cache: 0 }, /ttlMs.*got 0/],
    [{ url: "https://a.test/", throttle: "0/s" }, /throttle\.rate.*0\/s/],
    [{ url: "https://a.test/", throttle: "fast" }, /throttle\.rate/],
    [{ url: "https://a.test/", headers: { "a b": "x" } }, /field name/],
    [{ url: "https://a.test/", headers: { a: "x\r\ny" } }, /headers\.a holds/],
    [{ url: "https://a.test/", headers: { "content-length": "3" } }, /connection/],
    [{ url: "https://a.test/", pick: "a..b" }, /pick/],
    [{ url: "https://a.test/", pick: "a.__proto__" }, /pick/],
    [{ url: () => "https://a.test/" }, /name must be set/],
    [{ baseUrl: "https://a.test/", path: "//evil.test/" }, /path/],
    [{ kind: "graphql", url: "https://a.test/" }, /document/],
    [{}, /url must be set/],
    [7, /configuration/],
  ];
  test.each(refused)("%j is refused by name", (config, message) => {
    let error: unknown;
    try {
      stitch(config as StitchConfig);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(message) as string });
    expect(isStitchError(error)).toBe(true);
  });

  test("base and path are joined with one slash, the base path is kept, fragments lie under", async () => {
    const adapter = ok();
    for (const [baseUrl, path, url] of [["https://a.test/v1", "users", "https://a.test/v1/users"], ["https://a.test/v1/", "/users", "https://a.test/v1/users"], ["https://a.test", "/x?q=1", "https://a.test/x?q=1"]] as const) {
      await stitch({ extends: [{ headers: { "x-a": "1", "x-b": "1" } }], baseUrl, path, headers: { "X-B": "2" }, adapter })();
      expect(adapter.lastRequest).toMatchObject({ url, headers: { "x-a": "1", "x-b": "2" } });
    }
  });
});

describe("input", () => {
  test("the template's variables are required, and cannot leave their place", async () => {
    const adapter = ok();
    const call = stitch({ url: "https://api.test/a/{x}/b{?q}", adapter });
    expect(await code(call({} as never))).toBe("INPUT_INVALID");
    for (const bad of [".", "..", "", [".."], { a: {} }]) expect(await code(call({ params: { x: bad as never } }))).toBe("INPUT_INVALID");
    await call({ params: { x: "a/b?c#d e", q: "1 2" } });
    expect(adapter.lastRequest?.url).toBe("https://api.test/a/a%2Fb%3Fc%23d%20e/b?q=1%202");
    expect(adapter.callCount).toBe(1);
  });

  test("queries: the template's, under defaults, under the call's; undefined removes", async () => {
    const adapter = ok();
    const call = stitch({ url: "https://api.test/?a=1&b=2", query: { c: 3 }, adapter });
    await call({ query: { b: undefined, d: [1, 2], e: { f: "x y" }, g: null } });
    expect(adapter.lastRequest?.url).toBe("https://api.test/?a=1&c=3&d=1&d=2&e%5Bf%5D=x%20y&g=");
    await stitch({ url: "https://api.test/", arrayFormat: "comma", adapter })({ query: { a: [1, "b,c"] } });
    expect(adapter.lastRequest?.url).toBe("https://api.test/?a=1,b%2Cc");
    await stitch({ url: "https://api.test/", arrayFormat: "indices", adapter })({ query: { a: [1, { b: 2 }] } });
    expect(adapter.lastRequest?.url).toBe("https://api.test/?a%5B0%5D=1&a%5B1%5D%5Bb%5D=2");
  });

  test("bodies by what they are", async () => {
    const adapter = ok();
    const post = stitch({ method: "POST", url: "https://api.test/", adapter });
    const cases: [unknown, string | RegExp, unknown][] = [
      [{ a: 1 }, "application/json", '{"a":1}'], [[1], "application/json", "[1]"], [null, "application/json", "null"], [true, "application/json", "true"],
      ["text", "text/plain;charset=UTF-8", "text"], [new URLSearchParams({ a: "b c" }), /form-urlencoded/, "a=b+c"], [new Uint8Array([1, 2]), "application/octet-stream", new Uint8Array([1, 2])],
    ];
    for (const [body, type, sent] of cases) {
      await post({ body });
      expect(adapter.lastRequest?.headers["content-type"]).toEqual(typeof type === "string" ? type : expect.stringMatching(type));
      expect(adapter.lastRequest?.body).toEqual(sent);
    }
    await stitch({ method: "POST", url: "https://api.test/", body: "form", adapter })({ body: { a: { b: [1, 2] } } });
    expect(adapter.lastRequest?.body).toBe("a%5Bb%5D=1&a%5Bb%5D=2");
    await stitch({ method: "POST", url: "https://api.test/", body: "json", adapter })({ body: "x" });
    expect(adapter.lastRequest?.body).toBe('"x"');
    expect(await code(stitch({ url: "https://api.test/", adapter })({ body: {} }))).toBe("CONFIG_INVALID");
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    expect(await code(post({ body: cyclic }))).toBe("INPUT_INVALID");
  });

  test("what the caller changes afterwards has no effect", async () => {
    const adapter = ok();
    const body = { a: 1 };
    const running = stitch({ method: "POST", url: "https://api.test/", adapter })({ body }).then((value) => value);
    body.a = 2;
    await running;
    expect(adapter.lastRequest?.body).toBe('{"a":1}');
  });

  test("validators replace slots and name what is wrong", async () => {
    const adapter = ok();
    const schema = { "~standard": { version: 1 as const, vendor: "t", validate: (value: unknown) => (typeof (value as { n?: unknown }).n === "number" ? { value: { n: (value as { n: number }).n + 1 } } : { issues: [{ message: "n", path: ["n"] }] }) } };
    const call = stitch({ method: "POST", url: "https://api.test/", input: { body: schema }, adapter });
    await call({ body: { n: 1 } } as never);
    expect(adapter.lastRequest?.body).toBe('{"n":2}');
    expect(await caught(call({ body: {} } as never))).toMatchObject({ code: "INPUT_INVALID", issues: [{ path: ["body", "n"] }], sent: false });
    expect(await code(stitch({ url: "https://api.test/", adapter })({ bogus: 1 } as never))).toBe("INPUT_INVALID");
    expect(adapter.callCount).toBe(1);
  });
});

describe("answers", () => {
  const read = (respond: MockResponse, config: Partial<StitchConfig> = {}) => stitch({ url: "https://api.test/", adapter: ok(respond), ...config } as StitchConfig)();
  test("by content type, and as asked", async () => {
    expect(await read({ body: "text" })).toBe("text");
    expect(await read({ body: new Uint8Array([1]) })).toEqual(new Uint8Array([1]));
    expect(await read({ body: '{"a":1}', headers: { "content-type": "application/problem+json" } })).toEqual({ a: 1 });
    expect(await read({ status: 204 })).toBeUndefined();
    expect(await read({ body: '{"a":1}' }, { response: "json" })).toEqual({ a: 1 });
    expect(await read({ body: new Uint8Array([0xe9]), headers: { "content-type": "text/plain; charset=iso-8859-1" } })).toBe("é");
    expect(await code(read({ body: "{", headers: { "content-type": "application/json" } }))).toBe("PARSE_FAILED");
    expect(await code(read({ body: "x".repeat(100) }, { maxResponseBytes: 99 }))).toBe("RESPONSE_TOO_LARGE");
    expect(await code(read({ stream: ["x".repeat(60), "x".repeat(60)] }, { maxResponseBytes: 99 }))).toBe("RESPONSE_TOO_LARGE");
  });

  test("flag, transform, pick, output", async () => {
    expect(await caught(read({ body: { ok: false } }, { flag: "ok" }))).toMatchObject({ code: "RESPONSE_REJECTED", sent: true });
    expect(await read({ body: { ok: 1, a: 2 } }, { flag: "ok", transform: ((body: { a: number }) => ({ b: body.a })) as never, pick: "b" })).toBe(2);
    expect(await read({ body: { a: 1 } }, { pick: "x.y" })).toBeUndefined();
    expect(await read(JSON.parse('{"body":{"__proto__":{"x":1}}}') as MockResponse, { pick: "x" })).toBeUndefined();
    expect(await caught(read({ body: { secret: "canary-123" } }, { output: () => false }))).toMatchObject({ code: "OUTPUT_INVALID", message: expect.not.stringContaining("canary") as string });
  });

  test("acceptStatus", async () => {
    expect(await read({ status: 404, body: { a: 1 } }, { acceptStatus: [200, 404] })).toEqual({ a: 1 });
    expect(await code(read({ status: 200 }, { acceptStatus: (status) => status === 201 }))).toBe("HTTP_STATUS");
  });
});

describe("time", () => {
  test("the deadline, a try's, and silence of a body", async () => {
    const clock = manualClock();
    const cases: [Partial<StitchConfig>, MockResponse, number, object][] = [
      [{ timeout: 100 }, { delayMs: 1000 }, 100, { phase: "total", sent: "unknown" }],
      [{ timeout: { attemptMs: 50 } }, { delayMs: 1000 }, 50, { phase: "attempt" }],
      [{ timeout: { idleMs: 70 } }, { stream: { async *[Symbol.asyncIterator]() { yield "a"; await new Promise(() => undefined); } } }, 70, { phase: "idle", sent: true }],
    ];
    for (const [config, respond, afterMs, facts] of cases) {
      const adapter = mockAdapter([{ respond }], { clock });
      const done = caught(stitch({ url: "https://api.test/", adapter, clock, ...config } as StitchConfig)());
      await clock.advanceAsync(afterMs - 1);
      expect(clock.pendingTimers).toBeGreaterThan(0);
      await clock.advanceAsync(1);
      expect(await done).toMatchObject({ code: "TIMEOUT", ...facts });
      expect(clock.pendingTimers).toBe(0);
    }
  });

  test("a caller's signal ends the call and keeps no listener", async () => {
    const clock = manualClock();
    const controller = new AbortController();
    const adapter = mockAdapter([{ respond: (_, nth) => (nth <= 3 ? { body: 1 } : { delayMs: 1000 }) }], { clock });
    const call = stitch({ url: "https://api.test/", adapter, clock });
    for (let i = 0; i < 3; i++) await call({ signal: controller.signal });
    expect(getEventListeners(controller.signal, "abort").length).toBe(0);
    const done = caught(call({ signal: controller.signal }));
    await clock.advanceAsync(1);
    const reason = new Error("left");
    controller.abort(reason);
    expect(await done).toMatchObject({ code: "ABORTED", cause: reason });
    expect(await code(call({ signal: controller.signal }))).toBe("ABORTED");
    expect(adapter.callCount).toBe(4);
    expect(clock.pendingTimers).toBe(0);
  });

  test("leaving a stream aborts the request", async () => {
    const adapter = mockAdapter([{ respond: { delayMs: 1_000_000 } }]);
    for await (const event of stitch({ url: "https://api.test/", adapter }).stream()) if (event.type === "progress") break;
    expect(adapter.inFlight).toBe(0);
  });
});

describe("redirects", () => {
  const hop = (status: number, location: string): MockResponse => ({ status, headers: { location } });
  const routes = (first: MockResponse, second: MockResponse = { body: { done: true } }) => mockAdapter([{ match: "/a", respond: first }, { respond: second }]);
  test("methods and bodies as RFC 9110 says", async () => {
    for (const [status, method, then, body] of [[303, "POST", "GET", null], [301, "POST", "GET", null], [302, "PUT", "PUT", "{}"], [307, "POST", "POST", "{}"], [308, "PUT", "PUT", "{}"]] as const) {
      const adapter = routes(hop(status, "/b"));
      expect(await stitch({ method, url: "https://api.test/a", adapter })({ body: {} })).toEqual({ done: true });
      expect(adapter.calls[1]).toMatchObject({ method: then, url: "https://api.test/b", body });
    }
  });

  test("another origin gets no credential, and the way home does not bring them back", async () => {
    const adapter = mockAdapter([
      { match: /api\.test\/a/, respond: hop(302, "https://other.test/b") },
      { match: /other\.test/, respond: hop(302, "https://api.test/c") },
      { respond: { body: 1 } },
    ]);
    await stitch({ url: "https://api.test/a", headers: { authorization: "Bearer x", cookie: "a=b", "x-mine": "1", "accept-language": "de" }, adapter })();
    expect(adapter.calls[0]?.headers["authorization"]).toBe("Bearer x");
    for (const call of adapter.calls.slice(1)) {
      expect(call.headers).toMatchObject({ "accept-language": "de" });
      for (const name of ["authorization", "cookie", "x-mine"]) expect(call.headers[name]).toBeUndefined();
    }
  });

  test("what is refused", async () => {
    const go = (first: MockResponse, config: Partial<StitchConfig> = {}) => caught(stitch({ url: "https://api.test/a", adapter: routes(first, hop(302, "/b")), ...config } as StitchConfig)());
    expect(await go(hop(302, "http://api.test/b"))).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(await go(hop(302, "https://x.test/"), { redirect: { crossOrigin: "refuse" } })).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(await go(hop(302, "file:///etc/passwd"))).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(await go(hop(302, "https://u:p@api.test/"))).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(await go(hop(302, "/b"))).toMatchObject({ code: "TOO_MANY_REDIRECTS", sent: true });
    const secret = stitch({ method: "POST", url: "https://api.test/a", adapter: routes(hop(307, "https://x.test/")) });
    expect(await code(secret({ body: { password: "p" } }))).toBe("REDIRECT_REFUSED");
    expect(await code(secret({ body: { a: 1 } }))).toBe("resolved");
  });
});
