import { describe, expect, it } from "vitest";
import { definePolicy } from "../../define-policy.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { apiKeyAuth } from "./api-key-auth.ts";
import { cache } from "../traffic/cache.ts";
import { rbac, type RbacConfig } from "./rbac.ts";

const auth = apiKeyAuth({ validate: (key) => JSON.parse(key) as object });
const send = (policies: Parameters<typeof createPolicyTestHarness>[0], identity: object, headers: Record<string, string> = {}): Promise<Response> =>
  createPolicyTestHarness(policies, { upstream: (c) => c.json(Object.fromEntries(c.req.raw.headers)) }).request("/", { headers: { "x-api-key": JSON.stringify(identity), ...headers } });

describe("rbac", () => {
  it.each<[RbacConfig, object, number]>([
    [{ roles: ["a", "b"] }, { roles: ["b"] }, 200],
    [{ roles: ["a", "b"] }, { roles: ["c"] }, 403],
    [{ permissions: ["r", "w"] }, { permissions: ["w", "r", "x"] }, 200],
    [{ permissions: ["r", "w"] }, { permissions: ["r"] }, 403],
    [{ roles: ["a"], permissions: ["r"] }, { roles: ["a"] }, 403],
    [{ roles: ["constructor", "__proto__"] }, {}, 403],
  ])("%j for %j is %i", async (options, identity, status) => {
    expect((await send([rbac(options), auth], identity)).status).toBe(status);
  });

  it("runs after auth policies of equal priority, whatever the order", async () => {
    expect((await send([rbac({ roles: ["a"] }), auth], { roles: ["a"] })).status).toBe(200);
  });

  it("never counts nor passes on a client's own copy (S9)", async () => {
    const forged = { "x-user-role": "a", "X-User-Permissions": "p" };
    expect((await send([auth, rbac({ roles: ["a"] })], {}, forged)).status).toBe(403);
    const passed = await send([auth, rbac({ roles: ["b"] })], { roles: ["b"] }, forged);
    expect(await passed.json()).toEqual(expect.not.objectContaining({ "x-user-role": expect.anything() as unknown }));
  });

  it("reads fields an earlier policy has written", async () => {
    const writer = definePolicy({ name: "writer", priority: 10, handler: (c, next) => (c.req.raw.headers.set("x-user-role", "x; admin"), next()) });
    const options = { roles: ["admin"], roleDelimiter: ";" };
    expect((await send([rbac(options), writer()], {})).status).toBe(200);
    expect((await send([rbac(options)], {}, { "x-user-role": "admin" })).status).toBe(403);
  });

  it("believes a proxy that sets the fields only where told so", async () => {
    expect((await send([rbac({ permissions: ["a", "b"], stripHeaders: false })], {}, { "x-user-permissions": "a, b" })).status).toBe(200);
  });

  it.each([{}, { cacheKeyFn: () => "one key for all" }, { varyHeaders: ["accept-language"] }])("what a role is told is stored for nobody else: cache %j", async (options) => {
    const { request } = createPolicyTestHarness([rbac({ roles: ["reader"], stripHeaders: false }), cache(options)], { upstream: (c) => c.text(`for ${c.req.header("x-user-role")}`) });
    const ask = async (roles: string): Promise<string> => (await request("/", { headers: { "x-user-role": roles } })).text();
    expect([await ask("reader,admin"), await ask("reader"), await ask("reader,admin")]).toEqual(["for reader,admin", "for reader", "for reader,admin"]);
  });

  it("says what it is told to say", async () => {
    expect(await (await send([rbac({ roles: ["a"], denyMessage: "Editors only" })], {})).json()).toMatchObject({ code: "forbidden", detail: "Editors only", status: 403 });
  });

  it("refuses options that would allow or refuse everybody", () => {
    for (const options of [{}, { roles: [] }, { roles: ["a"], roleDelimiter: "" }, { roles: [1] }]) expect(() => rbac(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
