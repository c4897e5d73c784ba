/** The gateway as a Hono application: one object for its whole life, whatever is swapped behind it. */

import type { Context, Hono } from "hono";
import { HonoBase } from "hono/hono-base";
import type { Router } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { GatewayError } from "./errors.ts";
import { serveRoute, serveUnmatched } from "./exchange.ts";
import type { BoundUpstream, CompiledRoute, Snapshot } from "./internals.ts";
import { serveAdmin } from "./operation/admin.ts";
import type { AdminHost } from "./operation/admin-host.ts";
import { canonicalPath, laxPath, queryOf } from "./path.ts";
import { createRouteTable, KNOWN_METHODS, withoutSlash, type MatchResult, type RouteTable } from "./routing.ts";

/** Holds the configuration that new requests run on. */
export interface Switch {
  snapshot: Snapshot;
}

type Handler = (c: Context) => MaybePromise<Response>;
/** Hono's entry of a router: the handler and a description. */
type Entry = [handler: Handler, description: unknown];

/** What `getPath` gives for a path that has no canonical form. */
const MALFORMED = "";

export function createApp(active: Switch, admin: AdminHost): Hono {
  const router = createGatewayRouter(active, admin);
  const app: Hono = new HonoBase({ router: router as never, getPath: (request: Request) => canonicalPath(request.url) ?? MALFORMED });
  // The one route others see: `outer.route("/api", gateway.app)` takes it over, and the match happens here.
  app.all("/*", (c) => router.serveMounted(c));
  router.seal();
  return app;
}

interface GatewayRouter extends Router<Entry> {
  serveMounted(c: Context): MaybePromise<Response>;
  seal(): void;
}

function createGatewayRouter(active: Switch, admin: AdminHost): GatewayRouter {
  let sealed = false;
  /** Routes a user added to `gateway.app` itself; they go first. */
  let extras: TrieRouter<Entry> | undefined;
  let table: RouteTable<Entry> | undefined;
  let tableOf: Snapshot | undefined;

  const currentTable = (): RouteTable<Entry> => {
    const { snapshot } = active;
    if (tableOf !== snapshot || table === undefined) {
      table = createRouteTable<Entry>(snapshot.routes, snapshot.config.trailingSlash ?? "alias", (route) => [
        (c) => serveRoute(snapshot, route, c, c.req.path),
        { path: route.path, method: "ALL", basePath: "/", handler: undefined, route },
      ]);
      tableOf = snapshot;
    }
    return table;
  };

  const find = (method: string, path: string): MatchResult<Entry> => {
    const { snapshot } = active;
    if (path === MALFORMED) return only((c) => serveUnmatched(snapshot, c, "/", snapshot.unmatched, badPath));
    const settings = snapshot.admin;
    if (settings !== undefined && (path.startsWith(settings.base) || path.length + 1 === settings.base.length && settings.base.startsWith(path))) {
      const page = path.slice(settings.base.length);
      return only((c) => serveUnmatched(snapshot, c, path, snapshot.early, (inner) => serveAdmin(admin, settings, inner, page)));
    }
    const routes = currentTable();
    const found = routes.match(method, path);
    if (found[0].length > 0) {
      if (missesGuards(routes, method, path, found)) return only((c) => serveUnmatched(snapshot, c, path, snapshot.unmatched, ambiguousPath));
      if (snapshot.config.trailingSlash === "redirect" && path !== "/") {
        const other = misplacedSlash(found, path);
        if (other !== undefined) return other === "redirect" ? only((c) => serveUnmatched(snapshot, c, path, snapshot.unmatched, toOtherForm)) : [[other], found[1]];
      }
      return found[0].length === 1 ? found : [[found[0][0] as never], found[1]];
    }
    if (method === "OPTIONS") {
      return only((c) => {
        const preflight = routes.preflight(path, c.req.raw.headers.get("access-control-request-method"));
        return serveUnmatched(snapshot, c, path, preflight ?? snapshot.unmatched, missing(snapshot, routes, path));
      });
    }
    return only((c) => serveUnmatched(snapshot, c, path, snapshot.unmatched, missing(snapshot, routes, path)));
  };

  return {
    name: "GatewayRouter",
    add(method, path, entry) {
      if (sealed) (extras ??= new TrieRouter()).add(method, path, entry);
    },
    match(method, path) {
      const found = find(method, path);
      if (extras === undefined) return found as never;
      return [[...extras.match(method, path)[0], ...found[0].map(([entry, params]) => [entry, plainParams(params, found[1])])]] as never;
    },
    serveMounted(c) {
      const path = canonicalPath(c.req.raw.url) ?? MALFORMED;
      const found = find(c.req.method, path === MALFORMED ? path : belowMount(c, path));
      const [entry, params] = found[0][0] as [Entry, Record<string, unknown>];
      shadowParams(c, plainParams(params, found[1]));
      c.req.path = path === MALFORMED ? c.req.path : path;
      return entry[0](c);
    },
    seal() {
      sealed = true;
    },
  };
}

