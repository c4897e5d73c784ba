import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { assignContent, type AssignContentConfig } from "./assign-content.ts";

const send = async (options: AssignContentConfig, body: string, type = "application/json"): Promise<[unknown, Headers]> => {
  const { request } = createPolicyTestHarness(assignContent(options), { upstream: async (c) => new Response(await c.req.text(), { headers: { "content-type": type, etag: '"a"' } }) });
  const response = await request("/", { method: "POST", body, headers: { "content-type": type, "content-length": String(body.length) } });
  return [await response.text(), response.headers];
};

describe("assignContent", () => {
  it("merges fields into both bodies", async () => {
    const [text, headers] = await send({ request: { a: 1, who: (c: { req: { method: string } }) => c.req.method }, response: { b: { c: 2 } } }, '{"a":0,"x":9}');
    expect(JSON.parse(text as string)).toEqual({ a: 1, x: 9, who: "POST", b: { c: 2 } });
    expect(headers.get("etag")).toBe('W/"a"');
  });

  it.each(["[1]", "null", '"a"', '{"a":', "", "12"])("passes %s unchanged", async (body) => {
    const [text, headers] = await send({ request: { a: 1 }, response: { a: 1 } }, body);
    expect([text, headers.get("etag")]).toEqual([body, '"a"']);
  });

  it("passes other types, longer bodies, and __proto__ as a plain key", async () => {
    expect((await send({ request: { a: 1 } }, '{"b":1}', "text/plain"))[0]).toBe('{"b":1}');
    expect((await send({ request: { a: 1 }, maxBodyBytes: 3 }, '{"b":1}'))[0]).toBe('{"b":1}');
    expect((await send({ request: { a: 1 } }, '{"__proto__":{"x":1}}', "application/hal+json"))[0]).toBe('{"__proto__":{"x":1},"a":1}');
  });

  it("asks for plain answers, and changes those that come encoded", async () => {
    const accepted: (string | undefined)[] = [];
    const warnings: string[] = [];
    const ask = (body: Uint8Array<ArrayBuffer>, coding: string, options: AssignContentConfig): Promise<Response> => {
      const { request, gateway } = createPolicyTestHarness(assignContent(options), { upstream: (c) => { accepted.push(c.req.header("accept-encoding")); return new Response(body, { headers: { "content-type": "application/json", "content-encoding": coding } }); } });
      gateway.events.on((event) => { if (event.type === "policy.warning") warnings.push(event.message); });
      return request("/", { headers: { "accept-encoding": "gzip" } });
    };
    const changed = await ask(gzipSync('{"a":1}'), "gzip", { response: { b: 2 } });
    expect([changed.headers.has("content-encoding"), await changed.json()]).toEqual([false, { a: 1, b: 2 }]);
    const passed = await ask(brotliCompressSync('{"a":1}'), "br", { response: { b: 2 } });
    expect([passed.headers.get("content-encoding"), warnings.length]).toEqual(["br", 1]);
    await ask(gzipSync("{}"), "gzip", { request: { b: 2 } });
    expect(accepted).toEqual(["identity", "identity", "gzip"]);
  });

  it("a function that throws is a 500", async () => {
    const [text] = await send({ request: { a: () => { throw new Error("x"); } } }, "{}");
    expect(JSON.parse(text as string)).toMatchObject({ code: "policy_error", policy: "assign-content" });
  });

  it.each([{}, { request: [] }, { request: {}, maxBodyBytes: -1 }])("refuses %j", (options) => {
    const make = assignContent;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
