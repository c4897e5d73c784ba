import { parseHttpDate } from "../../../../core/http-date.ts";
/** Conditional requests answered from a stored response (RFC 9110 13, RFC 9111 4.3.2). */


/** The opaque part of an entity tag: weak comparison ignores `W/` (RFC 9110 8.8.3.2). */
export function opaqueTag(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}

/** True when `If-None-Match` names the tag, or is `*`. Weak comparison; tags may hold commas. */
export function noneMatchNames(field: string, etag: string | undefined): boolean {
  if (field.trim() === "*") return true;
  if (etag === undefined) return false;
  const wanted = opaqueTag(etag);
  let at = 0;
  while (at < field.length) {
    const code = field.charCodeAt(at);
    // space, tab, comma
    if (code === 0x20 || code === 0x09 || code === 0x2c) {
      at++;
      continue;
    }
    const start = field.startsWith("W/", at) ? at + 2 : at;
    let end: number;
    if (field.charCodeAt(start) === 0x22) {
      const close = field.indexOf('"', start + 1);
      end = close < 0 ? field.length : close + 1;
    } else {
      // No entity tag by the grammar, but sent by some: compared as it stands.
      const comma = field.indexOf(",", start);
      end = comma < 0 ? field.length : comma;
    }
    if (field.slice(start, end).trimEnd() === wanted) return true;
    at = end;
  }
  return false;
}

export interface StoredValidators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** When the response was made, epoch ms. */
  readonly date: number;
}

/** Whether a request with these fields is answered by 304. `If-Modified-Since` counts only without `If-None-Match`. */
export function isNotModified(ifNoneMatch: string | undefined, ifModifiedSince: string | undefined, stored: StoredValidators, now: number): boolean {
  if (ifNoneMatch !== undefined) return noneMatchNames(ifNoneMatch, stored.etag);
  if (ifModifiedSince === undefined) return false;
  const since = parseHttpDate(ifModifiedSince, now);
  if (since === undefined) return false;
  const modified = stored.lastModified === undefined ? stored.date : parseHttpDate(stored.lastModified, now);
  return modified !== undefined && Math.floor(modified / 1000) <= Math.floor(since / 1000);
}
