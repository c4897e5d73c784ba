/** `__proto__`, `constructor` and `prototype` in data, queries, picks and merges are data or refused. */

import { afterEach, expect, it } from "vitest";
import { linkHeader, seam, stitch, type StitchConfig } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";

const EVIL = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"items":[{"__proto__":{"admin":true}}]}';

afterEach(() => {
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain("admin");
});

it("answers, twice from a cache, too", async () => {
  const adapter = mockAdapter([{ respond: { body: EVIL, headers: { "content-type": "application/json", "cache-control": "max-age=60" } } }]);
  const call = stitch({ url: "https://api.test/", adapter, cache: 60_000 });
  for (let i = 0; i < 3; i++) {
    const data = (await call()) as { admin?: boolean; items: { admin?: boolean }[] };
    expect([data.admin, data.items[0]?.admin]).toEqual([undefined, undefined]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

it("picks and flags refuse the names, and never walk a prototype", async () => {
  for (const path of ["__proto__", "a.__proto__.b", "constructor.prototype", "a.prototype"]) for (const option of ["pick", "flag"]) expect(() => stitch({ url: "https://api.test/", [option]: path } as never), path).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }) as Error);
  const adapter = mockAdapter([{ respond: { body: {} } }]);
  expect(await stitch({ url: "https://api.test/", adapter, pick: "toString" })()).toBeUndefined();
  expect(await stitch({ url: "https://api.test/", adapter, pick: "hasOwnProperty.call" })()).toBeUndefined();
});

it("queries, forms, headers, fragments and params", async () => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const evil = JSON.parse(EVIL) as Record<string, unknown>;
  await stitch({ url: "https://api.test/", adapter })({ query: evil }).safe();
  await stitch({ url: "https://api.test/", adapter, method: "POST", body: "form" })({ body: evil }).safe();
  await stitch({ url: "https://api.test/", adapter })({ headers: JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string> }).safe();
  await stitch({ url: "https://api.test/{constructor}", adapter })({ params: JSON.parse('{"__proto__":{"constructor":"x"}}') as never }).safe();
  expect(() => stitch(JSON.parse('{"url":"https://api.test/","extends":[{"__proto__":{"admin":true}}]}') as StitchConfig)).not.toThrow();
  expect(() => seam({ baseUrl: "https://api.test", ...(JSON.parse('{"constructor":{"prototype":{"admin":true}}}') as object) })).toThrow(/constructor/);
  await stitch({ url: "https://api.test/", adapter }).with(JSON.parse('{"query":{"__proto__":{"admin":true}}}') as never)().safe();
});

it("error bodies, GraphQL and pages", async () => {
  const respond = { status: 400, body: EVIL, headers: { "content-type": "application/json" } };
  await stitch({ url: "https://api.test/", adapter: mockAdapter([{ respond }]) })().safe();
  await stitch({ url: "https://api.test/", kind: "graphql", document: "{ a }", adapter: mockAdapter([{ respond: { ...respond, status: 200 } }]) })().safe();
  await stitch({ url: "https://api.test/", paginate: linkHeader(), pick: "items", adapter: mockAdapter([{ respond: { ...respond, status: 200 } }]) })().safe();
});
