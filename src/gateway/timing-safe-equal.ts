/** Comparison of secrets. */

import { sha256Hex } from "../core/digest.ts";

/**
 * Whether two secrets are equal, in a time that tells neither where they differ nor how long they are: their SHA-256 digests
 * are compared, every digit of them.
 */
export function timingSafeEqual(a: string | Uint8Array, b: string | Uint8Array): boolean {
  const left = sha256Hex(a);
  const right = sha256Hex(b);
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= left.charCodeAt(i) ^ right.charCodeAt(i);
  return difference === 0;
}
