import { describe, expect, it } from "vitest";
import type { Context } from "hono";
import { createMemoryCacheStore } from "../../../drivers/memory/cache-store.ts";
import type { CacheFill, CacheRecord, CacheStore } from "../../../state/contracts/cache.ts";
import type { GatewayAdapter } from "../../../state/contracts/adapter.ts";
import { manualClock } from "../../../testing/manual-clock.ts";
import { definePolicy } from "../../define-policy.ts";
import { getGatewayContext } from "../../context.ts";
import { GatewayError } from "../../errors.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { Policy } from "../../types.ts";
import { compression } from "../transform/compression.ts";
import { requestTransform } from "../transform/request-transform.ts";
import { cache, type CacheConfig } from "./cache.ts";
import { resourceFilter } from "./resource-filter.ts";

type Upstream = (c: Context, call: number) => Response | Promise<Response>;

/** A cache in front of a counting upstream, on a clock driven by hand. */
function setup(options: CacheConfig & { name?: string } = {}, upstream: Upstream = () => new Response("body"), more: Policy[] = [], adapter?: GatewayAdapter, gateway: Record<string, unknown> = {}) {
  const clock = manualClock();
  const store = createMemoryCacheStore({ clock });
  const background: Promise<unknown>[] = [];
  let calls = 0;
  const requests: Request[] = [];
  const harness = createPolicyTestHarness<GatewayAdapter>([cache(options), ...more], {
    clock,
    adapter: adapter ?? { cacheStore: store, waitUntil: (promise) => void background.push(promise) },
    methods: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"],
    upstream: (c) => {
      requests.push(c.req.raw);
      return upstream(c, ++calls);
    },
    ...gateway,
  });
  const get = async (path = "/a", headers: Record<string, string> = {}, method = "GET", body?: string) => {
    const response = await harness.request(`http://host${path}`, { method, headers, ...(body === undefined ? undefined : { body }) });
    return {
      status: response.status,
      cache: response.headers.get("x-cache"),
      cacheStatus: response.headers.get("cache-status"),
      headers: response.headers,
      text: await response.text(),
    };
  };
  const settle = async () => {
    for (let i = 0; i < 5; i++) {
      await Promise.all(background);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { ...harness, clock, store, get, settle, requests, calls: () => calls };
}

const respond = (headers: Record<string, string> = {}, status = 200): Upstream => (_c, call) => new Response(status === 204 ? null : `body ${call}`, { status, headers });

describe("a hit", () => {
  it("is the first response with its age, and says so", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60", "content-type": "text/css", "x-kept": "1" }));
    const first = await t.get();
    expect(first).toMatchObject({ status: 200, text: "body 1", cache: "MISS", cacheStatus: "test-gateway; fwd=uri-miss; fwd-status=200; stored" });
    expect(first.headers.get("age")).toBeNull();
    t.clock.advance(12_500);
    const hit = await t.get();
    expect(hit).toMatchObject({ status: 200, text: "body 1", cache: "HIT", cacheStatus: "test-gateway; hit; ttl=47" });
    expect(Object.fromEntries(hit.headers)).toMatchObject({ age: "12", "cache-control": "max-age=60", "content-type": "text/css", "content-length": "6", "x-kept": "1" });
    expect(hit.headers.get("date")).toBe(new Date(t.clock.now() - 12_500).toUTCString());
    expect([...hit.headers.keys()].some((name) => name.includes("sluice"))).toBe(false);
    expect(t.calls()).toBe(1);
  });

  it("ends with the lifetime", async () => {
    const t = setup({ ttlSeconds: 1 }, respond());
    await t.get();
    t.clock.advance(999);
    expect((await t.get()).cache).toBe("HIT");
    t.clock.advance(1);
    expect(await t.get()).toMatchObject({ cache: "MISS", text: "body 2" });
  });

  it("adds to the age a response came with", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60", age: "30" }));
    await t.get();
    t.clock.advance(20_000);
    expect((await t.get()).headers.get("age")).toBe("50");
    t.clock.advance(10_000);
    expect((await t.get()).cache).toBe("MISS");
  });

  it("answers HEAD without a body and with the fields of GET", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    await t.get();
    const head = await t.get("/a", {}, "HEAD");
    expect(head).toMatchObject({ status: 200, text: "", cache: "HIT" });
    expect(head.headers.get("content-length")).toBe("6");
    expect(t.calls()).toBe(1);
  });

  it("is not made by HEAD", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    expect((await t.get("/a", {}, "HEAD")).cache).toBe("MISS");
    expect(await t.get()).toMatchObject({ cache: "MISS", text: "body 2" });
  });

  it("keeps statuses without a body, redirects and missing pages", async () => {
    for (const status of [203, 204, 301, 308, 404, 410]) {
      const t = setup({}, respond({ location: "/b" }, status));
      await t.get();
      expect(await t.get()).toMatchObject({ status, cache: "HIT", text: status === 204 ? "" : "body 1" });
    }
  });

  it("carries no connection field of the first response", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60", connection: "x-hop", "x-hop": "1", "keep-alive": "5" }));
    await t.get();
    const { headers } = await t.get();
    expect([headers.get("connection"), headers.get("x-hop"), headers.get("keep-alive")]).toEqual([null, null, null]);
  });

  it("appends to the Cache-Status of caches before it", async () => {
    const t = setup({}, respond({ "cache-status": "origin; hit" }));
    expect((await t.get()).cacheStatus).toBe("origin; hit, test-gateway; fwd=uri-miss; fwd-status=200; stored");
    expect((await t.get()).cacheStatus).toBe("origin; hit, test-gateway; hit; ttl=300");
  });

  it("replaces an upstream's own result field", async () => {
    const t = setup({ cacheStatusHeader: "X-Result" }, respond({ "x-result": "HIT" }));
    expect((await t.get()).headers.get("x-result")).toBe("MISS");
    expect((await t.get()).headers.get("x-result")).toBe("HIT");
  });
});

