import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { responseTransform } from "./response-transform.ts";

describe("responseTransform", () => {
  it("renames, sets and removes, in that order, whatever the upstream gave", async () => {
    const { request } = createPolicyTestHarness(responseTransform({ renameHeaders: { location: "x-to" }, setHeaders: { "x-set": "1", server: "x" }, removeHeaders: ["server"] }), { upstream: () => Response.redirect("https://a.example/", 302) });
    const { headers } = await request("/");
    expect(["location", "x-to", "x-set", "server"].map((name) => headers.get(name))).toEqual([null, "https://a.example/", "1", null]);
  });

  it.each([{ setHeaders: { "a b": "1" } }, { removeHeaders: [""] }])("refuses %j", (options) => {
    const make = responseTransform;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
