/** Safe integers as bytes: one sign bit, then groups of seven bits, least significant first. At most 8 bytes each. */

import { StoreError } from "../core/errors.ts";

/** Longest encoding of a safe integer: 6 bits beside the sign in the first byte, 7 in each of the others. */
export const MAX_VARINT_BYTES = 8;

/** Appends `value`, which must be a safe integer. Arithmetic instead of bit operators: those end at 32 bits. */
export function pushVarint(bytes: number[], value: number): void {
  let rest = Math.abs(value);
  let byte = (rest % 64) * 2 + (value < 0 ? 1 : 0);
  rest = Math.floor(rest / 64);
  while (rest > 0) {
    bytes.push(byte + 128);
    byte = rest % 128;
    rest = Math.floor(rest / 128);
  }
  bytes.push(byte);
}

/** Reads integers from bytes; anything that {@link pushVarint} does not write is `STORE_CORRUPT`. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): number {
    const first = this.#byte();
    let value = (first & 0x7e) >> 1;
    let scale = 64;
    let byte = first;
    while (byte >= 128) {
      byte = this.#byte();
      if (byte === 0) throw corrupt("an integer is longer than it needs to be");
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (value > Number.MAX_SAFE_INTEGER) throw corrupt("an integer is out of range");
    }
    if ((first & 1) === 0) return value;
    if (value === 0) throw corrupt("a zero has a sign");
    return -value;
  }

  /** The next integer, which must lie in `[min, max]`. */
  nextIn(min: number, max: number): number {
    const value = this.next();
    if (value < min || value > max) throw corrupt(`${value} is not in its range`);
    return value;
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    if (length < 1 || length > this.#bytes.length - this.#at) throw corrupt("it ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Everything that was not read yet, as a view. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return rest;
  }

  /** Throws unless all bytes were read. */
  end(): void {
    if (!this.done) throw corrupt("bytes are left over");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw corrupt("it ends too early");
    return byte;
  }
}

export function corrupt(reason: string, cause?: unknown): StoreError {
  return new StoreError("STORE_CORRUPT", `a stored state is damaged and cannot be decoded: ${reason}`, cause === undefined ? {} : { cause });
}