function only(handler: Handler): MatchResult<Entry> {
  return [[[[handler, { path: "*", method: "ALL", basePath: "/", handler: undefined }], {}]]];
}

function plainParams(params: Record<string, unknown>, stash: unknown): Record<string, string> {
  if (!Array.isArray(stash)) return params as Record<string, string>;
  return Object.fromEntries(Object.entries(params).map(([name, at]) => [name, stash[at as number] as string]).filter(([, value]) => value !== undefined));
}

/** Makes `c.req.param()` speak of the gateway's route where an outer application has matched before. */
function shadowParams(c: Context, params: Record<string, string>): void {
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const outer = c.req.param.bind(c.req) as (name?: string) => unknown;
  const param = (name?: string): unknown => {
    if (name !== undefined) return Object.hasOwn(params, name) ? decode(params[name] as string) : outer(name);
    return { ...(outer() as object), ...Object.fromEntries(Object.entries(params).map(([key, value]) => [key, decode(value)])) };
  };
  Object.defineProperty(c.req, "param", { value: param, configurable: true, writable: true });
}

/**
 * The path below the prefix an outer application has put before `/*`. That one may have matched a path as it was received:
 * one that in truth lies elsewhere is malformed.
 */
function belowMount(c: Context, path: string): string {
  const pattern = c.req.routePath.replace(/\/?\*$/, "");
  if (pattern === "") return path;
  const prefix = pattern.split("/");
  const segments = path.split("/");
  for (const [i, part] of prefix.entries()) if (!/[:*]/.test(part) && canonicalPath(`/${part}`) !== `/${segments[i] ?? ""}`) return MALFORMED;
  return `/${segments.slice(prefix.length).join("/")}`;
}

/**
 * Whether a server that reads the path less strictly would find itself at another route, with guards that the one found here
 * does not have: `/%2fadmin`, `//admin` and `/admin;x` are not `/admin` here, and may be there.
 */
function missesGuards(routes: RouteTable<Entry>, method: string, path: string, found: MatchResult<Entry>): boolean {
  const lax = laxPath(path);
  if (lax === path) return false;
  const [here, there] = [routeOf(found), routeOf(routes.match(method, lax))];
  return there !== undefined && there !== here && there.policies.some((entry) => entry.guard && here?.policies.includes(entry) !== true);
}

function routeOf(found: MatchResult<Entry>): CompiledRoute | undefined {
  return (found[0][0]?.[0][1] as { route?: CompiledRoute } | undefined)?.route;
}

/** In `redirect` mode both forms of a path find its route; which form is the configured one is decided here. */
function misplacedSlash(found: MatchResult<Entry>, path: string): "redirect" | (readonly [Entry, Record<string, unknown>]) | undefined {
  const first = configuredPath(found[0][0] as readonly [Entry, unknown]);
  if (fits(first, path)) return undefined;
  return found[0].find(([entry]) => fits(configuredPath([entry, undefined]), path) && withoutSlash(configuredPath([entry, undefined])) === withoutSlash(first)) ?? "redirect";
}

function configuredPath([entry]: readonly [Entry, unknown]): string {
  return (entry[1] as { path: string }).path;
}

function fits(configured: string, path: string): boolean {
  return configured.endsWith("*") || configured.endsWith("/") === path.endsWith("/");
}

/** 308 keeps method and body (RFC 9110 15.4.9). */
function toOtherForm(c: Context): Response {
  const { url } = c.req.raw;
  const path = canonicalPath(url) ?? "/";
  const other = path.endsWith("/") ? withoutSlash(path) : `${path}/`;
  // "//host" would send the client to another origin; "/.//host" is the same path and does not (RFC 3986 4.2).
  return new Response(null, { status: 308, headers: { location: (other.startsWith("//") ? `/.${other}` : other) + queryOf(url) } });
}

function badPath(): never {
  throw new GatewayError(400, "bad_request", "The path of the request is malformed");
}

function ambiguousPath(): never {
  throw new GatewayError(400, "bad_request", "The path of the request is ambiguous");
}

/** 501, 405 or 404. */
function missing(snapshot: Snapshot, routes: RouteTable<Entry>, path: string): BoundUpstream {
  return (c) => {
    const { method } = c.req;
    if (!KNOWN_METHODS.has(method) && !routes.methods.has(method)) throw new GatewayError(501, "method_not_implemented", "The request method is not supported");
    const allowed = routes.allowed(path);
    if (allowed.length === 0) {
      throw new GatewayError(404, "not_found", "No route matches the request", undefined, { members: { gateway: snapshot.name } });
    }
    const allow = allowed.join(", ");
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    throw new GatewayError(405, "method_not_allowed", "The method is not allowed for this path", { allow });
  };
}