describe("the key", () => {
  it("tells method, host, path and query apart", async () => {
    const t = setup({ methods: ["GET", "POST"] }, respond({ "cache-control": "max-age=60" }));
    const urls = ["http://host/a", "http://host/A", "http://host/a?x=1", "http://host/a?x=2", "http://host/a?", "http://other/a", "http://host:8080/a", "http://host/a/b"];
    for (const url of urls) expect((await t.request(url)).headers.get("x-cache")).toBe("MISS");
    for (const url of urls) expect((await t.request(url)).headers.get("x-cache")).toBe("HIT");
    expect((await t.get("/a", {}, "POST", "x")).cache).toBe("MISS");
  });

  it("is not filled by a request that asks to be taken for another method", async () => {
    const t = setup({}, (c) => new Response(c.req.header("x-http-method-override") ?? c.req.header("x-http-method") ?? c.req.header("x-method-override") ?? "GET"));
    for (const field of ["x-http-method-override", "x-http-method", "x-method-override"]) {
      expect(await t.get("/a", { [field]: "DELETE" })).toMatchObject({ text: "DELETE", cache: "BYPASS" });
    }
    expect(await t.get()).toMatchObject({ text: "GET", cache: "MISS" });
    expect(await t.get("/a", { "x-http-method": "DELETE" })).toMatchObject({ text: "DELETE", cache: "BYPASS" });
    expect(await t.get()).toMatchObject({ text: "GET", cache: "HIT" });
  });

  it("has bodies by their bytes and media type, and leaves them readable", async () => {
    const t = setup({ methods: ["POST"] }, async (c) => new Response(await c.req.text()));
    const post = (body: string, type = "text/plain") => t.get("/a", { "content-type": type }, "POST", body);
    expect(await post("one")).toMatchObject({ cache: "MISS", text: "one" });
    expect(await post("two")).toMatchObject({ cache: "MISS", text: "two" });
    expect(await post("one")).toMatchObject({ cache: "HIT", text: "one" });
    expect(await post("one", "text/html")).toMatchObject({ cache: "MISS", text: "one" });
    expect(t.calls()).toBe(3);
  });

  it("goes around the cache when the body is too long for one", async () => {
    const t = setup({ methods: ["POST"], maxEntryBytes: 10 }, async (c) => new Response(await c.req.text()));
    const long = "x".repeat(11);
    expect(await t.get("/a", {}, "POST", long)).toMatchObject({ cache: "BYPASS", text: long });
  });

  it("can be the user's own", async () => {
    const t = setup({ cacheKeyFn: async (c) => c.req.query("id") ?? "none" }, respond());
    await t.get("/a?id=1&x=1");
    expect((await t.get("/b?id=1&x=2")).cache).toBe("HIT");
    expect((await t.get("/a?id=2")).cache).toBe("MISS");
  });

  it.each([() => "", () => undefined as never, () => Promise.reject(new Error("x")), () => { throw new Error("secret"); }])("makes a broken cacheKeyFn a policy_error", async (cacheKeyFn) => {
    const t = setup({ cacheKeyFn }, respond());
    const { status, text } = await t.get();
    expect(status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({ code: "policy_error" });
    expect(text).not.toContain("secret");
  });

  it("has the varyHeaders by normalised value", async () => {
    const t = setup({ varyHeaders: ["Accept-Language"] }, respond());
    await t.get("/a", { "accept-language": "en, de" });
    expect((await t.get("/a", { "accept-language": "DE,en" })).cache).toBe("HIT");
    expect((await t.get("/a", { "accept-language": "fr" })).cache).toBe("MISS");
    expect((await t.get("/a")).cache).toBe("MISS");
  });
});

describe("Vary", () => {
  const vary: Upstream = (c) => new Response(c.req.header("x-v") ?? "none", { headers: { vary: "X-V", "cache-control": "max-age=60" } });

  it("keeps one response per variant", async () => {
    const t = setup({}, vary);
    expect(await t.get("/a", { "x-v": "1" })).toMatchObject({ cache: "MISS", cacheStatus: expect.stringContaining("fwd=uri-miss") });
    expect(await t.get("/a", { "x-v": "2" })).toMatchObject({ cache: "MISS", cacheStatus: expect.stringContaining("fwd=vary-miss") });
    expect(await t.get("/a")).toMatchObject({ cache: "MISS", text: "none" });
    for (const value of ["1", "2"]) expect(await t.get("/a", { "x-v": value })).toMatchObject({ cache: "HIT", text: value });
    expect(await t.get("/a")).toMatchObject({ cache: "HIT", text: "none" });
  });

  it("bounds the variants of one URL", async () => {
    const t = setup({ maxVariants: 3 }, vary);
    for (let i = 0; i < 30; i++) await t.get("/a", { "x-v": String(i) });
    expect(t.store.size).toBeLessThanOrEqual(4);
    expect((await t.get("/a", { "x-v": "29" })).cache).toBe("HIT");
    expect((await t.get("/a", { "x-v": "0" })).cache).toBe("MISS");
  });

  it("never serves a variant by fewer fields than its response named", async () => {
    const t = setup({}, (c) => {
      const wide = c.req.header("x-w") !== undefined;
      return new Response(`${c.req.header("x-v")}${c.req.header("x-w") ?? ""}`, { headers: { vary: wide ? "x-v, x-w" : "x-v", "cache-control": "max-age=60" } });
    });
    await t.get("/a", { "x-v": "1" });
    await t.get("/a", { "x-v": "2", "x-w": "a" });
    expect(await t.get("/a", { "x-v": "2", "x-w": "b" })).toMatchObject({ cache: "MISS", text: "2b" });
    expect(await t.get("/a", { "x-v": "2" })).toMatchObject({ cache: "MISS", text: "2" });
    expect(await t.get("/a", { "x-v": "2", "x-w": "a" })).toMatchObject({ text: "2a" });
  });

  it.each(["*", "accept, *"])("%s is never stored", async (value) => {
    const t = setup({}, respond({ vary: value, "cache-control": "max-age=60" }));
    expect((await t.get()).cache).toBe("BYPASS");
    expect((await t.get()).cache).toBe("BYPASS");
  });
});

describe("two callers", () => {
  const identify = definePolicy({
    name: "identify",
    priority: 10,
    guard: true,
    handler: (c, next) => {
      const user = c.req.header("x-api-key");
      const context = getGatewayContext(c);
      if (user !== undefined && context !== undefined) context.identity = { scheme: "key", id: user };
      return next();
    },
  });
  const personal: Upstream = (c, call) =>
    new Response(`for ${c.req.header("authorization") ?? c.req.header("cookie") ?? c.req.header("x-api-key") ?? "nobody"} ${call}`, { headers: { "cache-control": "max-age=60" } });

  const credentials = ["authorization", "cookie", "x-api-key"];
  const configs: [string, CacheConfig][] = [
    ["defaults", {}],
    ["respectCacheControl off", { respectCacheControl: false }],
    ["a constant key", { cacheKeyFn: () => "same" }],
    ["a negotiated key", { varyHeaders: ["accept-language"] }],
    ["their credentials in the key", { varyHeaders: credentials }],
    ["cookies stored", { storeSetCookie: true }],
    ["stale answers", { staleWhileRevalidateMs: 60_000, staleIfErrorMs: 60_000 }],
    ["every status", { cacheableStatuses: [200, 404] }],
    ["no bypass directives", { bypassDirectives: [] }],
    ["no coalescing", { coalesce: false }],
  ];

  it.each(configs.flatMap(([name, config]) => credentials.map((field) => [name, field, config] as const)))("with %s never see each other's response by %s", async (_name, field, config) => {
    const t = setup(config, personal, [identify()]);
    const answers: [string, string][] = [];
    for (const user of ["alice", "bob", "", "alice", "bob", "", "bob", "alice"]) {
      t.clock.advance(7_000);
      const { text } = await t.get("/me", user === "" ? {} : { [field]: user });
      answers.push([user === "" ? "nobody" : user, text.split(" ")[1] as string]);
    }
    for (const [wanted, seen] of answers) expect(seen).toBe(wanted);
    // And at once.
    const users = Array.from({ length: 60 }, (_, i) => `user${i % 3}`);
    const together = await Promise.all(users.map((user) => t.get("/together", { [field]: user })));
    together.forEach(({ text }, i) => expect(text.split(" ")[1]).toBe(users[i]));
  });

  it("share what says that it may be shared", async () => {
    for (const word of ["public", "s-maxage=60", "must-revalidate"]) {
      const t = setup({}, respond({ "cache-control": `max-age=60, ${word}` }), [identify()]);
      expect((await t.get("/a", { authorization: "a" })).cache).toBe("MISS");
      for (const field of credentials) expect((await t.get("/a", { [field]: "b" })).cache).toBe("HIT");
      expect((await t.get("/a")).cache).toBe("HIT");
    }
  });

  it("do not get what was stored for nobody in particular", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    await t.get();
    expect(await t.get("/a", { authorization: "a" })).toMatchObject({ cache: "BYPASS", text: "body 2", cacheStatus: "test-gateway; fwd=bypass; fwd-status=200" });
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 1" });
  });

  it("have a cache each where the key tells them apart", async () => {
    for (const config of [{ varyHeaders: ["authorization"] }, { cacheKeyFn: (c: Context) => c.req.header("authorization") ?? "" + c.req.path }] as CacheConfig[]) {
      const t = setup(config, personal);
      await t.get("/me", { authorization: "alice" });
      await t.get("/me", { authorization: "bob" });
      expect(await t.get("/me", { authorization: "alice" })).toMatchObject({ cache: "HIT", text: "for alice 1" });
      expect(await t.get("/me", { authorization: "bob" })).toMatchObject({ cache: "HIT", text: "for bob 2" });
    }
  });

  it.each([
    { "cache-control": "private, max-age=60" },
    { "cache-control": 'private="", max-age=60' },
    { "cache-control": "no-store" },
    { "cache-control": "no-cache" },
    { "cache-control": "max-age=60", "set-cookie": "s=1" },
    { "cdn-cache-control": "private", "cache-control": "max-age=60" },
  ] as Record<string, string>[])("never share %j", async (headers) => {
    const t = setup({}, respond(headers));
    expect((await t.get()).cache).toBe("BYPASS");
    expect((await t.get()).text).toBe("body 2");
    expect(t.store.size).toBe(0);
  });

  it("get cookies from the store only when the option says so", async () => {
    const t = setup({ storeSetCookie: true }, () => {
      const response = new Response("x");
      response.headers.append("set-cookie", "a=1");
      response.headers.append("set-cookie", "b=2");
      return response;
    });
    await t.get();
    const hit = await t.get();
    expect([hit.cache, hit.headers.getSetCookie()]).toEqual(["HIT", ["a=1", "b=2"]]);
  });

  it("never get the fields a qualified directive keeps back", async () => {
    const t = setup({}, respond({ "cache-control": 'max-age=60, private="x-user", no-cache="x-token"', "x-user": "alice", "x-token": "t", "x-other": "1" }));
    expect((await t.get()).headers.get("x-user")).toBe("alice");
    const hit = await t.get();
    expect([hit.cache, hit.headers.get("x-user"), hit.headers.get("x-token"), hit.headers.get("x-other")]).toEqual(["HIT", null, null, "1"]);
  });

  it("do not pass a guard on the strength of a stored response, whatever the priorities", async () => {
    const guard = definePolicy({
      name: "guard",
      guard: true,
      priority: 90,
      handler: (c, next) => {
        if (c.req.header("x-pass") === undefined) throw new GatewayError(403, "forbidden", "no");
        return next();
      },
    });
    const t = setup({ priority: 1 }, respond({ "cache-control": "public, max-age=60" }), [guard()]);
    expect((await t.get("/a", { "x-pass": "1" })).status).toBe(200);
    expect((await t.get("/a")).status).toBe(403);
    expect((await t.get("/a", { "x-pass": "1" })).cache).toBe("HIT");
  });
});

