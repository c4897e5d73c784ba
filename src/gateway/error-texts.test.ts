/** What a caller is told, code by code, under induced faults that carry a host, a path and a stack. */

import { createHmac } from "node:crypto";
import { expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { createGateway } from "./create-gateway.ts";
import { GATEWAY_ERROR_CODES } from "./errors.ts";
import { apiKeyAuth } from "./policies/auth/api-key-auth.ts";
import { csrf } from "./policies/auth/csrf.ts";
import { jws } from "./policies/auth/jws.ts";
import { jwtAuth } from "./policies/auth/jwt-auth.ts";
import { oauth2 } from "./policies/auth/oauth2.ts";
import { rbac } from "./policies/auth/rbac.ts";
import { verifyHttpSignature } from "./policies/auth/verify-http-signature.ts";
import { circuitBreaker } from "./policies/resilience/circuit-breaker.ts";
import { timeout } from "./policies/resilience/timeout.ts";
import { adaptiveConcurrency } from "./policies/traffic/adaptive-concurrency.ts";
import { bulkhead } from "./policies/traffic/bulkhead.ts";
import { cache } from "./policies/traffic/cache.ts";
import { concurrencyLimit } from "./policies/traffic/concurrency-limit.ts";
import { dynamicRouting } from "./policies/traffic/dynamic-routing.ts";
import { geoIpFilter } from "./policies/traffic/geo-ip-filter.ts";
import { httpCallout } from "./policies/traffic/http-callout.ts";
import { idempotency } from "./policies/traffic/idempotency.ts";
import { ipFilter } from "./policies/traffic/ip-filter.ts";
import { jsonThreatProtection } from "./policies/traffic/json-threat-protection.ts";
import { quota } from "./policies/traffic/quota.ts";
import { rateLimit } from "./policies/traffic/rate-limit.ts";
import { regexThreatProtection } from "./policies/traffic/regex-threat-protection.ts";
import { requestLimit } from "./policies/traffic/request-limit.ts";
import { sslEnforce } from "./policies/traffic/ssl-enforce.ts";
import { overrideMethod } from "./policies/transform/override-method.ts";
import { jsonValidation } from "./policies/validation/json-validation.ts";
import { responseValidation } from "./policies/validation/response-validation.ts";
import type { GatewayConfig, Policy, UpstreamConfig } from "./types.ts";

const CANARY = "canary at /srv/app/secret.ts:7, postgres://u:pw@10.9.8.7:5432";
const boom = (): never => { throw new Error(CANARY); };
const SECRET = "a-secret-of-at-least-32-characters!";
const token = (claims: object): string => {
  const signed = [{ alg: "HS256" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `Bearer ${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
};
const json = { method: "POST", headers: { "content-type": "application/json" }, duplex: "half" };

/** A schema that nothing fits. */
const refusing = { "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) } };

interface Fault {
  readonly policies?: Policy[];
  readonly upstream?: UpstreamConfig;
  readonly config?: Partial<GatewayConfig>;
  readonly path?: string;
  readonly init?: object;
  /** Requests at once; the last one's answer counts. The upstream keeps the others. */
  readonly together?: number;
  /** Requests one after another before the one that counts. */
  readonly before?: number;
}

const never: UpstreamConfig = { type: "handler", handler: () => new Promise<Response>(() => {}) };
const throwing: UpstreamConfig = { type: "handler", handler: boom };
const dead: UpstreamConfig = { type: "url", target: "http://127.0.0.1:9/srv" };

const faults: Record<string, Fault> = {
  bad_request: { path: "/%zz" },
  invalid_json: { policies: [jsonValidation({ validate: () => true })], init: { ...json, body: "{" } },
  json_threat: { policies: [jsonThreatProtection({ maxDepth: 1 })], init: { ...json, body: "[[[1]]]" } },
  threat_detected: { policies: [regexThreatProtection({ patterns: [{ regex: "evil", targets: ["path"] }] })], path: "/evil" },
  invalid_method_override: { policies: [overrideMethod({ allowedMethods: ["PUT"] })], init: { method: "POST", headers: { "x-http-method-override": "DELETE" } } },
  idempotency_key_missing: { policies: [idempotency({ required: true })], init: { method: "POST" } },
  unauthorized: { policies: [apiKeyAuth({ validate: () => false })] },
  jws_missing: { policies: [jws({ secret: SECRET })] },
  jws_invalid: { policies: [jws({ secret: SECRET })], init: { headers: { "x-jws-signature": "a.b.c" } } },
  signature_invalid: { policies: [verifyHttpSignature({ keys: { k: { algorithm: "hmac-sha256", secret: SECRET } } })], init: { headers: { "signature-input": "s=(\"@method\");keyid=\"k\"", signature: "s=:AAAA:" } } },
  forbidden: { policies: [jwtAuth({ secret: SECRET }), rbac({ roles: ["admin"] })], init: { headers: { authorization: token({ sub: "u" }) } } },
  insufficient_scope: { policies: [oauth2({ localValidate: () => ({ sub: "u", scope: "a" }), requiredScopes: ["b"] })], init: { headers: { authorization: "Bearer t" } } },
  ip_denied: { policies: [ipFilter({ mode: "allow", allow: ["192.0.2.1"] })] },
  geo_denied: { policies: [geoIpFilter({ mode: "allow", allow: ["DE"] })] },
  ssl_required: { policies: [sslEnforce({ redirect: false })] },
  csrf_rejected: { policies: [csrf()], init: { method: "POST", headers: { origin: "https://evil.example" } } },
  not_found: { path: "/../nothing", config: { basePath: "/base" } },
  no_route: { policies: [dynamicRouting({ rules: [{ condition: () => false, target: "https://a.example" }], fallthrough: false })], upstream: { type: "url", target: "https://a.example" } },
  method_not_allowed: { init: { method: "DELETE" } },
  request_too_large: { policies: [requestLimit({ maxBytes: 1 })], init: { method: "POST", headers: { "content-length": "2" }, body: "12" } },
  body_too_large: { policies: [jsonValidation({ validate: () => true, maxBodyBytes: 1 })], init: { ...json, body: "[1,2]" } },
  unsupported_media_type: { policies: [jsonValidation({ validate: () => true, requireJson: true })], init: { method: "POST", headers: { "content-type": "text/plain" }, body: "x" } },
  validation_failed: { policies: [jsonValidation({ validate: () => false })], init: { ...json, body: "[1]" } },
  rate_limited: { policies: [rateLimit({ max: 1 })], before: 1 },
  quota_exceeded: { policies: [quota({ max: 1, period: "day", keyBy: () => "k" })], before: 1 },
  concurrency_limited: { policies: [concurrencyLimit({ max: 1 })], upstream: never, together: 2 },
  internal_error: { upstream: throwing },
  policy_error: { policies: [rateLimit({ max: 1, keyBy: boom })] },
  policy_no_response: { policies: [{ name: "mute", handler: () => undefined as never }] },
  handler_no_response: { upstream: { type: "handler", handler: () => undefined as never } },
  method_not_implemented: { init: { method: "BREW" } },
  upgrade_unsupported: { upstream: dead, init: { headers: { upgrade: "websocket", connection: "upgrade", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-version": "13" } } },
  upstream_error: { upstream: dead },
  jwks_error: { policies: [jwtAuth({ jwksUrl: "http://127.0.0.1:9/srv/keys" })], init: { headers: { authorization: `Bearer ${["{\"alg\":\"RS256\",\"kid\":\"k\"}", "{}"].map((part) => Buffer.from(part).toString("base64url")).join(".")}.AAAA` } } },
  introspection_error: { policies: [oauth2({ introspectionUrl: "http://127.0.0.1:9/srv", clientId: "c", clientSecret: CANARY })], init: { headers: { authorization: "Bearer t" } } },
  callout_failed: { policies: [httpCallout({ url: "http://127.0.0.1:9/srv", onResponse: () => {} })] },
  invalid_upstream_response: { policies: [responseValidation({ schema: refusing as never, onInvalid: "error" })], upstream: { type: "handler", handler: () => Response.json([CANARY]) } },
  circuit_open: { policies: [circuitBreaker({ failureThreshold: 1 })], upstream: throwing, before: 1 },
  bulkhead_full: { policies: [bulkhead({ maxConcurrent: 1, maxQueue: 0 })], upstream: never, together: 2 },
  overloaded: { policies: [adaptiveConcurrency({ initial: 1, min: 1, max: 1 })], upstream: never, together: 2 },
  store_unavailable: { policies: [quota({ max: 1, period: "day", keyBy: () => "k" })], config: { adapter: { rateLimitStore: { check: boom, increment: boom, peek: boom } } as never } },
  no_healthy_upstream: { upstream: { type: "balanced", targets: [{ url: "http://127.0.0.1:9", weight: 0 }] } as never },
  gateway_timeout: { policies: [timeout({ timeoutMs: 1 })], upstream: never },
  cache_miss: { policies: [cache()], init: { headers: { "cache-control": "only-if-cached" } } },
  loop_detected: { upstream: dead, init: { headers: { via: Array.from({ length: 12 }, () => "1.1 sluice").join(", ") } } },
};

/** Codes whose fault takes more than a request, and where they are brought about. */
const ELSEWHERE: Record<string, string> = {
  idempotency_in_progress: "src/gateway/policies/traffic/idempotency.test.ts",
  idempotency_key_reused: "src/gateway/policies/traffic/idempotency.test.ts",
  client_closed: "src/gateway/policies/observability/request-log.test.ts",
  config_error: "src/gateway/config/config.test.ts",
  gateway_closing: "src/gateway/lifecycle.test.ts",
  upstream_timeout: "src/runtimes/node/serve.test.ts",
};

it("has a fault for every code", () => {
  expect([...Object.keys(faults), ...Object.keys(ELSEWHERE)].sort()).toEqual([...GATEWAY_ERROR_CODES].sort());
});

it("tells the caller nothing of an upstream, a stack or a path (S15)", async () => {
  const told: Record<string, string> = {};
  const console_ = console.error;
  console.error = () => {};
  try {
    for (const [code, { policies = [], upstream = { type: "handler", handler: () => new Response("ok") }, config, path = "/", init, together = 1, before = 0 }] of Object.entries(faults)) {
      const gateway = createGateway({ clock: code === "gateway_timeout" ? undefined : manualClock(), ...config, routes: [{ path: "/*", methods: ["GET", "POST"], pipeline: { policies, upstream } }] } as GatewayConfig);
      const ask = async (): Promise<Response> => gateway.fetch(new Request(`http://gateway.example${path}`, init as RequestInit));
      for (let i = 0; i < before; i++) await (await ask()).text();
      for (let i = 1; i < together; i++) void ask().catch(() => {});
      const response = await ask();
      const text = await response.text();
      const all = `${text} ${JSON.stringify([...response.headers])}`;
      expect([code, all]).not.toEqual([code, expect.stringMatching(/canary|secret\.ts|10\.9\.8\.7|127\.0\.0\.1|ECONN|node_modules|\/srv|\bat [\w.]+ \(|\.ts\b/)]);
      const problem = response.headers.get("content-type") === "application/problem+json" ? JSON.parse(text) as { detail: string; code: string; status: number } : undefined;
      told[code] = problem?.code === code && problem.status === response.status ? `${response.status} ${problem.detail}` : `not as meant: ${response.status} ${text}`;
      await gateway.close({ graceMs: 0 });
    }
  } finally {
    console.error = console_;
  }
  expect(told).toMatchInlineSnapshot(`
    {
      "bad_request": "400 The path of the request is malformed",
      "body_too_large": "413 The body of the request is longer than 1 bytes",
      "bulkhead_full": "503 Too many requests are in progress",
      "cache_miss": "504 The request asked for a stored response only, and there is none",
      "callout_failed": "502 A service this request depends on gave no answer",
      "circuit_open": "503 The upstream has been failing and is left alone for a while",
      "concurrency_limited": "429 Too many requests are in progress",
      "csrf_rejected": "403 The request comes from a page that may not send it",
      "forbidden": "403 The caller may not do this",
      "gateway_timeout": "504 The upstream did not answer in time",
      "geo_denied": "403 The country may not call",
      "handler_no_response": "500 The handler returned no response",
      "idempotency_key_missing": "400 An idempotency key is required",
      "insufficient_scope": "403 The access token lacks a required scope",
      "internal_error": "500 An unexpected error occurred",
      "introspection_error": "502 The access token could not be checked",
      "invalid_json": "400 The body is not valid JSON",
      "invalid_method_override": "400 The method override is not allowed",
      "invalid_upstream_response": "502 The upstream gave no valid response",
      "ip_denied": "403 The address may not call",
      "json_threat": "400 The body exceeds maxDepth",
      "jwks_error": "502 The signing keys could not be fetched",
      "jws_invalid": "401 The signature is not valid",
      "jws_missing": "401 A signature is required",
      "loop_detected": "508 The request goes in circles",
      "method_not_allowed": "405 The method is not allowed for this path",
      "method_not_implemented": "501 The request method is not supported",
      "no_healthy_upstream": "503 No server of the upstream is in service",
      "no_route": "404 No rule applies to the request",
      "not_found": "404 No route matches the request",
      "overloaded": "503 The service is overloaded",
      "policy_error": "500 Policy "rate-limit" failed",
      "policy_no_response": "500 Policy "mute" neither answered nor called next()",
      "quota_exceeded": "429 Quota exceeded",
      "rate_limited": "429 Rate limit exceeded",
      "request_too_large": "413 The request is too large",
      "signature_invalid": "401 The signature is not valid",
      "ssl_required": "403 The request must be sent over https",
      "store_unavailable": "503 A store this request depends on is unavailable",
      "threat_detected": "400 The request looks like an attack",
      "unauthorized": "401 An API key is required",
      "unsupported_media_type": "415 The body must be JSON",
      "upgrade_unsupported": "501 WebSockets are not served here",
      "upstream_error": "502 The upstream gave no valid response",
      "validation_failed": "422 The body is not valid",
    }
  `);
});
