/** `cache`: answers from stored responses, as HTTP allows (RFC 9111, 9211, 9213, 5861). */

import type { Context } from "hono";
import { chain, isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { behindGuards } from "../../behind-guards.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { Priority } from "../../priority.ts";
import { isRemote, storeUnavailable } from "../../store-call.ts";
import type { Next } from "../../types.ts";
import { isUpgrade } from "../../upstreams/web-socket.ts";
import { Exchange, type Looked } from "./cache/exchange.ts";
import { invalidate, purgeSite } from "./cache/invalidate.ts";
import { reportOn } from "./cache/report.ts";
import { CACHE_DEFAULTS, type CacheConfig, type ResolvedCacheConfig, validateCacheConfig } from "./cache/options.ts";
import { SiteState } from "./cache/site-state.ts";

export type { CacheConfig };

const define: PolicyFactory<CacheConfig> = /* @__PURE__ */ definePolicy<CacheConfig, SiteState>({
  name: "cache",
  httpOnly: true,
  priority: Priority.CACHE,
  defaults: CACHE_DEFAULTS,
  validate: validateCacheConfig,
  setup: (config, site) => new SiteState(config as ResolvedCacheConfig, site),
  prepares: (config, site) => isRemote(config.store ?? site.adapter?.cacheStore),
  prepare: (c, tools) => {
    const port = tools.state.port(tools.gateway.adapter);
    if (port === undefined || !answersFromStore(c, tools.state)) return undefined;
    const exchange = new Exchange(c, tools as PolicyTools<ResolvedCacheConfig, SiteState>, port);
    const looked = exchange.look();
    return { value: chain(looked, (found): Begun => ({ exchange, found })), undo: () => exchange.letGo(looked) };
  },
  handler: (c, next, tools) => serve(c, next, tools as PolicyTools<ResolvedCacheConfig, SiteState>),
  purge: (state, target) => purgeSite(state, target),
});

/**
 * Stores responses and answers later requests from them. Every answer says what happened: `x-cache` in one word
 * (`HIT`, `MISS`, `BYPASS`, `SKIP`, `STALE`, `REVALIDATED`) and `Cache-Status` in detail.
 *
 * Responses to callers with credentials are stored only when they say that they may be shared, or under a key that
 * tells callers apart. Policies that can refuse a caller always run first: the priority is never below that of the
 * last of them.
 *
 * ```ts
 * cache({ ttlSeconds: 60, staleWhileRevalidateMs: 30_000 })
 * ```
 */
export const cache: PolicyFactory<CacheConfig> = /* @__PURE__ */ behindGuards(define);

/** Methods that change nothing (RFC 9110 9.2.1, 18.2). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"]);

interface Begun {
  readonly exchange: Exchange;
  readonly found: Awaited<Looked>;
}

function answersFromStore(c: Context, state: SiteState): boolean {
  const { method } = c.req;
  // A connection that changes its protocol has no response to store.
  return state.methods.has(method === "HEAD" ? "GET" : method) && !(method === "GET" && isUpgrade(c));
}

function serve(c: Context, next: Next, tools: PolicyTools<ResolvedCacheConfig, SiteState>): MaybePromise<Response | void> {
  const begun = tools.prepared as MaybePromise<Begun> | undefined;
  if (begun !== undefined) return chain(begun, ({ exchange, found }) => exchange.run(next, found));
  const { state } = tools;
  const { method } = c.req;
  const port = state.port(tools.gateway.adapter);
  if (port === undefined) throw storeUnavailable();
  if (answersFromStore(c, state)) {
    const exchange = new Exchange(c, tools, port);
    return exchange.run(next, exchange.look());
  }
  if (method === "GET" && state.methods.has("GET")) return next();
  return pass(c, next, tools, SAFE.has(method));
}

async function pass(c: Context, next: Next, tools: PolicyTools<ResolvedCacheConfig, SiteState>, safe: boolean): Promise<void> {
  const { state, gateway } = tools;
  await next();
  const { status } = c.res;
  reportOn(c, state, "SKIP", { fwd: "method", fwdStatus: status });
  if (safe || status < 200 || status >= 400) return;
  const port = state.port(gateway.adapter);
  if (port === undefined) return;
  for (const one of state.standIn === undefined ? [port] : [port, state.standIn]) {
    const dropped = invalidate(state, one, c, gateway);
    if (isPromise(dropped)) await dropped;
  }
}
