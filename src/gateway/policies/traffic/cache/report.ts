/** What an answer says about the cache when it comes from the upstream. */

import type { Context } from "hono";
import { setDebugHeader } from "../../../operation/debug-headers.ts";
import type { PolicySite } from "../../../types.ts";
import { type CacheStatus, formatCacheStatus } from "./cache-status.ts";

/** The result in one word. */
export type CacheResult = "HIT" | "MISS" | "BYPASS" | "SKIP" | "STALE" | "REVALIDATED";

/** Adds this cache's word to the response on its way out. */
export function reportOn(c: Context, cache: { readonly name: string; readonly resultField: string; readonly site: PolicySite }, result: CacheResult, status: CacheStatus): void {
  tellResult(cache.site, result);
  setDebugHeader(c, "x-sluice-cache-status", result);
  const { headers } = c.res;
  headers.set(cache.resultField, result);
  const before = headers.get("cache-status");
  const member = formatCacheStatus(cache.name, status);
  headers.set("cache-status", before === null || before === "" ? member : `${before}, ${member}`);
}

/** One event per request, while somebody listens. */
export function tellResult({ events, policyName, routePath }: PolicySite, result: CacheResult): void {
  if (events.detailed) events.detail({ type: "cache", policy: policyName, route: routePath, result });
}
