import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { createGateway } from "../create-gateway.ts";
import { apiKeyAuth } from "../policies/auth/api-key-auth.ts";
import { requestTransform } from "../policies/transform/request-transform.ts";
import type { GatewayConfig, GatewayInstance, Policy } from "../types.ts";

/** A gateway before a service that answers with the fields it got. */
function gatewayWith(policies: readonly Policy[], config: Partial<GatewayConfig> = {}): GatewayInstance {
  const dispatchBinding = async (_service: string, request: Request): Promise<Response> => Response.json(Object.fromEntries(request.headers));
  return createGateway({ adapter: { dispatchBinding }, ...config, routes: [{ path: "/*", pipeline: { policies, upstream: { type: "service-binding", service: "origin" } } }] });
}

async function upstreamGets(gateway: GatewayInstance, headers: Record<string, string>, env?: unknown): Promise<Record<string, string>> {
  const response = await gateway.fetch(new Request("http://gateway.example/a", { headers }), env);
  await gateway.close();
  return (await response.json()) as Record<string, string>;
}

describe("fields that Connection names", () => {
  const policies = [apiKeyAuth({ validate: () => true, forwardKeyIdentity: { headerName: "x-user-id", identityFn: () => "u-1" } }), requestTransform({ setHeaders: { "x-internal": "1" } })];

  test("are the client's own only: what this gateway adds under such a name stays", async () => {
    const got = await upstreamGets(gatewayWith(policies), { "x-api-key": "k", connection: "keep-alive, x-internal, x-user-id, X-Drop", "x-internal": "0", "x-user-id": "root", "x-drop": "1", "x-stays": "2" });
    expect(got).toMatchObject({ "x-internal": "1", "x-user-id": "u-1", "x-stays": "2" });
    expect(got).not.toHaveProperty("x-drop");
  });

  test("never are who the request is for and from, or what it says", async () => {
    const got = await upstreamGets(gatewayWith([]), { connection: "authorization, cookie, via", authorization: "Bearer t", cookie: "a=1", via: "1.1 before" });
    expect(got).toMatchObject({ authorization: "Bearer t", cookie: "a=1", via: expect.stringContaining("1.1 before") as string });
  });
});

test.each(["cf-connecting-ip", "cf-ipcountry", "x-forwarded", "forwarded-for", "fastly-client-ip", "x-azure-clientip", "x-envoy-external-address", "x-host", "x-scheme", "true-client-ip"])("%s of a peer nobody trusts does not pass, of a trusted one it does", async (name) => {
  const env = { incoming: { socket: { remoteAddress: "198.51.100.7" } } };
  expect(await upstreamGets(gatewayWith([]), { [name]: "6.6.6.6" }, env)).not.toHaveProperty(name);
  expect(await upstreamGets(gatewayWith([], { trustProxy: ["198.51.100.7"] }), { [name]: "6.6.6.6" }, env)).toMatchObject({ [name]: "6.6.6.6" });
});

test("a mounted gateway refuses a path that only looks as if it were below its prefix", async () => {
  const gateway = createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "handler", handler: (c) => c.text(c.req.path) } } }] });
  // As on Deno: the outer application matches the URL as it was received.
  const outer = new Hono({ getPath: (request) => request.url.replace("http://h", "") }).route("/api", gateway.app);
  const ask = async (path: string): Promise<[number, string]> => {
    const request = new Request("http://h/");
    Object.defineProperty(request, "url", { value: `http://h${path}` });
    const response = await outer.fetch(request);
    return [response.status, response.status === 200 ? await response.text() : ""];
  };
  expect(await ask("/api/../secret/open")).toEqual([400, ""]);
  expect(await ask("/api/%2e%2e/secret/open")).toEqual([400, ""]);
  expect(await ask("/api/a/../open")).toEqual([200, "/api/open"]);
  await gateway.close();
});
