/** Compares secrets without telling by its duration where they differ. */

import { encodeText } from "../core/codec.ts";

/** Whether both are equal. The time depends on the length of `given` alone, never on what `secret` holds. */
export function timingSafeEqual(given: string | Uint8Array, secret: string | Uint8Array): boolean {
  const a = typeof given === "string" ? encodeText(given) : given;
  const b = typeof secret === "string" ? encodeText(secret) : secret;
  let different = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) different |= (a[i] as number) ^ (b.length === 0 ? 0 : (b[i % b.length] as number));
  return different === 0;
}
