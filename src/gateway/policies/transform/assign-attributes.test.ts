import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { assignAttributes } from "./assign-attributes.ts";

describe("assignAttributes", () => {
  it("sets what inner layers read", async () => {
    const { request } = createPolicyTestHarness(assignAttributes({ attributes: { plan: "free", tenant: async (c) => c.req.header("x-t") } }), { upstream: (c) => c.text(`${c.get("plan")} ${c.get("tenant")}`) });
    expect(await (await request("/", { headers: { "x-t": "acme" } })).text()).toBe("free acme");
  });

  it("a function that throws is a 500", async () => {
    expect((await createPolicyTestHarness(assignAttributes({ attributes: { a: () => { throw new Error("x"); } } })).request("/")).status).toBe(500);
  });

  it.each([{}, { attributes: { _secret: "1" } }, { attributes: { a: 1 } }])("refuses %j", (options) => {
    const make = assignAttributes;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
