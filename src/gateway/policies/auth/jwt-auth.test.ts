import fc from "fast-check";
import { SignJWT, exportJWK, exportSPKI, generateKeyPair, type CryptoKey } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { getGatewayContext } from "../../context.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { Identity } from "../../types.ts";
import { clearJwksCache, jwtAuth, type JwtAuthConfig } from "./jwt-auth.ts";

const SECRET = "a-secret-of-at-least-32-characters!";
const NOW = 1_700_000_000;
const bytes = new TextEncoder().encode(SECRET);

function harness(options: JwtAuthConfig, clock = manualClock(1_700_000_000_000)) {
  const seen: { identity?: Identity | undefined; headers: Headers }[] = [];
  const { request } = createPolicyTestHarness(jwtAuth(options), {
    clock,
    upstream: (c) => {
      seen.push({ identity: getGatewayContext(c)?.identity, headers: new Headers(c.req.raw.headers) });
      return c.text("ok");
    },
  });
  const send = (token?: string, headers: Record<string, string> = {}): Promise<Response> => request("/", { headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers } });
  return { send, seen, request, clock };
}

const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key: CryptoKey | Uint8Array = bytes): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256", ...header }).sign(key);

const b64 = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

async function refused(response: Response, error = true): Promise<void> {
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toMatch(error ? /^Bearer .*error="invalid_token"/ : /^Bearer realm="Restricted"$/);
  expect(await response.json()).toMatchObject({ code: "unauthorized" });
}

