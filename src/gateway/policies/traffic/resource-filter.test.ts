import { brotliCompressSync, gzipSync } from "node:zlib";
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

  describe("an answer the client asked for encoded or in part", () => {
    const secret = JSON.stringify({ id: 1, password: "hunter2" });
    const encoded = (answer: (accept: string | undefined, range: string | undefined) => Response, options: Partial<ResourceFilterConfig> = {}): Promise<Response> =>
      createPolicyTestHarness(resourceFilter({ mode: "deny", fields: ["password"], ...options }), { upstream: (c) => answer(c.req.header("accept-encoding"), c.req.header("range")) })
        .request("/", { headers: { "accept-encoding": "gzip, br", range: "bytes=0-25", "if-range": '"a"' } });
    const as = (body: Uint8Array<ArrayBuffer> | string, coding: string, status = 200): Response => new Response(body, { status, headers: { "content-type": "application/json", ...(coding === "" ? {} : { "content-encoding": coding }) } });

    it("is asked for plain and whole", async () => {
      const response = await encoded((accept, range) => (accept === "identity" && range === undefined ? as(secret, "") : as(secret.slice(0, 26), "", 206)));
      expect(await response.json()).toEqual({ id: 1 });
    });

    it("is filtered when it comes encoded all the same", async () => {
      const response = await encoded(() => as(gzipSync(secret), "gzip"));
      expect([response.headers.has("content-encoding"), await response.json()]).toEqual([false, { id: 1 }]);
    });

    it.each<[string, () => Response]>([
      ["in an unknown coding", () => as(brotliCompressSync(secret), "br")],
      ["in two codings", () => as(gzipSync(gzipSync(secret)), "gzip, gzip")],
      ["a broken one", () => as(secret, "gzip")],
      ["a bomb", () => as(gzipSync(JSON.stringify({ password: "x".repeat(20_000_000) })), "gzip")],
      ["a part", () => as(secret.slice(0, 34), "", 206)],
      ["in another charset", () => as(new Uint8Array(Buffer.from(secret, "utf16le")), "")],
      ["longer than 8 MiB", () => as(JSON.stringify({ password: "x".repeat(9_000_000) }), "")],
    ])("never passes unfiltered: %s", async (_, answer) => {
      for (const options of [{}, { onUnparsable: "reject" as const }]) {
        const response = await encoded(answer, options);
        expect([response.status, (await response.json()).code]).toEqual([502, "invalid_upstream_response"]);
      }
      const passed = await encoded(answer, { onUnparsable: "pass" });
      expect([passed.status, passed.headers.get("content-encoding")]).toEqual([answer().status, answer().headers.get("content-encoding")]);
      expect(Buffer.from(await passed.arrayBuffer()).equals(Buffer.from(await answer().arrayBuffer()))).toBe(true);
    });
  });

  it.each([{}, { mode: "x", fields: ["a"] }, { mode: "deny", fields: [] }, { mode: "deny", fields: ["a"], onUnparsable: "x" }])("refuses %j", (options) => {
    const make = resourceFilter;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
