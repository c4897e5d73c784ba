/** The calls of plain charges on small records: the path that most decisions of a limiter take. */

import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Reply, RowMachine } from "../../state/contracts.ts";
import type { Row } from "../../state/define-algorithm.ts";
import { failedReplies, unwrittenReplies } from "../../state/replay.ts";
import type { RedisConnection, Script } from "./client.ts";
import type { Entry } from "./entry.ts";
import { groupsOf } from "./native/charges.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import { WRONG_TYPE, WRONG_VERSION, rowBytes } from "./native/row-script.ts";
import { clockOf, failIfAllFailed, failedWrites, unknownShape, wrongType } from "./records.ts";
import { refusedBy } from "./refusal.ts";

export interface RowCall {
  readonly script: Script;
  readonly args: string[];
}

/** What `list` sends; `undefined` when a command in it is no plain charge. `bytes`: whether the client can carry packed replies. */
export function rowCall(native: NativeAlgorithm, list: readonly Entry[], bytes: boolean): RowCall | undefined {
  const { uniform, grouped } = native.rows as NonNullable<NativeAlgorithm["rows"]>;
  const form = bytes ? "b" : "n";
  let shared: string | undefined;
  let command: unknown;
  let single = true;
  let alike = true;
  for (const { operation: { commands } } of list) {
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
    if (!alike) break;
  }
  if (alike && shared !== undefined) {
    const args = [form, ...shared.split(" ")];
    if (!single) args.push(list.map(({ operation }) => operation.commands.length).join(" "));
    return { script: uniform, args };
  }
  const texts = groupsOf(native, list);
  return texts === undefined ? undefined : { script: grouped, args: [form, ...texts] };
}

/** Sends the call; the replies are those of `step` on what was there before, at the server's time. */
export function runRows(connection: RedisConnection, native: NativeAlgorithm, call: RowCall, list: readonly Entry[], replies: Reply[][]): Promise<void> {
  const { algorithm } = native;
  const machine = algorithm.row as RowMachine<unknown, Reply>;
  const keys: string[] = new Array(list.length);
  for (let i = 0; i < keys.length; i++) keys[i] = (list[i] as Entry).key;
  const { evaluateBytes } = connection;
  const sent = evaluateBytes === undefined ? connection.evaluate(call.script, keys, call.args) : evaluateBytes(call.script, keys, call.args);
  return sent.then((answer) => {
    const { width } = machine;
    const now = clockOf(answer);
    const rows = evaluateBytes === undefined ? numbersOf(answer as unknown[], list.length * width) : doublesOf(answer as unknown[], list.length, width);
    const failed = failedWrites(answer as unknown[], evaluateBytes === undefined ? 2 + rows.length : 3);
    const cells = new Float64Array(width);
    for (let i = 0; i < list.length; i++) {
      const { at, operation } = list[i] as Entry;
      for (let cell = 0; cell < width; cell++) cells[cell] = rows[i * width + cell] as number;
      try {
        check(algorithm, cells);
        const failure = failed?.get(i);
        replies[at] = failure === undefined ? stepRow(machine, operation.commands, cells, now) : unwrittenReplies(operation, rowOf(cells), now, failure);
      } catch (error) {
        replies[at] = failedReplies(operation, error);
      }
    }
    failIfAllFailed(list, replies, failed);
  }, refuse);
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

/** The commands on the row in place: the same arithmetic as `step`, without a state object per command. */
export function stepRow(machine: RowMachine<unknown, Reply>, commands: readonly unknown[], cells: Float64Array, now: number): Reply[] {
  const replies: Reply[] = new Array(commands.length);
  for (let i = 0; i < commands.length; i++) {
    const reply = machine.reply();
    machine.apply(cells, 0, commands[i], now, reply);
    replies[i] = reply;
  }
  return replies;
}

function doublesOf(answer: unknown[], count: number, width: number): Float64Array {
  const packed = answer[2];
  const size = rowBytes(width);
  if (!(packed instanceof Uint8Array) || packed.length !== count * size) throw unknownShape();
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const numbers = new Float64Array(count * width);
  for (let i = 0; i < count; i++) {
    for (let cell = 0; cell < width; cell++) numbers[i * width + cell] = view.getFloat64(i * size + 2 + 8 * cell);
  }
  return numbers;
}

function numbersOf(answer: unknown[], count: number): Float64Array {
  if (answer.length < count + 2) throw unknownShape();
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) numbers[i] = Number(answer[i + 2]);
  return numbers;
}

function check(algorithm: Algorithm, cells: Float64Array): void {
  if (cells[0] === WRONG_TYPE) throw wrongType(algorithm.name);
  if (cells[0] === WRONG_VERSION) throw new StoreError("STORE_CORRUPT", `a record of ${algorithm.name} is damaged or of an unknown version; was it written by a newer release?`);
  for (let i = 0; i < cells.length; i++) if (!Number.isSafeInteger(cells[i])) throw new StoreError("STORE_CORRUPT", `a record of ${algorithm.name} is damaged`);
}

function refuse(error: unknown): never {
  throw refusedBy(error);
}
