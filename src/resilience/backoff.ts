/** How long to wait before a try, and what a server says about it. Pure. */

import { checkInteger, checkNonNegative, checkOneOf } from "../core/check.ts";
import { parseHttpDate } from "../core/http-date.ts";
import type { Random } from "../core/random.ts";

export type Backoff = "exponential" | "linear" | "constant";
/**
 * `full`: uniform in `[0, x)`, which spreads a crowd best (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
 * `equal`: uniform in `[x/2, x)`. `none`: `x`.
 */
export type Jitter = "full" | "equal" | "none";

export interface BackoffOptions {
  /** @default "exponential" */
  readonly backoff?: Backoff;
  /** Delay before the first retry, ms. @default 200 */
  readonly baseDelayMs?: number;
  /** No delay is longer, ms. @default 5000 */
  readonly maxDelayMs?: number;
  /** @default "full" */
  readonly jitter?: Jitter;
}

/** Checked and complete. @throws OptionError */
export function backoffOptions(options: BackoffOptions = {}): Required<BackoffOptions> {
  return Object.freeze({
    backoff: checkOneOf("backoff", options.backoff ?? "exponential", ["exponential", "linear", "constant"]),
    baseDelayMs: checkNonNegative("baseDelayMs", options.baseDelayMs ?? 200),
    maxDelayMs: checkNonNegative("maxDelayMs", options.maxDelayMs ?? 5000),
    jitter: checkOneOf("jitter", options.jitter ?? "full", ["full", "equal", "none"]),
  });
}

/**
 * The delay before a retry, in ms: never above `maxDelayMs`, and finite whatever the number of retries. `retry` counts from 1.
 * Exponential: `base * 2^(retry-1)`; linear: `base * retry`; constant: `base`.
 */
export function retryDelayMs(retry: number, options: Required<BackoffOptions>, random: Random): number {
  checkInteger("retry", retry, 1);
  const { backoff, baseDelayMs, maxDelayMs, jitter } = options;
  const factor = backoff === "exponential" ? 2 ** Math.min(retry - 1, 64) : backoff === "linear" ? retry : 1;
  const delay = Math.min(maxDelayMs, baseDelayMs * factor);
  if (jitter === "none") return delay;
  return jitter === "full" ? delay * random.next() : (delay * (1 + random.next())) / 2;
}

/**
 * What a `Retry-After` field says (RFC 9110, 10.2.3): milliseconds from now, 0 for a date that has passed, `undefined` for anything
 * that is neither whole seconds nor an HTTP date. `nowMs` should be the response's own `Date` where there is one.
 */
export function parseRetryAfter(value: string | null | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (text === undefined || text.length === 0 || text.length > 40) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const at = parseHttpDate(text, nowMs);
  return at === undefined ? undefined : Math.max(0, at - nowMs);
}
