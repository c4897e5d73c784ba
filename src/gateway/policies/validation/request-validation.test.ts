import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import * as v from "valibot";
import { z } from "zod";
import { requestValidation, type RequestValidationConfig } from "./request-validation.ts";

const send = async (options: RequestValidationConfig, path = "/items/7?page=2", init: RequestInit = {}): Promise<{ status: number; json: unknown }> => {
  const { request } = createPolicyTestHarness(requestValidation(options), { path: "/items/:id", upstream: async (c) => c.json({ body: await c.req.text(), query: c.req.query(), tenant: c.req.header("x-tenant") ?? null }) });
  const response = await request(path, init);
  return { status: response.status, json: await response.json() };
};
const post = (body: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });

describe("requestValidation", () => {
  it("judges every part by schemas of any library", async () => {
    const schema = { params: z.object({ id: z.string().regex(/^\d+$/) }), query: v.object({ page: v.string() }), headers: z.object({ "x-tenant": z.string() }), body: z.object({ a: z.number() }) };
    expect((await send({ schema }, undefined, { ...post({ a: 1 }), headers: { "content-type": "application/json", "x-tenant": "t" } })).status).toBe(200);
    const bad = await send({ schema, errorMessage: "Nope" }, "/items/x", post({ a: "1" }));
    expect(bad).toMatchObject({ status: 400, json: { code: "validation_failed", detail: "Nope" } });
    expect((bad.json as { errors: { path: string }[] }).errors.map(({ path }) => path).sort()).toEqual(["body.a", "headers.x-tenant", "params.id", "query.page"]);
  });

  it("applies what schemas gave only where told to", async () => {
    const schema = { body: z.object({ a: z.coerce.number(), b: z.string().default("x") }), query: z.object({ page: z.coerce.number().transform((n) => n + 1) }) };
    expect((await send({ schema }, undefined, post({ a: "1" }))).json).toMatchObject({ body: '{"a":"1"}', query: { page: "2" } });
    expect((await send({ schema, applyOutput: true }, undefined, post({ a: "1" }))).json).toMatchObject({ body: '{"a":1,"b":"x"}', query: { page: "3" } });
  });

  it("asks validateAsync rather than validate, and takes faults for faults", async () => {
    expect((await send({ validate: () => true, validateAsync: async () => ({ valid: false, errors: ["later"] }) }, undefined, post({}))).json).toMatchObject({ errors: [{ message: "later" }] });
    for (const validate of [() => { throw new Error("x"); }, () => 1 as never]) expect((await send({ validate }, undefined, post({}))).status).toBe(500);
  });

  it("misses a body that should be there", async () => {
    const schema = { body: z.object({}) };
    expect((await send({ schema }, undefined, { method: "POST" })).status).toBe(400);
    expect((await send({ schema })).status).toBe(200);
    expect((await send({ schema }, undefined, { ...post({}), body: "{" })).status).toBe(400);
  });

  it.each(["text/plain", "application/json, text/plain", "application/jsonx", "", undefined])("refuses a body of type %j, whatever is in it", async (type) => {
    const init = { method: "POST", body: new TextEncoder().encode('{"a":"evil"}'), ...(type === undefined ? {} : { headers: { "content-type": type } }) };
    for (const options of [{ schema: { body: z.object({ a: z.number() }) } }, { validate: () => false }]) {
      expect(await send(options, undefined, init)).toMatchObject({ status: 415, json: { code: "unsupported_media_type", detail: "The body must be application/json" } });
      const streamed = { ...init, body: new Response(init.body).body, duplex: "half" } as RequestInit;
      expect((await send(options, undefined, streamed)).status).toBe(415);
    }
    expect((await send({ schema: { query: z.object({}) } }, undefined, init)).status).toBe(200);
  });

  it("takes the types it is told, and empty bodies for none", async () => {
    const schema = { body: z.object({ a: z.number() }).optional() };
    const csp = { ...post({ a: 1 }), headers: { "content-type": "application/csp-report" } };
    expect((await send({ schema, contentTypes: ["application/csp-report"] }, undefined, csp)).status).toBe(200);
    expect((await send({ schema }, undefined, { ...csp, headers: { "content-type": "application/hal+JSON; charset=utf-8" } })).status).toBe(200);
    const empty = (method = "POST"): RequestInit => ({ method, body: new Response("").body, duplex: "half" }) as RequestInit;
    expect((await send({ schema }, undefined, empty())).status).toBe(200);
    expect((await send({ schema: { body: z.object({}) } }, undefined, empty())).status).toBe(400);
    expect((await send({ schema: { body: z.object({}) } }, undefined, empty("DELETE"))).status).toBe(200);
  });

  it.each([{}, { schema: { cookies: z.string() } }, { schema: { body: 1 } }, { validate: 1 }])("refuses bad options", (options) => {
    const make = requestValidation;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
