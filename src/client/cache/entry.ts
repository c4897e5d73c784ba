/** A stored answer: what is kept of a response, and what may be done with it (RFC 9111, as a private cache). */

import { explicitLifetimeMs, initialAge } from "../../core/cache-age.ts";
import { parseCacheControl, type RequestDirectives } from "../../core/cache-control.ts";
import { varyNames } from "../../core/cache-vary.ts";
import { parseHttpDate } from "../../core/http-date.ts";
import { Answer } from "../answer.ts";
import type { ResponseFields } from "../fields.ts";
import type { CacheRules } from "../limit-options.ts";

/** Plain data: it may cross a process boundary. Times are epoch ms. */
export interface Entry {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly body: Uint8Array;
  readonly url: string;
  readonly storedAt: number;
  readonly initialAgeMs: number;
  readonly freshUntil: number;
  readonly keepUntil: number;
  readonly swrMs: number;
  readonly sieMs: number;
  /** Each use asks first. */
  readonly revalidate: boolean;
  /** Generations under which it was written. */
  readonly generation?: string;
}

/** Statuses that may be stored without an explicit lifetime (RFC 9110 15.1). */
const STORABLE: ReadonlySet<number> = /* @__PURE__ */ new Set([200, 203, 204, 300, 301, 308]);
/** How long a stale answer with a validator is kept to be asked about. */
const VALIDATOR_KEEP_MS = 3_600_000;
const MAX_HEURISTIC_MS = 86_400_000;

/** What to store of an answer, and by which request fields it varies; nothing when it must not be stored. */
export function entryOf(answer: Answer, body: Uint8Array, rules: CacheRules): { readonly entry: Entry; readonly vary: readonly string[] } | undefined {
  const { status, requestedAt, respondedAt } = answer;
  const negative = status === 404 || status === 410;
  if (negative ? rules.negativeTtlMs === undefined : !STORABLE.has(status)) return undefined;
  if (body.byteLength > rules.maxBodyBytes) return undefined;
  const directives = parseCacheControl(answer.get("cache-control") ?? "");
  if (directives.noStore || (directives.private && rules.tenancy === "app")) return undefined;
  if (answer.get("set-cookie") !== undefined && !directives.public) return undefined;
  const reader = { get: (name: string) => answer.get(name) ?? null };
  const vary = varyNames(reader);
  if (vary === undefined) return undefined;
  const byResponse = rules.mode === "http";
  const own = byResponse ? (explicitLifetimeMs(reader, { ...directives, sMaxage: undefined }, false, respondedAt) ?? heuristicMs(answer)) : 0;
  const lifetimeMs = negative ? (rules.negativeTtlMs as number) : (rules.ttlMs ?? own);
  const initialAgeMs = rules.ttlMs === undefined ? initialAge(reader, { requestedAt, respondedAt }) : 0;
  const strict = byResponse && (directives.mustRevalidate || directives.noCache);
  const swrMs = strict ? 0 : (rules.staleWhileRevalidateMs ?? (byResponse ? (directives.staleWhileRevalidate ?? 0) * 1000 : 0));
  const sieMs = strict ? 0 : (rules.staleIfErrorMs ?? (byResponse ? (directives.staleIfError ?? 0) * 1000 : 0));
  const validator = answer.get("etag") !== undefined || answer.get("last-modified") !== undefined;
  const revalidate = byResponse && directives.noCache && rules.ttlMs === undefined;
  const freshUntil = respondedAt + lifetimeMs - initialAgeMs;
  const keepUntil = Math.max(freshUntil + Math.max(swrMs, sieMs), validator ? Math.max(freshUntil, respondedAt) + VALIDATOR_KEEP_MS : freshUntil);
  if (keepUntil <= respondedAt || (revalidate && !validator)) return undefined;
  const headers = dropped(answer.fields, directives.dropFields);
  return { vary, entry: { status, headers, body, url: answer.url, storedAt: respondedAt, initialAgeMs, freshUntil, keepUntil, swrMs, sieMs, revalidate } };
}

/** A tenth of the age of the content when it was sent (RFC 9111 4.2.2), at most a day. */
function heuristicMs(answer: Answer): number {
  const modified = parseHttpDate(answer.get("last-modified"), answer.respondedAt);
  if (modified === undefined) return 0;
  const date = parseHttpDate(answer.get("date"), answer.respondedAt) ?? answer.respondedAt;
  return Math.min(MAX_HEURISTIC_MS, Math.max(0, (date - modified) / 10));
}

function dropped(fields: ResponseFields, names: readonly string[]): ResponseFields {
  const kept = Object.create(null) as Record<string, string | readonly string[]>;
  for (const name of Object.keys(fields)) if (!names.includes(name) && name !== "age" && name !== "set-cookie") kept[name] = fields[name] as string;
  return kept;
}

/** The entry with the fields of a 304 in place of its own, as if it had just come (RFC 9111 3.2, 4.3.4). */
export function refreshed(entry: Entry, answer: Answer, rules: CacheRules): { readonly entry: Entry; readonly vary: readonly string[] } | undefined {
  const headers = Object.create(null) as Record<string, string | readonly string[]>;
  for (const source of [entry.headers, answer.fields]) {
    for (const name of Object.keys(source)) if (source === entry.headers || !BYTES_FIELDS.has(name)) headers[name] = source[name] as string;
  }
  const renewed = new Answer({ status: entry.status, headers, body: entry.body }, entry.url, answer.requestedAt, answer.respondedAt);
  return entryOf(renewed, entry.body, rules);
}

const BYTES_FIELDS: ReadonlySet<string> = /* @__PURE__ */ new Set(["content-encoding", "content-length", "content-range", "content-type"]);

/** Use it; use it and ask meanwhile; or ask first. */
export function verdict(entry: Entry, request: RequestDirectives, now: number): "fresh" | "stale" | "ask" {
  if (request.noCache || entry.revalidate) return "ask";
  const age = entry.initialAgeMs + Math.max(0, now - entry.storedAt);
  if (request.maxAge !== undefined && age > request.maxAge * 1000) return "ask";
  if (now < entry.freshUntil) return request.minFresh !== undefined && entry.freshUntil - now < request.minFresh * 1000 ? "ask" : "fresh";
  return now < entry.freshUntil + entry.swrMs ? "stale" : "ask";
}

export function standsIn(entry: Entry, now: number): boolean {
  return !entry.revalidate && now < entry.freshUntil + entry.sieMs;
}

/** Fields that ask whether it is still good. */
export function conditions(entry: Entry): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  const { etag, "last-modified": modified } = entry.headers;
  if (typeof etag === "string") fields["if-none-match"] = etag;
  if (typeof modified === "string") fields["if-modified-since"] = modified;
  return fields;
}

/** True for what a store gave that is an entry of ours. */
export function isEntry(value: unknown): value is Entry {
  const like = value as Partial<Entry> | null;
  return typeof like === "object" && like !== null && typeof like.status === "number" && typeof like.keepUntil === "number" && like.body instanceof Uint8Array && typeof like.headers === "object" && like.headers !== null;
}