describe("conditions and ranges", () => {
  const tagged = respond({ "cache-control": "max-age=60", etag: '"v1"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "content-type": "text/plain", "content-language": "en" });

  it("are answered by 304 from the store", async () => {
    const t = setup({}, tagged);
    await t.get();
    for (const headers of [{ "if-none-match": '"v0", W/"v1"' }, { "if-none-match": "*" }, { "if-modified-since": "Thu, 01 Jan 2026 00:00:00 GMT" }] as Record<string, string>[]) {
      const answer = await t.get("/a", headers);
      expect(answer).toMatchObject({ status: 304, text: "", cache: "HIT" });
      expect(answer.headers.get("etag")).toBe('"v1"');
      expect(answer.headers.get("cache-control")).toBe("max-age=60");
      expect([answer.headers.get("content-length"), answer.headers.get("content-type")]).toEqual([null, null]);
      expect(answer.headers.get("age")).toBe("0");
    }
    expect(await t.get("/a", { "if-none-match": '"v2"', "if-modified-since": "Thu, 01 Jan 2026 00:00:00 GMT" })).toMatchObject({ status: 200, text: "body 1", cache: "HIT" });
    expect(t.calls()).toBe(1);
  });

  it("give parts of a stored response", async () => {
    const t = setup({}, tagged);
    await t.get();
    const part = await t.get("/a", { range: "bytes=1-2" });
    expect(part).toMatchObject({ status: 206, text: "od", cache: "HIT" });
    expect([part.headers.get("content-range"), part.headers.get("content-length")]).toEqual(["bytes 1-2/6", "2"]);
    expect(await t.get("/a", { range: "bytes=-1" })).toMatchObject({ status: 206, text: "1" });
    expect(await t.get("/a", { range: "bytes=2-", "if-range": '"v1"' })).toMatchObject({ status: 206, text: "dy 1" });
    expect(await t.get("/a", { range: "bytes=2-", "if-range": '"v0"' })).toMatchObject({ status: 200, text: "body 1" });
    const beyond = await t.get("/a", { range: "bytes=6-" });
    expect(beyond).toMatchObject({ status: 416, text: "" });
    expect(beyond.headers.get("content-range")).toBe("bytes */6");
    expect(t.calls()).toBe(1);
  });

  it("pass to the upstream on a miss, and partial answers are not stored", async () => {
    const t = setup({}, (c) => new Response("od", { status: 206, headers: { "content-range": "bytes 1-2/6", "cache-control": "max-age=60", "x-range": c.req.header("range") ?? "none" } }));
    const first = await t.get("/a", { range: "bytes=1-2" });
    expect([first.status, first.headers.get("x-range"), first.cache]).toEqual([206, "bytes=1-2", "SKIP"]);
    expect((await t.get("/a", { range: "bytes=1-2" })).cache).toBe("SKIP");
    expect(t.store.size).toBe(0);
  });

  it("that only the origin can judge go there", async () => {
    const t = setup({}, tagged);
    await t.get();
    expect(await t.get("/a", { "if-match": '"v1"' })).toMatchObject({ cache: "BYPASS", text: "body 2" });
  });
});

describe("request directives", () => {
  it("no-cache asks the upstream and keeps its answer", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    await t.get();
    expect(await t.get("/a", { "cache-control": "no-cache" })).toMatchObject({ text: "body 2", cacheStatus: "test-gateway; fwd=request; fwd-status=200; stored" });
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 2" });
    expect(await t.get("/a", { pragma: "no-cache" })).toMatchObject({ text: "body 3" });
  });

  it("no-store neither takes nor leaves anything", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    expect(await t.get("/a", { "cache-control": "no-store" })).toMatchObject({ cache: "BYPASS", text: "body 1" });
    expect(t.store.size).toBe(0);
    await t.get();
    expect(await t.get("/a", { "cache-control": "no-store" })).toMatchObject({ cache: "BYPASS", text: "body 3" });
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 2" });
  });

  it("max-age and min-fresh narrow what is fresh enough", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    await t.get();
    t.clock.advance(10_000);
    expect((await t.get("/a", { "cache-control": "max-age=10" })).cache).toBe("HIT");
    expect((await t.get("/a", { "cache-control": "min-fresh=50" })).cache).toBe("HIT");
    expect((await t.get("/a", { "cache-control": "min-fresh=51" })).text).toBe("body 2");
    t.clock.advance(10_000);
    expect((await t.get("/a", { "cache-control": "max-age=9" })).text).toBe("body 3");
  });

  it("max-stale takes what is over, unless the response forbids it", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=10" }));
    await t.get();
    t.clock.advance(15_000);
    expect(await t.get("/a", { "cache-control": "max-stale=5" })).toMatchObject({ cache: "STALE", text: "body 1", cacheStatus: "test-gateway; hit; ttl=-5" });
    expect((await t.get("/a", { "cache-control": "max-stale" })).cache).toBe("STALE");
    expect((await t.get("/a", { "cache-control": "max-stale=4" })).text).toBe("body 2");
    for (const word of ["must-revalidate", "proxy-revalidate", "s-maxage=10"]) {
      const strict = setup({}, respond({ "cache-control": `max-age=10, ${word}`, etag: '"a"' }));
      await strict.get();
      strict.clock.advance(15_000);
      expect((await strict.get("/a", { "cache-control": "max-stale" })).text).toBe("body 2");
    }
  });

  it("only-if-cached never goes to the upstream", async () => {
    const t = setup({}, respond({ "cache-control": "max-age=60" }));
    const missing = await t.get("/a", { "cache-control": "only-if-cached" });
    expect(missing.status).toBe(504);
    expect(JSON.parse(missing.text)).toMatchObject({ code: "cache_miss", status: 504 });
    expect(t.calls()).toBe(0);
    await t.get();
    expect((await t.get("/a", { "cache-control": "only-if-cached" })).cache).toBe("HIT");
  });

  it("count for nothing when the option says so", async () => {
    const t = setup({ respectRequestDirectives: false }, respond({ "cache-control": "max-age=60" }));
    await t.get();
    for (const directive of ["no-cache", "no-store", "max-age=0"]) expect((await t.get("/a", { "cache-control": directive })).cache).toBe("HIT");
  });
});

