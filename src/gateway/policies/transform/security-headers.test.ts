import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { securityHeaders } from "./security-headers.ts";

describe("securityHeaders", () => {
  it("sets what the upstream has not set, on errors too", async () => {
    const { request } = createPolicyTestHarness(securityHeaders({ contentSecurityPolicy: "default-src 'self'" }), { upstream: (c) => { if (c.req.path === "/x") throw new Error("x"); return c.text("", 200, { "x-frame-options": "SAMEORIGIN" }); } });
    const names = ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "permissions-policy"];
    const seen = async (path: string): Promise<(string | null)[]> => { const { headers } = await request(path); return names.map((name) => headers.get(name)); };
    expect(await seen("/")).toEqual(["default-src 'self'", "nosniff", "SAMEORIGIN", "strict-origin-when-cross-origin", null]);
    expect(await seen("/x")).toEqual(["default-src 'self'", "nosniff", "DENY", "strict-origin-when-cross-origin", null]);
  });

  it("sends nothing that is off", async () => {
    const { headers } = await createPolicyTestHarness(securityHeaders({ noSniff: false, frameOptions: false, referrerPolicy: false })).request("/");
    expect(["x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy"].map((name) => headers.has(name))).toEqual([false, false, false, false]);
  });

  it.each([{ frameOptions: "ALLOW" }, { contentSecurityPolicy: "" }, { referrerPolicy: "a\r\nb" }, { noSniff: "x" }])("refuses %j", (options) => {
    const make = securityHeaders;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
