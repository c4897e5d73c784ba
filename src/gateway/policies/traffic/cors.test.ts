import { describe, expect, it } from "vitest";
import { definePolicy } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { cors, type CorsConfig } from "./cors.ts";

const ORIGIN = "https://app.example.com";

function corsFields(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"));
}

function ask(config: CorsConfig, headers: Record<string, string>, method = "GET", upstream?: () => Response): Promise<Response> {
  const { request } = createPolicyTestHarness(cors(config), { upstream: upstream ?? (() => new Response("ok")) });
  return request("/x", { method, headers });
}

describe("cors", () => {
  it("admits every origin by default, and says nothing that depends on it", async () => {
    expect(corsFields(await ask({}, { origin: ORIGIN }))).toEqual({ "access-control-allow-origin": "*" });
    expect(corsFields(await ask({}, {}))).toEqual({ "access-control-allow-origin": "*" });
  });

  it("answers a preflight with 204 and never reaches the upstream", async () => {
    let calls = 0;
    const { request } = createPolicyTestHarness([cors({ maxAge: 600 }), denyAll()], { methods: ["GET"], upstream: () => (calls++, new Response("ok")) });
    const response = await request("/x", {
      method: "OPTIONS",
      headers: { origin: ORIGIN, "access-control-request-method": "PUT", "access-control-request-headers": "x-one, content-type" },
    });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(corsFields(response)).toEqual({
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY",
      "access-control-allow-headers": "x-one, content-type",
      "access-control-max-age": "600",
      vary: "Access-Control-Request-Headers",
    });
    expect(calls).toBe(0);
  });

  it("answers a preflight itself also on a route that lists OPTIONS", async () => {
    const response = await ask({ origins: [ORIGIN] }, { origin: ORIGIN, "access-control-request-method": "GET" }, "OPTIONS");
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-max-age")).toBe("86400");
  });

  it("lets an OPTIONS request that is no preflight pass", async () => {
    expect(await (await ask({}, { origin: ORIGIN }, "OPTIONS")).text()).toBe("ok");
  });

  it("answers a foreign origin's preflight without admitting it", async () => {
    const response = await ask({ origins: ORIGIN }, { origin: "https://evil.example", "access-control-request-method": "GET" }, "OPTIONS");
    expect(response.status).toBe(204);
    expect(corsFields(response)).toEqual({ vary: "Origin, Access-Control-Request-Headers" });
  });

  it.each([
    ["a listed origin", ORIGIN, ORIGIN],
    ["another origin", "https://evil.example", null],
    ["a longer origin", `${ORIGIN}.evil.example`, null],
    ["no origin", undefined, null],
    ["the null origin", "null", null],
  ])("with a list: %s", async (_, origin, allowed) => {
    const response = await ask({ origins: [ORIGIN, "https://b.example"], credentials: true, exposeHeaders: ["x-a", "x-b"] }, origin === undefined ? {} : { origin });
    expect(response.headers.get("access-control-allow-origin")).toBe(allowed);
    expect(response.headers.get("access-control-allow-credentials")).toBe(allowed === null ? null : "true");
    expect(response.headers.get("access-control-expose-headers")).toBe(allowed === null ? null : "x-a, x-b");
    expect(response.headers.get("vary")).toBe("Origin");
  });

  it("asks a function, sync or async, and takes its origin or its yes", async () => {
    expect((await ask({ origins: (origin) => origin.endsWith(".example.com") }, { origin: ORIGIN })).headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect((await ask({ origins: async () => "https://other.example" }, { origin: ORIGIN })).headers.get("access-control-allow-origin")).toBe("https://other.example");
    expect((await ask({ origins: async () => null }, { origin: ORIGIN })).headers.get("access-control-allow-origin")).toBeNull();
  });

  it("is a 500 policy_error when the function throws, rejects or gives * beside credentials", async () => {
    for (const origins of [() => { throw new Error("secret"); }, () => Promise.reject(new Error("secret")), () => "*"]) {
      const response = await ask({ origins, credentials: true }, { origin: ORIGIN });
      expect(response.status).toBe(500);
      const problem = await response.text();
      expect(JSON.parse(problem)).toMatchObject({ code: "policy_error" });
      expect(problem).not.toContain("secret");
    }
  });

  it("replaces the upstream's own fields and adds to its Vary once", async () => {
    const upstream = (vary: string) => (): Response =>
      new Response("ok", { headers: { vary, "access-control-allow-origin": "https://evil.example", "access-control-allow-credentials": "true" } });
    expect(corsFields(await ask({ origins: [ORIGIN] }, { origin: ORIGIN }, "GET", upstream("Accept")))).toEqual({ "access-control-allow-origin": ORIGIN, vary: "Accept, Origin" });
    expect((await ask({ origins: [ORIGIN] }, { origin: ORIGIN }, "GET", upstream("accept, origin"))).headers.get("vary")).toBe("accept, origin");
    expect((await ask({ origins: [ORIGIN] }, { origin: ORIGIN }, "GET", upstream("*"))).headers.get("vary")).toBe("*");
    expect(corsFields(await ask({ origins: [ORIGIN] }, {}, "GET", upstream("Accept")))).toEqual({ vary: "Accept, Origin" });
  });

  it("marks errors of inner policies and of the upstream", async () => {
    const { request } = createPolicyTestHarness([cors({}), denyAll()]);
    const denied = await request("/x", { headers: { origin: ORIGIN } });
    expect([denied.status, denied.headers.get("access-control-allow-origin")]).toEqual([403, "*"]);
    const broken = await ask({}, { origin: ORIGIN }, "GET", () => { throw new Error("x"); });
    expect([broken.status, broken.headers.get("access-control-allow-origin")]).toEqual([500, "*"]);
  });

  it("is transparent on preflights where skip says so", async () => {
    const { request } = createPolicyTestHarness(cors({ skip: (c) => c.req.path === "/x" }), { methods: ["GET"] });
    const headers = { origin: ORIGIN, "access-control-request-method": "GET" };
    expect((await request("/x", { method: "OPTIONS", headers })).headers.get("access-control-allow-origin")).toBeNull();
    expect((await request("/y", { method: "OPTIONS", headers })).headers.get("access-control-allow-origin")).toBe("*");
  });

  it.each([
    [{ origins: "*", credentials: true }, /origins/],
    [{ origins: ["*", ORIGIN], credentials: true }, /origins/],
    [{ origins: "https://app.example.com/" }, /https:\/\/app\.example\.com/],
    [{ origins: "example.com" }, /origins/],
    [{ origins: 5 }, /origins.*5/],
    [{ methods: ["GET POST"] }, /methods.*GET POST/],
    [{ allowHeaders: "x-a" }, /allowHeaders/],
    [{ maxAge: -1 }, /maxAge.*-1/],
  ])("refuses %j at construction", (config, message) => {
    expect(() => cors(config as CorsConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });
});

const denyAll = definePolicy({
  name: "deny",
  handler: () => {
    throw new GatewayError(403, "forbidden", "no");
  },
});