describe("revalidation", () => {
  const validated: Upstream = (c, call) =>
    c.req.header("if-none-match") === '"v1"'
      ? new Response(null, { status: 304, headers: { "cache-control": "max-age=60", etag: '"v1"', "x-call": String(call), "content-length": "999" } })
      : new Response(`body ${call}`, { headers: { "cache-control": "max-age=10", etag: '"v1"', "x-call": String(call), "x-first": "1" } });

  it("asks conditionally and takes over what a 304 says", async () => {
    const t = setup({}, validated);
    await t.get();
    t.clock.advance(11_000);
    const again = await t.get("/a", { "if-none-match": '"client"', range: "bytes=0-0" });
    expect(again).toMatchObject({ status: 206, text: "b", cache: "REVALIDATED", cacheStatus: "test-gateway; fwd=stale; fwd-status=304; ttl=60; stored" });
    expect(t.requests[1]?.headers.get("if-none-match")).toBe('"v1"');
    expect(t.requests[1]?.headers.has("range")).toBe(false);
    const hit = await t.get();
    expect(hit).toMatchObject({ cache: "HIT", text: "body 1" });
    expect(Object.fromEntries(hit.headers)).toMatchObject({ "x-call": "2", "x-first": "1", "cache-control": "max-age=60", "content-length": "6", age: "0" });
    t.clock.advance(59_000);
    expect((await t.get()).cache).toBe("HIT");
  });

  it("replaces what has changed", async () => {
    const t = setup({}, (_c, call) => new Response(`body ${call}`, { headers: { "cache-control": "max-age=10", etag: `"v${call}"` } }));
    await t.get();
    t.clock.advance(11_000);
    expect(await t.get()).toMatchObject({ cache: "MISS", text: "body 2", cacheStatus: "test-gateway; fwd=stale; fwd-status=200; stored" });
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 2" });
  });

  it("happens for every use of a no-cache response that may be stored", async () => {
    const t = setup({ bypassDirectives: ["no-store"] }, (c, call) =>
      c.req.header("if-none-match") === '"v1"'
        ? new Response(null, { status: 304, headers: { "cache-control": "no-cache", etag: '"v1"' } })
        : new Response(`body ${call}`, { headers: { "cache-control": "no-cache", etag: '"v1"' } }),
    );
    await t.get();
    expect(await t.get()).toMatchObject({ cache: "REVALIDATED", text: "body 1" });
    expect(await t.get()).toMatchObject({ cache: "REVALIDATED", text: "body 1" });
    expect(t.calls()).toBe(3);
  });

  it("drops what the upstream has made private", async () => {
    const t = setup({ staleIfErrorMs: 60_000 }, (_c, call) => new Response(`body ${call}`, { headers: { "cache-control": call === 1 ? "max-age=1" : "private", etag: `"v${call}"` } }));
    await t.get();
    t.clock.advance(2_000);
    expect(await t.get()).toMatchObject({ cache: "BYPASS", text: "body 2" });
    expect(t.store.size).toBe(0);
  });
});

