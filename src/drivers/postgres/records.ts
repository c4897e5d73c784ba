/**
 * Records as text, or as the numbers of a limit. A state that is a row of numbers is written as such, so that it can be read in
 * the table: `circuit/1 0 1700000000000 …`; that of a limit has columns, and its name alone is the text. Every other
 * state is the self-describing record in base64.
 */

import { fromBase64, toBase64 } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm } from "../../state/contracts/driver.ts";
import { decodeRecord, encodeRecord } from "../../state/record.ts";
import { nativeLimits } from "./native/limits.ts";
import type { LimitColumns } from "./native/native-limit.ts";

/** What stands in a row. */
export interface StoredState {
  readonly text: string;
  readonly columns?: LimitColumns;
}

const ROW: RegExp = /^([a-z0-9-]+)\/(\d+)((?: -?\d+)*)$/;

/** In front of plain bytes, as in the record of every driver: no algorithm takes them for its state. */
const PLAIN_VALUE = 1;

export function storedState(algorithm: Algorithm, state: unknown): StoredState {
  const limit = nativeLimits.get(algorithm.name);
  if (limit !== undefined) {
    const columns = limit.toColumns(state);
    for (const numbers of [columns.n, columns.at, columns.units]) checkIntegers(algorithm, numbers);
    return { text: limit.tag, columns };
  }
  if (algorithm.row === undefined) return { text: toBase64(encodeRecord(algorithm, state)) };
  const row = state as readonly number[];
  checkIntegers(algorithm, row);
  return { text: `${algorithm.name}/${algorithm.version} ${row.join(" ")}` };
}

function checkIntegers({ name }: Algorithm, numbers: readonly number[]): void {
  if (!numbers.every(Number.isSafeInteger)) throw new StoreError("STORE_UNSERIALIZABLE", `a state of ${name} holds something else than safe integers`, { outcome: "not-applied" });
}

/**
 * `undefined` for no row and for a deleted one.
 *
 * @throws StoreError `STORE_WRONG_TYPE` for another algorithm's record or a plain value, `STORE_CORRUPT` for one that is damaged or of
 * an unknown version.
 */
export function parseState(algorithm: Algorithm, stored: StoredState | undefined): unknown {
  if (stored === undefined || stored.text === "") return undefined;
  const { text, columns } = stored;
  const row = text.includes("/") && (columns !== undefined || text.includes(" ")) ? ROW.exec(text) : null;
  if (row === null) {
    if (algorithm.row !== undefined && !isBase64(text)) throw corrupt(`a record of ${algorithm.name} is damaged`);
    return decodeRecord(algorithm, bytesOf(text)).state;
  }
  const [, name, version, numbers] = row as unknown as [string, string, string, string];
  const limit = nativeLimits.get(name);
  if (name !== algorithm.name || (limit === undefined && algorithm.row === undefined)) throw new StoreError("STORE_WRONG_TYPE", `the key holds the state of ${name}, not of ${algorithm.name}`, { outcome: "not-applied" });
  if (Number(version) !== algorithm.version) throw corrupt(`a record of ${name} has the unknown version ${version}; was it written by a newer release?`);
  if (limit !== undefined) {
    const whole = columns !== undefined && columns.n.length === limit.width && columns.at.length === columns.units.length && [...columns.n, ...columns.at, ...columns.units].every(Number.isSafeInteger);
    const state = whole ? limit.fromColumns(columns) : undefined;
    if (state === undefined) throw corrupt(`a record of ${name} is damaged`);
    return state;
  }
  const state = numbers.slice(1).split(" ").map(Number);
  if (state.length !== algorithm.row?.width || !state.every(Number.isSafeInteger)) throw corrupt(`a record of ${name} is damaged`);
  return state;
}

export function plainText(value: Uint8Array): string {
  const bytes = new Uint8Array(value.length + 1);
  bytes[0] = PLAIN_VALUE;
  bytes.set(value, 1);
  return toBase64(bytes);
}

/** The bytes of a plain value. @throws StoreError `STORE_WRONG_TYPE` for the state of an algorithm. */
export function parsePlain(text: string): Uint8Array {
  const bytes = ROW.test(text) ? undefined : bytesOf(text);
  if (bytes?.[0] !== PLAIN_VALUE) throw new StoreError("STORE_WRONG_TYPE", "the key holds the state of an algorithm, not a plain value", { outcome: "not-applied" });
  return bytes.subarray(1);
}

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new StoreError("STORE_CORRUPT", "a record is no base64", { cause });
  }
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}

function corrupt(message: string): StoreError {
  return new StoreError("STORE_CORRUPT", message);
}
