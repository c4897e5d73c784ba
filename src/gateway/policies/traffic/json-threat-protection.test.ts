import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import fc from "fast-check";
import { scanJson } from "./json-scan.ts";
import { jsonThreatProtection, type JsonThreatProtectionConfig } from "./json-threat-protection.ts";

const send = async (body: string, options: JsonThreatProtectionConfig = {}, type = "application/json"): Promise<{ status: number; code?: string; text: string }> => {
  const { request } = createPolicyTestHarness(jsonThreatProtection(options), { clock: manualClock(), upstream: async (c) => c.text(await c.req.text()) });
  const response = await request("/", { method: "POST", body, headers: { "content-type": type } });
  const text = await response.text();
  return { status: response.status, text, ...(response.status === 200 ? {} : { code: (JSON.parse(text) as { code: string }).code }) };
};

describe("jsonThreatProtection", () => {
  it.each<[string, string, JsonThreatProtectionConfig?]>([
    ["depth", "[".repeat(21) + "]".repeat(21)], ["depth that would exhaust a stack", "[".repeat(200_000)], ["keys", JSON.stringify(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [i, i])))],
    ["a string", JSON.stringify("x".repeat(10_001))], ["a key", JSON.stringify({ ["x".repeat(10_001)]: 1 })], ["an array", JSON.stringify(Array.from({ length: 101 }, () => 1))], ["an array of one", "[ 1 ]", { maxArraySize: 0 }],
  ])("refuses too much of %s", async (_, body, options) => {
    expect(await send(body, options)).toMatchObject({ status: 400, code: "json_threat" });
  });

  it("tells broken from dangerous, and bounds bytes", async () => {
    expect(await send('{"a":')).toMatchObject({ status: 400, code: "invalid_json" });
    expect(await send("x".repeat(11), { maxBodySize: 10 })).toMatchObject({ status: 413, code: "body_too_large" });
  });

  it("passes what is within its limits, readable, and other types", async () => {
    const body = '{"a":[{"b":"{[,:\\\"]}"}], "__proto__": {}, "e":[]}';
    expect(await send(body)).toEqual({ status: 200, text: body });
    expect((await send(JSON.stringify(Array.from({ length: 100 }, () => 1)))).status).toBe(200);
    expect((await send("[".repeat(50), {}, "text/plain")).status).toBe(200);
    expect((await send("[".repeat(50), {}, "Application/Vnd.Api+JSON; charset=utf-8")).status).toBe(400);
  });

  it("agrees with a parser on every value", () => {
    const measure = (value: unknown, depth = 0): { depth: number; keys: number; array: number; text: number } => {
      const own = { depth, keys: 0, array: 0, text: typeof value === "string" ? value.length : 0 };
      if (typeof value !== "object" || value === null) return own;
      own.depth = depth + 1;
      if (Array.isArray(value)) own.array = value.length;
      else {
        own.keys = Object.keys(value).length;
        for (const key of Object.keys(value)) own.text = Math.max(own.text, key.length);
      }
      for (const inner of Object.values(value)) {
        const below = measure(inner, depth + 1);
        own.depth = Math.max(own.depth, below.depth);
        own.keys += below.keys;
        own.array = Math.max(own.array, below.array);
        own.text = Math.max(own.text, below.text);
      }
      return own;
    };
    fc.assert(fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const seen = measure(JSON.parse(text));
      const exact = { maxDepth: seen.depth, maxKeys: seen.keys, maxArraySize: seen.array, maxStringLength: seen.text };
      expect(scanJson(text, exact)).toBeUndefined();
      for (const limit of ["maxDepth", "maxKeys", "maxArraySize", "maxStringLength"] as const) if (exact[limit] > 0) expect(scanJson(text, { ...exact, [limit]: exact[limit] - 1 })).toBe(limit);
    }), { numRuns: 500 });
  });

  it.each([{ maxDepth: -1 }, { maxDepth: 5000 }, { contentTypes: [] }])("refuses %j", (options) => {
    const make = jsonThreatProtection;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
