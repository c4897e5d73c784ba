/** Directives meant for this cache before others (RFC 9213). */

import { isInnerList, parseDictionary } from "structured-headers";
import { type ResponseDirectives, applyDirective, emptyDraft, parseCacheControl } from "../../../../core/cache-control.ts";

/** Fields meant for this cache, first match wins; each replaces `Cache-Control` and `Expires` (RFC 9213 2.2). */
export const TARGETED_FIELDS: readonly string[] = ["gateway-cache-control", "cdn-cache-control"];

/** The directives that count for this cache, and whether a targeted field gave them. */
export function responseDirectives(headers: Headers): { directives: ResponseDirectives; targeted: boolean } {
  for (const field of TARGETED_FIELDS) {
    const value = headers.get(field);
    const targeted = value === null ? undefined : parseTargeted(value);
    if (targeted !== undefined) return { directives: targeted, targeted: true };
  }
  return { directives: parseCacheControl(headers.get("cache-control") ?? ""), targeted: false };
}

/**
 * Parses a targeted field: a structured dictionary, ignored as a whole (`undefined`) when it is none or when a
 * lifetime has another type than an integer (RFC 9213 2.1).
 */
export function parseTargeted(text: string): ResponseDirectives | undefined {
  const draft = emptyDraft();
  try {
    const members = parseDictionary(text);
    if (members.size === 0) return undefined;
    for (const [name, member] of members) {
      if (isInnerList(member)) return undefined;
      const value = member[0];
      // `?0` says that a directive does not apply.
      if (value === false) continue;
      if (LIFETIMES.has(name)) {
        if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
        applyDirective(draft, name, undefined, value < 0 ? undefined : Math.min(value, 2_147_483_648));
      } else {
        applyDirective(draft, name, typeof value === "string" ? value : undefined, undefined);
      }
    }
  } catch {
    return undefined;
  }
  return draft;
}

const LIFETIMES: ReadonlySet<string> = new Set(["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"]);
