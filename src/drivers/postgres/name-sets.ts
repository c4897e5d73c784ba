/** The sets of names of a cache (`key-set`): added to and paged through in SQL, without reading one whole. */

import { StoreError } from "../../core/errors.ts";
import type { KeySetCommand, KeySetReply } from "../../state/algorithms/key-set.ts";
import type { Reply, RunOptions } from "../../state/contracts/driver.ts";
import { failedReplies, settleParts } from "../../state/replay.ts";
import type { Row } from "./client.ts";
import { throwIfAborted } from "./exchange.ts";
import { postgresError } from "./failure.ts";
import type { Merger, Piece } from "./merger.ts";
import { type NameAdd, type NameParts, addParams, pageParams } from "./name-parts.ts";
import type { Entry } from "./swap.ts";

const ADDED: KeySetReply = /* @__PURE__ */ Object.freeze({ names: [] });

export class NameSets {
  readonly #merger: Merger;
  readonly #parts: NameParts;

  constructor(merger: Merger, parts: NameParts) {
    this.#merger = merger;
    this.#parts = parts;
  }

  /** All names that are added go together; who looks, too, looks by itself. */
  run(entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const adding = entries.filter((entry) => commandsOf(entry).every(({ type }) => type === "add"));
    const others = entries.filter((entry) => !adding.includes(entry));
    const parts = others.map((entry) => ({ entries: [entry], done: this.#inTurn(entry, replies, options) }));
    if (adding.length > 0) parts.push({ entries: adding, done: this.#add(adding, replies) });
    return settleParts(parts, replies);
  }

  async #add(entries: readonly Entry[], replies: Reply[][]): Promise<void> {
    await this.#send({ part: this.#parts.add, params: addParams(entries.flatMap(addsOf)) });
    for (const { at, operation } of entries) replies[at] = operation.commands.map(() => ADDED);
  }

  async #inTurn(entry: Entry, replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const own: Reply[] = [];
    for (const command of commandsOf(entry)) {
      try {
        throwIfAborted(options);
        if (command.type === "add") {
          await this.#send({ part: this.#parts.add, params: addParams([{ set: entry.key, name: command.name, ttlMs: command.ttlMs }]) });
          own.push(ADDED);
        } else {
          own.push(pageOf(await this.#send({ part: this.#parts.page, params: pageParams(entry.key, command.from, command.limit) })));
        }
      } catch (error) {
        if (own.length === 0) throw error;
        own.push(...failedReplies(entry.operation, error).slice(own.length));
        break;
      }
    }
    replies[entry.at] = own;
  }

  async #send(piece: Piece): Promise<readonly Row[]> {
    try {
      const [rows] = await this.#merger.send([piece]);
      if (rows?.some((row) => row["now_us"] !== null && row["now_us"] !== undefined) !== true) throw new StoreError("STORE_CORRUPT", "the client gave no rows as objects by column name", { outcome: "unknown" });
      return rows;
    } catch (error) {
      throw postgresError(error, piece.part.writes ? "write" : "read");
    }
  }
}

function commandsOf({ operation }: Entry): readonly KeySetCommand[] {
  return operation.commands as readonly KeySetCommand[];
}

function addsOf(entry: Entry): NameAdd[] {
  return commandsOf(entry).flatMap((command) => (command.type === "add" ? [{ set: entry.key, name: command.name, ttlMs: command.ttlMs }] : []));
}

/** Rows of a statement with several parts come in no order that is promised. */
function pageOf(rows: readonly Row[]): KeySetReply {
  const found = rows.filter((row) => typeof row["key"] === "string").map((row) => ({ name: String(row["state"]), endsAt: Number(row["version"]) }));
  found.sort((a, b) => b.endsAt - a.endsAt || (a.name < b.name ? 1 : -1));
  return { names: found.map(({ name }) => name) };
}
