/** Groups of routes: a prefix and policies shared by all of them. */

import { configError } from "./errors.ts";
import type { Policy, RouteConfig } from "./types.ts";

export interface ScopeConfig {
  /** Put before every path; starts with `/`. */
  readonly prefix: string;
  /** Between the global policies and those of the route. One instance each: a limit is shared by the scope. */
  readonly policies?: readonly Policy[];
  readonly routes: readonly RouteConfig[];
  /** Under the metadata of each route, which wins. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** One call of `scope`. */
export interface ScopeOrigin {
  readonly prefix: string;
}

/** The layers a route's policy list was put together from: a scope's policies are one instance, and a route can override them. */
export const LAYERS: unique symbol = Symbol.for("sluice.gateway.layers") as never;

export interface ScopeLayer {
  readonly origin: ScopeOrigin;
  /** The scope's prefix, inside its outer scopes. */
  readonly prefix: string;
  readonly policies: readonly Policy[];
}

/** The pipeline of a route that went through `scope`; outermost scope first. */
export interface ScopedPipeline {
  readonly [LAYERS]?: readonly ScopeLayer[];
}

/** The routes of a scope as flat routes. Scopes nest: routes of an inner one may be among `routes`. */
export function scope(config: ScopeConfig): RouteConfig[] {
  if (typeof config !== "object" || config === null) throw configError("the argument of scope()", config, "an object");
  if (typeof config.prefix !== "string" || !config.prefix.startsWith("/")) throw configError(`option "prefix" of scope()`, config.prefix, `a path starting with "/"`);
  if (!Array.isArray(config.routes)) throw configError(`option "routes" of scope("${config.prefix}")`, config.routes, "an array of routes");
  if (config.policies !== undefined && !Array.isArray(config.policies)) {
    throw configError(`option "policies" of scope("${config.prefix}")`, config.policies, "an array of policies");
  }
  const prefix = config.prefix.replace(/\/+$/, "");
  const origin: ScopeOrigin = { prefix };
  return config.routes.map((route) => scoped(config, prefix, origin, route));
}

function scoped(config: ScopeConfig, prefix: string, origin: ScopeOrigin, route: RouteConfig): RouteConfig {
  if (typeof route !== "object" || route === null || typeof route.path !== "string" || !route.path.startsWith("/")) {
    throw configError(`"path" of a route in scope("${config.prefix}")`, route?.path ?? route, `a path starting with "/"`);
  }
  const pipeline = route.pipeline as (RouteConfig["pipeline"] & ScopedPipeline) | undefined;
  const own = config.policies ?? [];
  const layers: ScopeLayer[] = [{ origin, prefix: prefix === "" ? "/" : prefix, policies: own }];
  for (const inner of pipeline?.[LAYERS] ?? []) layers.push({ ...inner, prefix: joinPath(prefix, inner.prefix) });
  return {
    ...route,
    path: joinPath(prefix, route.path),
    ...(config.metadata === undefined && route.metadata === undefined ? undefined : { metadata: { ...config.metadata, ...route.metadata } }),
    pipeline: { ...pipeline, policies: [...own, ...(pipeline?.policies ?? [])], [LAYERS]: layers } as RouteConfig["pipeline"],
  };
}

/** `/` inside a prefix is the prefix itself. */
export function joinPath(prefix: string, path: string): string {
  const base = prefix.replace(/\/+$/, "");
  if (path === "/" || path === "") return base === "" ? "/" : base;
  return base + path;
}
