import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { overrideMethod } from "./override-method.ts";

const send = async (method: string, override: string | undefined, methods?: readonly ("GET" | "POST" | "PUT")[]): Promise<{ status: number; text: string }> => {
  const { request } = createPolicyTestHarness(overrideMethod(), { ...(methods === undefined ? {} : { methods }), upstream: async (c) => c.json([c.req.method, await c.req.text(), c.req.header("x-http-method-override") ?? null, c.req.header("content-type") ?? null]) });
  const response = await request("/", { method, ...(method === "POST" ? { body: "hi", headers: { ...(override === undefined ? {} : { "x-http-method-override": override }), "content-type": "text/plain" } } : { headers: override === undefined ? {} : { "x-http-method-override": override } }) });
  return { status: response.status, text: await response.text() };
};

describe("overrideMethod", () => {
  it("gives a POST the method that is meant", async () => {
    expect(JSON.parse((await send("POST", "put")).text)).toEqual(["PUT", "hi", null, "text/plain"]);
    expect(JSON.parse((await send("POST", "GET")).text)).toEqual(["GET", "", null, null]);
    expect(JSON.parse((await send("POST", undefined)).text)).toEqual(["POST", "hi", null, "text/plain"]);
    for (const method of ["GET", "PUT", "DELETE"]) expect(JSON.parse((await send(method, "PATCH")).text)).toEqual([method, "", null, null]);
  });

  it("refuses other methods, and those the route does not have", async () => {
    for (const bad of ["TRACE", "CONNECT", "x y", "__proto__"]) expect(JSON.parse((await send("POST", bad)).text)).toMatchObject({ status: 400, code: "invalid_method_override" });
    expect((await send("POST", "DELETE", ["POST", "PUT"])).status).toBe(405);
  });

  it.each([{ header: "a b" }, { allowedMethods: [] }, { allowedMethods: ["TRACE"] }])("refuses %j", (options) => {
    const make = overrideMethod;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