describe("what is stored", () => {
  it("survives a refusal that concerns one caller", async () => {
    for (const status of [400, 401, 403, 429]) {
      const t = setup({}, (c, call) => (c.req.header("x-bad") === undefined ? new Response(`body ${call}`, { headers: { "cache-control": "max-age=10", etag: '"a"' } }) : new Response("no", { status })));
      await t.get();
      expect(await t.get("/a", { "x-bad": "1", "cache-control": "no-cache" })).toMatchObject({ status, cache: "SKIP" });
      expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 1" });
    }
  });
});

describe("stale answers", () => {
  it.each([undefined, "plain"])("come at once while one refresh runs in the background (%s)", async (kind) => {
    const t = setup(kind === "plain" ? { store: new PlainStore() } : {}, respond({ "cache-control": "max-age=10, stale-while-revalidate=30" }));
    await t.get();
    await t.settle();
    t.clock.advance(15_000);
    const answers = await Promise.all([1, 2, 3, 4].map(() => t.get()));
    for (const answer of answers) expect(answer).toMatchObject({ cache: "STALE", text: "body 1", cacheStatus: "test-gateway; hit; ttl=-5" });
    await t.settle();
    expect(t.calls()).toBe(2);
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 2" });
    t.clock.advance(40_000);
    expect(await t.get()).toMatchObject({ cache: "MISS", text: "body 3" });
  });

  it("keep coming while the refresh fails, to the end of the window", async () => {
    const t = setup({ staleWhileRevalidateMs: 30_000 }, (_c, call) => (call === 1 ? new Response("body 1", { headers: { "cache-control": "max-age=10" } }) : new Response("no", { status: 500 })));
    await t.get();
    t.clock.advance(15_000);
    for (let i = 0; i < 3; i++) {
      expect((await t.get()).cache).toBe("STALE");
      await t.settle();
    }
    expect(t.calls()).toBe(4);
    t.clock.advance(25_000);
    expect((await t.get()).status).toBe(500);
  });

  it("refresh conditionally where they can", async () => {
    const t = setup({ staleWhileRevalidateMs: 30_000 }, (c, call) =>
      c.req.header("if-none-match") === '"a"' ? new Response(null, { status: 304 }) : new Response(`body ${call}`, { headers: { "cache-control": "max-age=10", etag: '"a"' } }),
    );
    await t.get();
    t.clock.advance(15_000);
    expect((await t.get("/a", { "if-none-match": '"x"' })).cache).toBe("STALE");
    await t.settle();
    expect(await t.get()).toMatchObject({ cache: "HIT", text: "body 1" });
  });

  it("stand in for a failing upstream", async () => {
    for (const [options, cacheControl] of [[{ staleIfErrorMs: 60_000 }, "max-age=10"], [{}, "max-age=10, stale-if-error=60"]] as const) {
      const t = setup(options, (_c, call) => {
        if (call === 1) return new Response("body 1", { headers: { "cache-control": cacheControl } });
        if (call === 2) return new Response("down", { status: 503 });
        throw new Error("reset");
      });
      await t.get();
      t.clock.advance(15_000);
      for (let i = 0; i < 2; i++) {
        const answer = await t.get();
        expect(answer).toMatchObject({ status: 200, cache: "STALE", text: "body 1", cacheStatus: expect.stringMatching(/^test-gateway; fwd=stale; fwd-status=50[03]; ttl=-5$/) });
        expect(answer.headers.get("cache-control")).toBe(cacheControl);
        expect(answer.headers.get("content-type")).toBe("text/plain;charset=UTF-8");
      }
      t.clock.advance(60_000);
      expect((await t.get()).status).toBe(500);
    }
  });

  it.each(["must-revalidate", "proxy-revalidate", "no-cache"])("are forbidden by %s", async (word) => {
    const t = setup({ staleIfErrorMs: 60_000, staleWhileRevalidateMs: 60_000, bypassDirectives: [] }, (_c, call) =>
      call === 1 ? new Response("body 1", { headers: { "cache-control": `max-age=10, stale-while-revalidate=60, stale-if-error=60, ${word}`, etag: '"a"' } }) : new Response("down", { status: 503 }),
    );
    await t.get();
    t.clock.advance(15_000);
    expect((await t.get()).status).toBe(503);
  });
});

