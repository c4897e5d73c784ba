/** Keys of stores: parts that cannot reach another key, and a bound on their length. */

import { encodeText } from "./utf8.ts";
import { sha256Hex } from "./digest.ts";
import { OptionError } from "./errors.ts";

/** Longest key, in UTF-8 bytes, that is stored as it is; a longer one is stored under its SHA-256. */
export const MAX_KEY_BYTES = 512;

/**
 * `%` escapes itself, `:` separates parts, braces are hash tags in Redis Cluster, control characters are refused by
 * Postgres (NUL) and NATS, and a lone surrogate would turn into U+FFFD in UTF-8, where all of them look alike.
 */
const UNSAFE: RegExp = /[%:{}\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const LONE_SURROGATE: RegExp = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const MAYBE_UNSAFE: RegExp = /[%:{}\u0000-\u001f\u007f\ud800-\udfff]/;

/** One part of a key, reversibly escaped: two different parts never give the same text, and none holds a `:`. */
export function escapeKeyPart(part: string): string {
  if (!MAYBE_UNSAFE.test(part)) return part;
  return part.replace(UNSAFE, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? `%${code.toString(16).padStart(2, "0")}` : `%u${code.toString(16)}`;
  });
}

/**
 * A key for a backend that keeps UTF-8, where all lone surrogates would become one character: itself, or marked with `~`
 * and escaped. A key that begins with the mark is escaped, too, so two keys never become one.
 */
export function utf8Key(key: string): string {
  return key.charCodeAt(0) === 0x7e || LONE_SURROGATE.test(key) ? `~${escapeKeyPart(key)}` : key;
}

/** Escaped parts joined by `:`. `joinKey("a:b", "c")` and `joinKey("a", "b:c")` differ. */
export function joinKey(...parts: readonly string[]): string {
  let key = escapeKeyPart(parts[0] ?? "");
  for (let i = 1; i < parts.length; i++) key += `:${escapeKeyPart(parts[i] as string)}`;
  return key;
}

const DIGEST = "sha256=";

/**
 * A key as it is stored: itself when short enough, else `sha256=` and its digest. What looks like a digest is digested, too,
 * so no key can spell another's. Throws {@link OptionError} for anything but a non-empty string.
 */
export function boundKey(key: unknown, option = "key"): string {
  if (typeof key !== "string" || key.length === 0) throw new OptionError(option, key, "a non-empty string");
  // A UTF-16 unit takes at most three bytes, so short strings need no measuring.
  const looksDigested = key.startsWith(DIGEST);
  if (key.length * 3 <= MAX_KEY_BYTES && !looksDigested) return key;
  const bytes = encodeText(key);
  return bytes.length <= MAX_KEY_BYTES && !looksDigested ? key : DIGEST + sha256Hex(utf8Key(key));
}
