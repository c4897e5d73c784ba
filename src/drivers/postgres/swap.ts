/** Compare-and-set: the way of every algorithm. One statement reads records and the server's time, `step` runs here, one writes what changed. */

import { type Clock, sleep } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { Operation, Reply, RunOptions } from "../../state/contracts.ts";
import { failedReplies, replay } from "../../state/replay.ts";
import type { PostgresConnection, Row, Statement } from "./client.ts";
import { isLostRace, postgresError } from "./failure.ts";
import { columnsOf } from "./native/columns.ts";
import { WAIT_US } from "./native/native-limit.ts";
import { type StoredState, parseState, storedState } from "./records.ts";
import { TOMBSTONE_MS, type TableStatements, arrayLiteral, readPlan } from "./statements.ts";

/** An operation of a batch: where its replies go, and its key in the table. */
export interface Entry {
  readonly at: number;
  readonly operation: Operation;
  readonly key: string;
}

interface Found extends StoredState {
  readonly version: number;
  readonly seenUs: number | undefined;
}

interface Swap extends StoredState {
  readonly entry: Entry;
  readonly prior: number | null;
  readonly version: number;
  readonly expiresAt: number | null;
  readonly nowUs: number;
  readonly replies: Reply[];
}

/** Text of one statement that writes, roughly: past it the next keys go in another one. */
const MAX_CHARACTERS = 262_144;

/** Tries before `STORE_CONTENTION`. */
const MAX_TRIES = 100;

/** The last instant a `bigint` of the table is asked to hold. */
const MAX_INSTANT = Number.MAX_SAFE_INTEGER;

export class CompareAndSwap {
  readonly #connection: PostgresConnection;
  readonly #statements: TableStatements;
  readonly #clock: Clock;
  readonly #random: Random;
  #reads = 0;

  constructor(connection: PostgresConnection, statements: TableStatements, clock: Clock, random: Random) {
    this.#connection = connection;
    this.#statements = statements;
    this.#clock = clock;
    this.#random = random;
  }

  async run(entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    let left = entries;
    for (let tries = 1; ; tries++) {
      const { nowUs, found } = await this.#read(left);
      options?.signal?.throwIfAborted();
      const lost: Entry[] = [];
      let swaps: Swap[] = [];
      let characters = 0;
      let failure: unknown;
      for (const [i, entry] of left.entries()) {
        const swap = stepped(entry, found.get(entry.key), nowUs, replies);
        if (swap !== undefined) {
          swaps.push(swap);
          characters += swap.text.length;
        }
        // Large states leave one by one: encoding and sending megabytes at a time would hold up the whole process.
        if (swaps.length === 0 || (characters < MAX_CHARACTERS && i < left.length - 1)) continue;
        try {
          if (failure !== undefined) throw failure;
          const written = await this.#write(swaps);
          for (const done of swaps) {
            if (written.has(done.entry.key)) replies[done.entry.at] = done.replies;
            else lost.push(done.entry);
          }
        } catch (error) {
          // Who only asked has an answer already: a server that refuses writes still serves reads.
          if (swaps.length === entries.length) throw error;
          failure = error;
          for (const failed of swaps) replies[failed.entry.at] = failedReplies(failed.entry.operation, error);
        }
        swaps = [];
        characters = 0;
      }
      left = lost;
      if (left.length === 0) return;
      if (tries >= MAX_TRIES) {
        const error = new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" });
        for (const { at, operation } of left) replies[at] = failedReplies(operation, error);
        return;
      }
      // The first loss is an accident; after that the writers take turns by chance.
      if (tries > 1) await sleep(Math.min(250, 2 * tries) * this.#random.next(), this.#clock, options?.signal);
    }
  }

  async #read(entries: readonly Entry[]): Promise<{ nowUs: number; found: ReadonlyMap<string, Found> }> {
    const { client } = this.#connection;
    let rows: readonly Row[];
    try {
      rows = await this.#connection.execute(this.#statements.read[readPlan(this.#reads++)] as Statement, [arrayLiteral(entries.map(({ key }) => key))]);
    } catch (error) {
      throw postgresError(error, "read");
    }
    const found = new Map<string, Found>();
    let nowUs = Number.NaN;
    for (const row of rows) {
      if (typeof row["key"] !== "string") nowUs = Number(row["now_us"]);
      else found.set(row["key"], { text: row["state"] as string, version: Number(row["version"]), columns: columnsOf(row), seenUs: typeof row["seen_us"] === "undefined" || row["seen_us"] === null ? undefined : Number(row["seen_us"]) });
    }
    if (!Number.isSafeInteger(nowUs)) throw new StoreError("STORE_CORRUPT", `the client "${client}" gave no rows as objects by column name`, { outcome: "not-applied" });
    return { nowUs, found };
  }

  /** The keys that were written. A statement that the server ended in favour of another writer wrote none. */
  async #write(swaps: readonly Swap[]): Promise<ReadonlySet<string>> {
    const list = (item: (swap: Swap) => string | number | null): string => arrayLiteral(swaps.map(item));
    const params = [list(({ entry }) => entry.key), list(({ text }) => text), list(({ version }) => version), list(({ prior }) => prior), list(({ expiresAt }) => expiresAt)];
    if (this.#statements.limits) {
      params.push(list(({ nowUs }) => nowUs));
      for (const i of [0, 1, 2]) params.push(list(({ columns }) => columns?.n[i] ?? null));
      for (const name of ["at", "units"] as const) params.push(list(({ columns }) => (columns === undefined ? null : arrayLiteral(columns[name]))));
    }
    try {
      const rows = await this.#connection.execute(this.#statements.swap, params);
      return new Set(rows.map((row) => row["key"] as string));
    } catch (error) {
      if (isLostRace(error)) return new Set();
      throw postgresError(error, "write");
    }
  }
}

/** What has to be written for an operation, or `undefined` when its replies are there already: nothing changed, or it failed. */
function stepped(entry: Entry, found: Found | undefined, readUs: number, replies: Reply[][]): Swap | undefined {
  const { at, operation } = entry;
  try {
    const nowUs = keyNowUs(found?.seenUs, readUs);
    const now = nowUs / 1000;
    const before = parseState(operation.algorithm, found);
    const { state, replies: given, expiresAt } = replay(operation, before, now);
    if (state === before) {
      replies[at] = given;
      return undefined;
    }
    return {
      entry,
      nowUs,
      replies: given,
      ...(state === undefined ? { text: "" } : storedState(operation.algorithm, state)),
      prior: found?.version ?? null,
      // A new row's version is later than that of any row that was here before and is gone.
      version: found === undefined ? nowUs : found.version + 1,
      expiresAt: state === undefined ? Math.floor(now) + TOMBSTONE_MS : expiresAt === undefined ? null : Math.min(MAX_INSTANT, Math.ceil(expiresAt)),
    };
  } catch (error) {
    replies[at] = failedReplies(operation, error);
    return undefined;
  }
}

/** The instant of a key: as `nowUsOf` of the native limits says it in SQL. */
function keyNowUs(seenUs: number | undefined, nowUs: number): number {
  return seenUs === undefined ? nowUs : Math.min(Math.max(seenUs, nowUs), nowUs + WAIT_US);
}
