/**
 * Plain values in a store that keeps bytes and no deadlines of its own. Layout: 1 (no algorithm takes it for its state),
 * flags (1 expiry), the expiry as a varint, the value.
 */

import { StoreError } from "../core/errors.ts";
import { VarintReader, corrupt, pushVarint } from "./varint.ts";

const PLAIN = 1;
const STATE = 2;
const HAS_EXPIRY = 1;

export interface PlainRecord {
  readonly value: Uint8Array;
  /** Epoch ms; `undefined` for never. */
  readonly expiresAt: number | undefined;
}

export function encodePlain(value: Uint8Array, expiresAt?: number): Uint8Array {
  const head: number[] = [PLAIN, expiresAt === undefined ? 0 : HAS_EXPIRY];
  if (expiresAt !== undefined) pushVarint(head, Math.min(Math.ceil(expiresAt), Number.MAX_SAFE_INTEGER));
  const bytes = new Uint8Array(head.length + value.length);
  bytes.set(head);
  bytes.set(value, head.length);
  return bytes;
}

/**
 * The value is a view of `bytes`.
 *
 * @throws StoreError `STORE_WRONG_TYPE` for the state of an algorithm, `STORE_CORRUPT` for what was not written here.
 */
export function decodePlain(bytes: Uint8Array): PlainRecord {
  if (bytes[0] === STATE) throw new StoreError("STORE_WRONG_TYPE", "the key holds the state of an algorithm, not a plain value", { outcome: "not-applied" });
  const flags = bytes[1] ?? 0xff;
  if (bytes[0] !== PLAIN || flags > HAS_EXPIRY) throw corrupt("it is no plain value of Sluice");
  const reader = new VarintReader(bytes.subarray(2));
  const expiresAt = flags === HAS_EXPIRY ? reader.next() : undefined;
  return { value: reader.rest(), expiresAt };
}

/** When a record of either kind stops mattering, epoch ms; `undefined` for never, and for what was not written by Sluice. */
export function expiryOf(bytes: Uint8Array): number | undefined {
  const flags = bytes[1] ?? 0;
  if ((bytes[0] !== PLAIN && bytes[0] !== STATE) || (flags & HAS_EXPIRY) === 0) return undefined;
  // A state has its algorithm's name and version between flags and expiry.
  const at = bytes[0] === PLAIN ? 2 : 4 + (bytes[2] ?? 0);
  try {
    return new VarintReader(bytes.subarray(at)).next();
  } catch {
    return undefined;
  }
}
