import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { resourceFilter, type ResourceFilterConfig } from "./resource-filter.ts";

const send = (options: ResourceFilterConfig, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  createPolicyTestHarness(resourceFilter(options), { upstream: () => new Response(body, { headers: { "content-type": "application/json", etag: '"a"', "content-length": String(body.length), ...headers } }) }).request("/");

describe("resourceFilter", () => {
  const value = { id: 1, user: { name: "a", email: "e" }, items: [{ id: 2, price: 3, tags: [{ x: 1, y: 2 }] }, 7] };
  it.each<[ResourceFilterConfig, unknown, unknown]>([
    [{ mode: "deny", fields: ["user.email", "items.tags.x"] }, value, { id: 1, user: { name: "a" }, items: [{ id: 2, price: 3, tags: [{ y: 2 }] }, 7] }],
    [{ mode: "allow", fields: ["id", "items.price"] }, value, { id: 1, items: [{ price: 3 }, 7] }],
    [{ mode: "deny", fields: ["id"] }, [{ id: 1, a: 2 }, { id: 3 }], [{ a: 2 }, {}]],
    [{ mode: "deny", fields: ["id"], applyToArrayItems: false }, [{ id: 1 }], [{ id: 1 }]],
    [{ mode: "allow", fields: ["user"] }, { user: value.user }, { user: value.user }],
    [{ mode: "deny", fields: ["constructor", "toString.name"] }, { a: 1 }, { a: 1 }],
    [{ mode: "allow", fields: ["a"] }, "text", "text"],
  ])("%j", async (options, given, expected) => {
    const response = await send(options, JSON.stringify(given));
    expect([await response.json(), response.headers.has("content-length"), response.headers.get("etag")]).toEqual([expected, false, 'W/"a"']);
  });

  it("keeps __proto__ a plain key (S14)", async () => {
    const text = await (await send({ mode: "deny", fields: ["secret"] }, '{"__proto__":{"secret":1,"a":1},"secret":2}')).text();
    expect(text).toBe('{"__proto__":{"secret":1,"a":1}}');
    expect(await (await send({ mode: "deny", fields: ["__proto__.secret"] }, '{"__proto__":{"secret":1,"a":1}}')).text()).toBe('{"__proto__":{"a":1}}');
    expect(({} as { secret?: number }).secret).toBeUndefined();
  });

  it("passes other bodies unchanged, or refuses them", async () => {
    const broken = await send({ mode: "deny", fields: ["a"] }, '{"a":');
    expect([await broken.text(), broken.headers.get("etag")]).toEqual(['{"a":', '"a"']);
    expect((await send({ mode: "deny", fields: ["a"], onUnparsable: "reject" }, "{")).status).toBe(502);
    expect(await (await send({ mode: "deny", fields: ["a"] }, '{"a":1}', { "content-type": "text/plain" })).text()).toBe('{"a":1}');
    expect(await (await send({ mode: "deny", fields: ["a"] }, '{"a":1,"b":2}', { "content-type": "application/hal+JSON" })).text()).toBe('{"b":2}');
  });

  it.each([{}, { mode: "x", fields: ["a"] }, { mode: "deny", fields: [] }, { mode: "deny", fields: ["a"], onUnparsable: "x" }])("refuses %j", (options) => {
    const make = resourceFilter;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
