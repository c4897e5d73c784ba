import { exportPKCS8, exportSPKI, generateKeyPair, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { generateJwt, type GenerateJwtConfig } from "./generate-jwt.ts";
import { jwtAuth } from "./jwt-auth.ts";

const SECRET = "a-secret-of-at-least-32-characters!";

async function sent(options: GenerateJwtConfig, headers: Record<string, string> = {}): Promise<Record<string, string>> {
  const { request } = createPolicyTestHarness(generateJwt(options), { clock: manualClock(1_700_000_000_000), upstream: (c) => c.json(Object.fromEntries(c.req.raw.headers)) });
  return (await (await request("/", { headers })).json()) as Record<string, string>;
}

describe("generateJwt", () => {
  it("signs what the options and the request say, options first", async () => {
    const { authorization } = await sent(
      { algorithm: "HS256", secret: SECRET, keyId: "k1", issuer: "gw", audience: ["a", "b"], expiresIn: 60, claims: (c) => ({ sub: `ü-${c.req.header("x-user")}`, iss: "forged", exp: 1, aud: "x", extra: { a: 1 } }) },
      { authorization: "Bearer client", "x-user": "7" },
    );
    const { payload, protectedHeader } = await jwtVerify((authorization as string).slice(7), new TextEncoder().encode(SECRET), { currentDate: new Date(1_700_000_000_000) });
    expect(payload).toEqual({ sub: "ü-7", iss: "gw", aud: ["a", "b"], iat: 1_700_000_000, exp: 1_700_000_060, extra: { a: 1 } });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT", kid: "k1" });
  });

  it.each(["RS256", "PS384", "ES256", "EdDSA"])("signs with %s what jwtAuth takes", async (algorithm) => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const fields = await sent({ algorithm, privateKey: await exportPKCS8(privateKey), headerName: "x-jwt", tokenPrefix: "" });
    const { request } = createPolicyTestHarness(jwtAuth({ publicKey: await exportSPKI(publicKey), headerName: "x-jwt", tokenPrefix: "" }), { clock: manualClock(1_700_000_000_000) });
    expect((await request("/", { headers: { "x-jwt": fields["x-jwt"] as string } })).status).toBe(200);
  });

  it.each<[string, GenerateJwtConfig["claims"]]>([["throw", () => { throw new Error("x"); }], ["are no object", () => [] as never], ["have no JSON form", { big: 1n }]])("is a 500 when claims %s", async (_, claims) => {
    const { request } = createPolicyTestHarness(generateJwt({ algorithm: "HS256", secret: SECRET, claims }));
    expect(await (await request("/")).json()).toMatchObject({ code: "policy_error", policy: "generate-jwt" });
  });

  it.each([{}, { algorithm: "HS256" }, { algorithm: "none", secret: SECRET }, { algorithm: "RS256", secret: SECRET }, { algorithm: "RS256", privateKey: "x" }, { algorithm: "HS256", secret: SECRET, expiresIn: 0 }])("refuses %j at construction", (options) => {
    expect(() => generateJwt(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });

  it("refuses a key of another kind", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const pem = await exportPKCS8(privateKey);
    expect(() => generateJwt({ algorithm: "RS256", privateKey: pem })).toThrow(/algorithm must be one the key is for: ES256/);
  });
});
