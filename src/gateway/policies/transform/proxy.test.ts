import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { generateHttpSignature } from "../auth/generate-http-signature.ts";
import { verifyHttpSignature } from "../auth/verify-http-signature.ts";
import { proxy } from "./proxy.ts";

let server: Server;
let target: string;

beforeAll(async () => {
  server = createServer((request, response) => void response.end(JSON.stringify({ url: request.url, headers: request.headers })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

describe("proxy", () => {
  it("sets and strips fields of the real call, and keeps the client's host", async () => {
    const { request, gateway } = createPolicyTestHarness(proxy({ headers: { "X-Set": "1", "x-both": "kept" }, stripHeaders: ["x-gone", "Via", "x-both"], preserveHost: true }), { upstream: { type: "url", target } });
    const { headers } = (await (await request("http://shop.example/", { headers: { host: "shop.example", "x-gone": "1", "x-set": "client" } })).json()) as { headers: Record<string, string> };
    expect([headers["x-set"], headers["x-both"], headers["x-gone"], headers.via, headers.host]).toEqual(["1", "kept", undefined, undefined, "shop.example"]);
    await gateway.close();
  });

  it("ends a call that takes too long", async () => {
    const clock = manualClock();
    let aborted = false;
    const { request } = createPolicyTestHarness(proxy({ timeout: 50 }), { clock, upstream: (c) => new Promise<Response>(() => void c.req.raw.signal.addEventListener("abort", () => (aborted = true))) });
    const answer = request("/");
    await clock.advanceAsync(50);
    expect(await (await answer).json()).toMatchObject({ code: "upstream_timeout", status: 504 });
    expect(aborted).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it("what generateHttpSignature signs is what the upstream gets: target, host and fields", async () => {
    const signing = { keyId: "k", algorithm: "hmac-sha256", secret: "s" } as const;
    const components = ["@method", "@target-uri", "x-set", "host"];
    const { request, gateway } = createPolicyTestHarness([proxy({ headers: { "x-set": "1" } }), generateHttpSignature({ ...signing, components })], { upstream: { type: "url", target: `${target}/base`, rewritePath: (path) => path.replace("/a", "/b") } });
    const sent = (await (await request("/a?q=%2F")).json()) as { url: string; headers: Record<string, string> };
    const receiver = createPolicyTestHarness(verifyHttpSignature({ keys: { k: { algorithm: "hmac-sha256", secret: "s" } }, requiredComponents: components }));
    expect(sent.url).toBe("/base/b?q=%2F");
    expect((await receiver.request(target + sent.url, { headers: sent.headers })).status).toBe(200);
    expect((await receiver.request(`${target}/base/c?q=%2F`, { headers: sent.headers })).status).toBe(401);
    await gateway.close();
  });

  it.each([{ headers: { "a b": "1" } }, { stripHeaders: ["a b"] }, { timeout: 0 }, { preserveHost: 1 }])("refuses %j", (options) => {
    const make = proxy;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
