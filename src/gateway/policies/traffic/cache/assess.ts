/** What may be done with a stored response for a request (RFC 9111 4, 5.2.1; RFC 5861). */

import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import type { RequestDirectives } from "../../../../core/cache-control.ts";
import type { Forward } from "./cache-status.ts";
import type { EntryMeta } from "./entry.ts";

export interface Assessment {
  /** Serve it; serve it and refresh it meanwhile; or ask the upstream first. */
  readonly use: "fresh" | "stale" | "refresh" | "ask";
  /** Why the upstream is asked. */
  readonly fwd: Forward;
  readonly ageMs: number;
  /** Freshness left; negative once stale. */
  readonly leftMs: number;
}

export interface StaleOptions {
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

export function assess(record: CacheRecord, meta: EntryMeta, directives: RequestDirectives, options: StaleOptions, now: number): Assessment {
  const ageMs = ageOf(record, meta, now);
  const leftMs = record.freshUntil - now;
  if (directives.noCache) return { use: "ask", fwd: "request", ageMs, leftMs };
  if (meta.revalidate) return { use: "ask", fwd: "stale", ageMs, leftMs };
  const tooOld = directives.maxAge !== undefined && ageMs > directives.maxAge * 1000;
  if (leftMs > 0) {
    const soonOver = directives.minFresh !== undefined && leftMs < directives.minFresh * 1000;
    return { use: tooOld || soonOver ? "ask" : "fresh", fwd: "request", ageMs, leftMs };
  }
  if (!meta.strict && !tooOld && directives.minFresh === undefined) {
    // Someone who takes stale answers gets one, unless the response forbids it; `s-maxage` does (RFC 9111 4.2.4).
    if (directives.maxStale !== undefined && meta.optionStale && -leftMs <= directives.maxStale * 1000) {
      return { use: "stale", fwd: "stale", ageMs, leftMs };
    }
    if (directives.maxAge === undefined && -leftMs < staleWhileRevalidate(meta, options)) return { use: "refresh", fwd: "stale", ageMs, leftMs };
  }
  return { use: "ask", fwd: "stale", ageMs, leftMs };
}

/** Whether it may stand in for a failing upstream. */
export function standsIn(record: CacheRecord, meta: EntryMeta, directives: RequestDirectives, options: StaleOptions, now: number): boolean {
  if (meta.strict || meta.revalidate) return false;
  const allowed = Math.max(meta.sie ?? (meta.optionStale ? options.staleIfErrorMs : 0), (directives.staleIfError ?? 0) * 1000);
  return now - record.freshUntil < allowed;
}

/** `current_age` (RFC 9111 4.2.3). A clock that stepped back makes nothing younger than it arrived. */
export function ageOf(record: CacheRecord, meta: EntryMeta, now: number): number {
  return meta.age + Math.max(0, now - record.storedAt);
}

function staleWhileRevalidate(meta: EntryMeta, options: StaleOptions): number {
  return meta.swr ?? (meta.optionStale ? options.staleWhileRevalidateMs : 0);
}
