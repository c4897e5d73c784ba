/** Byte ranges of a stored response (RFC 9110 14). */

import { parseHttpDate } from "../../../../core/http-date.ts";
import { opaqueTag, type StoredValidators } from "./conditional.ts";

/** First and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The one range asked for: `undefined` when the whole response is to be sent (no byte range, several of them, or bad
 * syntax: a server may ignore the field), `"unsatisfiable"` when no byte of it exists.
 */
export function parseRange(field: string, length: number): ByteRange | "unsatisfiable" | undefined {
  const equals = field.indexOf("=");
  if (equals < 0 || field.slice(0, equals).trim().toLowerCase() !== "bytes") return undefined;
  const spec = field.slice(equals + 1).trim();
  if (spec.includes(",")) return undefined;
  const dash = spec.indexOf("-");
  if (dash < 0) return undefined;
  const from = position(spec.slice(0, dash));
  const to = position(spec.slice(dash + 1));
  if (from === undefined || to === undefined || (from === NONE && to === NONE)) return undefined;
  if (from === NONE) {
    // The last `to` bytes.
    return to === 0 || length === 0 ? "unsatisfiable" : { first: Math.max(0, length - to), last: length - 1 };
  }
  if (to !== NONE && to < from) return undefined;
  if (from >= length) return "unsatisfiable";
  return { first: from, last: to === NONE ? length - 1 : Math.min(to, length - 1) };
}

/** Whether `If-Range` allows a partial answer: strong comparison of the tag, or the very date of last change. */
export function ifRangeHolds(field: string, stored: StoredValidators, now: number): boolean {
  const value = field.trim();
  if (value.startsWith('"') || value.startsWith("W/")) {
    return stored.etag !== undefined && !value.startsWith("W/") && !stored.etag.startsWith("W/") && opaqueTag(stored.etag) === value;
  }
  const date = parseHttpDate(value, now);
  if (date === undefined || stored.lastModified === undefined) return false;
  const modified = parseHttpDate(stored.lastModified, now);
  // A date is a strong validator only when the response was made at least a second later (RFC 9110 8.8.2.2).
  return modified === date && stored.date - modified >= 1000;
}

const NONE = -1;

/** A position, `NONE` when empty, `undefined` when it is no number. */
function position(text: string): number | undefined {
  if (text === "") return NONE;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = Math.min(value * 10 + digit, Number.MAX_SAFE_INTEGER);
  }
  return value;
}
