import { gzipSync } from "node:zlib";
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

  describe("a body that hides from the scan", () => {
    const policy = regexThreatProtection({ patterns: [{ regex: "<script", targets: ["body"] }] });
    const post = async (body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string>, options = policy): Promise<[number, unknown]> => {
      const response = await createPolicyTestHarness(options, { upstream: (c) => c.json({}) }).request("/", { method: "POST", body, headers });
      return [response.status, ((await response.json()) as { code?: string }).code];
    };
    const attack = '{"a":"<script>"}';

    it.each<[string, Uint8Array<ArrayBuffer> | string, Record<string, string>]>([
      ["gzip", gzipSync(attack), { "content-type": "application/json", "content-encoding": "gzip" }],
      ["a coding nobody knows", attack, { "content-type": "text/plain", "content-encoding": "x" }],
      ["utf-16le", Buffer.from(attack, "utf16le"), { "content-type": "application/json; charset=utf-16le" }],
      ["a quoted charset", Buffer.from(attack, "utf16le"), { "content-type": 'text/plain;a=b; CHARSET="UTF-16"' }],
      ["two charsets", attack, { "content-type": "text/plain; charset=utf-8; charset=utf-7" }],
      ["UTF-16 without a charset", Buffer.from(attack, "utf16le"), { "content-type": "application/json" }],
      ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0xfe]), { "content-type": "application/json" }],
    ])("is refused: %s", async (_, body, headers) => {
      expect(await post(body, headers)).toEqual([415, "unsupported_media_type"]);
    });

    it.each(['{"a":"\\u003cscript>"}', '{"\\u003c\\u0053cript":1}', '{"a":"\\u003c\\u0073cript', '["%3c\\u0073cript"]', '{"a":"\\/\\u003Cscript"}'])("is scanned without escapes: %s", async (body) => {
      for (const type of ["application/json", "application/hal+json"]) expect(await post(body, { "content-type": type })).toEqual([400, "threat_detected"]);
    });

    it("passes where it hides nothing", async () => {
      expect((await post('{"a":"\\\\u003cscript \\n é"}', { "content-type": "application/json; charset=UTF-8", "content-encoding": "identity" }))[0]).toBe(200);
      expect((await post(Buffer.from([0xff, 0xfe]), { "content-type": "image/png", "content-encoding": "gzip" }))[0]).toBe(200);
      const prefix = regexThreatProtection({ patterns: [{ regex: "x", targets: ["body"] }], maxBodyScanLength: 4, oversize: "scan-prefix" });
      expect((await post("éééé", { "content-type": "text/plain" }, prefix))[0]).toBe(200);
      expect((await post("ééé", { "content-type": "text/plain" }, regexThreatProtection({ patterns: [{ regex: "x", targets: ["body"] }], maxBodyScanLength: 3, oversize: "scan-prefix" })))[0]).toBe(200);
      expect((await post(gzipSync(attack), { "content-type": "application/json", "content-encoding": "gzip" }, regexThreatProtection({ patterns: [{ regex: "x", targets: ["query"] }] })))[0]).toBe(200);
    });
  });

  it.each([{}, { patterns: [] }, { patterns: [{ regex: "(", targets: ["path"] }] }, { patterns: [{ regex: "a", targets: ["cookie"] }] }, { patterns: [{ regex: "a", targets: ["path"] }], flags: "g" }])("refuses %j", (bad) => {
    const [make, options] = [regexThreatProtection, bad];
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
