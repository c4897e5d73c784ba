import { exportPKCS8, exportSPKI, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { generateHttpSignature, type GenerateHttpSignatureConfig } from "./generate-http-signature.ts";
import { verifyHttpSignature, type SignatureAlgorithm, type VerificationKey } from "./verify-http-signature.ts";

const clock = manualClock();
const SECRET = "a-shared-secret";

/** Sends what the signing gateway would send to a gateway that verifies. */
async function answer(signing: GenerateHttpSignatureConfig, key: VerificationKey, init: RequestInit = {}, requiredComponents?: readonly string[]): Promise<number> {
  const receiver = createPolicyTestHarness(verifyHttpSignature({ keys: { [signing.keyId]: key }, requiredComponents }), { clock });
  const sender = createPolicyTestHarness(generateHttpSignature(signing), { clock, upstream: (c) => receiver.request(c.req.raw.clone()) });
  return (await sender.request("https://api.example/a%20b/c?x=1&y=%2F", init)).status;
}

describe("generateHttpSignature", () => {
  it.each<[SignatureAlgorithm, string]>([["rsa-v1_5-sha256", "RS256"], ["rsa-pss-sha512", "PS512"], ["ecdsa-p256-sha256", "ES256"], ["ecdsa-p384-sha384", "ES384"], ["ed25519", "EdDSA"]])("signs by %s what its twin verifies", async (algorithm, jws) => {
    const { publicKey, privateKey } = await generateKeyPair(jws, { extractable: true });
    const key = { algorithm, publicKey: await exportSPKI(publicKey) };
    expect(await answer({ keyId: "k", algorithm, privateKey: await exportPKCS8(privateKey) }, key)).toBe(200);
    const other = await generateKeyPair(jws, { extractable: true });
    expect(await answer({ keyId: "k", algorithm, privateKey: await exportPKCS8(other.privateKey) }, key)).toBe(401);
  });

  it("signs fields, parameters and a digest of the body", async () => {
    const components = ["@method", "@target-uri", "content-type", "content-digest", '"@query-param";name="x"'];
    const key: VerificationKey = { algorithm: "hmac-sha256", secret: SECRET };
    const init = { method: "POST", body: "hello", headers: { "content-type": "text/plain" } };
    expect(await answer({ keyId: "k", algorithm: "hmac-sha256", secret: SECRET, components, nonce: true, expires: 60 }, key, init, components)).toBe(200);
  });

  it("is a 500 when a component is not there", async () => {
    expect(await answer({ keyId: "k", algorithm: "hmac-sha256", secret: SECRET, components: ["x-missing"] }, { algorithm: "hmac-sha256", secret: SECRET })).toBe(500);
  });

  it.each([{ keyId: "" }, { keyId: "k", algorithm: "hmac-sha256" }, { keyId: "k", algorithm: "ed25519", privateKey: "x" }, { keyId: "k", algorithm: "hmac-sha256", secret: "s", expires: -1 }, { keyId: "k", algorithm: "hmac-sha256", secret: "s", signatureHeaderName: "host" }])("refuses %j at construction", (options) => {
    expect(() => generateHttpSignature(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
