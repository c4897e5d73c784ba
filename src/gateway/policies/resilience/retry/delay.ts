/** How long to wait before the next attempt. */

import type { Random } from "../../../../core/random.ts";

export type Backoff = "exponential" | "linear" | "fixed";
/** `full`: anything up to the delay; `equal`: its second half; `none`: the delay itself. */
export type Jitter = "full" | "equal" | "none";

export interface DelayOptions {
  readonly backoff: Backoff;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly jitter: Jitter;
}

/** The delay before retry number `retry` (from 0), in ms; never above `maxDelayMs`. */
export function retryDelayMs(retry: number, options: DelayOptions, random: Random): number {
  const { backoff, baseDelayMs, maxDelayMs, jitter } = options;
  const growth = backoff === "exponential" ? 2 ** retry : backoff === "linear" ? retry + 1 : 1;
  const delay = Math.min(maxDelayMs, baseDelayMs * growth);
  if (jitter === "none") return delay;
  return jitter === "full" ? delay * random.next() : delay / 2 + (delay / 2) * random.next();
}

/**
 * What a `Retry-After` field asks for, in ms from `now`: seconds or an HTTP date (RFC 9110, section 10.2.3). `undefined` for
 * no field and for one that cannot be read.
 */
export function parseRetryAfterMs(field: string | null, now: number): number | undefined {
  if (field === null) return undefined;
  const text = field.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse also takes "1" and other short forms; an HTTP date names a day and a zone.
  if (!/^[A-Za-z]{3,9},? .*\d\d:\d\d:\d\d/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
