/** The calls of plain charges on small records: the path that most decisions of a limiter take. */

import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Operation, Reply, RowMachine } from "../../state/contracts/driver.ts";
import type { Row } from "../../state/define-algorithm.ts";
import { failedReplies, replay, stepRow, unwrittenReplies } from "../../state/replay.ts";
import type { RedisConnection, Script } from "./client.ts";
import { groupsOf } from "./native/charges.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import { WRONG_TYPE, WRONG_VERSION, rowBytes } from "./native/row-script.ts";
import { clockOf, failIfAllFailed, failedWrites, lifeOf, unknownShape, wrongType } from "./records.ts";
import { refusedBy } from "./refusal.ts";

interface RowCall {
  readonly script: Script;
  readonly args: string[];
}

/** Where the name of this life of the data is kept, and who wants to know it. */
export interface Sentinel {
  readonly key: string;
  heard(life: string | undefined): void;
}

/** What is sent for `operations`; `undefined` when a command in it is no plain charge. `bytes`: whether the client can carry packed replies. */
function rowCall(native: NativeAlgorithm, operations: readonly Operation[], bytes: boolean): RowCall | undefined {
  const { uniform, grouped } = native.rows as NonNullable<NativeAlgorithm["rows"]>;
  const form = bytes ? "b" : "n";
  let shared: string | undefined;
  let command: unknown;
  let single = true;
  let alike = true;
  for (let at = 0; at < operations.length && alike; at++) {
    const { commands } = operations[at] as Operation;
    single &&= commands.length === 1;
    for (let i = 0; i < commands.length && alike; i++) {
      // A limiter's callers mostly send the very same object.
      if (commands[i] === command && shared !== undefined) continue;
      command = commands[i];
      const args = native.toArgs(command)?.args;
      if (args === undefined) return undefined;
      shared ??= args;
      alike = args === shared;
    }
  }
  if (alike && shared !== undefined) {
    const args = [form, ...shared.split(" ")];
    if (!single) args.push(operations.map(({ commands }) => commands.length).join(" "));
    return { script: uniform, args };
  }
  const texts = groupsOf(native, operations);
  return texts === undefined ? undefined : { script: grouped, args: [form, ...texts] };
}

/**
 * Sends the operations of one algorithm, each on a key of its own, as one call. The replies are those of `step` on what was there
 * before, at the server's time. `undefined`, and nothing sent, when a command is no plain charge.
 */
export function runRows(connection: RedisConnection, native: NativeAlgorithm, operations: readonly Operation[], keys: readonly string[], sentinel?: Sentinel): Promise<Reply[][]> | undefined {
  const { evaluateBytes } = connection;
  const call = rowCall(native, operations, evaluateBytes !== undefined);
  if (call === undefined) return undefined;
  if (native.epoch === true && sentinel !== undefined) {
    keys = [...keys, sentinel.key];
    call.args[0] += "e";
  }
  const sent = evaluateBytes === undefined ? connection.evaluate(call.script, keys, call.args) : evaluateBytes(call.script, keys, call.args);
  return sent.then((answer) => {
    if (native.epoch === true) sentinel?.heard(lifeOf(answer, evaluateBytes === undefined ? 2 + operations.length * (native.algorithm.row as RowMachine<unknown, Reply>).width : 3));
    return repliesOf(native, operations, answer, evaluateBytes !== undefined);
  }, refuse);
}

function repliesOf({ algorithm }: NativeAlgorithm, operations: readonly Operation[], answer: unknown, bytes: boolean): Reply[][] {
  const { width } = algorithm.row as RowMachine<unknown, Reply>;
  const count = operations.length;
  const now = clockOf(answer);
  const rows = bytes ? packedRows(answer as unknown[], count, width) : textRows(answer as unknown[], count, width);
  const failed = failedWrites(answer as unknown[], bytes ? 3 : 2 + count * width);
  const cells = new Float64Array(width);
  const replies: Reply[][] = new Array(count);
  for (let i = 0; i < count; i++) {
    const operation = operations[i] as Operation;
    for (let cell = 0; cell < width; cell++) cells[cell] = rows(i, cell);
    try {
      check(algorithm, cells);
      const failure = failed?.get(i);
      const machine = operation.algorithm.row as RowMachine<unknown, Reply> | undefined;
      if (failure !== undefined) replies[i] = unwrittenReplies(operation, rowOf(cells), now, failure);
      else replies[i] = machine === undefined ? replay(operation, rowOf(cells), now).replies : stepRow(machine, operation.commands, cells, now).replies;
    } catch (error) {
      replies[i] = failedReplies(operation, error);
    }
  }
  failIfAllFailed(replies, failed);
  return replies;
}

/** A row of zeros is an absent state. */
function rowOf(cells: Float64Array): Row | undefined {
  return cells.some((cell) => cell !== 0) ? Array.from(cells) : undefined;
}

export function cellsOf({ width }: { readonly width: number }, state: Row | undefined): Float64Array {
  const cells = new Float64Array(width);
  if (state !== undefined) cells.set(state);
  return cells;
}

/** Gives a number of a row. */
type Rows = (row: number, cell: number) => number;

function packedRows(answer: readonly unknown[], count: number, width: number): Rows {
  const packed = answer[2];
  const size = rowBytes(width);
  if (!(packed instanceof Uint8Array) || packed.length !== count * size) throw unknownShape();
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  return (row, cell) => view.getFloat64(row * size + 2 + 8 * cell);
}

function textRows(answer: readonly unknown[], count: number, width: number): Rows {
  if (answer.length < count * width + 2) throw unknownShape();
  return (row, cell) => Number(answer[2 + row * width + cell]);
}

function check(algorithm: Algorithm, cells: Float64Array): void {
  if (cells[0] === WRONG_TYPE) throw wrongType(algorithm.name);
  if (cells[0] === WRONG_VERSION) throw new StoreError("STORE_CORRUPT", `a record of ${algorithm.name} is damaged or of an unknown version; was it written by a newer release?`);
  for (let i = 0; i < cells.length; i++) if (!Number.isSafeInteger(cells[i])) throw new StoreError("STORE_CORRUPT", `a record of ${algorithm.name} is damaged`);
}

function refuse(error: unknown): never {
  throw refusedBy(error);
}
