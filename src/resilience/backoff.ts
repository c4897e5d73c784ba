/** How long to wait before a try, and what a server says about it. Pure. */

import { checkInteger, checkNonNegative, checkOneOf } from "../core/check.ts";
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

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
/** The three forms of RFC 9110, 5.6.7: IMF-fixdate, RFC 850, asctime. Servers send the first. */
const IMF: RegExp = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const RFC850: RegExp = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
const ASCTIME: RegExp = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

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

/** An HTTP date in any of its three forms as epoch ms. `nowMs` decides the century of a two-digit year. */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  let match = IMF.exec(text);
  if (match !== null) return utc(match[3], match[2], match[1], match[4], match[5], match[6]);
  match = ASCTIME.exec(text);
  if (match !== null) return utc(match[6], match[1], match[2], match[3], match[4], match[5]);
  match = RFC850.exec(text);
  if (match === null) return undefined;
  // A year that seems more than 50 years ahead is the most recent past one with the same digits.
  const FIFTY_YEARS_MS = 50 * 365.25 * 86_400_000;
  for (const century of [2000, 1900]) {
    const at = utc(String(century + Number(match[3])), match[2], match[1], match[4], match[5], match[6]);
    if (at === undefined || at - nowMs <= FIFTY_YEARS_MS) return at;
  }
  return undefined;
}

function utc(year?: string, month?: string, day?: string, hour?: string, minute?: string, second?: string): number | undefined {
  const monthIndex = MONTHS.indexOf(month ?? "") / 3;
  const [d, h, m, s] = [Number(day), Number(hour), Number(minute), Number(second)];
  // 60 is a leap second.
  if (!Number.isInteger(monthIndex) || monthIndex < 0 || d < 1 || d > daysIn(Number(year), monthIndex) || h > 23 || m > 59 || s > 60) return undefined;
  return Date.UTC(Number(year), monthIndex, d, h, m, s);
}

function daysIn(year: number, monthIndex: number): number {
  if (monthIndex === 1) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [3, 5, 8, 10].includes(monthIndex) ? 30 : 31;
}
