/** No stored or shared answer crosses principals or credentials. */

import { expect, it } from "vitest";
import { memoryStore } from "../../../../src/memory.ts";
import { bearer, seam, type SeamConfig } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";

const setup = (config: Partial<SeamConfig> = {}) => {
  const adapter = mockAdapter([{ respond: async (request, nth) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { body: { for: request.headers["authorization"] ?? request.headers["x-api-key"] ?? request.headers["cookie"] ?? "nobody", nth }, headers: { "cache-control": "max-age=600" } };
  } }]);
  return { adapter, api: seam({ baseUrl: "https://api.test", adapter, cache: 60_000, ...config } as SeamConfig) };
};

it.each([["in process", undefined], ["in a store", memoryStore()]] as const)("principals have their own, %s, at once and one after the other", async (_, store) => {
  const { adapter, api } = setup({ auth: bearer(({ principal }) => `token-${principal}`), ...(store === undefined ? {} : { store }) });
  const [anna, bert] = [api.as("anna").stitch("/me"), api.as("bert").stitch("/me")];
  const first = (await Promise.all([anna(), bert(), anna(), bert()])) as { for: string }[];
  expect(first.map((each) => each.for)).toEqual(["Bearer token-anna", "Bearer token-bert", "Bearer token-anna", "Bearer token-bert"]);
  await api.flush();
  const asked = adapter.callCount;
  expect(((await bert()) as { for: string }).for).toBe("Bearer token-bert");
  expect(((await anna()) as { for: string }).for).toBe("Bearer token-anna");
  expect(adapter.callCount).toBe(asked);
});

it.each(["authorization", "x-api-key", "cookie"])("a call with %s and no principal is neither stored nor shared", async (header) => {
  const { adapter, api } = setup();
  const call = api.stitch("/me");
  await Promise.all([call({ headers: { [header]: "a" } }), call({ headers: { [header]: "b" } }), call({ headers: { [header]: "a" } })]);
  await api.flush();
  await call({ headers: { [header]: "a" } });
  expect(adapter.callCount).toBe(4);
});

it("an app's tenancy is keyed by the credential", async () => {
  const { adapter, api } = setup({ cache: { ttlMs: 60_000, tenancy: "app" } });
  const call = api.stitch("/me");
  const ask = async (key: string): Promise<string> => ((await call({ headers: { authorization: key } })) as { for: string }).for;
  expect(await Promise.all([ask("a"), ask("b")])).toEqual(["a", "b"]);
  await api.flush();
  expect([await ask("b"), await ask("a"), adapter.callCount]).toEqual(["b", "a", 2]);
});

it("invalidation by one principal leaves the other's alone", async () => {
  const { adapter, api } = setup({ auth: bearer("t") });
  const [anna, bert] = [api.as("anna"), api.as("bert")];
  const calls = [anna.stitch("/me"), bert.stitch("/me")] as const;
  await Promise.all(calls.map((call) => call()));
  await api.flush();
  await anna.invalidate();
  await calls[1]();
  expect(adapter.callCount).toBe(2);
  await calls[0]();
  expect(adapter.callCount).toBe(3);
});
