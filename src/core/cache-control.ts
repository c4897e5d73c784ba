/** Cache directives of requests and responses (RFC 9111 5.2, RFC 5861) as plain facts. */

import { deltaSeconds, isToken, listMembers, visitDirectives } from "./cache-directives.ts";

/** What a response says about storing and reusing it. Times in seconds. */
export interface ResponseDirectives {
  readonly noStore: boolean;
  /** Reuse only after validation. */
  readonly noCache: boolean;
  readonly private: boolean;
  /** Fields that may not be stored: named by a qualified `no-cache` or `private`. */
  readonly dropFields: readonly string[];
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  /** `undefined` when absent; 0 when present and unreadable, since an unreadable lifetime is best taken as over. */
  readonly maxAge: number | undefined;
  readonly sMaxage: number | undefined;
  readonly staleWhileRevalidate: number | undefined;
  readonly staleIfError: number | undefined;
  /** Every directive that stands unqualified, for options that name directives. */
  readonly names: ReadonlySet<string>;
}

/** What a request asks of a cache. Times in seconds. */
export interface RequestDirectives {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAge: number | undefined;
  /** `Infinity` for a bare `max-stale`. */
  readonly maxStale: number | undefined;
  readonly minFresh: number | undefined;
  readonly staleIfError: number | undefined;
}

/** A request that asks for nothing. */
export const NO_REQUEST_DIRECTIVES: RequestDirectives = Object.freeze({
  noStore: false,
  noCache: false,
  onlyIfCached: false,
  maxAge: undefined,
  maxStale: undefined,
  minFresh: undefined,
  staleIfError: undefined,
});

/** Directives under way. */
export type DirectiveDraft = { -readonly [Key in keyof ResponseDirectives]: ResponseDirectives[Key] } & { dropFields: string[]; names: Set<string> };

/** Parses the `Cache-Control` of a response. Of a repeated directive the first counts (RFC 9111 4.2.1). */
export function parseCacheControl(text: string): ResponseDirectives {
  const draft = emptyDraft();
  if (text !== "") {
    visitDirectives(text, (name, value, quoted) => {
      // A lifetime may come quoted, although it should not (RFC 9111 5.2).
      applyDirective(draft, name, QUALIFIABLE.has(name) ? (quoted ? value : undefined) : undefined, deltaSeconds(value));
    });
  }
  return draft;
}

/** Parses the directives of a request; `Pragma: no-cache` counts where there is no `Cache-Control` (RFC 9111 5.4). */
export function parseRequestDirectives(cacheControl: string | undefined, pragma: string | undefined): RequestDirectives {
  if (cacheControl === undefined) {
    if (pragma === undefined) return NO_REQUEST_DIRECTIVES;
    let noCache = false;
    visitDirectives(pragma, (name) => (noCache ||= name === "no-cache"));
    return noCache ? { ...NO_REQUEST_DIRECTIVES, noCache } : NO_REQUEST_DIRECTIVES;
  }
  const found = { ...NO_REQUEST_DIRECTIVES } as { -readonly [Key in keyof RequestDirectives]: RequestDirectives[Key] };
  visitDirectives(cacheControl, (name, value) => {
    switch (name) {
      case "no-store":
        found.noStore = true;
        break;
      case "no-cache":
        found.noCache = true;
        break;
      case "only-if-cached":
        found.onlyIfCached = true;
        break;
      case "max-age":
        found.maxAge ??= deltaSeconds(value) ?? 0;
        break;
      case "max-stale":
        found.maxStale ??= value === undefined ? Infinity : (deltaSeconds(value) ?? 0);
        break;
      case "min-fresh":
        found.minFresh ??= deltaSeconds(value) ?? 0;
        break;
      case "stale-if-error":
        found.staleIfError ??= deltaSeconds(value) ?? 0;
        break;
    }
  });
  return found;
}

const QUALIFIABLE: ReadonlySet<string> = new Set(["no-cache", "private"]);

/** Nothing said yet. */
export function emptyDraft(): DirectiveDraft {
  return {
    noStore: false,
    noCache: false,
    private: false,
    dropFields: [],
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    maxAge: undefined,
    sMaxage: undefined,
    staleWhileRevalidate: undefined,
    staleIfError: undefined,
    names: new Set(),
  };
}

/** `qualifier` is the text of a quoted field list, `seconds` the value as a lifetime. */
export function applyDirective(draft: DirectiveDraft, name: string, qualifier: string | undefined, seconds: number | undefined): void {
  switch (name) {
    case "private":
    case "no-cache": {
      const fields = qualifier === undefined ? [] : listMembers(qualifier);
      // Only a well-formed list of names narrows the directive; `private=""` and `private="a b"` are plain `private`.
      if (fields.length > 0 && fields.every(isToken)) {
        draft.dropFields.push(...fields);
        return;
      }
      if (name === "private") draft.private = true;
      else draft.noCache = true;
      break;
    }
    case "no-store":
      draft.noStore = true;
      break;
    case "public":
      draft.public = true;
      break;
    case "must-revalidate":
      draft.mustRevalidate = true;
      break;
    case "proxy-revalidate":
      draft.proxyRevalidate = true;
      break;
    case "must-understand":
      draft.mustUnderstand = true;
      break;
    case "max-age":
      draft.maxAge ??= seconds ?? 0;
      break;
    case "s-maxage":
      draft.sMaxage ??= seconds ?? 0;
      break;
    case "stale-while-revalidate":
      draft.staleWhileRevalidate ??= seconds ?? 0;
      break;
    case "stale-if-error":
      draft.staleIfError ??= seconds ?? 0;
      break;
  }
  draft.names.add(name);
}
