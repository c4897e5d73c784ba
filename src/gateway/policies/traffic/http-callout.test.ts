import { afterEach, describe, expect, it, vi } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { GatewayError } from "../../errors.ts";
import { cache } from "./cache.ts";
import { httpCallout, type HttpCalloutConfig } from "./http-callout.ts";

afterEach(() => void vi.unstubAllGlobals());

function harness(options: Partial<HttpCalloutConfig>, answer: (url: string, init: RequestInit) => Response | Promise<Response>) {
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => answer(url, init));
  const clock = manualClock();
  const made = createPolicyTestHarness([cache(), httpCallout({ url: "https://judge.example/", onResponse: () => {}, ...options })], { clock, upstream: (c) => c.text("ok", 200, { "cache-control": "max-age=600" }) });
  return { ...made, clock };
}

describe("httpCallout", () => {
  it("asks with what it is told, and not with the client's fields", async () => {
    const asked: [string, RequestInit][] = [];
    const { request } = harness({ url: (c) => `https://judge.example${c.req.path}`, method: "post", headers: (c) => ({ "x-path": c.req.path }), body: (c: { req: { path: string } }) => ({ path: c.req.path }) }, (url, init) => (asked.push([url, init]), new Response("{}")));
    expect((await request("/a", { headers: { authorization: "secret" } })).status).toBe(200);
    const [url, init] = asked[0] as [string, RequestInit];
    expect([url, init.method, init.body, Object.fromEntries(new Headers(init.headers))]).toEqual(["https://judge.example/a", "POST", '{"path":"/a"}', { "x-path": "/a", "content-type": "application/json" }]);
  });

  it("is asked before a stored answer is served, and may answer itself", async () => {
    let allow = true;
    const { request } = harness({ onResponse: async (response) => { if ((await response.json() as { allow: boolean }).allow) return undefined; throw new GatewayError(403, "forbidden", "no"); } }, () => Response.json({ allow }));
    expect((await request("/")).status).toBe(200);
    allow = false;
    expect((await request("/")).status).toBe(403);
    const own = harness({ onResponse: () => new Response("mine", { status: 418 }) }, () => new Response(""));
    expect((await own.request("/")).status).toBe(418);
  });

  it("is 502 without an answer, and tells nothing of it", async () => {
    const failing = harness({}, () => Promise.reject(new TypeError("connect judge.example 10.0.0.1")));
    const response = await failing.request("/");
    expect([response.status, await response.text()]).toEqual([502, expect.not.stringMatching(/judge|10\.0/)]);
    const hung = harness({ timeout: 100 }, () => new Promise(() => {}));
    const answer = hung.request("/");
    await hung.clock.advanceAsync(100);
    expect(await (await answer).json()).toMatchObject({ code: "callout_failed" });
  });

  it("goes on where told to, and onError may answer", async () => {
    const fail = (): Promise<Response> => Promise.reject(new Error("x"));
    expect((await harness({ abortOnFailure: false }, fail).request("/")).status).toBe(200);
    expect((await harness({ onError: () => new Response("later", { status: 503 }) }, fail).request("/")).status).toBe(503);
    expect((await harness({ onResponse: () => { throw new Error("x"); } }, () => new Response("")).request("/")).status).toBe(500);
  });

  it.each([{}, { url: "x", onResponse: () => {} }, { url: "https://a.example" }, { url: "https://a.example", onResponse: () => {}, timeout: 0 }])("refuses %j", (options) => {
    const make = httpCallout;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
