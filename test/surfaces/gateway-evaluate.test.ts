/** Every built-in policy decides outside HTTP as it does inside, or says that it is for HTTP alone. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import * as gateway from "../../src/gateway.ts";
import { createPolicyTestHarness } from "../../src/gateway/sdk/harness.ts";
import { evaluatePolicies } from "../../src/gateway/evaluation/evaluate-policies.ts";
import type { Policy, PolicyContext } from "../../src/gateway/types.ts";

const SECRET = "a secret of thirty-two characters!!";

/** One of each that has options it cannot do without; the others are made without. */
const made: Record<string, (options: never) => Policy> = gateway as never;
const options: Record<string, unknown> = {
  jwtAuth: { secret: SECRET, forwardClaims: { sub: "x-sub" }, stripCredentials: true },
  apiKeyAuth: { validate: (key: string) => key === "good", queryParam: "key", forwardKeyIdentity: { headerName: "x-owner", identityFn: (key: string) => key.toUpperCase() } },
  basicAuth: { validate: (name: string, word: string) => name === "ada" && word === "pass" },
  oauth2: { localValidate: (token: string) => (token === "good" ? { sub: "ada", scope: "read" } : false), requiredScopes: ["read"], forwardTokenInfo: { sub: "x-sub" } },
  rbac: { roles: ["admin"], stripHeaders: false },
  jws: { secret: SECRET },
  verifyHttpSignature: { keys: { one: { secret: SECRET, algorithm: "hmac-sha256" } } },
  generateHttpSignature: { keyId: "one", algorithm: "hmac-sha256", secret: SECRET },
  generateJwt: { algorithm: "HS256", secret: SECRET },
  rateLimit: { max: 10 },
  quota: { max: 10, keyBy: () => "k" },
  tokenLimit: { max: 10, windowSeconds: 60 },
  concurrencyLimit: { max: 10 },
  ipFilter: { deny: ["192.0.2.0/24"], allow: ["192.0.2.7"] },
  geoIpFilter: { deny: ["NL"] },
  requestLimit: { maxBytes: 10 },
  regexThreatProtection: { patterns: [{ regex: "drop table", targets: ["query"] }] },
  httpCallout: { url: "http://127.0.0.1:1/", onResponse: () => {} },
  dynamicRouting: { rules: [{ condition: () => false, target: "http://127.0.0.1:1" }] },
  interrupt: { condition: (c: { req: { header(name: string): string | undefined } }) => c.req.header("x-stop") !== undefined, statusCode: 418, body: { short: true }, headers: { "x-pot": "1" } },
  resourceFilter: { mode: "deny", fields: ["a"] },
  trafficShadow: { target: "http://127.0.0.1:1" },
  latencyInjection: { delayMs: 1 },
  requestTransform: { renameHeaders: { "x-a": "x-b", "x-b": "x-a" }, setHeaders: { "x-c": "set" }, removeHeaders: ["x-d"] },
  responseTransform: { setHeaders: { "x-c": "set" }, removeHeaders: ["x-d"] },
  assignAttributes: { attributes: { fixed: "1", path: (c: { req: { path: string } }) => c.req.path } },
  assignContent: { request: { a: 1 } },
  jsonValidation: { validate: (body: unknown) => typeof body === "object" && body !== null },
  requestValidation: { validate: () => true },
  responseValidation: { schema: { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } },
  metricsReporter: { collector: new gateway.InMemoryMetricsCollector() },
  assignMetrics: { tags: { a: "b" } },
  mock: { allowInProduction: true },
};

const names = [...readFileSync(new URL("../../src/gateway.ts", import.meta.url), "utf8").matchAll(/^export \{ (\w+), type \w+Config\b[^}]*\} from "\.\/gateway\/policies\/[^"]+";$/gm)].map((match) => match[1] as string);
const policyOf = (name: string): Policy => (made[name] as (options: never) => Policy)(options[name] as never);
const evaluable = names.filter((name) => policyOf(name).evaluate !== undefined);

describe("the built-in policies", () => {
  it.each(names)("%s has evaluate, or is httpOnly", (name) => {
    const policy = policyOf(name);
    expect([policy.evaluate !== undefined, policy.httpOnly === true]).toEqual(policy.evaluate === undefined ? [false, true] : [true, false]);
  });

  it("most of those that decide by fields and bodies have it", () => {
    expect(evaluable.sort()).toEqual([
      "apiKeyAuth", "assignAttributes", "basicAuth", "generateJwt", "geoIpFilter", "interrupt", "ipFilter", "jsonThreatProtection", "jsonValidation", "jwtAuth", "oauth2", "rbac",
      "requestTransform", "responseTransform", "securityHeaders",
    ]);
  });
});

