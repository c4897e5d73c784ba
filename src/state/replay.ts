/** The commands of one key on a state that a backend gave: what drivers do that ship state to this process. */

import { StoreError, isSluiceError } from "../core/errors.ts";
import type { Operation, Reply, RowMachine } from "./contracts/driver.ts";
import type { Row } from "./define-algorithm.ts";

export interface Replay {
  /** The same object as before when nothing changed. */
  readonly state: unknown;
  readonly replies: Reply[];
  readonly expiresAt: number | undefined;
}

/** Steps through the commands of `operation` from the state `before`, all at one `now`. */
export function replay({ algorithm, commands }: Operation, before: unknown, now: number): Replay {
  if (algorithm.row !== undefined) return replayRow(algorithm.row as RowMachine<unknown, Reply>, commands, before as Row | undefined, now);
  let state = before;
  let expiresAt: number | undefined;
  const replies: Reply[] = new Array(commands.length);
  for (let i = 0; i < commands.length; i++) {
    const step = algorithm.step(state, commands[i], now);
    state = step.state;
    expiresAt = step.expiresAt;
    replies[i] = step.reply;
  }
  return { state, replies, expiresAt };
}

function replayRow(machine: RowMachine<unknown, Reply>, commands: readonly unknown[], before: Row | undefined, now: number): Replay {
  const cells = new Float64Array(machine.width);
  if (before !== undefined) cells.set(before);
  const { replies, changed } = stepRow(machine, commands, cells, now);
  // A row of zeros is an absent state.
  const state = !changed ? before : cells.every((cell) => cell === 0) ? undefined : Array.from(cells);
  return { state, replies, expiresAt: state === undefined ? undefined : machine.expiresAt(cells, 0, commands.at(-1)) };
}

/** The commands on the row in place: the same arithmetic as `step`, without a state object per command. */
export function stepRow(machine: RowMachine<unknown, Reply>, commands: readonly unknown[], cells: Float64Array, now: number): { readonly replies: Reply[]; readonly changed: boolean } {
  const replies: Reply[] = new Array(commands.length);
  let changed = false;
  for (let i = 0; i < commands.length; i++) {
    const reply = machine.reply();
    if (machine.apply(cells, 0, commands[i], now, reply)) changed = true;
    replies[i] = reply;
  }
  return { replies, changed };
}

/** The replies where the write of `operation` failed: a command that changes nothing has its own, every other one the error. */
export function unwrittenReplies({ algorithm, commands }: Operation, before: unknown, now: number, error: Error): Reply[] {
  return commands.map((command) => {
    const step = algorithm.step(before, command, now);
    return step.state === before ? step.reply : error;
  });
}

/** One error in the place of each reply of `operation`: that key failed, and nothing of it was applied. */
export function failedReplies({ commands }: Operation, error: unknown): Reply[] {
  const typed = isSluiceError(error) ? error : new StoreError("STORE_CORRUPT", "a step failed", { cause: error, outcome: "not-applied" });
  return commands.map(() => typed);
}

/** A part of a batch that goes to the backend by itself, and writes its replies to their places. */
export interface BatchPart {
  readonly entries: readonly { readonly at: number; readonly operation: Operation }[];
  readonly done: Promise<void>;
}

/** A part that failed fails its own keys: the others have their answers, and some their charges. Throws when all of them failed. */
export async function settleParts(parts: readonly BatchPart[], replies: Reply[][]): Promise<void> {
  const ends = await Promise.allSettled(parts.map(({ done }) => done));
  const failures = ends.filter((end) => end.status === "rejected");
  if (failures.length > 0 && failures.length === ends.length) throw failures[0]?.reason;
  ends.forEach((end, i) => {
    if (end.status === "rejected") for (const { at, operation } of (parts[i] as BatchPart).entries) replies[at] ??= failedReplies(operation, end.reason);
  });
}
