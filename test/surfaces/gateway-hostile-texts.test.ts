/** Texts of up to a megabyte that were made to be slow to read: eight times the text is about eight times the work, never 64. */

import { describe, expect, it } from "vitest";
import { parseCacheControl, parseRequestDirectives } from "../../src/core/cache-control.ts";
import { listMembers } from "../../src/core/cache-directives.ts";
import { normaliseValue, varyNames } from "../../src/core/cache-vary.ts";
import { decodeValue } from "../../src/core/codec.ts";
import { parseHttpDate } from "../../src/core/http-date.ts";
import { escapeKeyPart } from "../../src/core/keys.ts";
import { traceIds } from "../../src/core/trace-context.ts";
import { extractClientIp } from "../../src/gateway/client-ip.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { normalizeAddress } from "../../src/gateway/ip-address.ts";
import { essenceOf, mediaTypeIn } from "../../src/gateway/media-type.ts";
import { parseDebugRequest } from "../../src/gateway/operation/debug-headers.ts";
import { canonicalPath, climbs, queryOf } from "../../src/gateway/path.ts";
import { apiKeyAuth } from "../../src/gateway/policies/auth/api-key-auth.ts";
import { basicAuth } from "../../src/gateway/policies/auth/basic-auth.ts";
import { csrf } from "../../src/gateway/policies/auth/csrf.ts";
import { jws } from "../../src/gateway/policies/auth/jws.ts";
import { jwtAuth } from "../../src/gateway/policies/auth/jwt-auth.ts";
import { oauth2 } from "../../src/gateway/policies/auth/oauth2.ts";
import { rbac } from "../../src/gateway/policies/auth/rbac.ts";
import { digestsMatch } from "../../src/gateway/policies/auth/signatures/content-digest.ts";
import { verifyHttpSignature } from "../../src/gateway/policies/auth/verify-http-signature.ts";
import { requestLog } from "../../src/gateway/policies/observability/request-log.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { noneMatchNames } from "../../src/gateway/policies/traffic/cache/conditional.ts";
import { parseRange } from "../../src/gateway/policies/traffic/cache/range.ts";
import { parseTargeted } from "../../src/gateway/policies/traffic/cache/targeted.ts";
import { cors } from "../../src/gateway/policies/traffic/cors.ts";
import { idempotency } from "../../src/gateway/policies/traffic/idempotency.ts";
import { ipFilter } from "../../src/gateway/policies/traffic/ip-filter.ts";
import { jsonThreatProtection } from "../../src/gateway/policies/traffic/json-threat-protection.ts";
import { scanJson } from "../../src/gateway/policies/traffic/json-scan.ts";
import { negotiate, compression } from "../../src/gateway/policies/transform/compression.ts";
import { overrideMethod } from "../../src/gateway/policies/transform/override-method.ts";
import type { Policy } from "../../src/gateway/types.ts";

/** The shorter pair comes first: what is not linear would not come back from a megabyte. */
const STEPS = [[16_384, 131_072], [131_072, 1_048_576]] as const;

/** Units of which a text is made; each has undone a parser somewhere. */
const UNITS = ["a", " ", ",", ", ", ";", "=", '"', "\\", '\\"', '="', 'a="\\",', "a=b; ", "(", "%41", "%2e%2e/", "../", "//", "..;/", "::", "1.", "10.0.0.1, ", "for=[::1],", 'W/"a",', "0-1,", "\u00e9", "0", "{", "[", '{"a":'];

const texts = (length: number): string[] => UNITS.flatMap((unit) => {
  const text = unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
  // A pattern that fails at the end may go back.
  return [text, `a=${text}\u0001x`, `"${text}`];
});

/** CPU time in microseconds: the least of some runs, as others use the machine. */
async function cpu(run: () => unknown, runs: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < runs; i++) {
    const began = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(began);
    best = Math.min(best, user + system);
  }
  return best;
}

/** Microseconds that a collection or a compilation adds to either side. */
const NOISE = 15_000;

async function expectLinear(what: string, read: (text: string) => unknown): Promise<void> {
  for (const [length, longer] of STEPS) {
    const [short, long] = [texts(length), texts(longer)];
    for (let i = 0; i < short.length; i++) {
      const within = async (runs: number): Promise<[few: number, many: number]> => [await cpu(() => read(short[i] as string), runs), await cpu(() => read(long[i] as string), runs)];
      const linear = ([few, many]: [number, number]): boolean => many < NOISE + 24 * few;
      // A step that looks steep is measured again before it counts.
      const steep = !linear(await within(1)) && !linear(await within(5));
      expect(steep, `${what} of ${longer} characters like ${JSON.stringify((short[i] as string).slice(0, 12))}`).toBe(false);
    }
  }
}

const quiet = (run: () => unknown): unknown => {
  try {
    return run();
  } catch {
    // A parser may refuse; the question is how long it takes.
    return undefined;
  }
};