describe("jwtAuth", () => {
  it("admits a valid token and names the caller", async () => {
    const { send, seen } = harness({ secret: SECRET });
    const response = await send(await sign({ sub: "u1", roles: ["admin"], scope: "read write", exp: NOW + 1 }));
    expect(response.status).toBe(200);
    expect(seen[0]?.identity).toMatchObject({ scheme: "jwt", id: "u1", roles: ["admin"], scopes: ["read", "write"], claims: { sub: "u1" } });
    expect(seen[0]?.headers.has("authorization")).toBe(true);
  });

  it("asks for a token, and lets none pass only where it is optional", async () => {
    await refused(await harness({ secret: SECRET }).send(), false);
    const optional = harness({ secret: SECRET, optional: true });
    expect((await optional.send()).status).toBe(200);
    expect(optional.seen[0]?.identity).toBeUndefined();
    await refused(await optional.send("rubbish"));
  });

  it("compares scheme names without regard to case", async () => {
    const { request } = harness({ secret: SECRET });
    expect((await request("/", { headers: { authorization: `bEaReR   ${await sign({})}` } })).status).toBe(200);
    expect((await request("/", { headers: { authorization: `Bearerx ${await sign({})}` } })).status).toBe(401);
  });

  it("takes a token from a field of its own, and strips it", async () => {
    const { request, seen } = harness({ secret: SECRET, headerName: "x-token", tokenPrefix: "", stripCredentials: true });
    expect((await request("/", { headers: { "x-token": await sign({ sub: "a" }) } })).status).toBe(200);
    expect(seen[0]?.headers.has("x-token")).toBe(false);
  });

  it.each<[string, Record<string, unknown>, JwtAuthConfig?]>([
    ["expired", { exp: NOW - 1 }],
    ["expired at this very second", { exp: NOW }],
    ["not yet valid", { nbf: NOW + 1 }],
    ["text as exp", { exp: "9999999999" }],
    ["text as nbf", { nbf: "1" }],
    ["a list as iat", { iat: [1] }],
    ["null as exp", { exp: null }],
    ["another audience", { aud: "b" }, { secret: SECRET, audience: "a" }],
    ["audiences without ours", { aud: ["b", "c"] }, { secret: SECRET, audience: ["a"] }],
    ["no audience", {}, { secret: SECRET, audience: "a" }],
    ["another issuer", { iss: "evil" }, { secret: SECRET, issuer: ["a", "b"] }],
    ["no exp", {}, { secret: SECRET, requireExp: true }],
    ["a missing claim", {}, { secret: SECRET, requiredClaims: ["tenant"] }],
    ["another typ", {}, { secret: SECRET, typ: "at+jwt" }],
  ])("refuses a token with %s", async (_, claims, options = { secret: SECRET }) => {
    await refused(await harness(options).send(await sign(claims)));
  });

  it("refuses a date that no clock can reach", async () => {
    const head = b64({ alg: "HS256" });
    const payload = b64('{"exp":1e400}');
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = Buffer.from(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`${head}.${payload}`))).toString("base64url");
    await refused(await harness({ secret: SECRET }).send(`${head}.${payload}.${mac}`));
  });

  it("allows for the skew of clocks, and no more", async () => {
    const { send } = harness({ secret: SECRET, clockSkewSeconds: 5 });
    expect((await send(await sign({ exp: NOW - 4, nbf: NOW + 5 }))).status).toBe(200);
    await refused(await send(await sign({ exp: NOW - 5 })));
  });

  it.each([
    ["no alg", b64({})], ["null as header", b64("null")], ["a list as header", b64([])], ["alg none", b64({ alg: "none" })], ["alg None", b64({ alg: "None" })],
    ["a number as alg", b64({ alg: 1 })], ["an unknown crit", b64({ alg: "HS256", crit: ["x"], x: 1 })], ["unencoded payload", b64({ alg: "HS256", crit: ["b64"], b64: false })],
    ["bad base64url", "!!"], ["no JSON", b64("{")], ["an alg of objects", b64({ alg: "__proto__" })], ["constructor", b64({ alg: "constructor" })],
  ])("refuses a header with %s", async (_, head) => {
    const { send } = harness({ secret: SECRET });
    const signature = (await sign({})).split(".")[2];
    await refused(await send(`${head}.${b64({ sub: "x" })}.${signature}`));
    await refused(await send(`${head}.${b64({ sub: "x" })}.`));
  });

  it("never verifies HMAC with a public key (S6)", async () => {
    const { publicKey } = await generateKeyPair("RS256");
    const pem = await exportSPKI(publicKey);
    const { send } = harness({ publicKey: pem });
    for (const form of [pem, pem.trim(), `${pem}\n`]) {
      await refused(await send(await sign({ sub: "admin" }, {}, new TextEncoder().encode(form))));
    }
    expect(() => jwtAuth({ publicKey: pem, algorithms: ["HS256"] })).toThrow(/algorithms.*could sign/);
    expect(() => jwtAuth({ secret: SECRET, algorithms: ["RS256"] })).toThrow(/algorithms/);
    expect(() => jwtAuth({ secret: SECRET, algorithms: ["none"] })).toThrow(/algorithms/);
  });

  it.each(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])("verifies %s with a PEM key and a JWK", async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const token = await sign({ sub: "u" }, { alg }, privateKey);
    for (const key of [await exportSPKI(publicKey), { ...(await exportJWK(publicKey)) }]) {
      expect((await harness({ publicKey: key }).send(token)).status).toBe(200);
      await refused(await harness({ publicKey: key }).send(`${token.slice(0, -6)}AAAAAA`));
    }
  });

  it("gives the upstream claims, and never a client's own copies (S9)", async () => {
    const { send, seen } = harness({ secret: SECRET, optional: true, forwardClaims: { sub: "x-user-id", role: "x-user-role", "org.name": "x-org", groups: "x-groups", none: "x-none" } });
    const forged = { "x-user-id": "root", "x-user-role": "admin", "x-none": "1" };
    await send(await sign({ sub: "zoë\r\nx-evil: 1", org: { name: "acme" }, groups: ["a,b", "c"] }), forged);
    await send(undefined, forged);
    expect(seen[0]?.headers.get("x-user-id")).toBe("zo%C3%ABx-evil: 1");
    expect(seen[0]?.headers.get("x-org")).toBe("acme");
    expect(seen[0]?.headers.get("x-groups")).toBe("a%2Cb,c");
    expect(["x-user-role", "x-none"].map((name) => seen[0]?.headers.has(name))).toEqual([false, false]);
    expect(Object.keys(forged).map((name) => seen[1]?.headers.has(name))).toEqual([false, false, false]);
  });

  it("gives no 5xx and admits nothing for any token (S5)", async () => {
    const { send } = harness({ secret: SECRET });
    const good = await sign({ sub: "u" });
    const [head, payload, mac] = good.split(".") as [string, string, string];
    const token = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => text.replace(/[^\x21-\xff]/g, "")),
      fc.tuple(fc.jsonValue(), fc.jsonValue(), fc.string()).map(([a, b, c]) => `${b64(a)}.${b64(b)}.${b64(c)}`),
      fc.tuple(fc.constantFrom(head, "", b64({ alg: "HS512" })), fc.constantFrom(payload, "", `${payload}A`), fc.constantFrom("", `${mac}A`, mac.toUpperCase(), `${mac}=`)).map((parts) => parts.join(".")),
      fc.jsonValue().map((value) => `${b64(value)}.${payload}.${mac}`),
    );
    await fc.assert(fc.asyncProperty(token.filter((text) => text !== good), async (text) => {
      expect((await send(text)).status).toBe(401);
    }), { numRuns: 300 });
  });

  it.each<[string, object]>([
    ["no source", {}], ["two sources", { secret: "a", publicKey: "b" }], ["an empty secret", { secret: "" }], ["a key that is none", { publicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" }],
    ["a secret as JWK", { publicKey: { kty: "oct", k: "AA" } }], ["no URL", { jwksUrl: "keys.json" }], ["an algorithm of another key", { secret: SECRET, algorithms: ["ES256"] }],
    ["a framing field", { secret: SECRET, forwardClaims: { sub: "content-length" } }], ["a bad field", { secret: SECRET, forwardClaims: { sub: "a b" } }], ["a negative skew", { secret: SECRET, clockSkewSeconds: -1 }],
  ])("refuses %s at construction", (_, options) => {
    expect(() => jwtAuth(options as JwtAuthConfig)).toThrow(expect.objectContaining({ code: "config_error" }));
  });

  it("never quotes the secret", () => {
    expect(() => jwtAuth({ secret: "canary-secret", algorithms: ["RS256"] })).toThrow(expect.not.objectContaining({ message: expect.stringContaining("canary-secret") as string }));
  });
});