describe("unsafe methods", () => {
  it("drop their URL, and what Location and Content-Location name on the same origin", async () => {
    const t = setup({}, (c, call) =>
      c.req.method === "POST"
        ? new Response(null, { status: 201, headers: { location: "/b", "content-location": "http://host/c?x=1" } })
        : new Response(`body ${call}`, { headers: { "cache-control": "max-age=60", vary: "x-v" } }),
    );
    for (const path of ["/a", "/b", "/c?x=1", "/d"]) await t.get(path);
    const post = await t.get("/a", {}, "POST", "x");
    expect(post).toMatchObject({ cache: "SKIP", cacheStatus: "test-gateway; fwd=method; fwd-status=201" });
    expect((await t.get("/d")).cache).toBe("HIT");
    for (const path of ["/a", "/b", "/c?x=1"]) expect((await t.get(path)).cache).toBe("MISS");
  });

  it("drop nothing when they fail, when they are safe, or on another origin", async () => {
    const t = setup({}, (c, call) => {
      if (c.req.method === "POST") return new Response("no", { status: 400 });
      if (c.req.method === "PUT") return new Response(null, { status: 204, headers: { location: "http://other/b" } });
      return new Response(`body ${call}`, { headers: { "cache-control": "max-age=60" } });
    });
    await t.get("/a");
    await t.request("http://other/b");
    await t.get("/a", {}, "POST", "x");
    await t.get("/a", {}, "OPTIONS");
    await t.get("/else", {}, "PUT", "x");
    expect((await t.get("/a")).cache).toBe("HIT");
    expect((await t.request("http://other/b")).headers.get("x-cache")).toBe("HIT");
  });

  it.each([undefined, "plain"])("void a fill that began before them, also on a store without locks (%s)", async (kind) => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const t = setup(kind === "plain" ? { store: new PlainStore() } : {}, async (c, call) => {
      if (c.req.method === "PUT") return new Response(null, { status: 204 });
      if (call === 1) await gate;
      return new Response(`body ${call}`, { headers: { "cache-control": "max-age=60" } });
    });
    const old = t.get();
    await new Promise((resolve) => setImmediate(resolve));
    await t.get("/a", {}, "PUT", "x");
    release();
    expect((await old).text).toBe("body 1");
    await t.settle();
    expect(await t.get()).toMatchObject({ cache: "MISS", text: "body 3" });
  });
});

describe("purge", () => {
  const tagged: Upstream = (c) => new Response(c.req.path, { headers: { "cache-control": "max-age=60", "cache-tag": `all, ${c.req.path.slice(1)}`, "surrogate-key": "one two" } });

  it("drops by url, tags, prefix and everything, and counts", async () => {
    const t = setup({ tags: (c) => [`opt-${c.req.path}`] }, tagged);
    const fill = async () => {
      for (const path of ["/a", "/a/b", "/a/b?q=1", "/c"]) await t.get(path);
    };
    const hits = async () => {
      const found: string[] = [];
      for (const path of ["/a", "/a/b", "/a/b?q=1", "/c"]) if ((await t.request(`http://host${path}`, { headers: { "cache-control": "only-if-cached" } })).status === 200) found.push(path);
      return found;
    };
    await fill();
    expect(await t.gateway.cache.purge({ url: "http://host/a/b" })).toEqual({ purged: 1 });
    expect(await hits()).toEqual(["/a", "/a/b?q=1", "/c"]);
    expect(await t.gateway.cache.purge({ url: "/a/b?q=1" })).toEqual({ purged: 1 });
    expect(await hits()).toEqual(["/a", "/c"]);
    await fill();
    expect(await t.gateway.cache.purge({ tags: ["a/b"] })).toEqual({ purged: 2 });
    expect(await t.gateway.cache.purge({ tags: ["opt-/c", "unknown"] })).toEqual({ purged: 1 });
    expect(await hits()).toEqual(["/a"]);
    await fill();
    expect(await t.gateway.cache.purge({ prefix: "/a/" })).toEqual({ purged: 2 });
    expect(await t.gateway.cache.purge({ prefix: "http://host/a" })).toEqual({ purged: 1 });
    expect(await hits()).toEqual(["/c"]);
    await fill();
    expect(await t.gateway.cache.purge({ tags: ["two"] })).toEqual({ purged: 4 });
    await fill();
    expect(await t.gateway.cache.purge({ all: true })).toEqual({ purged: 4 });
    expect(await hits()).toEqual([]);
  });

  it("counts responses, not the sets of their variants, and leaves other gateways on the store alone", async () => {
    const store = createMemoryCacheStore();
    const make = (gatewayName: string) =>
      createPolicyTestHarness(cache(), { gatewayName, adapter: { cacheStore: store }, upstream: () => new Response("x", { headers: { vary: "x-v", "cache-tag": "t" } }) });
    const [one, two] = [make("one"), make("two")];
    for (const value of ["1", "2"]) await (await one.request("/a", { headers: { "x-v": value } })).text();
    await (await two.request("/a")).text();
    expect(await one.gateway.cache.purge({ tags: ["t"] })).toEqual({ purged: 2 });
    expect((await two.request("/a")).headers.get("x-cache")).toBe("HIT");
    await (await one.request("/a")).text();
    expect(await one.gateway.cache.purge({ all: true })).toEqual({ purged: 1 });
    expect((await two.request("/a")).headers.get("x-cache")).toBe("HIT");
  });

  it("is refused where a store cannot, by name", async () => {
    const t = setup({}, respond(), [], { cacheStore: new PlainStore() });
    await expect(t.gateway.cache.purge({ tags: ["x"] })).rejects.toMatchObject({ code: "STORE_CAPABILITY", message: expect.stringContaining("PlainStore") });
    await t.get();
    await t.settle();
    expect(await t.gateway.cache.purge({ url: "http://host/a" })).toEqual({ purged: 1 });
    expect((await t.get()).cache).toBe("MISS");
  });

  it("is never undone by a fill that began before it", async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const t = setup({}, async (_c, call) => {
      if (call === 1) await gate;
      return new Response(`body ${call}`, { headers: { "cache-control": "max-age=60", "cache-tag": "t" } });
    });
    const old = t.get();
    await new Promise((resolve) => setImmediate(resolve));
    await t.gateway.cache.purge({ tags: ["t"] });
    release();
    await old;
    expect((await t.get()).cache).toBe("MISS");
  });

  it("makes a broken tags function a policy_error", async () => {
    for (const tags of [() => { throw new Error("x"); }, () => [1] as never, async () => Promise.reject(new Error("x"))]) {
      expect((await setup({ tags }, respond()).get()).status).toBe(500);
    }
  });
});

