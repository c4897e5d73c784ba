import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createGateway } from "../create-gateway.ts";
import { cors } from "../policies/traffic/cors.ts";
import { rateLimit } from "../policies/traffic/rate-limit.ts";
import type { GatewayConfig, RouteConfig } from "../types.ts";
import { mergeConfigs } from "./merge.ts";
import { regexThreatProtection } from "../policies/traffic/regex-threat-protection.ts";
import { routesFromOpenApi } from "./open-api.ts";
import { ConfigValidationError, safeValidateConfig, validateConfig } from "./validate-config.ts";

const route = (path: string, more: Partial<RouteConfig> = {}): RouteConfig => ({ path, pipeline: { upstream: { type: "handler", handler: () => new Response(path) } }, ...more });

describe("mergeConfigs", () => {
  test("routes append, policies merge by identity, scalars last wins, object fields shallowly", () => {
    const [a, b, c] = [rateLimit({ max: 1 }), rateLimit({ max: 2 }), cors()];
    const merged = mergeConfigs(
      { name: "a", routes: [route("/1")], policies: [a, c], stores: { timeoutMs: 1, putTimeoutMs: 2 }, admin: { prefix: "x" } },
      undefined,
      { name: "b", debug: undefined, routes: [route("/2")], policies: [b], stores: { timeoutMs: 3 }, admin: { enabled: false } },
    );
    expect(merged.routes.map((one) => one.path)).toEqual(["/1", "/2"]);
    expect(merged.policies).toEqual([b, c]);
    expect([merged.name, merged.stores, merged.admin]).toEqual(["b", { timeoutMs: 3, putTimeoutMs: 2 }, { prefix: "x", enabled: false }]);
    expect(mergeConfigs({ admin: { prefix: "x" } }, { admin: false }).admin).toBe(false);
  });

  test("forgets no field of the type", () => {
    const source = readFileSync(new URL("../types.ts", import.meta.url), "utf8");
    const body = source.slice(source.indexOf("export interface GatewayConfig {"), source.indexOf("export type TrustProxy"));
    const names = [...body.matchAll(/^  readonly (\w+)\??:/gm)].map((match) => match[1] as string);
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) {
      const value = name === "routes" ? [route("/")] : name.endsWith("olicies") ? [cors()] : Object.freeze({});
      const merged = mergeConfigs({}, { [name]: value } as Partial<GatewayConfig>) as unknown as Record<string, unknown>;
      if (Array.isArray(value)) expect(merged[name]).toEqual(value);
      else expect(merged[name]).toBe(value);
    }
  });
});

describe("validateConfig", () => {
  test("gives the very object back", () => {
    const config: GatewayConfig = { adapter: {}, routes: [route("/a", { metadata: { own: 1 } })], policies: [cors()] };
    expect(validateConfig(config)).toBe(config);
    expect(safeValidateConfig(config)).toEqual({ success: true, data: config, warnings: [] });
  });

  test("tells every issue at once, with path, option, value and the nearest name", () => {
    const bad = {
      nmae: "x", trailingSlash: "never", tracing: {},
      policies: [cors(), cors()],
      routes: [route("/fine"), route("no-slash"), { path: "/u", pipeline: { upstream: { type: "url", target: "ftp://x" } } }, { path: "/b", pipeline: { upstream: { type: "balanced", targets: [], ballance: 1 } } }],
    };
    const checked = safeValidateConfig(bad);
    if (checked.success) throw new Error("not reached");
    expect(checked.issues.map(({ path }) => path)).toEqual(["nmae", "trailingSlash", "tracing", "routes[1]", "routes[2].pipeline.upstream", "routes[3].pipeline.upstream", "policies[1]"]);
    const all = checked.issues.map(({ message }) => message).join("\n");
    for (const part of ['did you mean "name"', '"never"', "tracing.exporter", '"no-slash"', "ftp://x", 'did you mean "balance"', '"cors" is twice']) expect(all).toContain(part);
    expect(() => validateConfig(bad)).toThrow(ConfigValidationError);
    for (const none of [null, 5, [], undefined]) expect(safeValidateConfig(none)).toMatchObject({ success: false });
    expect(safeValidateConfig({ routes: [] })).toMatchObject({ success: false, issues: [{ path: "routes" }] });
  });

  test("warns of what is legal and hardly meant", () => {
    const checked = safeValidateConfig({ routes: [route("/a/*"), route("/a/b"), route("/c/:id"), route("/c/:name/"), route("/d/*", { methods: ["GET"] }), route("/d/e", { methods: ["POST"] })], policies: [{ name: "late", guard: true, handler: (_c: never, next: () => unknown) => next(), priority: 50 }] });
    expect(checked.success).toBe(true);
    expect(checked.warnings.filter(({ message }) => !message.includes("guard")).map(({ path }) => path)).toEqual(["routes[1].path", "routes[3].path"]);
    expect(checked.warnings.some(({ message }) => message.includes('"late"'))).toBe(true);
  });
});

