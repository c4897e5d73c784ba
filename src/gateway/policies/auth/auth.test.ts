/** What holds for all auth policies: no stored answer crosses callers, and no secret shows in any sink. */

import { CompactSign, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createGateway } from "../../create-gateway.ts";
import { getGatewayContext } from "../../context.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { GatewayEvent, Policy } from "../../types.ts";
import { requestLog } from "../observability/request-log.ts";
import { cache, type CacheConfig } from "../traffic/cache.ts";
import { rateLimit } from "../traffic/rate-limit.ts";
import { apiKeyAuth } from "./api-key-auth.ts";
import { basicAuth } from "./basic-auth.ts";
import { generateHttpSignature } from "./generate-http-signature.ts";
import { jws } from "./jws.ts";
import { jwtAuth } from "./jwt-auth.ts";
import { oauth2 } from "./oauth2.ts";
import { verifyHttpSignature } from "./verify-http-signature.ts";

const SECRET = "a-secret-of-at-least-32-characters!";
const key = new TextEncoder().encode(SECRET);
const clock = manualClock();

interface Subject {
  readonly policy: Policy;
  /** Init of a request by this user. */
  readonly as: (user: string) => Promise<{ url?: string; headers?: Record<string, string> }>;
}

async function httpSignature(user: string): Promise<Record<string, string>> {
  const { request } = createPolicyTestHarness(generateHttpSignature({ keyId: user, algorithm: "hmac-sha256", secret: SECRET }), { clock, upstream: (c) => c.json(Object.fromEntries(c.req.raw.headers)) });
  return (await (await request("http://localhost/me")).json()) as Record<string, string>;
}

/** With and without the credential in a field that caches know of by themselves. */
const subjects: Record<string, Subject> = {
  jwtAuth: { policy: jwtAuth({ secret: SECRET }), as: async (user) => ({ headers: { authorization: `Bearer ${await new SignJWT({ sub: user }).setProtectedHeader({ alg: "HS256" }).sign(key)}` } }) },
  "jwtAuth in a field of its own, stripped": { policy: jwtAuth({ secret: SECRET, headerName: "x-jwt", tokenPrefix: "", stripCredentials: true }), as: async (user) => ({ headers: { "x-jwt": await new SignJWT({ sub: user }).setProtectedHeader({ alg: "HS256" }).sign(key) } }) },
  apiKeyAuth: { policy: apiKeyAuth({ validate: () => true }), as: async (user) => ({ headers: { "x-api-key": user } }) },
  "apiKeyAuth in the query": { policy: apiKeyAuth({ validate: () => true, queryParam: "key" }), as: async (user) => ({ url: `http://localhost/me?key=${user}` }) },
  "basicAuth, stripped": { policy: basicAuth({ validate: () => true, stripCredentials: true }), as: async (user) => ({ headers: { authorization: `Basic ${btoa(`${user}:x`)}` } }) },
  oauth2: { policy: oauth2({ localValidate: (token) => ({ sub: token }), tokenLocation: "query" }), as: async (user) => ({ url: `http://localhost/me?access_token=${user}` }) },
  jws: { policy: jws({ secret: SECRET, stripCredentials: true }), as: async (user) => ({ headers: { "x-jws-signature": await new CompactSign(new TextEncoder().encode(user)).setProtectedHeader({ alg: "HS256" }).sign(key) } }) },
  verifyHttpSignature: { policy: verifyHttpSignature({ keys: { ann: { algorithm: "hmac-sha256", secret: SECRET }, bob: { algorithm: "hmac-sha256", secret: SECRET } } }), as: async (user) => ({ headers: await httpSignature(user) }) },
};

const caches: [string, CacheConfig][] = [
  ["by default", {}],
  ["whatever the upstream says", { respectCacheControl: false, respectRequestDirectives: false }],
  ["with a key of its own", { cacheKeyFn: () => "one key for all" }],
  ["with varyHeaders that say nothing", { varyHeaders: ["accept-language"] }],
  ["without coalescing", { coalesce: false }],
  ["stale while revalidated", { staleWhileRevalidateMs: 60_000, staleIfErrorMs: 60_000, ttlSeconds: 0 }],
];

