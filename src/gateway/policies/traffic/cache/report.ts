/** What an answer says about the cache when it comes from the upstream. */

import type { Context } from "hono";
import { type CacheStatus, formatCacheStatus } from "./cache-status.ts";

/** The result in one word. */
export type CacheResult = "HIT" | "MISS" | "BYPASS" | "SKIP" | "STALE" | "REVALIDATED";

/** Adds this cache's word to the response on its way out. */
export function reportOn(c: Context, cache: { readonly name: string; readonly resultField: string }, result: CacheResult, status: CacheStatus): void {
  const { headers } = c.res;
  headers.set(cache.resultField, result);
  const before = headers.get("cache-status");
  const member = formatCacheStatus(cache.name, status);
  headers.set("cache-status", before === null || before === "" ? member : `${before}, ${member}`);
}
