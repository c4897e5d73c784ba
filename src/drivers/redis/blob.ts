/**
 * Blobs in Redis: one letter, then the content. `r` bytes as they are, `t` text, `b` base64; the last two where the client, or
 * a `setWithTTL`, has only text.
 */

import { decodeText, encodeText, fromBase64, toBase64 } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";

/** Refuses what it could not give back: invalid sequences, and it keeps a byte order mark. */
const strict: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeBlob(bytes: Uint8Array): string {
  try {
    return `t${strict.decode(bytes)}`;
  } catch {
    return `b${toBase64(bytes)}`;
  }
}

export function decodeBlob(text: string): Uint8Array {
  if (text[0] === "t") return encodeText(text.slice(1));
  if (text[0] === "b") return fromBase64(text.slice(1));
  throw new StoreError("STORE_CORRUPT", text[0] === "r" ? "the value was written as bytes, which this client cannot read" : "a stored value is damaged");
}

export function decodeBlobBytes(stored: Uint8Array): Uint8Array {
  // A copy: what a client hands over may be a part of its receive buffer.
  return stored[0] === 0x72 ? new Uint8Array(stored.subarray(1)) : decodeBlob(decodeText(stored));
}
