import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { z } from "zod";
import { responseValidation, type ResponseValidationConfig } from "./response-validation.ts";

const send = async (options: Partial<ResponseValidationConfig>, body: string, status = 200, type = "application/json"): Promise<{ status: number; text: string; warnings: string[] }> => {
  const { request, gateway } = createPolicyTestHarness(responseValidation({ schema: z.object({ id: z.number() }), ...options }), { upstream: () => new Response(body, { status, headers: { "content-type": type } }) });
  const warnings: string[] = [];
  gateway.events.on((event) => { if (event.type === "policy.warning") warnings.push(event.message); });
  const response = await request("/");
  return { status: response.status, text: await response.text(), warnings };
};

describe("responseValidation", () => {
  it("passes what is valid, unchanged", async () => {
    expect(await send({}, '{ "id": 1 }')).toEqual({ status: 200, text: '{ "id": 1 }', warnings: [] });
  });

  it("says what is wrong in an event only", async () => {
    for (const body of ['{"id":"secret"}', "{", "[]"]) {
      const { status, text, warnings } = await send({}, body);
      expect([status, JSON.parse(text), warnings.length]).toMatchObject([502, { code: "invalid_upstream_response" }, 1]);
      expect(text).not.toContain("number");
    }
    const logged = await send({ onInvalid: "log" }, '{"id":"x"}');
    expect([logged.status, logged.text, logged.warnings.length]).toEqual([200, '{"id":"x"}', 1]);
  });

  it("cannot judge longer bodies, and does not judge errors and other types", async () => {
    expect((await send({ maxBodyBytes: 4 }, '{"id":1}')).status).toBe(502);
    expect((await send({ maxBodyBytes: 4, onInvalid: "log" }, '{"id":1}')).text).toBe('{"id":1}');
    expect((await send({}, "{}", 404)).status).toBe(404);
    expect((await send({}, "x", 200, "text/plain")).status).toBe(200);
  });

  it("asks for plain answers, judges those that come encoded, and passes them on encoded", async () => {
    const ask = (answer: (accept: string | undefined) => Response, options: Partial<ResponseValidationConfig> = {}): Promise<Response> =>
      createPolicyTestHarness(responseValidation({ schema: z.object({ id: z.number() }), ...options }), { upstream: (c) => answer(c.req.header("accept-encoding")) }).request("/", { headers: { "accept-encoding": "gzip" } });
    const as = (body: Uint8Array<ArrayBuffer>, coding: string): Response => new Response(body, { headers: { "content-type": "application/json", "content-encoding": coding } });
    expect(await (await ask((accept) => Response.json({ id: accept === "identity" ? 1 : "x" }))).json()).toEqual({ id: 1 });
    const passed = await ask(() => as(gzipSync('{"id":1}'), "gzip"));
    expect([passed.status, passed.headers.get("content-encoding"), Buffer.from(await passed.arrayBuffer()).equals(gzipSync('{"id":1}'))]).toEqual([200, "gzip", true]);
    expect((await ask(() => as(gzipSync('{"id":"x"}'), "gzip"))).status).toBe(502);
    const unread = await ask(() => as(brotliCompressSync('{"id":1}'), "br"));
    expect([unread.status, await unread.json()]).toMatchObject([502, { code: "invalid_upstream_response", detail: "The upstream's answer could not be read, and so not be validated" }]);
    expect((await ask(() => as(brotliCompressSync('{"id":1}'), "br"), { onInvalid: "log" })).status).toBe(200);
  });

  it("a schema that throws is a 500", async () => {
    const schema = { "~standard": { version: 1 as const, vendor: "x", validate: () => { throw new Error("x"); } } };
    expect((await send({ schema }, "{}")).status).toBe(500);
  });

  it.each([{}, { schema: 1 }, { schema: z.string(), onInvalid: "x" }])("refuses bad options", (options) => {
    const make = responseValidation;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