/** What a user writes who knows only the three methods. */
class PlainStore implements CacheStore {
  readonly kept = new Map<string, Response>();
  readonly ttls: number[] = [];
  async get(key: string): Promise<Response | null> {
    return this.kept.get(key)?.clone() ?? null;
  }
  async put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    this.ttls.push(ttlSeconds);
    this.kept.set(key, response);
  }
  async delete(key: string): Promise<boolean> {
    return this.kept.delete(key);
  }
}

describe("stores", () => {
  it("with only get, put and delete work", async () => {
    const store = new PlainStore();
    const t = setup({ store, ttlSeconds: 60 }, (c) => new Response(c.req.header("x-v") ?? "none", { headers: { vary: "x-v", "x-kept": "ü" } }));
    await t.get("/a", { "x-v": "1" });
    await t.settle();
    const hit = await t.get("/a", { "x-v": "1" });
    expect(hit).toMatchObject({ cache: "HIT", text: "1" });
    expect(hit.headers.get("x-kept")).toBe("ü");
    expect([...hit.headers.keys()].some((name) => name.includes("sluice"))).toBe(false);
    expect(await t.get("/a", { "x-v": "2" })).toMatchObject({ cache: "MISS", text: "2" });
    expect(store.ttls[0]).toBe(60);
    // The store ignores the TTL; the policy does not.
    t.clock.advance(60_000);
    expect((await t.get("/a", { "x-v": "1" })).cache).toBe("MISS");
  });

  it("are the option's, then the adapter's, then a private one", async () => {
    const own = createMemoryCacheStore();
    const adapters = createMemoryCacheStore();
    const t = setup({ store: own }, respond(), [], { cacheStore: adapters });
    await t.get();
    expect([own.size, adapters.size]).toEqual([1, 0]);
    const without = setup({}, respond(), [], {});
    await without.get();
    expect((await without.get()).cache).toBe("HIT");
  });

  it.each([
    ["throws", { get: () => { throw new Error("redis://secret"); } }],
    ["rejects", { get: async () => Promise.reject(new Error("redis://secret")) }],
    ["gives nonsense", { get: async () => "nonsense" as never }],
    ["gives a damaged record", { get: async () => new Response("x", { headers: { "x-sluice-cache-record": '{"status":200,"meta":{"v":1,"kind":"entry"}}' } }) }],
    ["gives a record without its facts", { get: async () => new Response("x", { headers: { "x-sluice-cache-record": '{"status":200,"storedAt":1,"freshUntil":9e15,"keepUntil":9e15,"meta":{"v":1,"kind":"entry"}}' } }) }],
    ["gives somebody else's response", { get: async () => new Response("not ours") }],
    ["cannot put", { put: async () => Promise.reject(new Error("redis://secret")) }],
  ])("never fail a request that %s", async (_name, broken) => {
    const store: CacheStore = { get: async () => undefined, put: async () => {}, delete: async () => false, ...broken };
    const t = setup({ store }, respond());
    for (let i = 1; i <= 3; i++) {
      const answer = await t.get();
      expect([answer.status, answer.text]).toEqual([200, `body ${i}`]);
      await t.settle();
    }
  });

  it("that hang are given up at the deadline", async () => {
    const store: CacheStore = { get: () => new Promise(() => {}), put: async () => {}, delete: async () => false };
    const t = setup({ store }, respond());
    const answer = t.get();
    await t.clock.advanceAsync(300);
    const { status, cache, cacheStatus } = await answer;
    expect([status, cache, cacheStatus]).toEqual([200, null, null]);
  });

  it.each(["open", "lock"] as const)("give the lock of %s back when it comes after its deadline", async (verb) => {
    const inner = createMemoryCacheStore();
    const asked: ((fill: CacheFill) => void)[] = [];
    const freed: unknown[] = [];
    const fill = (): Promise<CacheFill> => new Promise((resolve) => asked.push(resolve));
    const store: CacheStore = {
      name: "slow", get: (key) => inner.get(key), put: (key, response, ttl) => inner.put(key, response, ttl), delete: (key) => inner.delete(key),
      read: async () => undefined, write: async () => undefined,
      lock: fill, unlock: async (...args) => void freed.push(args),
      ...(verb === "open" ? { open: async () => ({ fill: await fill() }) } : {}),
    } as CacheStore;
    const t = setup({ store }, respond());
    const answer = t.get();
    await t.clock.advanceAsync(300);
    expect((await answer).status).toBe(200);
    expect([asked.length, freed]).toEqual([1, []]);
    asked[0]?.({ kind: "fill", token: "late" });
    await t.settle();
    expect(freed).toEqual([[expect.stringContaining("/a"), "late"]]);
    // One that has only to wait has nothing to give back.
    const next = t.get();
    await t.clock.advanceAsync(300);
    await next;
    asked[1]?.({ kind: "wait", waitMs: 50 });
    await t.settle();
    expect(freed.length).toBe(1);
  });

  it("that are away: closed refuses, local caches in this process", async () => {
    const store: CacheStore = { get: async () => Promise.reject(new Error("down")), put: async () => {}, delete: async () => false };
    const closed = setup({ store, failMode: "closed" }, respond());
    const refusal = await closed.get();
    expect([refusal.status, JSON.parse(refusal.text).code, refusal.headers.get("retry-after")]).toEqual([503, "store_unavailable", "1"]);
    const local = setup({ store, failMode: "local" }, respond());
    expect((await local.get()).cache).toBe("MISS");
    expect((await local.get()).cache).toBe("HIT");
    await local.get("/a", {}, "POST", "x");
    expect((await local.get()).cache).toBe("MISS");
    const open = setup({ store }, respond());
    expect((await open.get("/a", { "cache-control": "only-if-cached" })).status).toBe(504);
  });

  it("that are damaged are a miss, and reported once", async () => {
    const store = createMemoryCacheStore();
    const events: unknown[] = [];
    const t = setup({ store }, respond());
    t.gateway.events.on((event) => events.push(event));
    const keys = keysOf(store);
    await t.get();
    for (const key of new Set(keys)) store.write(key, { ...(store.read(key) as CacheRecord), meta: { v: 99 } });
    expect((await t.get()).cache).toBe("MISS");
    expect(events).toContainEqual(expect.objectContaining({ type: "store.error", code: "STORE_CORRUPT" }));
  });
});

