import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { requestTransform } from "./request-transform.ts";

describe("requestTransform", () => {
  it("renames, sets and removes, in that order", async () => {
    const { request } = createPolicyTestHarness(requestTransform({ renameHeaders: { "x-a": "x-b", "x-b": "x-a", "x-none": "x-c" }, setHeaders: { "x-a": "set", "x-gone": "1" }, removeHeaders: ["x-gone", "x-d"] }), { upstream: (c) => c.json(Object.fromEntries(c.req.raw.headers)) });
    expect(await (await request("/", { headers: { "x-a": "1", "x-b": "2", "x-d": "3" } })).json()).toEqual({ "x-a": "set", "x-b": "1" });
  });

  it.each([{ setHeaders: { "a b": "1" } }, { setHeaders: { a: "1\r\n2" } }, { removeHeaders: "a" }, { renameHeaders: { a: "b c" } }])("refuses %j", (options) => {
    const make = requestTransform;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
