import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { getGatewayContext } from "../../context.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { timingSafeEqual } from "../../timing-safe-equal.ts";
import { basicAuth, type BasicAuthConfig } from "./basic-auth.ts";

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

function harness(options: Partial<BasicAuthConfig> = {}) {
  const asked: [string, string][] = [];
  const { request } = createPolicyTestHarness(
    basicAuth({ validate: (user, password) => (asked.push([user, password]), timingSafeEqual(password, "geheim:ü")), ...options }),
    { upstream: (c) => c.text(`${getGatewayContext(c)?.identity?.id} ${c.req.header("authorization") ?? "-"}`) },
  );
  return { send: (authorization?: string) => request("/", authorization === undefined ? {} : { headers: { authorization } }), asked };
}

describe("basicAuth", () => {
  it("splits at the first colon and reads UTF-8", async () => {
    const { send, asked } = harness({ stripCredentials: true });
    expect(await (await send(basic("zoë:geheim:ü"))).text()).toBe("zoë -");
    expect(asked).toEqual([["zoë", "geheim:ü"]]);
    expect((await send(basic("zoë:geheim:ü").replace("Basic", "bAsIc"))).status).toBe(200);
  });

  it("asks with its realm, quotes escaped", async () => {
    const missing = await harness({ realm: 'A "b" \\ c\r\n' }).send();
    expect([missing.status, missing.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="A \\"b\\" \\\\ c", charset="UTF-8"']);
  });

  it("refuses wrong credentials with 403, or 401 and a challenge", async () => {
    const wrong = await harness().send(basic("zoë:x"));
    expect([wrong.status, await wrong.json()]).toMatchObject([403, { code: "forbidden" }]);
    const again = await harness({ invalidStatusCode: 401 }).send(basic("zoë:x"));
    expect([again.status, again.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="Restricted", charset="UTF-8"']);
  });

  it.each([["no colon", basic("zoe")], ["not base64", "Basic *"], ["no UTF-8", `Basic ${Buffer.from([0xff, 0x3a]).toString("base64")}`], ["nothing", "Basic"], ["a control character", basic("a\u0000:b")], ["another scheme", "Bearer abc"], ["blanks", "Basic YTpi YTpi"]])(
    "is 401 for credentials with %s", async (_, field) => {
      const { send, asked } = harness();
      expect((await send(field)).status).toBe(401);
      expect(asked).toEqual([]);
    });

  it("gives no 5xx and admits nobody for any bytes (S5)", async () => {
    const { send } = harness();
    await fc.assert(fc.asyncProperty(fc.oneof(fc.uint8Array().map((bytes) => `Basic ${Buffer.from(bytes).toString("base64")}`), fc.string().map((text) => `Basic ${text.replace(/[^\x20-\x7e]/g, "")}`)), async (field) => {
      expect([401, 403]).toContain((await send(field)).status);
    }), { numRuns: 200 });
  });

  it("is a 500 when validate throws", async () => {
    const { send } = harness({ validate: () => { throw new Error("x"); } });
    expect(await (await send(basic("a:b"))).json()).toMatchObject({ code: "policy_error", policy: "basic-auth" });
  });

  it("refuses bad options", () => {
    expect(() => basicAuth({} as never)).toThrow(/validate must be a function/);
    expect(() => basicAuth({ validate: () => true, invalidStatusCode: 500 })).toThrow(/invalidStatusCode/);
  });
});
