/** Separators in principals, names and tenant keys never reach another key. */

import { expect, it } from "vitest";
import { bearer, oauth2, seam } from "../../../../src/client.ts";
import { memoryStore } from "../../../../src/memory.ts";
import { manualClock, mockAdapter } from "../../../../src/testing.ts";

const PAIRS: readonly (readonly [string, string])[] = [["a:b", "a"], ["a%3Ab", "a:b"], ["a\nb", "a"], ["a/b", "a"], ["a*", "a"], ["A", "a"], ["a ", "a"], ["a\u0000", "a"], ["__proto__", "constructor"]];

it.each(PAIRS)("principals %j and %j: cache and tokens", async (one, other) => {
  const store = memoryStore();
  const adapter = mockAdapter([
    { match: "/token", respond: (_, nth) => ({ body: { access_token: `token-${nth}`, token_type: "Bearer" } }) },
    { respond: (request) => ({ body: request.headers["authorization"], headers: { "cache-control": "max-age=60" } }) },
  ]);
  const api = seam({ baseUrl: "https://api.test", adapter, store, cache: 60_000, auth: oauth2({ tokenUrl: "https://api.test/token", clientId: "c", tenancy: "principal" }) });
  const mine = await api.as(one).stitch("/x")();
  await api.flush();
  const theirs = await api.as(other).stitch("/x")();
  expect(mine).not.toBe(theirs);
  await api.flush();
  await api.as(one).invalidate();
  const before = adapter.callCount;
  expect(await api.as(other).stitch("/x")()).toBe(theirs);
  expect(adapter.callCount).toBe(before);
});

it.each(PAIRS)("tenant keys %j and %j: the throttle", async (one, other) => {
  const clock = manualClock();
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const api = seam({ name: "n", baseUrl: "https://api.test", adapter, clock, store: memoryStore({ clock }), throttle: { rate: "1/h", mode: "reject", key: (input) => String(input.headers === undefined ? "" : (input.headers as Record<string, string>)["x-tenant"]?.slice(1)) } });
  const call = (tenant: string) => api.stitch("/x")({ headers: { "x-tenant": `t${encodeURIComponent(tenant)}` } }).safe();
  expect([(await call(one)).ok, (await call(other)).ok, (await call(one)).ok]).toEqual([true, true, false]);
});

it.each(PAIRS)("names %j and %j: circuits and paces", async (one, other) => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const adapter = mockAdapter([{ match: "/bad", respond: { status: 500 } }, { respond: { body: 1 } }]);
  const api = (name: string) => seam({ name, baseUrl: "https://api.test", adapter, clock, store, auth: bearer("t"), circuit: { failureThreshold: 1 }, throttle: { rate: "1/h", mode: "reject" } });
  await api(one).stitch({ name: one, path: "/bad" })().safe();
  expect(await api(other).stitch({ name: other, path: "/x" })().safe()).toMatchObject({ ok: true });
});
