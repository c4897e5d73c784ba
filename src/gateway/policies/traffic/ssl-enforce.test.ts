import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { sslEnforce, type SslEnforceConfig } from "./ssl-enforce.ts";

const send = (url: string, options: SslEnforceConfig = {}, init: RequestInit = {}, trustProxy: false | number = false): Promise<Response> => createPolicyTestHarness(sslEnforce(options), { clock: manualClock(), trustProxy }).request(url, init);

describe("sslEnforce", () => {
  it("redirects plain requests, keeping method, path and query", async () => {
    const get = await send("http://a.example/x%2Fy?b=1");
    expect([get.status, get.headers.get("location"), get.headers.has("strict-transport-security")]).toEqual([301, "https://a.example/x%2Fy?b=1", false]);
    expect((await send("http://a.example/", {}, { method: "POST" })).status).toBe(308);
  });

  it("or refuses them", async () => {
    const refused = await send("http://a.example/", { redirect: false });
    expect([refused.status, await refused.json()]).toMatchObject([403, { code: "ssl_required" }]);
  });

  it("adds HSTS on https", async () => {
    expect((await send("https://a.example/")).headers.get("strict-transport-security")).toBe("max-age=31536000");
    expect((await send("https://a.example/", { hstsMaxAge: 60, includeSubDomains: true, preload: true })).headers.get("strict-transport-security")).toBe("max-age=60; includeSubDomains; preload");
  });

  it("believes a scheme from a trusted proxy only (S1)", async () => {
    const init = { headers: { "x-forwarded-proto": "https" } };
    expect((await send("http://a.example/", {}, init)).status).toBe(301);
    expect((await send("http://a.example/", {}, init, 1)).status).toBe(200);
  });

  it.each([{ hstsMaxAge: -1 }, { redirect: "yes" }])("refuses %j", (options) => {
    const make = sslEnforce;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
