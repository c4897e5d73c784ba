import type { Context } from "hono";
import { describe, expect, it } from "vitest";
import { getGatewayContext } from "../../context.ts";
import { definePolicy } from "../../define-policy.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { timingSafeEqual } from "../../timing-safe-equal.ts";
import type { RequestLogEntry } from "../observability/request-log.ts";
import { requestLog } from "../observability/request-log.ts";
import { apiKeyAuth, type ApiKeyAuthConfig } from "./api-key-auth.ts";

function harness(options: ApiKeyAuthConfig) {
  const seen: { url: string; id: string | undefined; headers: Headers }[] = [];
  const log: RequestLogEntry[] = [];
  const { request } = createPolicyTestHarness([requestLog({ sink: (entry) => log.push(entry) }), apiKeyAuth(options)], {
    upstream: (c) => {
      seen.push({ url: c.req.url, id: getGatewayContext(c)?.identity?.id, headers: new Headers(c.req.raw.headers) });
      return c.text("ok");
    },
  });
  return { request, seen, log };
}

const valid = (key: string): boolean => timingSafeEqual(key, "k-1");

describe("apiKeyAuth", () => {
  it("tells missing from invalid, with a challenge", async () => {
    const { request } = harness({ validate: valid });
    const missing = await request("/");
    expect([missing.status, missing.headers.get("www-authenticate")]).toEqual([401, 'ApiKey realm="Restricted", header="x-api-key"']);
    expect((await request("/", { headers: { "x-api-key": "" } })).status).toBe(401);
    const wrong = await request("/", { headers: { "x-api-key": "k-2" } });
    expect([wrong.status, await wrong.json()]).toMatchObject([403, { code: "forbidden" }]);
    expect((await request("/", { headers: { "x-api-key": "k-1" } })).status).toBe(200);
  });

  it("carries the challenge also where invalid is 401", async () => {
    const { request } = harness({ validate: valid, invalidStatusCode: 401 });
    const wrong = await request("/", { headers: { "x-api-key": "k-2" } });
    expect([wrong.status, wrong.headers.has("www-authenticate")]).toEqual([401, true]);
  });

  it("names the caller by a digest, or as validate does", async () => {
    const digest = harness({ validate: valid });
    await digest.request("/", { headers: { "x-api-key": "k-1" } });
    expect(digest.seen[0]?.id).toMatch(/^[0-9a-f]{64}$/);
    const named = harness({ validate: async () => ({ id: "acme", roles: ["partner"] }) });
    await named.request("/", { headers: { "x-api-key": "k-1" } });
    expect(named.seen[0]?.id).toBe("acme");
  });

  it("takes the key out of the query before anybody sees it", async () => {
    const { request, seen, log } = harness({ validate: valid, queryParam: "api key" });
    const response = await request("/items?a=%2F&api%20key=k-1&b=+&api+key=k-1&c");
    expect(response.status).toBe(200);
    expect(seen[0]?.url).toBe("http://localhost/items?a=%2F&b=+&c");
    await response.text();
    expect(JSON.stringify(log)).not.toContain("k-1");
    expect((await request("/items?api+key=k-1")).status).toBe(200);
    expect(seen[1]?.url).toBe("http://localhost/items");
  });

  it("keeps the body of a request whose query held the key", async () => {
    const { request } = createPolicyTestHarness(apiKeyAuth({ validate: valid, queryParam: "k" }), { upstream: async (c) => c.text(await c.req.text()) });
    expect(await (await request("/?k=k-1", { method: "POST", body: "hello" })).text()).toBe("hello");
  });

  it("tells the upstream of the owner, and never lets a client do so (S9)", async () => {
    const { request, seen } = harness({ validate: valid, forwardKeyIdentity: { headerName: "x-owner", identityFn: (_, c) => c.req.header("x-who") }, stripCredentials: true });
    await request("/", { headers: { "x-api-key": "k-1", "x-owner": "root", "x-who": "öre" } });
    await request("/", { headers: { "x-api-key": "k-1", "x-owner": "root" } });
    expect(seen.map(({ headers }) => [headers.get("x-owner"), headers.has("x-api-key")])).toEqual([["%C3%B6re", false], [null, false]]);
  });

  it.each<[string, ApiKeyAuthConfig["validate"]]>([
    ["throws", () => { throw new Error("db at 10.0.0.1 is down"); }], ["rejects", () => Promise.reject(new Error("db at 10.0.0.1 is down"))], ["gives nonsense", () => "yes" as never], ["gives a number", () => 1 as never],
  ])("is a 500 when validate %s, never a pass", async (_, validate) => {
    const response = await harness({ validate }).request("/", { headers: { "x-api-key": "k-1" } });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({ code: "policy_error", policy: "api-key-auth" });
    expect(text).not.toContain("10.0.0.1");
  });

  it("takes the key out of the query of a request whose body was read before", async () => {
    const reader = definePolicy({ name: "reader", priority: 1, handler: async (c, next) => (await c.req.json(), next()) });
    const upstreams = [async (c: Context) => c.text(`${c.req.url} ${await c.req.text()}`), async (c: Context) => c.text(`${c.req.url} ${await c.req.raw.text()}`)];
    for (const upstream of upstreams) {
      const { request } = createPolicyTestHarness([reader(), apiKeyAuth({ validate: valid, queryParam: "k" })], { upstream });
      const response = await request("http://x/?k=k-1&a=1", { method: "POST", body: `{"a":1}` });
      expect([response.status, await response.text()]).toEqual([200, `http://x/?a=1 {"a":1}`]);
    }
  });

  it.each([{}, { validate: valid, headerName: "a b" }, { validate: valid, queryParam: "" }, { validate: valid, invalidStatusCode: 200 }, { validate: valid, forwardKeyIdentity: { headerName: "host", identityFn: valid } }])("refuses %j at construction", (options) => {
    expect(() => apiKeyAuth(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