describe("jwtAuth with a key set", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    clearJwksCache();
  });

  interface Issuer {
    calls: number;
    fails: boolean;
    keys: object[];
  }

  function issuer(): Issuer {
    const state: Issuer = { calls: 0, fails: false, keys: [] };
    vi.stubGlobal("fetch", async () => {
      state.calls++;
      if (state.fails) throw new TypeError("unreachable secret-host.internal");
      return Response.json({ keys: state.keys });
    });
    return state;
  }

  async function key(kid: string): Promise<{ jwk: object; token: (claims?: object) => Promise<string> }> {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    return { jwk: { ...(await exportJWK(publicKey)), kid, use: "sig" }, token: (claims = { sub: "u" }) => sign(claims as Record<string, unknown>, { alg: "ES256", kid }, privateKey) };
  }

  const options: JwtAuthConfig = { jwksUrl: "https://issuer.example/keys" };

  it("fetches it once for any number of cold requests, and again after its time", async () => {
    const set = issuer();
    const a = await key("a");
    set.keys = [a.jwk];
    const { send, clock } = harness(options);
    const token = await a.token();
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(token)));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(set.calls).toBe(1);
    clock.advance(300_000);
    await send(token);
    expect(set.calls).toBe(2);
  });

  it("looks for an unknown key once per cool-down", async () => {
    const set = issuer();
    const [a, b, c] = [await key("a"), await key("b"), await key("c")];
    set.keys = [a.jwk];
    const { send, clock } = harness(options);
    expect((await send(await a.token())).status).toBe(200);
    set.keys = [a.jwk, b.jwk];
    expect((await send(await b.token())).status).toBe(200);
    for (let i = 0; i < 5; i++) await refused(await send(await c.token()));
    expect(set.calls).toBe(2);
    clock.advance(30_000);
    await refused(await send(await c.token()));
    expect(set.calls).toBe(3);
  });

  it("goes on with the last good set, and without one says 502 and no more", async () => {
    const set = issuer();
    const a = await key("a");
    set.keys = [a.jwk];
    const { send, clock } = harness(options);
    set.fails = true;
    const cold = await send(await a.token());
    expect(cold.status).toBe(502);
    const text = await cold.text();
    expect(text).toContain("jwks_error");
    expect(text).not.toMatch(/issuer\.example|secret-host/);
    set.fails = false;
    clock.advance(1000);
    expect((await send(await a.token())).status).toBe(200);
    set.fails = true;
    clock.advance(300_000);
    expect((await send(await a.token())).status).toBe(200);
    expect((await send(await a.token())).status).toBe(200);
    expect(set.calls).toBe(3);
  });

  it("while there is no set, pauses between failures, longer each time up to the cool-down", async () => {
    const set = issuer();
    const a = await key("a");
    set.keys = [a.jwk];
    set.fails = true;
    const { send, clock } = harness({ ...options, jwksCooldownMs: 3000 });
    const token = await a.token();
    const asked: number[] = [];
    for (const pauseMs of [0, 999, 1, 1999, 1, 2999, 1]) {
      clock.advance(pauseMs);
      expect((await Promise.all([send(token), send(token)])).map(({ status }) => status)).toEqual([502, 502]);
      expect((await send(token)).status).toBe(502);
      asked.push(set.calls);
    }
    expect(asked).toEqual([1, 1, 2, 2, 3, 3, 4]);
    set.fails = false;
    clock.advance(3000);
    expect((await send(token)).status).toBe(200);
    expect((await send(token)).status).toBe(200);
    expect(set.calls).toBe(5);
  });

  it("ends a fetch that hangs at its deadline", async () => {
    vi.stubGlobal("fetch", () => new Promise(() => {}));
    const { send, clock } = harness(options);
    const answer = send(await (await key("a")).token());
    await clock.advanceAsync(10_000);
    expect((await answer).status).toBe(502);
  });

  it("ignores secrets in it, tries all keys for a token that names none, and takes no HS* token", async () => {
    const set = issuer();
    const [a, b] = [await key("a"), await key("b")];
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    set.keys = [a.jwk, { kty: "oct", k: b64(SECRET), kid: "s" }, b.jwk, await exportJWK(publicKey)];
    const { send } = harness(options);
    await refused(await send(await sign({ sub: "x" }, { kid: "s" })));
    expect((await send(await sign({ sub: "x" }, { alg: "ES256" }, privateKey))).status).toBe(200);
  });
});
