/** Refuses a bad configuration at construction: every message names the option and quotes the value. */

import { GatewayError, configError } from "./errors.ts";
import { quote } from "../core/errors.ts";
import { EXTENSION_METHODS, KNOWN_METHODS } from "./routing.ts";
import type { GatewayConfig, Policy, PipelineConfig, RouteConfig, UpstreamConfig } from "./types.ts";

const CONFIG_OPTIONS = [
  "routes", "name", "basePath", "policies", "adapter", "onError", "debug", "requestIdHeader", "trustRequestId", "defaultMethods", "trailingSlash",
  "defaultErrorMessage", "defaultPolicyPriority", "trustProxy", "stores", "unmatchedPolicies", "admin", "debugHeaders", "tracing", "metrics", "clock", "random",
] as const satisfies readonly (keyof GatewayConfig)[];
const ROUTE_OPTIONS = ["path", "methods", "pipeline", "metadata"] as const satisfies readonly (keyof RouteConfig)[];
const PIPELINE_OPTIONS = ["policies", "upstream"] as const satisfies readonly (keyof PipelineConfig)[];

/** Throws a `GatewayError` with code `config_error`. */
export function validateGatewayConfig(config: GatewayConfig): void {
  object("the gateway's configuration", config);
  known("option", config, CONFIG_OPTIONS);
  if (!Array.isArray(config.routes)) throw configError(`option "routes"`, config.routes, "an array of routes");
  if (config.routes.length === 0) throw configError(`option "routes"`, config.routes, "an array of at least one route");
  optional("name", config.name, (value) => typeof value === "string" && value.length > 0, "a non-empty string");
  optional("basePath", config.basePath, (value) => value === "" || isPath(value), `a path starting with "/"`);
  optional("onError", config.onError, isFunction, "a function");
  optional("debug", config.debug, (value) => typeof value === "boolean" || typeof value === "string", "a boolean or a comma list of globs");
  optional("requestIdHeader", config.requestIdHeader, isToken, "a header name");
  optional("trustRequestId", config.trustRequestId, isBoolean, "a boolean");
  optional("trailingSlash", config.trailingSlash, (value) => ["alias", "redirect", "strict"].includes(value as string), `one of "alias", "redirect", "strict"`);
  optional("defaultErrorMessage", config.defaultErrorMessage, isString, "a string");
  optional("defaultPolicyPriority", config.defaultPolicyPriority, (value) => typeof value === "number" && Number.isFinite(value), "a finite number");
  optional("adapter", config.adapter, isObject, "an adapter object");
  if (config.defaultMethods !== undefined) methods(`option "defaultMethods"`, config.defaultMethods);
  policies(`option "policies"`, config.policies);
  policies(`option "unmatchedPolicies"`, config.unmatchedPolicies);
  storeOptions(config.stores);
  config.routes.forEach((route, index) => validateRoute(route, `routes[${index}]`));
}

function validateRoute(route: RouteConfig, where: string): void {
  object(where, route);
  known(`option of ${where}`, route, ROUTE_OPTIONS);
  if (!isPath(route.path)) throw configError(`"path" of ${where}`, route.path, `a path starting with "/"`);
  const at = `route ${quote(route.path)}`;
  if (route.methods !== undefined) methods(`"methods" of ${at}`, route.methods);
  if (route.metadata !== undefined) object(`"metadata" of ${at}`, route.metadata);
  object(`"pipeline" of ${at}`, route.pipeline);
  known(`option of the pipeline of ${at}`, route.pipeline, PIPELINE_OPTIONS);
  policies(`"pipeline.policies" of ${at}`, route.pipeline.policies);
  upstream(route.pipeline.upstream, at);
}

