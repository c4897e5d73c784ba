/** Makes algorithms: from a pure `step`, or from a row machine that runs in place. */

import { checkFunction, checkInteger } from "../core/check.ts";
import { OptionError, StoreError } from "../core/errors.ts";
import type { Algorithm, RowMachine, Step } from "./contracts/driver.ts";
import { MAX_VARINT_BYTES, VarintReader, pushVarint } from "./varint.ts";

/** Widest row: what an in-process driver keeps beside a key, whatever the algorithm. */
export const MAX_ROW_WIDTH = 4;

const NAME: RegExp = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_NAME_LENGTH = 64;

/**
 * Makes an algorithm of one's own, which every driver then treats like a built-in one. `verifyAlgorithm` of
 * `sluice/testing` checks it against the laws of {@link Algorithm}.
 *
 * @throws OptionError for a name that is not lower-case words joined by `-` (at most 64 characters), a version outside
 * 0 to 255, a `maxStateBytes` that is no positive integer, a missing function.
 *
 * @example
 * const highest = defineAlgorithm<number, number, number>({
 *   name: "highest", version: 1, maxStateBytes: 8,
 *   step: (state, value) => state !== undefined && state >= value
 *     ? { state, reply: state, expiresAt: undefined }
 *     : { state: value, reply: value, expiresAt: undefined },
 *   encode: (state) => new Uint8Array(Float64Array.of(state).buffer),
 *   decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true),
 * });
 */
export function defineAlgorithm<State, Command, Reply>(definition: Omit<Algorithm<State, Command, Reply>, "row">): Algorithm<State, Command, Reply> {
  const { name, version, maxStateBytes } = definition;
  checkIdentity(name, version);
  checkInteger("maxStateBytes", maxStateBytes, 1);
  const step = checkFunction("step", definition.step);
  const encode = checkFunction("encode", definition.encode);
  const decode = checkFunction("decode", definition.decode);
  const limiting = definition.limiting === undefined ? {} : { limiting: checkFunction("limiting", definition.limiting) };
  const compact = definition.compact === undefined ? {} : { compact: Object.freeze(definition.compact) };
  return Object.freeze({ name, version, maxStateBytes, step, encode, decode, ...limiting, ...compact });
}

/** The state of a row algorithm outside a slab: `width` safe integers. */
export type Row = readonly number[];

/**
 * Makes an algorithm whose state is at most {@link MAX_ROW_WIDTH} safe integers from its row machine, which stays its
 * only definition: a driver in this process runs it in place (`row`), everything else runs the `step`, `encode` and
 * `decode` that are derived here.
 *
 * What the machine owes beside its interface: an absent state is a row of zeros, and a row of zeros is an absent state
 * (so `reset` may write zeros); `expiresAt` of such a row is 0; `limiting` is asked only for rows that have not expired.
 */
export function defineRowAlgorithm<Command, Reply>(definition: {
  readonly name: string;
  readonly version: number;
  readonly row: RowMachine<Command, Reply>;
}): Algorithm<Row, Command, Reply> {
  const { name, version, row } = definition;
  checkIdentity(name, version);
  const width = checkInteger("row.width", row.width, 1, MAX_ROW_WIDTH);
  checkFunction("row.apply", row.apply);
  checkFunction("row.expiresAt", row.expiresAt);
  checkFunction("row.limiting", row.limiting);
  checkFunction("row.reply", row.reply);
  // One scratch row per algorithm: `step` loads it, runs the machine, and copies it out before it returns.
  const cells = new Float64Array(width);

  function step(state: Row | undefined, command: Command, now: number): Step<Row, Reply> {
    for (let i = 0; i < width; i++) cells[i] = state === undefined ? 0 : (state[i] as number);
    const reply = row.reply();
    if (!row.apply(cells, 0, command, now, reply)) {
      return { state, reply, expiresAt: state === undefined ? undefined : row.expiresAt(cells, 0, command) };
    }
    if (isBlank(cells)) return { state: undefined, reply, expiresAt: undefined };
    return { state: Array.from(cells), reply, expiresAt: row.expiresAt(cells, 0, command) };
  }

  return Object.freeze({
    name,
    version,
    maxStateBytes: width * MAX_VARINT_BYTES,
    step,
    encode: encodeRow,
    decode: (bytes: Uint8Array): Row => decodeRow(bytes, width),
    row: Object.freeze(row),
  });
}

function checkIdentity(name: unknown, version: unknown): void {
  if (typeof name !== "string" || name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    throw new OptionError("name", name, `lower-case words joined by "-", at most ${MAX_NAME_LENGTH} characters`);
  }
  checkInteger("version", version, 0, 255);
}

function isBlank(cells: Float64Array): boolean {
  for (let i = 0; i < cells.length; i++) if (cells[i] !== 0) return false;
  return true;
}

function encodeRow(state: Row): Uint8Array {
  const bytes: number[] = [];
  for (const value of state) {
    if (!Number.isSafeInteger(value)) {
      throw new StoreError("STORE_UNSERIALIZABLE", `a row cannot be stored: ${value} is no safe integer`, { outcome: "not-applied" });
    }
    pushVarint(bytes, value);
  }
  return Uint8Array.from(bytes);
}

function decodeRow(bytes: Uint8Array, width: number): Row {
  const reader = new VarintReader(bytes);
  const state: number[] = [];
  for (let i = 0; i < width; i++) state.push(reader.next());
  reader.end();
  return state;
}