function keysOf(store: ReturnType<typeof createMemoryCacheStore>): string[] {
  const keys: string[] = [];
  const read = store.read.bind(store);
  store.read = (key) => {
    keys.push(key);
    return read(key);
  };
  return keys;
}

describe("construction", () => {
  it.each<[string, Record<string, unknown>]>([
    ["ttlSeconds", { ttlSeconds: -1 }],
    ["ttlSeconds", { ttlSeconds: Number.NaN }],
    ["negativeTtlMs", { negativeTtlMs: "5" }],
    ["methods", { methods: [] }],
    ["methods", { methods: ["DELETE"] }],
    ["methods", { methods: ["HEAD"] }],
    ["cacheableStatuses", { cacheableStatuses: [200, 500] }],
    ["cacheableStatuses", { cacheableStatuses: [206] }],
    ["varyHeaders", { varyHeaders: ["a b"] }],
    ["cacheStatusHeader", { cacheStatusHeader: "x cache" }],
    ["bypassDirectives", { bypassDirectives: "no-store" }],
    ["maxEntryBytes", { maxEntryBytes: 1.5 }],
    ["maxVariants", { maxVariants: 0 }],
    ["coalesceWaitMs", { coalesceWaitMs: Infinity }],
    ["failMode", { failMode: "maybe" }],
    ["cacheKeyFn", { cacheKeyFn: "key" }],
    ["tags", { tags: ["a"] }],
    ["coalesce", { coalesce: 1 }],
    ["store", { store: {} }],
    ["store", { store: { get() {}, put() {} } }],
    ["store", { store: { get() {}, put() {}, delete() {}, read() {} } }],
  ])("refuses a bad %s and names it", (option, options) => {
    expect(() => cache(options as CacheConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringContaining(option) }));
  });

  it("knows variants by what the client has sent, whatever inner policies make of it", async () => {
    const varied = { vary: "accept-encoding, accept-language", "content-type": "application/json" };
    const filtered = setup({}, (c) => new Response('{"id":1,"secret":2}', { headers: { ...varied, "x-asked": c.req.header("accept-encoding") ?? "" } }), [resourceFilter({ mode: "deny", fields: ["secret"] }), compression({ thresholdBytes: 0, encodings: ["gzip"] })]);
    for (const [accept, result] of [["gzip", "MISS"], ["gzip", "HIT"], ["br", "MISS"], ["br", "HIT"], ["identity", "MISS"]] as const) {
      const answer = await filtered.get("/a", { "accept-encoding": accept });
      expect([answer.cache, answer.headers.get("x-asked"), answer.headers.get("content-encoding")]).toEqual([result, "identity", accept === "gzip" ? "gzip" : null]);
    }
    const translated = setup({}, respond(varied), [requestTransform({ setHeaders: { "accept-language": "fr" } })]);
    expect(await translated.get("/a", { "accept-language": "en" })).toMatchObject({ cache: "MISS", text: "body 1" });
    expect(await translated.get("/a", { "accept-language": "en" })).toMatchObject({ cache: "HIT", text: "body 1" });
    expect(await translated.get("/a", { "accept-language": "fr" })).toMatchObject({ cache: "MISS", text: "body 2" });
  });

  it("leaves upgrades and skipped requests alone", async () => {
    const t = setup({ skip: (c) => c.req.query("skip") !== undefined }, respond());
    expect((await t.get("/a?skip")).cache).toBeNull();
    expect((await t.get("/a", { upgrade: "websocket", connection: "upgrade" })).cache).toBeNull();
    expect(t.store.size).toBe(0);
  });
});
