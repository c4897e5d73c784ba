/** How old a response is and how long it may be used (RFC 9111 4.2), and whether it may be stored at all (RFC 9111 3). */

import { explicitLifetimeMs, initialAge } from "../../../../core/cache-age.ts";
import { varyNames } from "../../../../core/cache-vary.ts";
import { responseDirectives } from "./targeted.ts";

/** Statuses stored by default; 404 and 410 for the shorter negative lifetime. */
export const DEFAULT_STATUSES: readonly number[] = [200, 203, 204, 300, 301, 308, 404, 410];

/** Never stored: partial or conditional answers, challenges, refusals that concern one caller, and failures. */
export function neverStored(status: number): boolean {
  return status < 200 || status === 206 || status === 304 || status === 401 || status === 407 || status === 429 || status >= 500;
}

/** What the policy's options say about storing. */
export interface StorageRules {
  readonly ttlMs: number;
  readonly negativeTtlMs: number;
  /** `undefined`: the default set, and any other status with explicit freshness. */
  readonly statuses: ReadonlySet<number> | undefined;
  readonly respectCacheControl: boolean;
  readonly bypassDirectives: readonly string[];
  readonly storeSetCookie: boolean;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** What is known of the exchange that gave the response. */
export interface ExchangeFacts {
  /** The caller showed credentials. */
  readonly authenticated: boolean;
  /** The key tells callers apart, so a personal response may be stored under it. */
  readonly personalKey: boolean;
  readonly requestedAt: number;
  readonly respondedAt: number;
}

/** Why a response is not stored: its status is none of this policy's, it may not be shared, or keeping it is of no use. */
export type NotStored = "status" | "bypass" | "useless";

/** How a response is stored. Times in ms. */
export interface StoragePlan {
  readonly lifetimeMs: number;
  /** Age when it arrived. */
  readonly initialAgeMs: number;
  readonly freshUntil: number;
  readonly keepUntil: number;
  /** Until when it is of use to callers who ask for nothing special. */
  readonly usefulUntil: number;
  /** May answer callers with credentials: the response said so. */
  readonly shared: boolean;
  /** Each use needs validation. */
  readonly revalidate: boolean;
  /** Never used stale. */
  readonly strict: boolean;
  /** Never used stale on the word of the policy's options alone. */
  readonly optionStale: boolean;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
  readonly vary: readonly string[];
  readonly dropFields: readonly string[];
}

/** How long a stale response with a validator is kept to be revalidated. */
const VALIDATOR_KEEP_MS = 3_600_000;
/** How long any other one is kept for callers who take stale answers: as long again as it was fresh, within these bounds. */
const STALE_KEEP_MS: readonly [least: number, most: number] = [60_000, 3_600_000];

/** Decides whether and how a response is stored. */
export function planStorage(status: number, headers: Headers, facts: ExchangeFacts, rules: StorageRules): StoragePlan | NotStored {
  if (neverStored(status)) return "status";
  if (rules.statuses !== undefined && !rules.statuses.has(status)) return "status";
  const { directives, targeted } = responseDirectives(headers);
  const explicit = rules.respectCacheControl ? explicitLifetimeMs(headers, directives, targeted, facts.respondedAt) : undefined;
  if (explicit === undefined && rules.statuses === undefined && !DEFAULT_STATUSES.includes(status)) return "status";
  if (directives.mustUnderstand && !DEFAULT_STATUSES.includes(status)) return "bypass";

  const vary = varyNames(headers);
  const shared = directives.public || directives.sMaxage !== undefined || directives.mustRevalidate;
  // Beside `must-understand`, `no-store` is for caches that do not know the status (RFC 9111 5.2.2.3). It is heeded all
  // the same unless the options say otherwise.
  const lifted = directives.mustUnderstand && rules.respectCacheControl && !rules.bypassDirectives.includes("no-store");
  if ((directives.noStore && !lifted) || directives.private || vary === undefined) return "bypass";
  if (!rules.storeSetCookie && headers.has("set-cookie")) return "bypass";
  if (facts.authenticated && !shared && !facts.personalKey) return "bypass";
  if (rules.respectCacheControl && rules.bypassDirectives.some((name) => directives.names.has(name))) return "bypass";
  if (isEventStream(headers)) return "bypass";

  const negative = status === 404 || status === 410;
  const lifetimeMs = explicit ?? (negative ? rules.negativeTtlMs : rules.ttlMs);
  const initialAgeMs = initialAge(headers, facts);
  const respect = rules.respectCacheControl;
  const strict = respect && (directives.mustRevalidate || directives.proxyRevalidate || directives.noCache);
  // `s-maxage` implies `proxy-revalidate` (RFC 9111 5.2.2.10); an explicit permission beside it still counts.
  const optionStale = !strict && !(respect && directives.sMaxage !== undefined);
  const staleWhileRevalidateMs = respect ? seconds(directives.staleWhileRevalidate) : undefined;
  const staleIfErrorMs = respect ? seconds(directives.staleIfError) : undefined;
  const validator = headers.has("etag") || headers.has("last-modified");
  const freshUntil = facts.respondedAt + lifetimeMs - initialAgeMs;
  const swr = strict ? 0 : (staleWhileRevalidateMs ?? (optionStale ? rules.staleWhileRevalidateMs : 0));
  const sie = strict ? 0 : (staleIfErrorMs ?? (optionStale ? rules.staleIfErrorMs : 0));
  const usefulUntil = Math.max(freshUntil + Math.max(swr, sie), validator ? Math.max(freshUntil, facts.respondedAt) + VALIDATOR_KEEP_MS : freshUntil);
  const revalidate = respect && directives.noCache;
  if (usefulUntil <= facts.respondedAt || (revalidate && !validator)) return "useless";
  const keepUntil = optionStale ? Math.max(usefulUntil, freshUntil + Math.min(Math.max(lifetimeMs, STALE_KEEP_MS[0]), STALE_KEEP_MS[1])) : usefulUntil;
  return {
    lifetimeMs,
    initialAgeMs,
    freshUntil,
    keepUntil,
    usefulUntil,
    shared,
    revalidate,
    strict,
    optionStale,
    staleWhileRevalidateMs,
    staleIfErrorMs,
    vary,
    dropFields: directives.dropFields,
  };
}

function seconds(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value * 1000;
}

function isEventStream(headers: Headers): boolean {
  const type = headers.get("content-type");
  return type !== null && type.trimStart().slice(0, 17).toLowerCase() === "text/event-stream";
}
