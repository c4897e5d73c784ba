import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { z } from "zod";
import { jsonValidation, type JsonValidationConfig } from "./json-validation.ts";

const send = async (options: JsonValidationConfig, body: string | undefined, type = "application/json", method = "POST"): Promise<{ status: number; json: unknown }> => {
  const { request } = createPolicyTestHarness(jsonValidation(options), { upstream: async (c) => c.json({ body: await c.req.text() }) });
  const response = await request("/", { method, ...(body === undefined ? {} : { body }), headers: { "content-type": type } });
  return { status: response.status, json: await response.json() };
};
const schema = z.object({ id: z.number(), tags: z.array(z.string()) });

describe("jsonValidation", () => {
  it("judges by a schema, says what is wrong, and leaves the body readable", async () => {
    const body = '{ "id": 1, "tags": ["a"] }';
    expect(await send({ schema }, body)).toEqual({ status: 200, json: { body } });
    expect(await send({ schema }, '{"id":"x","tags":["a",1]}', "application/hal+json")).toMatchObject({ status: 422, json: { code: "validation_failed", errors: [{ path: "id" }, { path: "tags.1" }] } });
    expect((await send({ schema, errorDetail: false, rejectStatus: 400 }, "{}")).json).toEqual(expect.not.objectContaining({ errors: expect.anything() as unknown }));
  });

  it("judges by a function, whose faults are no approval", async () => {
    expect((await send({ validate: (body) => (body as { a?: number }).a === 1 }, '{"a":1}')).status).toBe(200);
    expect(await send({ validate: () => ({ valid: false, errors: ["no", { path: "a", message: "b" }] }) }, "{}")).toMatchObject({ status: 422, json: { errors: [{ path: "", message: "no" }, { path: "a", message: "b" }] } });
    for (const validate of [() => { throw new Error("x"); }, () => undefined as never, () => "ok" as never]) expect((await send({ validate }, "{}")).status).toBe(500);
  });

  it("tells broken JSON, other types and long bodies", async () => {
    expect(await send({ schema }, "{")).toMatchObject({ status: 400, json: { code: "invalid_json" } });
    expect((await send({ schema }, "x", "text/plain")).status).toBe(200);
    expect(await send({ schema, requireJson: true }, "x", "text/plain")).toMatchObject({ status: 415, json: { code: "unsupported_media_type" } });
    expect((await send({ schema, maxBodyBytes: 3 }, "1234")).status).toBe(413);
    expect((await send({ schema }, undefined, "application/json", "GET")).status).toBe(200);
  });

  it.each([{}, { schema, validate: () => true }, { schema: {} }, { schema, rejectStatus: 500 }])("refuses bad options", (options) => {
    const make = jsonValidation;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
