import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { cache } from "./cache.ts";
import { interrupt } from "./interrupt.ts";

describe("interrupt", () => {
  it("answers by itself, before anything that is stored", async () => {
    let closed = false;
    const { request } = createPolicyTestHarness([cache(), interrupt({ condition: () => closed, statusCode: 503, body: { closed: true }, headers: { "retry-after": "60" } })], { upstream: (c) => c.text("open", 200, { "cache-control": "max-age=600" }) });
    expect(await (await request("/")).text()).toBe("open");
    closed = true;
    const answer = await request("/");
    expect([answer.status, await answer.json(), answer.headers.get("retry-after"), answer.headers.get("content-type")]).toEqual([503, { closed: true }, "60", "application/json"]);
  });

  it.each([() => { throw new Error("x"); }, () => Promise.reject(new Error("x")), () => "yes" as never])("a condition that fails is a 500", async (condition) => {
    expect(await (await createPolicyTestHarness(interrupt({ condition })).request("/")).json()).toMatchObject({ code: "policy_error", policy: "interrupt" });
  });

  it.each([{}, { condition: () => true, statusCode: 99 }, { condition: () => true, headers: { "a b": "1" } }, { condition: () => true, body: 1n }])("refuses bad options", (options) => {
    const make = interrupt;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
