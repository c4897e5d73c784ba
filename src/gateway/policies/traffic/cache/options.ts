/** Options of the `cache` policy, checked once. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkNonNegative, checkOneOf } from "../../../../core/check.ts";
import { OptionError } from "../../../../core/errors.ts";
import type { MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CacheStore } from "../../../../state/contracts/cache.ts";
import type { FailMode, PolicyOptions } from "../../../types.ts";
import { isToken } from "../../../../core/cache-directives.ts";
import { type StorageRules, neverStored } from "./freshness.ts";

/** Options of {@link cache}. */
export interface CacheConfig extends PolicyOptions {
  /** Lifetime of a response that gives none itself, in seconds; 0 is stale at once. @default 300 */
  readonly ttlSeconds?: number;
  /** The same for 404 and 410, in ms. @default 10000 */
  readonly negativeTtlMs?: number;
  /** Methods answered from the cache; `HEAD` rides on `GET`. Bodies of other methods are part of the key. @default ["GET"] */
  readonly methods?: readonly string[];
  /** Takes the place of the URL in the key. What it gives must tell callers apart wherever the response does. */
  readonly cacheKeyFn?: (c: Context) => MaybePromise<string>;
  /** The only statuses stored. @default 200, 203, 204, 300, 301, 308, 404, 410, and others with explicit freshness */
  readonly cacheableStatuses?: readonly number[];
  /** Request fields that select among responses, beside those of `Vary`. */
  readonly varyHeaders?: readonly string[];
  /** Where the responses are kept. @default the adapter's `cacheStore`, else one in memory */
  readonly store?: CacheStore;
  /** False: the options alone decide how long; responses that may not be shared still stay out. @default true */
  readonly respectCacheControl?: boolean;
  /** Whether a caller's own `Cache-Control` counts. @default true */
  readonly respectRequestDirectives?: boolean;
  /** Response field with the result in one word. @default "x-cache" */
  readonly cacheStatusHeader?: string;
  /** Response directives that keep a response out of the store. @default ["no-store", "no-cache"] */
  readonly bypassDirectives?: readonly string[];
  /** How long past its lifetime a response is served while it is refreshed, where it does not say itself. @default 0 */
  readonly staleWhileRevalidateMs?: number;
  /** How long past its lifetime a response stands in for a failing upstream, where it does not say itself. @default 0 */
  readonly staleIfErrorMs?: number;
  /** Longest body that is stored. @default 1048576 */
  readonly maxEntryBytes?: number;
  /** Most variants of one URL. @default 50 */
  readonly maxVariants?: number;
  /** Tags for `gateway.cache.purge({ tags })`, beside those in `Cache-Tag` and `Surrogate-Key`. */
  readonly tags?: (c: Context, response: Response) => MaybePromise<readonly string[] | undefined>;
  /** Concurrent misses of one key wait for the first. @default true */
  readonly coalesce?: boolean;
  /** Longest such wait, in ms; then the caller goes to the upstream itself. @default 5000 */
  readonly coalesceWaitMs?: number;
  /** Store and replay `Set-Cookie`, to everybody. @default false */
  readonly storeSetCookie?: boolean;
  /** When the store is away: go to the upstream, refuse with 503, or cache in this process. @default "open" */
  readonly failMode?: FailMode;
}

export type ResolvedCacheConfig = CacheConfig & Required<Omit<CacheConfig, "cacheKeyFn" | "cacheableStatuses" | "varyHeaders" | "store" | "tags" | keyof PolicyOptions>>;

export const CACHE_DEFAULTS: Partial<CacheConfig> = Object.freeze({
  ttlSeconds: 300,
  negativeTtlMs: 10_000,
  methods: Object.freeze(["GET"]),
  respectCacheControl: true,
  respectRequestDirectives: true,
  cacheStatusHeader: "x-cache",
  bypassDirectives: Object.freeze(["no-store", "no-cache"]),
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  maxEntryBytes: 1_048_576,
  maxVariants: 50,
  coalesce: true,
  coalesceWaitMs: 5000,
  storeSetCookie: false,
  failMode: "open",
});

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "QUERY"];