describe.each(Object.entries(subjects))("no stored answer crosses callers (S2): %s", (_, { policy, as }) => {
  it.each(caches)("cache %s", async (__, options) => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { request } = createPolicyTestHarness([cache(options), policy], {
      clock,
      upstream: async (c) => {
        await gate;
        return c.text(JSON.stringify(getGatewayContext(c)?.identity?.id));
      },
    });
    const send = async (user: string): Promise<string> => {
      const { url = "http://localhost/me", headers } = await as(user);
      return (await request(url, { headers })).text();
    };
    const together = Promise.all([send("ann"), send("bob"), send("ann"), send("bob")]);
    release();
    const [ann, bob, ann2, bob2] = await together;
    expect([ann2, bob2]).toEqual([ann, bob]);
    expect(ann).not.toBe(bob);
    expect([await send("bob"), await send("ann")]).toEqual([bob, ann]);
  });

  it("a stored answer is not served past it", async () => {
    const { request } = createPolicyTestHarness([cache(), policy], { clock, upstream: (c) => c.text("secret", 200, { "cache-control": "public, max-age=600" }) });
    const { url = "http://localhost/me", headers } = await as("ann");
    expect((await request(url, { headers })).status).toBe(200);
    expect((await request("http://localhost/me")).status).toBe(401);
  });
});

it("two proven credentials make another caller than one of them", async () => {
  const policies = [apiKeyAuth({ validate: () => true }), jwtAuth({ secret: SECRET }), cache({ cacheKeyFn: () => "k" })];
  let calls = 0;
  const { request } = createPolicyTestHarness(policies, { clock, upstream: (c) => c.text(`${++calls}`) });
  const authorization = `Bearer ${await new SignJWT({ sub: "u" }).setProtectedHeader({ alg: "HS256" }).sign(key)}`;
  const send = async (tenant: string): Promise<string> => (await request("/", { headers: { authorization, "x-api-key": tenant } })).text();
  expect([await send("a"), await send("b"), await send("a"), await send("b")]).toEqual(["1", "2", "1", "2"]);
});

it("rateLimit by identity counts callers, not addresses", async () => {
  const { request } = createPolicyTestHarness([basicAuth({ validate: () => true }), rateLimit({ max: 1, keyBy: "identity" })], { clock });
  const send = async (user: string): Promise<number> => (await request("/", { headers: { authorization: `Basic ${btoa(`${user}:x`)}` } })).status;
  expect([await send("ann"), await send("ann"), await send("bob")]).toEqual([200, 429, 200]);
});

it("canary secrets show in no log, event, debug line, error or registry (S8)", async () => {
  const lines: string[] = [];
  const debug = console.debug;
  console.debug = (line: string) => void lines.push(line);
  try {
    const canary = "canary-5ecret-canary-5ecret-canary!";
    const policies: Record<string, Policy> = {
      jwt: jwtAuth({ secret: canary, stripCredentials: true }),
      key: apiKeyAuth({ validate: (value) => { throw new Error(`no such key ${value}`); }, queryParam: "key" }),
      basic: basicAuth({ validate: () => { throw new Error(canary); } }),
      token: oauth2({ localValidate: () => { throw new Error(canary); } }),
      jws: jws({ secret: canary }),
      signature: verifyHttpSignature({ keys: { k: { algorithm: "hmac-sha256", secret: canary } } }),
    };
    const gateway = createGateway({
      debug: true,
      policies: [requestLog({ sink: (entry) => lines.push(JSON.stringify(entry)) })],
      routes: Object.entries(policies).map(([name, policy]) => ({ path: `/${name}`, pipeline: { policies: [policy], upstream: { type: "handler", handler: () => new Response("ok") } } })),
    });
    // The error of an event is for the operator; what a callback says there is its own.
    gateway.events.on((event: GatewayEvent) => lines.push(JSON.stringify(event)));
    for (const name of Object.keys(policies)) {
      const response = await gateway.fetch(new Request(`http://localhost/${name}?key=${canary}`, { headers: { authorization: name === "basic" ? `Basic ${btoa(`u:${canary}`)}` : `Bearer ${canary}`, "x-api-key": canary, "x-jws-signature": canary, signature: canary, "signature-input": canary } }));
      lines.push(await response.text(), JSON.stringify([...response.headers]));
    }
    lines.push(JSON.stringify(gateway._registry));
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.includes(canary) && !line.startsWith("[sluice:pipeline] error:"))).toEqual([]);
    await gateway.close();
  } finally {
    console.debug = debug;
  }
});
