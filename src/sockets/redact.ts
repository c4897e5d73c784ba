/** What of an error's details may leave the process: no secrets, nothing that cannot be encoded, at most 4 KiB. */

import { encodeText } from "../core/codec.ts";

/** Parts of key names whose values are never sent. */
export const defaultRedactedKeys: readonly string[] = Object.freeze([
  "password", "passwd", "secret", "token", "authorization", "cookie", "apikey", "credential", "privatekey", "sessionid", "accesskey",
]);

const MAX_BYTES = 4096;
const MAX_DEPTH = 32;
const TRUNCATED: Readonly<{ truncated: true }> = Object.freeze({ truncated: true });
const REDACTED = "[redacted]";

/** A copy of `details` that can be sent. Never throws. */
export function redactDetails(details: unknown, keys: readonly string[] = defaultRedactedKeys): unknown {
  if (details === undefined) return undefined;
  try {
    const copy = clean(details, keys, new Set(), 0);
    const text = JSON.stringify(copy);
    if (text === undefined || (text.length * 3 > MAX_BYTES && encodeText(text).length > MAX_BYTES)) return TRUNCATED;
    return copy;
  } catch {
    // A getter or toJSON that throws, a bigint in a toJSON: whatever it is, it is not sent.
    return TRUNCATED;
  }
}

function clean(value: unknown, keys: readonly string[], path: Set<object>, depth: number): unknown {
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") return TRUNCATED;
  if (typeof value === "number" && !Number.isFinite(value)) return null;
  if (typeof value !== "object" || value === null) return value;
  if (path.has(value) || depth > MAX_DEPTH) return TRUNCATED;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return clean((toJSON as () => unknown).call(value), keys, new Set(path).add(value), depth + 1);
  path.add(value);
  try {
    if (Array.isArray(value)) return value.map((item) => clean(item, keys, path, depth + 1));
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const cleaned = isSecret(key, keys) ? REDACTED : clean((value as Record<string, unknown>)[key], keys, path, depth + 1);
      // An own `__proto__` must not become a prototype.
      if (key !== "__proto__") copy[key] = cleaned;
    }
    return copy;
  } finally {
    path.delete(value);
  }
}

function isSecret(key: string, keys: readonly string[]): boolean {
  const letters = key.toLowerCase().replace(/[^a-z]/g, "");
  return keys.some((part) => letters.includes(part));
}
