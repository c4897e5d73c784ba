import fc from "fast-check";
import { CompactSign, FlattenedSign, exportJWK, generateKeyPair } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { clearJwsJwksCache, jws, type JwsConfig } from "./jws.ts";

const SECRET = "a-secret-of-at-least-32-characters!";
const key = new TextEncoder().encode(SECRET);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function harness(options: JwsConfig = { secret: SECRET }) {
  const { request } = createPolicyTestHarness(jws(options), { upstream: async (c) => c.json({ body: await c.req.text(), headers: Object.fromEntries(c.req.raw.headers) }) });
  return (token?: string, init: RequestInit = {}, headers: Record<string, string> = {}) => request("/", { ...init, headers: { ...headers, ...(token === undefined ? {} : { "x-jws-signature": token }) } });
}

const embedded = (text: string, header: object = {}): Promise<string> => new CompactSign(encode(text)).setProtectedHeader({ alg: "HS256", ...header }).sign(key);
async function detached(text: string, header: object = {}): Promise<string> {
  const signed = await new FlattenedSign(encode(text)).setProtectedHeader({ alg: "HS256", ...header }).sign(key);
  return `${signed.protected}..${signed.signature}`;
}

afterEach(() => {
  vi.unstubAllGlobals();
  clearJwsJwksCache();
});

describe("jws", () => {
  it("verifies an embedded payload and sends it on", async () => {
    const send = harness({ secret: SECRET, forwardPayload: true });
    const response = await send(await embedded('{"ü":1}'), {}, { "x-jws-payload": "forged" });
    expect(((await response.json()) as { headers: Record<string, string> }).headers["x-jws-payload"]).toBe('{"%C3%BC":1}');
  });

  it("removes a client's copy of the payload field also where nothing is sent on (S9)", async () => {
    const response = await harness()(await embedded("x"), {}, { "x-jws-payload": "forged" });
    expect(((await response.json()) as { headers: Record<string, string> }).headers["x-jws-payload"]).toBeUndefined();
  });

  it("verifies the raw bytes of a body, encoded or not, and leaves it readable", async () => {
    const send = harness({ secret: SECRET, payloadSource: "body" });
    const body = '{ "a":1 }\n';
    for (const token of [await detached(body), await detached(body, { b64: false, crit: ["b64"] })]) {
      const response = await send(token, { method: "POST", body });
      expect([response.status, ((await response.json()) as { body: string }).body]).toEqual([200, body]);
      expect((await send(token, { method: "POST", body: '{"a":1}' })).status).toBe(401);
    }
    expect((await send(await embedded("other"), { method: "POST", body })).status).toBe(401);
  });

  it("bounds the body", async () => {
    const send = harness({ secret: SECRET, payloadSource: "body", maxBodyBytes: 4 });
    expect(await (await send(await detached("12345"), { method: "POST", body: "12345" })).json()).toMatchObject({ code: "body_too_large" });
  });

  it("tells missing from invalid", async () => {
    const missing = await harness()();
    expect([missing.status, await missing.json(), missing.headers.has("www-authenticate")]).toMatchObject([401, { code: "jws_missing" }, true]);
    const invalid = await harness()("a.b.c");
    expect([invalid.status, await invalid.json(), invalid.headers.has("www-authenticate")]).toMatchObject([401, { code: "jws_invalid" }, true]);
    expect((await harness()(await detached("x"))).status).toBe(401);
  });

  it("gives no 5xx and admits nothing for any bytes (S5)", async () => {
    const send = harness();
    const good = (await embedded("x")).split(".") as [string, string, string];
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = fc.oneof(
      fc.string().map((text) => text.replace(/[^\x21-\x7e]/g, "")).filter((text) => text !== ""),
      fc.tuple(fc.oneof(fc.jsonValue().map(part), fc.constant(good[0])), fc.oneof(fc.string().map(part), fc.constant("")), fc.constantFrom(good[2], `${good[2]}=`, "")).map((parts) => parts.join(".")),
      fc.constant(`${part({ alg: "none" })}.${good[1]}.`),
    );
    await fc.assert(fc.asyncProperty(token, async (text) => void expect((await send(text)).status).toBe(401)), { numRuns: 200 });
  });

  it("verifies with a key set, and never HMAC", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    vi.stubGlobal("fetch", async () => Response.json({ keys: [{ ...(await exportJWK(publicKey)), kid: "k" }] }));
    const send = harness({ jwksUrl: "https://sender.example/keys" });
    expect((await send(await new CompactSign(encode("x")).setProtectedHeader({ alg: "ES256", kid: "k" }).sign(privateKey))).status).toBe(200);
    expect((await send(await embedded("x", { kid: "k" }))).status).toBe(401);
  });

  it.each([{}, { secret: SECRET, jwksUrl: "https://a.example" }, { secret: SECRET, payloadSource: "query" }, { secret: SECRET, maxBodyBytes: -1 }])("refuses %j", (options) => {
    expect(() => jws(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