function policies(where: string, list: readonly Policy[] | undefined): void {
  if (list === undefined) return;
  if (!Array.isArray(list)) throw configError(where, list, "an array of policies");
  list.forEach((policy: unknown, index) => {
    const like = policy as Partial<Policy> | null | undefined;
    const at = `${where}[${index}]`;
    if (typeof policy === "function") throw configError(at, policy, "a policy (did you forget to call the factory?)");
    if (typeof like !== "object" || like === null || typeof like.name !== "string" || like.name === "" || typeof like.handler !== "function") {
      throw configError(at, policy, `a policy: an object with "name" and "handler"`);
    }
    if (like.priority !== undefined && (typeof like.priority !== "number" || !Number.isFinite(like.priority))) {
      throw configError(`"priority" of policy "${like.name}" in ${where}`, like.priority, "a finite number");
    }
    if (like.bind !== undefined && typeof like.bind !== "function") throw configError(`"bind" of policy "${like.name}" in ${where}`, like.bind, "a function");
  });
}

function upstream(value: UpstreamConfig, at: string): void {
  object(`"upstream" of ${at}`, value);
  switch (value.type) {
    case "handler":
      known(`option of the upstream of ${at}`, value, ["type", "handler"]);
      if (!isFunction(value.handler)) throw configError(`"handler" of the upstream of ${at}`, value.handler, "a function");
      return;
    case "url":
    case "balanced":
    case "service-binding":
      // Their own files check the rest.
      return;
    default:
      throw configError(`"type" of the upstream of ${at}`, (value as { type?: unknown }).type, `one of "url", "balanced", "service-binding", "handler"`);
  }
}

function storeOptions(stores: GatewayConfig["stores"]): void {
  if (stores === undefined) return;
  object(`option "stores"`, stores);
  known(`option of "stores"`, stores, ["timeoutMs", "putTimeoutMs", "guard"]);
  positive("stores.timeoutMs", stores.timeoutMs);
  positive("stores.putTimeoutMs", stores.putTimeoutMs);
  if (stores.guard === undefined) return;
  object(`option "stores.guard"`, stores.guard);
  known(`option of "stores.guard"`, stores.guard, ["threshold", "cooldownMs", "maxCooldownMs"]);
  optional("stores.guard.threshold", stores.guard.threshold, (value) => Number.isSafeInteger(value) && (value as number) >= 1, "an integer of at least 1");
  positive("stores.guard.cooldownMs", stores.guard.cooldownMs);
  positive("stores.guard.maxCooldownMs", stores.guard.maxCooldownMs);
}

function methods(where: string, list: readonly string[]): void {
  if (!Array.isArray(list) || list.length === 0) throw configError(where, list, "an array of at least one method");
  for (const method of list as readonly unknown[]) {
    const usable = typeof method === "string" && (KNOWN_METHODS.has(method) || EXTENSION_METHODS.has(method)) && method !== "TRACE" && method !== "CONNECT";
    if (!usable) throw configError(where, method, "made of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY and extension methods such as PROPFIND");
  }
}

export function positive(option: string, value: unknown): void {
  optional(option, value, (number) => typeof number === "number" && Number.isFinite(number) && number > 0, "a finite number above 0");
}

export function optional(option: string, value: unknown, test: (value: unknown) => boolean, expected: string): void {
  if (value !== undefined && !test(value)) throw configError(`option "${option}"`, value, expected);
}

export function object(where: string, value: unknown): void {
  if (!isObject(value)) throw configError(where, value, "an object");
}

/** Unknown names are refused: an option nobody reads is a mistake nobody sees. */
export function known(what: string, value: object, names: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const hint = nearest(name, names);
    const help = hint === undefined ? `known are ${names.join(", ")}` : `did you mean "${hint}"?`;
    throw new GatewayError(500, "config_error", `unknown ${what}: ${quote(name)}; ${help}`);
  }
}

function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let distance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const d = editDistance(name.toLowerCase(), candidate.toLowerCase(), distance);
    if (d < distance) {
      distance = d;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein distance, or `limit` when it is at least that. Names are short; longer ones are not compared. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > 64) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);
const isFunction = (value: unknown): boolean => typeof value === "function";
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isString = (value: unknown): boolean => typeof value === "string";
const isPath = (value: unknown): boolean => typeof value === "string" && value.startsWith("/");
export const isToken = (value: unknown): boolean => typeof value === "string" && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value);
