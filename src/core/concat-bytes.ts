/** Pieces of bytes, one behind the other. */

/** A copy of all of them. `length` is their sum, where it is known. */
export function concatBytes(parts: readonly Uint8Array[], length: number = parts.reduce((sum, part) => sum + part.byteLength, 0)): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** The same, but a piece that is alone is given as it is. */
export function joinBytes(parts: readonly Uint8Array[], length?: number): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts, length);
}
