import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { regexThreatProtection, type RegexThreatProtectionConfig, type ThreatTarget } from "./regex-threat-protection.ts";

const options = (regex: string, targets: ThreatTarget[], more: Partial<RegexThreatProtectionConfig> = {}): RegexThreatProtectionConfig => ({ patterns: [{ regex, targets }], ...more });
const send = async (config: RegexThreatProtectionConfig, path: string, init: RequestInit = {}): Promise<number> => (await createPolicyTestHarness(regexThreatProtection(config), { clock: manualClock(), upstream: async (c) => c.text(await c.req.text()) }).request(path, init)).status;
const post = (body: string, type = "application/x-www-form-urlencoded"): RequestInit => ({ method: "POST", body, headers: { "content-type": type } });

describe("regexThreatProtection", () => {
  it.each<[RegexThreatProtectionConfig, string, RequestInit, number]>([
    [options("union select", ["query"]), "/?q=1+UNION%20select", {}, 400],
    [options("union select", ["query"]), "/?q=%zz+union+select", {}, 400],
    [options("%2e", ["path"]), "/a%252e", {}, 400],
    [options("<script", ["path"]), "/%3Cscript", {}, 400],
    [options("union select", ["path"]), "/?q=union+select", {}, 200],
    [options("x-evil: 1", ["headers"]), "/", { headers: { "x-evil": "1" } }, 400],
    [options("<script", ["body"]), "/", post("a=%3Cscript"), 400],
    [options("a b", ["body"]), "/", post("a+b"), 400],
    [options("a b", ["body"]), "/", post("a+b", "text/plain"), 200],
    [options("<script", ["body"]), "/", post("<script", "image/png"), 200],
    [options("ABC", ["query"], { flags: "" }), "/?abc", {}, 200],
  ])("%j on %s", async (config, path, init, status) => {
    expect(await send(config, path, init)).toBe(status);
  });

  it("refuses a longer body, or scans as far as told", async () => {
    expect(await send(options("evil", ["body"], { maxBodyScanLength: 4 }), "/", post("12345", "text/plain"))).toBe(413);
    const { request } = createPolicyTestHarness(regexThreatProtection(options("evil", ["body"], { maxBodyScanLength: 4, oversize: "scan-prefix" })), { upstream: async (c) => c.text(await c.req.text()) });
    expect(await (await request("/", post("12345evil", "text/plain"))).text()).toBe("12345evil");
    expect((await request("/", post("evil5", "text/plain"))).status).toBe(400);
  });

  it.each([{}, { patterns: [] }, { patterns: [{ regex: "(", targets: ["path"] }] }, { patterns: [{ regex: "a", targets: ["cookie"] }] }, { patterns: [{ regex: "a", targets: ["path"] }], flags: "g" }])("refuses %j", (bad) => {
    const [make, options] = [regexThreatProtection, bad];
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
