/**
 * The record of an algorithm's state in a store that keeps bytes: self-describing, versioned by one leading byte.
 *
 * Layout: version (2), flags (1 expiry, 2 stamp), length of the name, the name in ASCII, version of the state, expiry and
 * stamp as varints, the state. Byte 1 in front is a plain value (the value codec), which no algorithm may overwrite.
 */

import { StoreError, isSluiceError, quote } from "../core/errors.ts";
import type { Algorithm } from "./contracts/driver.ts";
import { VarintReader, corrupt, pushVarint } from "./varint.ts";

const VERSION = 2;
const PLAIN_VALUE = 1;
const HAS_EXPIRY = 1;
const HAS_STAMP = 2;

export interface StateRecord<State> {
  readonly state: State;
  /** When the state stops mattering, epoch ms; `undefined` for never. */
  readonly expiresAt: number | undefined;
  /** Clock of the last writer, for backends without a clock of their own: a step's `now` is never before it. */
  readonly stamp: number | undefined;
}

/**
 * State to bytes. Fractions of `expiresAt` and `stamp` are rounded up.
 *
 * @throws StoreError `STORE_VALUE_TOO_LARGE` when the algorithm exceeds its own `maxStateBytes`.
 */
export function encodeRecord<State>(algorithm: Algorithm<State>, state: State, expiresAt?: number, stamp?: number): Uint8Array {
  const encoded = algorithm.encode(state);
  if (encoded.length > algorithm.maxStateBytes) {
    throw new StoreError("STORE_VALUE_TOO_LARGE", `a state of ${algorithm.name} takes ${encoded.length} bytes, and its maxStateBytes is ${algorithm.maxStateBytes}`, { outcome: "not-applied" });
  }
  const expires = expiresAt !== undefined && Number.isSafeInteger(Math.ceil(expiresAt));
  const head: number[] = [VERSION, (expires ? HAS_EXPIRY : 0) + (stamp === undefined ? 0 : HAS_STAMP), algorithm.name.length];
  for (let i = 0; i < algorithm.name.length; i++) head.push(algorithm.name.charCodeAt(i));
  head.push(algorithm.version);
  if (expires) pushVarint(head, Math.ceil(expiresAt));
  if (stamp !== undefined) pushVarint(head, Math.ceil(stamp));
  const bytes = new Uint8Array(head.length + encoded.length);
  bytes.set(head);
  bytes.set(encoded, head.length);
  return bytes;
}

/** What every record of `algorithm` without expiry and stamp begins with. */
export function recordHead({ name, version }: Pick<Algorithm, "name" | "version">): Uint8Array {
  return Uint8Array.of(VERSION, 0, name.length, ...Array.from(name, (letter) => letter.charCodeAt(0)), version);
}

/**
 * Bytes to state.
 *
 * @throws StoreError `STORE_WRONG_TYPE` when the record is a plain value or another algorithm's, `STORE_CORRUPT` when it is
 * damaged or of a version that is not known: a record is never taken for absent.
 */
export function decodeRecord<State>(algorithm: Algorithm<State>, bytes: Uint8Array): StateRecord<State> {
  if (bytes[0] === PLAIN_VALUE) throw new StoreError("STORE_WRONG_TYPE", `the key holds a plain value, not the state of ${algorithm.name}`, { outcome: "not-applied" });
  if (bytes[0] !== VERSION) throw corrupt(bytes.length === 0 ? "it is empty" : `version ${bytes[0]} is unknown; was it written by a newer release?`);
  const flags = bytes[1] ?? 0xff;
  const nameEnd = 3 + (bytes[2] ?? 0);
  if (flags > 3 || nameEnd === 3 || nameEnd >= bytes.length) throw corrupt("its header is broken");
  const name = String.fromCharCode(...bytes.subarray(3, nameEnd));
  if (name !== algorithm.name) {
    throw new StoreError("STORE_WRONG_TYPE", `the key holds the state of ${quote(name)}, not of ${quote(algorithm.name)}`, { outcome: "not-applied" });
  }
  if (bytes[nameEnd] !== algorithm.version) throw corrupt(`version ${bytes[nameEnd]} of ${name} is unknown; was it written by a newer release?`);
  const reader = new VarintReader(bytes.subarray(nameEnd + 1));
  const expiresAt = (flags & HAS_EXPIRY) === 0 ? undefined : reader.next();
  const stamp = (flags & HAS_STAMP) === 0 ? undefined : reader.next();
  const encoded = reader.rest();
  if (encoded.length > algorithm.maxStateBytes) throw corrupt(`${encoded.length} bytes are more than a ${name} takes`);
  return { state: decodeState(algorithm, encoded), expiresAt, stamp };
}

function decodeState<State>(algorithm: Algorithm<State>, encoded: Uint8Array): State {
  try {
    return algorithm.decode(encoded);
  } catch (cause) {
    if (isSluiceError(cause) && cause.code === "STORE_CORRUPT") throw cause;
    throw corrupt(`${algorithm.name} cannot read its state`, cause);
  }
}
