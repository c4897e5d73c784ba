import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { getGatewayContext } from "../../context.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { verifyHttpSignature, type VerificationKey, type VerifyHttpSignatureConfig } from "./verify-http-signature.ts";

/** RFC 9421, appendix B.1. */
const KEYS: Record<string, VerificationKey> = {
  "test-key-rsa-pss": {
    algorithm: "rsa-pss-sha512",
    publicKey: `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----`,
  },
  "test-key-ecc-p256": {
    algorithm: "ecdsa-p256-sha256",
    publicKey: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----`,
  },
  "test-key-ed25519": { algorithm: "ed25519", publicKey: { kty: "OKP", crv: "Ed25519", x: "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs" } },
  "test-shared-secret": { algorithm: "hmac-sha256", secret: new Uint8Array(Buffer.from("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==", "base64")) },
};

const CREATED = 1_618_884_473;
/** The request of appendix B.2. */
const HEADERS: Record<string, string> = {
  date: "Tue, 20 Apr 2021 02:07:55 GMT",
  "content-type": "application/json",
  "content-digest": "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
  "content-length": "18",
};
const BODY = '{"hello": "world"}';

/** Appendix B.2 and B.3: name, `Signature-Input`, `Signature`. */
const VECTORS: [string, string, string, Partial<{ url: string; headers: Record<string, string> }>?][] = [
  ["B.2.1", '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"', "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q=="],
  ["B.2.2", '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"', "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw=="],
  ["B.2.3", '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"', "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA=="],
  ["B.2.5", '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"', "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="],
  ["B.2.6", '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"', "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="],
  ["B.3", '("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"', "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==", {
    url: "https://service.internal.example/foo?param=Value&Pet=dog",
    headers: { "client-cert": ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:" },
  }],
];

function harness(options: Partial<VerifyHttpSignatureConfig> = {}, at = CREATED) {
  const clock = manualClock({ now: at * 1000 });
  const { request, adapter } = createPolicyTestHarness(verifyHttpSignature({ keys: KEYS, requiredComponents: [], label: "s", ...options }), { clock, upstream: (c) => c.text(getGatewayContext(c)?.identity?.id ?? "") });
  const send = (input: string, signature: string, { url = "https://example.com/foo?param=Value&Pet=dog", headers = HEADERS, body = BODY }: { url?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Response> =>
    request(url, { method: "POST", body, headers: { ...headers, "signature-input": `s=${input}`, signature: `s=:${signature}:` } });
  return { send, request, clock, adapter };
}

/** Signs with the shared secret, by hand. */
async function hmac(base: string): Promise<string> {
  const key = await crypto.subtle.importKey("raw", KEYS["test-shared-secret"]?.secret as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return Buffer.from(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(base))).toString("base64");
}

async function signed(parameters: string, lines: readonly string[] = [], components = ""): Promise<[input: string, signature: string]> {
  const input = `(${components})${parameters}`;
  return [input, await hmac([...lines, `"@signature-params": ${input}`].join("\n"))];
}

const refused = async (response: Response): Promise<void> => {
  expect([response.status, await response.json(), response.headers.get("www-authenticate")]).toMatchObject([401, { code: "signature_invalid" }, 'Signature realm="Restricted"']);
};

describe("verifyHttpSignature", () => {
  it.each(VECTORS)("verifies the signature of RFC 9421 %s", async (_, input, signature, more = {}) => {
    const { send } = harness();
    expect((await send(input, signature, more)).status).toBe(200);
    await refused(await send(input.replace("created=1618884473", "created=1618884474"), signature, more));
  });

  it("verifies the body a covered digest speaks of", async () => {
    const [, input, signature] = VECTORS[1] as [string, string, string];
    await refused(await harness().send(input, signature, { body: '{"hello": "WORLD"}' }));
  });

  it("names the caller by its key", async () => {
    const [, input, signature] = VECTORS[3] as [string, string, string];
    expect(await (await harness().send(input, signature)).text()).toBe("test-shared-secret");
  });

  it("requires the components it is told to, in any order", async () => {
    const lines = ['"@query": ?param=Value&Pet=dog', '"@path": /foo', '"@method": POST', '"@authority": example.com'];
    const made = await signed(`;keyid="test-shared-secret";created=${CREATED}`, lines, '"@query" "@path" "@method" "@authority"');
    expect((await harness({ requiredComponents: undefined }).send(...made)).status).toBe(200);
    const less = await signed(`;keyid="test-shared-secret";created=${CREATED}`, lines.slice(1), '"@path" "@method" "@authority"');
    await refused(await harness({ requiredComponents: undefined }).send(...less));
    await refused(await harness({ requiredComponents: ["date"] }).send(...made));
  });

  it.each<[string, string, number]>([
    ["fresh", `;created=${CREATED};keyid="test-shared-secret"`, 200],
    ["at the end of its age", `;created=${CREATED - 305};keyid="test-shared-secret"`, 200],
    ["too old", `;created=${CREATED - 306};keyid="test-shared-secret"`, 401],
    ["a little early", `;created=${CREATED + 5};keyid="test-shared-secret"`, 200],
    ["from the future", `;created=${CREATED + 6};keyid="test-shared-secret"`, 401],
    ["expired", `;created=${CREATED};expires=${CREATED - 6};keyid="test-shared-secret"`, 401],
    ["without created", ';keyid="test-shared-secret"', 401],
    ["created as text", `;created="${CREATED}";keyid="test-shared-secret"`, 401],
    ["created as a decimal", `;created=${CREATED}.5;keyid="test-shared-secret"`, 401],
    ["of its key's algorithm", `;created=${CREATED};alg="hmac-sha256";keyid="test-shared-secret"`, 200],
    ["of another algorithm", `;created=${CREATED};alg="ed25519";keyid="test-shared-secret"`, 401],
    ["of an unknown key", `;created=${CREATED};keyid="nobody"`, 401],
    ["of an inherited property", `;created=${CREATED};keyid="constructor"`, 401],
    ["of __proto__", `;created=${CREATED};keyid="__proto__"`, 401],
    ["without a key", `;created=${CREATED}`, 401],
  ])("a signature %s", async (_, parameters, status) => {
    expect((await harness().send(...(await signed(parameters)))).status).toBe(status);
  });

  it.each(['("@status")', '("@method" "@method")', '("@method";x)', '("@path";name="a")', '("missing")', '("Date")', '("@query-param";name="none")', '("@query-param")', '("date";sf)', '("@method";req)', "(1)"])("refuses the components %s", async (components) => {
    const input = `${components};created=${CREATED};keyid="test-shared-secret"`;
    await refused(await harness().send(input, await hmac(`"@signature-params": ${input}`)));
  });

  it("takes a nonce once, where told to", async () => {
    const { send, clock } = harness({ replayProtection: true });
    const made = await signed(`;created=${CREATED};keyid="test-shared-secret";nonce="n:1"`);
    expect((await send(...made)).status).toBe(200);
    await refused(await send(...made));
    clock.advance(305_000);
    await refused(await send(...made));
    await refused(await harness({ replayProtection: true }).send(...(await signed(`;created=${CREATED};keyid="test-shared-secret"`))));
  });

  it("refuses while it cannot know of replays", async () => {
    const { send, adapter } = harness({ replayProtection: true });
    const store = adapter.store as NonNullable<typeof adapter.store>;
    store.compareAndSet = () => Promise.reject(new Error("down"));
    expect((await send(...(await signed(`;created=${CREATED};keyid="test-shared-secret";nonce="n"`)))).status).toBe(503);
  });

  it("gives no 5xx and admits nothing for any fields (S5)", async () => {
    const { request } = harness();
    const text = fc.oneof(fc.string().map((value) => value.replace(/[^\x20-\x7e]/g, "")), fc.constantFrom("s=()", "s=:AA==:", "s", "s=1", 's=("@path");created=1', "s=();created=99999999999999999999"));
    await fc.assert(fc.asyncProperty(text, text, async (input, signature) => {
      expect((await request("https://example.com/", { headers: { "signature-input": input, signature } })).status).toBe(401);
    }), { numRuns: 200 });
  });

  it.each([
    {}, { keys: {} }, { keys: { a: { algorithm: "md5", secret: "x" } } }, { keys: { a: { algorithm: "ed25519", secret: "x" } } }, { keys: { a: { algorithm: "ed25519", publicKey: KEYS["test-key-ecc-p256"]?.publicKey } } },
    { keys: KEYS, maxAge: 0 }, { keys: KEYS, label: "S 1" }, { keys: KEYS, requiredComponents: ['"@query-param";name'] + "(" as never },
  ])("refuses %j at construction", (options) => {
    expect(() => verifyHttpSignature(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