const token = await new SignJWT({ sub: "ada", roles: ["admin"] }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h").sign(new TextEncoder().encode(SECRET));

/** Fields that some policy looks at, with values it takes and values it does not. */
const headers = fc.record(
  {
    authorization: fc.constantFrom(`Bearer ${token}`, `bearer ${token}`, "Bearer good", "Bearer bad", `Bearer ${token.slice(0, -2)}aa`, `Basic ${btoa("ada:pass")}`, `Basic ${btoa("ada:no")}`, "Basic %", "", "Bearer"),
    "x-api-key": fc.constantFrom("good", "bad", ""),
    "x-user-role": fc.constantFrom("admin", "guest, admin", "guest", ""),
    "x-sub": fc.constant("forged"),
    "x-owner": fc.constant("forged"),
    "cf-ipcountry": fc.constantFrom("NL", "DE", "XX"),
    "x-stop": fc.constant("1"),
    "x-a": fc.constantFrom("1", "2"),
    "x-b": fc.constantFrom("3", "4"),
    "x-c": fc.constant("own"),
    "x-d": fc.constant("own"),
    "x-frame-options": fc.constant("SAMEORIGIN"),
    "content-type": fc.constantFrom("application/json", "application/problem+json", "text/plain"),
  },
  { requiredKeys: [] },
);
const body = fc.constantFrom(undefined, "", "{}", "[1", `${"[".repeat(40)}1${"]".repeat(40)}`, '{"a":1}', "null");
const path = fc.constantFrom("/a", "/a?key=good", "/a?key=bad&access_token=good");
const address = fc.constantFrom("192.0.2.7", "192.0.2.8", "198.51.100.1", undefined);

/** What only time or chance decides. */
const comparable = (fields: Headers): Record<string, string> =>
  Object.fromEntries([...fields].filter(([name]) => !["x-request-id", "content-length"].includes(name)).map(([name, value]) => [name, value.replace(/^Bearer ey.*/, "Bearer …")]));

describe.each(evaluable)("%s", (name) => {
  it("decides alike through the pipeline and through evaluate", async () => {
    const onResponse = policyOf(name).evaluate?.onResponse !== undefined;
    await fc.assert(
      fc.asyncProperty(headers, body, path, address, async (fields, text, target, clientIp) => {
        let seen: { headers: Headers; identity: PolicyContext["identity"]; vars: unknown } | undefined;
        const { request, gateway: running } = createPolicyTestHarness(policyOf(name), {
          upstream: (c) => {
            seen = { headers: new Headers(c.req.raw.headers), identity: gateway.getGatewayContext(c)?.identity, vars: [c.get("fixed" as never), c.get("path" as never)] };
            return new Response("x", { headers: onResponse ? (fields as Record<string, string>) : {} });
          },
        });
        const given = new Headers(fields as Record<string, string>);
        const env = clientIp === undefined ? undefined : { incoming: { socket: { remoteAddress: clientIp } } };
        const init = { method: "POST", headers: given, ...(text === undefined ? {} : { body: text }) };
        const sent = new Headers(new Request("http://localhost/", init).headers);
        const response = await request(`http://localhost${target}`, init, env);
        const policy = policyOf(name);
        const phase = onResponse ? "response-headers" : ((policy.phases ?? ["request-headers"])[0] as "request-headers" | "request-body");
        const before = onResponse ? new Headers([...new Response("x", { headers: fields as Record<string, string> }).headers]) : sent;
        const verdict = await evaluatePolicies([policy], {
          phase, method: "POST", path: target, headers: before, attributes: new Map(), protocol: "grpc",
          ...(clientIp === undefined ? {} : { clientIp }), ...(phase === "request-body" && text !== undefined ? { body: text } : {}), ...(onResponse ? { status: 200 } : {}),
        }, { debug: () => {}, trace: () => {}, requestId: "r", traceId: "t" });
        await running.close();
        if (verdict.action === "reject") {
          expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([verdict.status, verdict.code]);
          expect(response.headers.get("www-authenticate")).toBe(verdict.headers?.["www-authenticate"] ?? null);
          return;
        }
        if (verdict.action === "immediate-response") {
          expect([response.status, response.headers.get("x-pot"), await response.text()]).toEqual([verdict.status, verdict.headers?.["x-pot"], verdict.body]);
          return;
        }
        const after = new Headers(before);
        let identity: unknown;
        const attributes: unknown[] = [];
        for (const mutation of verdict.mutations ?? []) {
          if (mutation.type === "header" && mutation.op === "set") after.set(mutation.name, mutation.value as string);
          if (mutation.type === "header" && mutation.op === "remove") after.delete(mutation.name);
          if (mutation.type === "identity") identity = mutation.identity;
          if (mutation.type === "attribute") attributes.push(mutation.value);
        }
        expect(response.status, await response.clone().text()).toBe(200);
        if (onResponse) expect(comparable(response.headers)).toEqual(comparable(after));
        else expect(comparable((seen as NonNullable<typeof seen>).headers)).toEqual(comparable(after));
        expect(seen?.identity).toEqual(identity);
        if (name === "assignAttributes") expect(seen?.vars).toEqual(attributes);
      }),
      { numRuns: 60 },
    );
  });
});
