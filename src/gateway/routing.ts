/** Finds the route of a request, and what to say when there is none. */

import type { Router } from "hono/router";
import { createRouter } from "#router";
import type { CompiledRoute } from "./internals.ts";

export type TrailingSlash = "alias" | "redirect" | "strict";

/** Methods the gateway knows. Others are answered with 501, unless a route lists them. */
export const KNOWN_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE", "CONNECT"]);

/** What a route may list beside them (the rest of `HttpMethod`): the methods that servers' parsers know. */
export const EXTENSION_METHODS: ReadonlySet<string> = /* @__PURE__ */ new Set(
  "ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(" "),
);

/** What Hono's routers give: handlers with their parameters, and the stash the parameters index into. */
export type MatchResult<T> = readonly [readonly (readonly [T, Record<string, unknown>])[], unknown?];

export interface RouteTable<T> {
  /** All routes of method and path, first configured first. */
  match(method: string, path: string): MatchResult<T>;
  /**
   * The chain that answers a CORS preflight for this path: that of the route which would serve `requested`, if there is one.
   * Where no route would, the first chain of the path says so.
   */
  preflight(path: string, requested: string | null): CompiledRoute["preflight"];
  /** Methods of the routes that have this path. */
  allowed(path: string): string[];
  readonly methods: ReadonlySet<string>;
}

/** `entry` makes what a match gives. The underlying routers are built by the first match, so a table is cheap to make. */
export function createRouteTable<T>(routes: readonly CompiledRoute[], slash: TrailingSlash, entry: (route: CompiledRoute) => T): RouteTable<T> {
  const router: Router<T> = createRouter();
  const methods = new Set<string>();
  const preflights = new Map<T, CompiledRoute["preflight"]>();
  for (const route of routes) {
    const value = entry(route);
    preflights.set(value, route.preflight);
    const path = slash === "strict" ? route.path : withoutSlash(route.path);
    for (const method of route.methods) {
      methods.add(method);
      router.add(method, path, value);
    }
    // A GET route answers HEAD as well (RFC 9110 9.3.2).
    if (route.methods.includes("GET") && !route.methods.includes("HEAD")) router.add("HEAD", path, value);
  }
  const match = (method: string, path: string): MatchResult<T> =>
    router.match(method, slash === "strict" ? path : withoutSlash(path)) as unknown as MatchResult<T>;
  return {
    match,
    methods,
    preflight(path, requested) {
      const asked = requested === null ? undefined : match(requested, path)[0][0];
      if (asked !== undefined) return preflights.get(asked[0]);
      for (const method of methods) {
        const first = match(method, path)[0][0];
        const chain = first === undefined ? undefined : preflights.get(first[0]);
        if (chain !== undefined) return chain;
      }
      return undefined;
    },
    allowed(path) {
      const found = new Set<string>();
      for (const method of methods) if (match(method, path)[0].length > 0) found.add(method);
      if (found.has("GET")) found.add("HEAD");
      if (found.size > 0) found.add("OPTIONS");
      return [...found];
    },
  };
}

/** One trailing slash less; the root stays. */
export function withoutSlash(path: string): string {
  return path.length > 1 && path.charCodeAt(path.length - 1) === 47 ? path.slice(0, -1) : path;
}
