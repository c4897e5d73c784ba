/** `Content-Digest` (RFC 9530): whether a body is the one a signature speaks of. */

import { parseDictionary } from "structured-headers";
import { timingSafeEqual } from "../../../timing-safe-equal.ts";

const HASHES: Readonly<Record<string, string>> = { "sha-256": "SHA-256", "sha-512": "SHA-512" };

/** Whether every digest of a known algorithm is that of the body, and there is one. Throws for a field that is no dictionary. */
export async function digestsMatch(field: string, body: Uint8Array): Promise<boolean> {
  let known = 0;
  for (const [name, [value]] of parseDictionary(field)) {
    const hash = Object.hasOwn(HASHES, name) ? HASHES[name] : undefined;
    if (hash === undefined) continue;
    if (!(value instanceof ArrayBuffer)) return false;
    known++;
    if (!timingSafeEqual(new Uint8Array(await crypto.subtle.digest(hash, new Uint8Array(body))), new Uint8Array(value))) return false;
  }
  return known > 0;
}
