import { describe, expect, test } from "vitest";
import { z } from "zod";
import { mockAdapter } from "../../testing/mock-adapter.ts";
import { oauth2 } from "../auth/oauth2.ts";
import { apiKey, basic, bearer } from "../auth/simple.ts";
import type { CallInput } from "../config.ts";
import { isStitchError, type StitchError } from "../errors.ts";
import { jsonSchema } from "../json-schema.ts";
import { linkHeader } from "../paginate.ts";
import { seam } from "../seam.ts";
import { stitch } from "../stitch.ts";
import { fromOpenApi } from "./from-openapi.ts";
import { toOpenApi } from "./to-openapi.ts";

const caught = async (call: PromiseLike<unknown>): Promise<StitchError> => {
  try {
    await call;
  } catch (error) {
    if (isStitchError(error)) return error;
    throw error;
  }
  throw new Error("resolved");
};

describe("jsonSchema", () => {
  test("checks, says where, and follows references", async () => {
    const tree = jsonSchema<{ name: string }>({ $ref: "#/components/schemas/Node" }, { components: { schemas: { Node: { type: "object", required: ["name"], properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/components/schemas/Node" } } } } } } });
    const adapter = mockAdapter([{ respond: [{ body: { name: "a", children: [{ name: "b" }] } }, { body: { name: "a", children: [{ name: "b", children: [{ name: 1 }] }] } }] }]);
    const call = stitch({ url: "https://api.test/", adapter, output: tree });
    expect((await call()).name).toBe("a");
    const error = await caught(call());
    expect(error.code).toBe("OUTPUT_INVALID");
    expect(error.issues?.map((issue) => issue.path)).toEqual([["children", 0, "children", 0, "name"]]);
    expect(error.message).not.toContain("1");
  });

  test("booleans, bad schemas, and many issues", async () => {
    expect(await jsonSchema(true)["~standard"].validate(1)).toEqual({ value: 1 });
    expect(await jsonSchema(false)["~standard"].validate(1)).toHaveProperty("issues");
    for (const bad of ["x", null, []]) expect(() => jsonSchema(bad as never)).toThrow(/schema must be/);
    const { issues } = (await jsonSchema({ type: "array", items: { type: "string" } })["~standard"].validate(Array.from({ length: 1000 }, () => 1))) as { issues: unknown[] };
    expect(issues).toHaveLength(50);
  });
});

describe("toOpenApi", () => {
  const make = (token: string) => ({
    getUser: stitch({ url: "https://api.test/v1/users/{id}{?fields*}", auth: bearer(token), input: { params: z.object({ id: z.number() }) }, output: z.object({ id: z.number(), name: z.string().optional() }) }),
    addUser: stitch({ method: "POST", url: "https://api.test/v1/users", auth: apiKey({ in: "query", name: "k", value: token }), input: { body: z.object({ name: z.string() }), query: z.object({ dry: z.boolean().optional() }) }, acceptStatus: [201, 202], pick: "data.user", output: z.object({ id: z.number() }) }),
    list: stitch({ url: "https://api.test/v1/users", paginate: linkHeader(), auth: oauth2({ tokenUrl: "https://id.test/token", clientId: "c", clientSecret: token, scope: "read" }), output: () => true }),
    events: stitch({ url: "https://api.test/v1/events", kind: "sse", auth: basic({ user: "u", pass: token }) }),
    later: stitch({ name: "later", url: () => "https://elsewhere.test/" }),
  });

  test("says what is called, in an order of its own, without secrets", () => {
    const stitches = make("canary-secret");
    const { document, warnings } = toOpenApi(stitches, { title: "Users", version: "2" });
    const paths = document["paths"] as Record<string, Record<string, Record<string, unknown>>>;
    expect(Object.keys(paths)).toEqual(["/v1/events", "/v1/users", "/v1/users/{id}"]);
    expect(document).toMatchObject({ openapi: "3.1.1", info: { title: "Users", version: "2" }, servers: [{ url: "https://api.test" }] });
    expect(paths["/v1/users/{id}"]?.["get"]).toMatchObject({
      operationId: "getUser", security: [{ bearer: [] }],
      parameters: [{ name: "id", in: "path", required: true, schema: { type: "number" } }, { name: "fields", in: "query", schema: {} }],
      responses: { 200: { content: { "application/json": { schema: { type: "object", required: ["id"] } } } } },
    });
    const add = paths["/v1/users"]?.["post"];
    expect(add).toMatchObject({ requestBody: { required: true, content: { "application/json": { schema: { required: ["name"] } } } }, parameters: [{ name: "dry", in: "query", schema: { type: "boolean" } }] });
    expect(Object.keys(add?.["responses"] as object)).toEqual(["201", "202"]);
    expect(JSON.stringify(add?.["responses"])).toContain('"data":{"type":"object","properties":{"user":');
    expect((document["components"] as { securitySchemes: object }).securitySchemes).toMatchObject({
      bearer: { type: "http", scheme: "bearer" }, "apiKey_query": { type: "apiKey", in: "query", name: "k" }, basic: { type: "http", scheme: "basic" },
      "oauth2_client_credentials": { type: "oauth2", flows: { clientCredentials: { tokenUrl: "https://id.test/token", scopes: { read: "" } } } },
    });
    expect(warnings.map((warning) => warning.split(":")[0])).toEqual(["later", "events", "list"]);
    expect(JSON.stringify({ document, warnings })).not.toContain("canary");
    const { later, events, ...rest } = stitches;
    expect(JSON.stringify(toOpenApi({ later, events, ...rest }, { title: "Users", version: "2" }).document)).toBe(JSON.stringify(document));
    expect(() => toOpenApi([1 as never], { title: "x", version: "1" })).toThrow(/stitches/);
  });

  test("a document of its own making gives the same calls", async () => {
    const { document } = toOpenApi(make("t0ken"), { title: "Users", version: "2" });
    const adapter = mockAdapter([{ respond: { body: { id: 7, name: "Ada" } } }]);
    const api = seam({ baseUrl: "https://api.test", adapter });
    const { stitches } = fromOpenApi(document, { seam: api, only: ["getUser"], auth: { bearer: bearer("t0ken") } });
    expect(await stitches["getUser"]?.({ params: { id: 7 }, query: { fields: ["a", "b"] } })).toEqual({ id: 7, name: "Ada" });
    expect(adapter.lastRequest).toMatchObject({ url: "https://api.test/v1/users/7?fields=a&fields=b", headers: { authorization: "Bearer t0ken" } });
    expect(await caught((stitches["getUser"] as (input: CallInput) => PromiseLike<unknown>)({ params: { id: "seven" } }))).toMatchObject({ code: "INPUT_INVALID", issues: [{ path: ["params", "id"] }] });
  });
});

describe("fromOpenApi", () => {
  const document = {
    openapi: "3.0.3", info: { title: "Shop", version: "1" }, servers: [{ url: "https://{region}.shop.test/v2/", variables: { region: { default: "eu" } } }],
    security: [{ key: [], id: [] }],
    paths: {
      "/items/{item-id}": {
        parameters: [{ $ref: "#/components/parameters/Item" }],
        get: { operationId: "getItem", responses: { 200: { $ref: "#/components/responses/Item" }, 404: { description: "none" } } },
        delete: { responses: { 204: { description: "gone" } } },
      },
      "/items": {
        get: {
          operationId: "find", security: [],
          parameters: [
            { name: "tags", in: "query", style: "pipeDelimited", explode: false, schema: { type: "array", items: { type: "string" } } },
            { name: "ids", in: "query", explode: false, schema: { type: "array", items: { type: "integer" } } },
            { name: "sizes", in: "query", schema: { type: "array", items: { type: "string" } } },
            { name: "filter", in: "query", style: "deepObject", explode: true, schema: { type: "object" } },
            { name: "max", in: "query", schema: { type: "integer", minimum: 0, exclusiveMinimum: true } },
          ],
          responses: { 200: { description: "", content: { "application/json": { schema: { type: "array", items: { $ref: "#/components/schemas/Item" } } } } } },
        },
        post: { operationId: "add", security: [{}], requestBody: { required: true, content: { "application/json": { schema: { $ref: "#/components/schemas/Item" } } } }, responses: { 201: { description: "" } } },
      },
    },
    components: {
      securitySchemes: { key: { type: "apiKey", in: "header", name: "x-key" }, id: { type: "http", scheme: "bearer" } },
      parameters: { Item: { name: "item-id", in: "path", required: true, schema: { type: "string" } } },
      responses: { Item: { description: "", content: { "application/json": { schema: { $ref: "#/components/schemas/Item" } } } } },
      schemas: { Item: { type: "object", required: ["id"], properties: { id: { type: "integer" }, note: { type: "string", nullable: true }, parts: { type: "array", items: { $ref: "#/components/schemas/Item" } } } } },
    },
  };
  const auth = { key: apiKey({ name: "x-key", value: "k-123" }), id: bearer("t-123") };
  const setup = (options: object = {}, body: unknown = { id: 1, note: null, parts: [{ id: 2 }] }) => {
    const adapter = mockAdapter([{ respond: { body } }]);
    return { adapter, ...fromOpenApi(document, { seam: seam({ adapter }), auth, ...options }) };
  };

  test("a stitch per operation, at the document's server, with every credential it needs", async () => {
    const { adapter, stitches } = setup();
    expect(Object.keys(stitches).sort()).toEqual(["add", "delete_items_item_id", "find", "getItem"]);
    expect(await stitches["getItem"]?.({ params: { item_id: "a/b" } })).toMatchObject({ id: 1 });
    expect(adapter.lastRequest).toMatchObject({ url: "https://eu.shop.test/v2/items/a%2Fb", headers: { "x-key": "k-123", authorization: "Bearer t-123" } });
    await stitches["add"]?.({ body: { id: 3 } }).safe();
    expect(adapter.lastRequest?.headers["authorization"]).toBeUndefined();
    expect(await caught(stitches["add"]?.({ body: { note: "x" } }) as PromiseLike<unknown>)).toMatchObject({ code: "INPUT_INVALID" });
  });

  test("style and explode", async () => {
    const { adapter, stitches } = setup({}, []);
    await stitches["find"]?.({ query: { tags: ["a", "b"], ids: [1, 2], sizes: ["s", "m"], filter: { color: "red" }, max: 3 } });
    expect(decodeURIComponent(new URL(adapter.lastRequest?.url ?? "").search)).toBe("?tags=a|b&ids=1,2&sizes=s&sizes=m&filter[color]=red&max=3");
    expect(await caught(stitches["find"]?.({ query: { max: 0 } }) as PromiseLike<unknown>)).toMatchObject({ code: "INPUT_INVALID", issues: [{ path: ["query", "max"] }] });
  });

  test("answers are checked unless told not to", async () => {
    expect(await caught(setup({}, { id: "x" }).stitches["getItem"]?.({ params: { item_id: "1" } }) as PromiseLike<unknown>)).toMatchObject({ code: "OUTPUT_INVALID" });
    expect(await setup({ validate: false }, { id: "x" }).stitches["getItem"]?.({ params: { item_id: "1" } })).toEqual({ id: "x" });
  });

  test("what is wrong is refused by name", () => {
    expect(() => setup({ auth: { key: auth.key } })).toThrow(/auth\.id/);
    expect(() => setup({ only: ["nothing"] })).toThrow(/only.*nothing/s);
    expect(() => fromOpenApi({ swagger: "2.0" }, { seam: seam({}) })).toThrow(/3\.0 or 3\.1/);
    expect(() => fromOpenApi({ openapi: "3.1.0", paths: { "/": { get: { responses: { 200: { $ref: "https://evil.test/x.json" } } } } } }, { seam: seam({ baseUrl: "https://a.test" }) })).toThrow(/outside of the document/);
    expect(() => fromOpenApi({ openapi: "3.1.0", paths: { "/": { $ref: "#/nowhere" } } }, { seam: seam({ baseUrl: "https://a.test" }) })).toThrow(/\$ref/);
    expect(() => fromOpenApi({ openapi: "3.1.0", paths: { "/": { get: {} } } }, { seam: seam({}) })).toThrow(/baseUrl/);
  });
});