export function validateCacheConfig(given: CacheConfig): void {
  const config = given as ResolvedCacheConfig;
  checkNonNegative("ttlSeconds", config.ttlSeconds);
  checkNonNegative("negativeTtlMs", config.negativeTtlMs);
  checkNonNegative("staleWhileRevalidateMs", config.staleWhileRevalidateMs);
  checkNonNegative("staleIfErrorMs", config.staleIfErrorMs);
  checkNonNegative("coalesceWaitMs", config.coalesceWaitMs);
  checkInteger("maxEntryBytes", config.maxEntryBytes, 0);
  checkInteger("maxVariants", config.maxVariants, 1);
  checkOneOf("failMode", config.failMode, ["open", "closed", "local"]);
  for (const option of ["respectCacheControl", "respectRequestDirectives", "coalesce", "storeSetCookie"] as const) {
    if (typeof config[option] !== "boolean") throw new OptionError(option, config[option], "true or false");
  }
  checkMethods(config.methods);
  checkTokens("bypassDirectives", config.bypassDirectives);
  if (config.varyHeaders !== undefined) checkTokens("varyHeaders", config.varyHeaders);
  if (typeof config.cacheStatusHeader !== "string" || !isToken(config.cacheStatusHeader)) {
    throw new OptionError("cacheStatusHeader", config.cacheStatusHeader, "the name of a header field");
  }
  if (config.cacheKeyFn !== undefined) checkFunction("cacheKeyFn", config.cacheKeyFn);
  if (config.tags !== undefined) checkFunction("tags", config.tags);
  if (config.cacheableStatuses !== undefined) checkStatuses(config.cacheableStatuses);
  if (config.store !== undefined) checkStore(config.store);
}

export function storageRules(config: ResolvedCacheConfig): StorageRules {
  return {
    ttlMs: config.ttlSeconds * 1000,
    negativeTtlMs: config.negativeTtlMs,
    statuses: config.cacheableStatuses === undefined ? undefined : new Set(config.cacheableStatuses),
    respectCacheControl: config.respectCacheControl,
    bypassDirectives: config.bypassDirectives.map((name) => name.toLowerCase()),
    storeSetCookie: config.storeSetCookie,
    staleWhileRevalidateMs: config.staleWhileRevalidateMs,
    staleIfErrorMs: config.staleIfErrorMs,
  };
}

function checkMethods(methods: unknown): void {
  const names = Array.isArray(methods) ? methods : [];
  const expected = `a list of ${METHODS.join(", ")} with one other than HEAD`;
  if (!names.some((name) => name !== "HEAD") || !names.every((name) => METHODS.includes(name))) throw new OptionError("methods", methods, expected);
}

function checkTokens(option: string, names: unknown): void {
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string" && isToken(name))) {
    throw new OptionError(option, names, "a list of names");
  }
}

function checkStatuses(statuses: unknown): void {
  const valid = Array.isArray(statuses) && statuses.length > 0 && statuses.every((status) => Number.isInteger(status) && status <= 599 && !neverStored(status));
  if (!valid) throw new OptionError("cacheableStatuses", statuses, "a list of statuses from 200 to 499 without 206, 304, 401, 407 and 429, which are never stored");
}

function checkStore(store: CacheStore): void {
  if (typeof store !== "object" || store === null) throw new OptionError("store", store, "a CacheStore");
  for (const method of ["get", "put", "delete"] as const) {
    if (typeof store[method] !== "function") throw new OptionError("store", store, `a CacheStore with the method ${method}()`);
  }
  if ((store.read === undefined) !== (store.write === undefined)) throw new OptionError("store", store, "a CacheStore with both read() and write(), or neither");
  if ((store.lock === undefined) !== (store.unlock === undefined)) throw new OptionError("store", store, "a CacheStore with both lock() and unlock(), or neither");
}