const parsers: Record<string, (text: string) => unknown> = {
  canonicalPath: (text) => canonicalPath(`/${text}`),
  climbs: (text) => climbs(`/${text}`),
  queryOf,
  parseCacheControl,
  parseRequestDirectives: (text) => parseRequestDirectives(text, text),
  listMembers,
  varyNames: (text) => varyNames({ get: () => text } as never),
  "normaliseValue of accept": (text) => normaliseValue("accept", text),
  "normaliseValue of accept-encoding": (text) => normaliseValue("accept-encoding", text),
  parseTargeted,
  noneMatchNames: (text) => noneMatchNames(text, '"z"'),
  parseRange: (text) => parseRange(`bytes=${text}`, 1000),
  parseHttpDate: (text) => parseHttpDate(text, 0),
  traceIds,
  normalizeAddress,
  "extractClientIp by X-Forwarded-For": (text) => extractClientIp({ "x-forwarded-for": text }, { trustedProxies: ["10.0.0.0/8"] }),
  "extractClientIp by Forwarded": (text) => extractClientIp({ forwarded: text }, { trustedProxies: ["10.0.0.0/8"], ipHeaders: ["forwarded"] }),
  essenceOf,
  mediaTypeIn: (text) => mediaTypeIn(text, ["application/json"]),
  parseDebugRequest,
  negotiate: (text) => negotiate(text, ["br", "gzip", "deflate"]),
  digestsMatch: (text) => digestsMatch(text, new Uint8Array(8)).catch(() => false),
  scanJson: (text) => scanJson(text, { maxDepth: 20, maxKeys: 100, maxStringLength: 10_000, maxArraySize: 100 }),
  escapeKeyPart,
  decodeValue: (text) => quiet(() => decodeValue(text)),
};

describe("a parser is linear in hostile text", () => {
  it.each(Object.keys(parsers))("%s", async (name) => expectLinear(name, parsers[name] as (text: string) => unknown));
});

const SECRET = "a-secret-of-at-least-32-characters!";
const policies: Record<string, readonly [policy: Policy, ...fields: string[]]> = {
  jwtAuth: [jwtAuth({ secret: SECRET }), "authorization"],
  basicAuth: [basicAuth({ validate: () => false }), "authorization"],
  oauth2: [oauth2({ localValidate: () => null }), "authorization"],
  apiKeyAuth: [apiKeyAuth({ validate: () => false }), "x-api-key"],
  jws: [jws({ secret: SECRET }), "x-jws-signature"],
  verifyHttpSignature: [verifyHttpSignature({ keys: { k: { algorithm: "hmac-sha256", secret: SECRET } } }), "signature", "signature-input"],
  rbac: [rbac({ roles: ["a"], stripHeaders: false }), "x-user-role"],
  csrf: [csrf(), "origin", "referer", "cookie"],
  cors: [cors({ origins: ["https://a.example"] }), "origin", "access-control-request-headers"],
  cache: [cache(), "cache-control", "if-none-match", "if-modified-since", "range", "pragma", "authorization", "cookie"],
  compression: [compression(), "accept-encoding"],
  ipFilter: [ipFilter({ deny: ["192.0.2.0/24"] }), "x-forwarded-for", "x-real-ip", "forwarded"],
  idempotency: [idempotency(), "idempotency-key"],
  overrideMethod: [overrideMethod(), "x-http-method-override"],
  jsonThreatProtection: [jsonThreatProtection(), "content-type"],
  requestLog: [requestLog({ sink: () => {} }), "user-agent", "traceparent", "x-request-id"],
};

describe("a gateway is linear in hostile fields", () => {
  it.each(Object.keys(policies))("%s", async (name) => {
    const [policy, ...fields] = policies[name] as (typeof policies)[string];
    const gateway = createGateway({ trustProxy: () => true, debugHeaders: true, routes: [{ path: "/*", methods: ["GET", "POST"], pipeline: { policies: [policy], upstream: { type: "handler", handler: () => new Response("ok", { headers: { "cache-control": "max-age=60", etag: '"a"' } }) } } }] });
    for (const field of fields) {
      await expectLinear(`${name}, ${field}`, async (text) => {
        let headers: Headers;
        try {
          headers = new Headers({ [field]: text, "x-sluice-debug": "trace" });
        } catch {
          // Not a value of a field: no server would hand it over.
          return;
        }
        const response = await gateway.fetch(new Request("http://gateway/a", { method: name === "overrideMethod" || name === "idempotency" || name === "jsonThreatProtection" || name === "csrf" ? "POST" : "GET", headers }), { incoming: { socket: { remoteAddress: "10.0.0.1" } } } as never);
        await response.text();
        expect(response.status).toBeLessThan(500);
      });
    }
    await gateway.close();
  });
});
