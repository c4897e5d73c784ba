/** Where a request to a url upstream goes: an origin and a base path that nothing in the request can leave. */

import { upstreamCallback } from "../callback.ts";
import { GatewayError, configError } from "../errors.ts";
import { canonicalPath, climbs } from "../path.ts";

export interface Target {
  /** `http` or `https`, host and port. */
  readonly origin: string;
  /** Without a trailing slash; empty for the root. */
  readonly basePath: string;
  /** Of the target itself, with its `?`. */
  readonly search: string;
}

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "ws:", "wss:"]);

/** Reads an absolute URL; `undefined` when it is none, or not of a scheme a gateway may call, or carries credentials. */
export function parseTarget(text: string | URL): Target | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if (!SCHEMES.has(url.protocol) || url.username !== "" || url.password !== "" || url.hostname === "") return undefined;
  return { origin: httpOrigin(url), basePath: url.pathname.replace(/\/+$/, ""), search: url.search };
}

/** WebSocket schemes speak HTTP to the same place. */
function httpOrigin(url: URL): string {
  return url.protocol.startsWith("ws") ? url.origin.replace(/^ws/, "http") : url.origin;
}

/** The configured target, or a `config_error`. */
export function checkTarget(where: string, target: unknown): Target {
  const parsed = typeof target === "string" ? parseTarget(target) : undefined;
  if (parsed === undefined) throw configError(where, redact(target), "an absolute http, https, ws or wss URL without credentials");
  return parsed;
}

/** The origins a target function may choose from, or a `config_error`. */
export function checkOrigins(where: string, origins: unknown): ReadonlySet<string> {
  if (!Array.isArray(origins) || origins.length === 0) throw configError(where, origins, "a list of origins, such as https://api.example.com, when the target is a function");
  return new Set(origins.map((origin: unknown) => {
    const parsed = typeof origin === "string" ? parseTarget(origin) : undefined;
    if (parsed === undefined || parsed.basePath !== "" || parsed.search !== "") throw configError(where, redact(origin), "made of origins, such as https://api.example.com");
    return parsed.origin;
  }));
}

function redact(value: unknown): unknown {
  return typeof value === "string" ? value.replace(/\/\/[^/@]*@/, "//***@") : value;
}

/** What a target function gave, checked against the origins it may choose from. */
export function chosenTarget(value: unknown, allowed: ReadonlySet<string>): Target {
  const target = typeof value === "string" || value instanceof URL ? parseTarget(value) : undefined;
  if (target === undefined || !allowed.has(target.origin)) throw refused();
  return target;
}

/** The path sent to the upstream: base and request path joined by exactly one slash. */
export function joinTarget(target: Target, path: string, rewritePath: ((path: string) => string) | undefined): string {
  if (path.length > 2 && isAmbiguous(path)) throw new GatewayError(400, "bad_request", "The path of the request is ambiguous");
  return target.basePath + (rewritePath === undefined ? path : rewritten(path, rewritePath));
}

/** `..` between separators of which at least one is `%2F`, `%5C` or the `;` of path parameters, also as `%3B`: some decode before they strip. */
const HIDDEN_PARENT = /(?:\/|%2f|%5c)\.\.(?:;|%3b|\/|%2f|%5c|$)/i;
/** `.`, `/` and `\` in more bytes than they have (RFC 3629 3 forbids it; lenient decoders take it). */
const OVERLONG = /%c0%a[ef]|%c1%9c|%(?:e0|f0%80)%8(?:0%a[ef]|1%9c)/i;

/** Whether a server that decodes or strips more than it should would find a parent directory in a canonical path. */
function isAmbiguous(path: string): boolean {
  return (path.includes("..") && HIDDEN_PARENT.test(path)) || (path.includes("%") && OVERLONG.test(path));
}

export function joinSearch(target: Target, query: string): string {
  if (target.search === "" || target.search === "?") return query === "?" ? "" : query;
  return query.length > 1 ? `${target.search}&${query.slice(1)}` : target.search;
}

/** A rewrite gives a path, and one that stays below the base path. */
function rewritten(path: string, rewritePath: (path: string) => string): string {
  const result: unknown = upstreamCallback("rewritePath", () => rewritePath(path));
  if (result === path) return path;
  if (typeof result !== "string" || !result.startsWith("/") || result.startsWith("//") || /[\\?#]/.test(result) || climbs(result)) throw refused();
  const canonical = canonicalPath(result);
  if (canonical === undefined || canonical.startsWith("//") || isAmbiguous(canonical)) throw refused();
  return canonical;
}

/** No connection is opened, and the caller learns nothing about where it would have gone. */
export function refused(): GatewayError {
  return new GatewayError(502, "upstream_error", "The upstream could not be called");
}
