/** Digests that have to be there at once: WebCrypto's are asynchronous. */

import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { encodeText } from "./utf8.ts";

/** SHA-1 in hex: a name, not a protection. Redis knows scripts by it. */
export function sha1Hex(text: string): string {
  return bytesToHex(sha1(utf8ToBytes(text)));
}

/** What SHA-256 begins with, its constants and its schedule: made when first needed. */
let tables: readonly [Int32Array, Int32Array, Int32Array] | undefined;

/** SHA-256 (FIPS 180-4) in hex, of bytes or of text in UTF-8. Written out: what the library brings along for it is four times this. */
export function sha256Hex(data: Uint8Array | string): string {
  const bytes = typeof data === "string" ? encodeText(data) : data;
  const { length } = bytes;
  const padded = new Uint8Array(((length + 8) >>> 6) * 64 + 64);
  padded.set(bytes);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(padded.length - 4, length << 3);
  const [begin, k, w] = (tables ??= [roots(8, 2), roots(64, 3), new Int32Array(64)]);
  const hash = begin.slice();
  for (let at = 0; at < padded.length; at += 64) {
    let [a, b, c, d, e, f, g, h] = hash as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = view.getInt32(at + i * 4);
      else {
        const x = w[i - 15] as number;
        const y = w[i - 2] as number;
        w[i] = (w[i - 16] as number) + (rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)) + (w[i - 7] as number) + (rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10));
      }
      const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + (k[i] as number) + (w[i] as number)) | 0;
      const second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    const words = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) hash[i] = (hash[i] as number) + (words[i] as number);
  }
  let hex = "";
  for (const value of hash) hex += (value >>> 0).toString(16).padStart(8, "0");
  return hex;
}

function rotate(value: number, by: number): number {
  return (value >>> by) | (value << (32 - by));
}

/** The first 32 bits of the fractions of the `degree`-th roots of the first primes. */
function roots(count: number, degree: number): Int32Array {
  const words: number[] = [];
  for (let n = 2; words.length < count; n++) {
    let isPrime = true;
    for (let divisor = 2; divisor < n; divisor++) isPrime &&= n % divisor !== 0;
    if (isPrime) words.push((n ** (1 / degree) % 1) * 2 ** 32);
  }
  return Int32Array.from(words, (word) => word | 0);
}
