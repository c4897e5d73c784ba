import { afterEach, describe, expect, it, vi } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { getGatewayContext } from "../../context.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { clearOAuth2Cache, oauth2, type OAuth2Config } from "./oauth2.ts";

const NOW = 1_700_000_000;
const url = "https://as.example/introspect";

function server(answer: (form: URLSearchParams) => unknown, status = 200) {
  const calls: { form: URLSearchParams; headers: Headers }[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const form = new URLSearchParams(init.body as string);
    calls.push({ form, headers: new Headers(init.headers) });
    const body = answer(form);
    return body instanceof Response ? body : Response.json(body, { status });
  });
  return calls;
}

function harness(options: OAuth2Config) {
  const clock = manualClock(1_700_000_000_000);
  const { request } = createPolicyTestHarness(oauth2(options), { clock, upstream: (c) => c.json({ identity: getGatewayContext(c)?.identity, headers: Object.fromEntries(c.req.raw.headers), url: c.req.url }) });
  return { clock, request, send: (token?: string, headers = {}) => request("/", { headers: token === undefined ? headers : { authorization: `Bearer ${token}`, ...headers } }) };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("oauth2", () => {
  it("introspects as RFC 7662 has it, and names the caller", async () => {
    const calls = server(() => ({ active: true, sub: "u1", scope: "read write", client_id: "app" }));
    const { send } = harness({ introspectionUrl: url, clientId: "gate way", clientSecret: "s:ü", requiredScopes: ["read"], forwardTokenInfo: { sub: "x-sub", nope: "x-nope" } });
    const body = (await (await send("t1", { "x-nope": "forged" })).json()) as { identity: object; headers: Record<string, string> };
    expect(calls[0]?.form.get("token")).toBe("t1");
    expect(calls[0]?.headers.get("authorization")).toBe(`Basic ${Buffer.from("gate+way:s%3A%C3%BC").toString("base64")}`);
    expect(body.identity).toMatchObject({ scheme: "oauth2", id: "u1", scopes: ["read", "write"] });
    expect([body.headers["x-sub"], body.headers["x-nope"]]).toEqual(["u1", undefined]);
  });

  it.each<[unknown, number, string, RegExp]>([
    [{ active: false }, 401, "unauthorized", /error="invalid_token"/],
    [{ active: "true" }, 401, "unauthorized", /error="invalid_token"/],
    [{}, 401, "unauthorized", /error="invalid_token"/],
    [{ active: true, exp: NOW, scope: "read" }, 401, "unauthorized", /error="invalid_token"/],
    [{ active: true, exp: "soon", scope: "read" }, 401, "unauthorized", /error="invalid_token"/],
    [{ active: true, nbf: NOW + 1, scope: "read" }, 401, "unauthorized", /error="invalid_token"/],
    [{ active: true, scope: "reader" }, 403, "insufficient_scope", /error="insufficient_scope", scope="read"/],
    [{ active: true }, 403, "insufficient_scope", /insufficient_scope/],
    [[], 502, "introspection_error", /^$/],
    [null, 502, "introspection_error", /^$/],
  ])("answers %j with %i", async (answer, status, code, challenge) => {
    server(() => answer);
    const response = await harness({ introspectionUrl: url, requiredScopes: ["read"] }).send("t");
    expect([response.status, await response.json()]).toMatchObject([status, { code }]);
    expect(response.headers.get("www-authenticate") ?? "").toMatch(challenge);
  });

  it("is 502 when the server fails, hangs or says no JSON, and tells nothing of it", async () => {
    server(() => ({}), 401);
    const denied = await harness({ introspectionUrl: url }).send("t");
    expect([denied.status, await denied.text()]).toEqual([502, expect.not.stringContaining("as.example")]);
    server(() => new Response("<html>"));
    expect((await harness({ introspectionUrl: url }).send("t")).status).toBe(502);
    vi.stubGlobal("fetch", () => new Promise(() => {}));
    const { send, clock } = harness({ introspectionUrl: url });
    const answer = send("t");
    await clock.advanceAsync(5000);
    expect((await answer).status).toBe(502);
  });

  it("asks for a token with a bare challenge", async () => {
    const response = await harness({ localValidate: () => true }).send();
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="Restricted"']);
  });

  it("remembers active tokens until their end, never inactive ones, and shares one question", async () => {
    let active = false;
    const calls = server(() => ({ active, sub: "u", exp: NOW + 30 }));
    const { send, clock } = harness({ introspectionUrl: url, cacheTtlSeconds: 60 });
    expect((await send("t")).status).toBe(401);
    active = true;
    await Promise.all(Array.from({ length: 5 }, () => send("t")));
    expect(calls.length).toBe(2);
    clock.advance(29_000);
    expect((await send("t")).status).toBe(200);
    clock.advance(1000);
    expect((await send("t")).status).toBe(401);
    expect(calls.length).toBe(3);
  });

  it("keeps no more tokens than told, and forgets all of them when told", async () => {
    const calls = server(() => ({ active: true }));
    const { send } = harness({ introspectionUrl: url, cacheTtlSeconds: 60, cacheMaxEntries: 2 });
    for (const token of ["a", "b", "a", "c", "a"]) await send(token);
    expect(calls.map(({ form }) => form.get("token"))).toEqual(["a", "b", "c"]);
    await send("b");
    expect(calls.length).toBe(4);
    clearOAuth2Cache();
    await send("b");
    expect(calls.length).toBe(5);
  });

  it("asks every time by default", async () => {
    const calls = server(() => ({ active: true }));
    const { send } = harness({ introspectionUrl: url });
    await send("a");
    await send("a");
    expect(calls.length).toBe(2);
  });

  it("holds scopes with localValidate, too", async () => {
    const requiredScopes = ["admin"];
    expect((await harness({ localValidate: () => true, requiredScopes }).send("t")).status).toBe(403);
    expect((await harness({ localValidate: () => ({ scope: ["admin"] }), requiredScopes }).send("t")).status).toBe(200);
    expect((await harness({ localValidate: () => ({ active: false, scope: "admin" }), requiredScopes }).send("t")).status).toBe(401);
    expect((await harness({ localValidate: () => null }).send("t")).status).toBe(401);
    expect(await (await harness({ localValidate: () => { throw new Error("x"); } }).send("t")).json()).toMatchObject({ code: "policy_error", policy: "oauth2" });
    expect((await harness({ localValidate: () => "yes" as never }).send("t")).status).toBe(500);
  });

  it("takes a token out of the query", async () => {
    const { request } = harness({ localValidate: (token) => token === "t 1", tokenLocation: "query" });
    expect(((await (await request("/a?access_token=t+1&b=1")).json()) as { url: string }).url).toBe("http://localhost/a?b=1");
    expect((await request("/a", { headers: { authorization: "Bearer t 1" } })).status).toBe(401);
  });

  it.each([{}, { introspectionUrl: url, localValidate: () => true }, { introspectionUrl: "as" }, { localValidate: () => true, requiredScopes: ['a"b'] }, { localValidate: () => true, cacheMaxEntries: 0 }, { localValidate: () => true, tokenLocation: "body" }])("refuses %j", (options) => {
    expect(() => oauth2(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
