/** Dropping stored responses: after unsafe requests (RFC 9111 4.4), and on request. */

import type { Context } from "hono";
import { StoreError } from "../../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import { canonicalPath, queryOf } from "../../../path.ts";
import { StoreFailure } from "../../../store-call.ts";
import type { PolicyContext, PurgeTarget } from "../../../types.ts";
import { keyPrefix, responseKey } from "./cache-key.ts";
import type { CachePort } from "./cache-port.ts";
import type { SiteState } from "./site-state.ts";

interface Target {
  readonly origin: string;
  /** Canonical path with the query. */
  readonly target: string;
}

/** Drops the request's URL, and what `Location` and `Content-Location` name on the same origin. */
export function invalidate(state: SiteState, port: CachePort, c: Context, gateway: PolicyContext): MaybePromise<void> {
  const { url } = c.req.raw;
  const own: Target = { origin: gateway.publicOrigin, target: gateway.path + queryOf(url) };
  const targets = [own];
  for (const name of ["location", "content-location"]) {
    const field = c.res.headers.get(name);
    const other = field === null ? undefined : resolve(field, own);
    // Elsewhere than on this origin, anybody could drop what is not theirs.
    if (other !== undefined && other.origin === own.origin && other.target !== own.target) targets.push(other);
  }
  const tags = targets.map(({ origin, target }) => state.urlTag(origin, target));
  port.flights.overtake(tags);
  const dropped: MaybePromise<unknown> = port.canPurge
    ? port.purge({ tags })
    : joined(targets.map((target) => port.delete(plainKey(state, target, gateway.routePath, gateway.upstream))));
  return isPromise(dropped) ? dropped.then(() => undefined) : undefined;
}

/** Serves `gateway.cache.purge` for one place. Gives the number of responses dropped. */
export function purgeSite(state: SiteState, target: PurgeTarget): MaybePromise<number> {
  const port = state.port(state.site.adapter);
  if (port === undefined) return 0;
  const dropped = purgePort(state, port, target);
  if (state.standIn === undefined) return dropped;
  const alsoDropped = purgePort(state, state.standIn, target);
  return Promise.all([dropped, alsoDropped]).then(([one, other]) => one + other);
}

function purgePort(state: SiteState, port: CachePort, target: PurgeTarget): MaybePromise<number> {
  const { site, config } = state;
  const { scopeKey } = site;
  if ("url" in target) {
    const url = absolute(target.url);
    if (url === undefined) {
      port.flights.overtake();
      return counted(port.purge({ prefix: `${keyPrefix(scopeKey, pathTarget(target.url))} ` }));
    }
    const tags = [state.urlTag(url.origin, url.target)];
    port.flights.overtake(tags);
    if (port.canPurge) return counted(port.purge({ tags }));
    if (site.routePath === "*" || config.cacheKeyFn !== undefined || state.varyHeaders.length > 0) return counted(port.purge({ tags }));
    const deleted = port.delete(plainKey(state, url, site.routePath, site.upstream));
    return isPromise(deleted) ? deleted.then((found) => (found === true ? 1 : 0)) : deleted === true ? 1 : 0;
  }
  port.flights.overtake();
  if ("tags" in target) return counted(port.purge({ tags: state.tags(target.tags) }));
  if ("prefix" in target) {
    // Keys begin with the path: of an absolute prefix the path counts, on every host.
    const url = absolute(target.prefix);
    return counted(port.purge({ prefix: keyPrefix(scopeKey, url === undefined ? target.prefix : url.target) }));
  }
  return counted(port.purge({ prefix: keyPrefix(scopeKey, "") }));
}

/** The key of a GET of this URL, as far as it can be known without the request. */
function plainKey(state: SiteState, { origin, target }: Target, route: string, upstream: string): string {
  return responseKey({ scope: state.site.scopeKey, target, origin, method: "GET", route, upstream, extra: "" });
}

function counted(reply: MaybePromise<number | StoreFailure>): MaybePromise<number> {
  const count = (result: number | StoreFailure): number => {
    if (!(result instanceof StoreFailure)) return result;
    throw new StoreError("STORE_UNAVAILABLE", `the cache store could not be purged (${result.code})`, { retryAfterMs: result.retryAfterMs, outcome: "unknown" });
  };
  return isPromise(reply) ? reply.then(count) : count(reply);
}

function joined(replies: readonly MaybePromise<unknown>[]): MaybePromise<unknown> {
  return replies.some(isPromise) ? Promise.all(replies) : undefined;
}

/** An absolute URL in the form keys have; `undefined` for anything else. */
function absolute(url: string): Target | undefined {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  const { origin } = new URL(url);
  return { origin, target: pathTarget(url) };
}

function pathTarget(url: string): string {
  const path = canonicalPath(url) ?? "/";
  return (path.startsWith("/") ? path : `/${path}`) + queryOf(url);
}

function resolve(field: string, own: Target): Target | undefined {
  if (field.startsWith("/") && !field.startsWith("//")) return { origin: own.origin, target: pathTarget(field) };
  if (!URL.canParse(field, own.origin + own.target)) return undefined;
  return absolute(new URL(field, own.origin + own.target).href);
}
