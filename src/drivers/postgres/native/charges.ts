/** Charges on limits: one part of a statement for all keys that get equal ones, and what it left alone goes another way. */

import type { Operation, Reply } from "../../../state/contracts/driver.ts";
import { failedReplies, replay } from "../../../state/replay.ts";
import type { Row } from "../client.ts";
import type { Part } from "../parts.ts";
import { arrayLiteral } from "../statements.ts";
import type { Entry } from "../swap.ts";
import { columnsOf } from "./columns.ts";
import { nativeLimits } from "./limits.ts";
import { type LimitParts, type NativeLimit, limitParts } from "./native-limit.ts";

/** An operation whose commands are equal charges. */
export interface Charge {
  readonly entry: Entry;
  readonly limit: NativeLimit;
  readonly args: readonly number[];
}

/** Batches after a refusal that look at the snapshot first. */
const FILTERED_BATCHES = 64;

/** The commands of an operation as one charge so many times; `undefined` when they are something else. */
export function chargeOf(entry: Entry): Charge | undefined {
  const { algorithm, commands } = entry.operation;
  const limit = nativeLimits.get(algorithm.name);
  if (limit === undefined || limit.algorithm.version !== algorithm.version) return undefined;
  const args = limit.toArgs(commands[0]);
  if (args === undefined) return undefined;
  let last = commands[0];
  for (let i = 1; i < commands.length; i++) {
    const command = commands[i];
    // A limiter's callers mostly send the very same object.
    if (command === last) continue;
    const others = limit.toArgs(command);
    if (others === undefined || !args.every((arg, at) => arg === others[at])) return undefined;
    last = command;
  }
  return { entry, limit, args };
}

export class NativeCharges {
  readonly #table: string;
  readonly #parts = new Map<NativeLimit, LimitParts>();
  /** Batches for which the snapshot is still asked. A charge that passes is dearer that way, a refusal much cheaper. */
  #filtered = 0;

  constructor(table: string) {
    this.#table = table;
  }

  /** The part for charges of one limit on different keys. */
  part(charges: readonly Charge[]): Part {
    const { limit } = charges[0] as Charge;
    const filtered = this.#filtered > 0;
    if (filtered) this.#filtered--;
    let made = this.#parts.get(limit);
    if (made === undefined) this.#parts.set(limit, (made = limitParts(this.#table, limit)));
    return charges.length === 1 ? (filtered ? made.oneFiltered : made.one) : filtered ? made.manyFiltered : made.many;
  }

  /** Answers what the rows of the part say; gives the charges that it left alone. */
  answer(charges: readonly Charge[], rows: readonly Row[], replies: Reply[][]): Entry[] {
    const [only] = charges;
    if (charges.length === 1 && only !== undefined) return this.#answer(only, rows[0], replies) ? [] : [only.entry];
    const found = new Map(rows.map((row) => [row["key"], row]));
    return charges.filter((charge) => !this.#answer(charge, found.get(charge.entry.key), replies)).map(({ entry }) => entry);
  }

  /** Whether `row` answers the charge. */
  #answer({ entry: { at, operation }, limit, args }: Charge, row: Row | undefined, replies: Reply[][]): boolean {
    const columns = row === undefined ? undefined : columnsOf(row);
    if (row === undefined || columns === undefined) {
      this.#filtered = FILTERED_BATCHES;
      return false;
    }
    const times = Number(row["times"]);
    const sent = operation.commands.length;
    // A record that was not there was given all that it can hold.
    const passed = Math.min(times, Math.floor((args[1] as number) / (args[0] as number)));
    if (passed < sent) this.#filtered = FILTERED_BATCHES;
    try {
      const before = passed === 0 ? limit.fromColumns(columns) : limit.before(columns, args, passed);
      replies[at] = replay(operation, before, Number(row["seen_us"]) / 1000).replies;
    } catch (error) {
      replies[at] = failedReplies(operation as Operation, error);
    }
    return true;
  }
}

export function chargeParams(charges: readonly Charge[]): string[] {
  const [first] = charges as readonly [Charge];
  if (charges.length === 1) return [first.entry.key, String(first.entry.operation.commands.length), ...first.args.map(String)];
  const lists = [arrayLiteral(charges.map(({ entry }) => entry.key)), arrayLiteral(charges.map(({ entry }) => entry.operation.commands.length))];
  for (let i = 0; i < first.limit.args; i++) lists.push(arrayLiteral(charges.map(({ args }) => args[i] as number)));
  return lists;
}
