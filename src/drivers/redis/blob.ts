/** Bytes as text for a client that only has text: themselves where they are UTF-8, else base64. The first letter says which. */

import { encodeText, fromBase64, toBase64 } from "../../core/codec.ts";

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
  return text[0] === "b" ? fromBase64(text.slice(1)) : encodeText(text.slice(1));
}
