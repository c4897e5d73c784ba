/** Which stored variant a request selects (RFC 9111 4.1). */

import type { FieldReader } from "./cache-age.ts";
import { sha256Hex } from "./digest.ts";
import { listMembers } from "./cache-directives.ts";

/** The field names of `Vary`, lower-case, sorted, once each; `undefined` when it holds `*`. */
export function varyNames(headers: FieldReader): readonly string[] | undefined {
  const field = headers.get("vary");
  if (field === null) return NONE;
  const names = listMembers(field);
  if (names.includes("*")) return undefined;
  return [...new Set(names)].sort();
}

/** Everything either list names. */
export function mergeVary(a: readonly string[], b: readonly string[]): readonly string[] {
  return b.every((name) => a.includes(name)) ? a : [...new Set([...a, ...b])].sort();
}

/** The values a request has for `names`, as one text that differs whenever one of the values does. */
export function variantKey(names: readonly string[], valueOf: (name: string) => string | undefined): string {
  let key = "";
  for (const name of names) {
    const value = valueOf(name);
    // An absent field differs from an empty one.
    if (value === undefined) {
      key += `${name.length}.${name}-;`;
    } else {
      const normal = keyValue(name, value);
      key += `${name.length}.${name}${normal.length}.${normal};`;
    }
  }
  return key;
}

/** A field value in a form that values of equal meaning share. */
export function normaliseValue(name: string, value: string): string {
  const negotiated = NEGOTIATION.has(name);
  const text = negotiated ? value.toLowerCase() : value;
  // Quoted text and dates may hold commas and spaces that mean something.
  if (text.includes('"') || (!negotiated && !text.includes(","))) return text.trim();
  const members = text.split(",").map((member) => member.trim()).filter((member) => member !== "");
  if (!negotiated) return members.join(",");
  // Preference is in the weights alone, so order and spacing carry nothing (RFC 9110 12.4.2).
  return members.map((member) => member.replace(/[ \t]/g, "")).sort().join(",");
}

const NONE: readonly string[] = Object.freeze([]);
const NEGOTIATION: ReadonlySet<string> = new Set(["accept", "accept-charset", "accept-encoding", "accept-language"]);
const SECRET: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** Longest value that stands in a key as it is. */
const MAX_PLAIN_VALUE = 128;

/**
 * Secrets and long values are in keys as digests only: keys appear in stores, logs and debug output. A secret is compared as it came:
 * a comma in a cookie separates nothing, and who two users are must not depend on what is normal in a list.
 */
function keyValue(name: string, value: string): string {
  if (SECRET.has(name) || /key|token|secret|session/.test(name)) return `#${digest(value)}`;
  const normal = normaliseValue(name, value);
  return normal.length <= MAX_PLAIN_VALUE ? `=${normal}` : `#${digest(normal)}`;
}

/** SHA-256 in hex. */
export function digest(text: string): string {
  return sha256Hex(text);
}