test("patterns that may take for ever are warnings, wherever they stand", () => {
  const slow = regexThreatProtection({ patterns: [{ regex: "ok", targets: ["path"] }, { regex: "(a+)+$", targets: ["body"] }] });
  const { warnings } = safeValidateConfig({ policies: [slow], routes: [{ path: "/", pipeline: { policies: [regexThreatProtection({ name: "own", patterns: [{ regex: "fine+", targets: ["path"] }] })], upstream: { type: "handler", handler: () => new Response() } } }] });
  expect(warnings).toEqual([{ path: "policies[0]", message: expect.stringMatching(/regex-threat-protection.*patterns\[1\].*\(a\+\)\+\$.*exponential/) }]);
});

describe("routesFromOpenApi", () => {
  const doc = (more: object = {}, paths: object = {}): unknown => ({
    openapi: "3.1.0", servers: [{ url: "https://orders.internal/v2" }],
    paths: { "/orders/{order-id}": { parameters: [{ $ref: "#/components/parameters/Id" }], get: { operationId: "getOrder", tags: ["orders"], security: [{ key: [] }] }, post: { requestBody: { required: true, content: { "application/json": { schema: { $ref: "#/components/schemas/Order" } } } } } }, ...paths },
    components: { parameters: { Id: { in: "path", name: "order-id", required: true, schema: { type: "integer" } } }, schemas: { Order: { type: "object" } } }, ...more,
  });
  const key = { name: "key", handler: (_c: unknown, next: () => Promise<void>) => next() } as never;
  const validator = (schema: unknown) => (value: unknown) => ((schema as { type?: string }).type === "integer" ? (Number.isInteger(value) ? undefined : "must be an integer") : typeof value === "object" ? undefined : "must be an object");

  test("paths, methods, metadata, server and security", () => {
    const routes = routesFromOpenApi(doc(), { security: { key } });
    expect(routes.map(({ path, methods }) => [path, methods])).toEqual([["/orders/:order_id", ["GET"]], ["/orders/:order_id", ["POST"]]]);
    expect(routes[0]).toMatchObject({ metadata: { operationId: "getOrder", tags: ["orders"] }, pipeline: { upstream: { type: "url", target: "https://orders.internal/v2" }, policies: [key] } });
    expect(routes[1]?.pipeline.policies).toEqual([]);
  });

  test("parameters and bodies are checked when there is a validator", async () => {
    const { app } = createGateway({ routes: routesFromOpenApi(doc(), { security: { key }, validator, upstream: { type: "handler", handler: (c) => c.text("ok") } }) });
    const post = (path: string, body: string) => app.request(path, { method: "POST", body, headers: { "content-type": "application/json" } });
    expect([(await app.request("/orders/7")).status, (await app.request("/orders/x")).status, (await post("/orders/7", "{}")).status, (await post("/orders/7", "nope")).status]).toEqual([200, 400, 200, 400]);
    // As `requestValidation` answers, whose policy it is.
    expect(await (await app.request("/orders/x")).json()).toMatchObject({ code: "validation_failed", errors: [{ path: "params.order-id", message: "must be an integer" }] });
    expect(await (await app.request("/orders/7", { method: "POST" })).json()).toMatchObject({ code: "validation_failed", errors: [{ path: "body", message: "is required" }] });
    expect((await post("/orders/7", JSON.stringify({ long: "x".repeat(2 ** 20) }))).status).toBe(413);
  });

  test("a body is of a declared type, and JSON is checked beside others", async () => {
    const content = { "application/json": { schema: { type: "object" } }, "multipart/form-data": {}, "image/*": {} };
    const { app } = createGateway({ routes: routesFromOpenApi(doc({}, { "/files": { post: { requestBody: { content } } } }), { security: { key }, validator, upstream: { type: "handler", handler: (c) => c.text("ok") } }) });
    const post = async (path: string, type: string, body: string): Promise<number> => (await app.request(path, { method: "POST", body, headers: { "content-type": type } })).status;
    expect([await post("/files", "application/json", "1"), await post("/files", "application/json", "{}"), await post("/files", "multipart/form-data; boundary=a", "--a--"), await post("/files", "image/png", "x"), await post("/files", "text/plain", "1"), await post("/orders/7", "multipart/form-data", "x")]).toEqual([400, 200, 200, 200, 415, 415]);
  });

  test.each<[string, unknown, RegExp]>([
    ["a version it does not know", doc({ openapi: "2.0" }), /#\/openapi.*"2\.0"/],
    ["a dangling reference", doc({ components: {} }), /#\/paths\/~1orders~1\{order-id\}.*\$ref.*#\/components\/parameters\/Id/],
    ["a reference to elsewhere", doc({}, { "/x": { $ref: "https://evil.example/x" } }), /#\/paths\/~1x\/\$ref.*evil/],
    ["a scheme without a policy", doc({}, { "/x": { get: { security: [{ other: [] }] } } }), /#\/paths\/~1x\/get\/security\/0\/other/],
    ["no server", doc({ servers: [] }), /#\/servers\/0\/url/],
    ["no object", 5, /OpenAPI #.*5/],
  ])("refuses %s, with its place", (_name, bad, message) => {
    expect(() => routesFromOpenApi(bad, { security: { key }, validator })).toThrow(message);
  });
});
