/**
 * The Postgres driver. A batch is one statement that reads records and the server's time, the steps here, and one statement
 * that writes what changed where nobody else wrote in between; who lost that race begins again. What changes nothing (a refusal,
 * a peek) is the first statement alone: it takes no lock, no transaction id and no write of the log.
 */

import { checkInteger, checkTtlMs } from "../../core/check.ts";
import { type Clock, sleep, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey, escapeKeyPart, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts.ts";
import { failedReplies, replay } from "../../state/replay.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, type Row, type Statement, recogniseClient } from "./client.ts";
import { type Phase, isLostRace, postgresError } from "./failure.ts";
import { parsePlain, parseState, plainText, stateText } from "./records.ts";
import { DEFAULT_TABLE_PREFIX, type RecordTable, checkTablePrefix } from "./schema.ts";
import { TOMBSTONE_MS, type TableStatements, arrayLiteral, readPlan, statementsFor } from "./statements.ts";

export interface PostgresDriverOptions extends PostgresClientOptions {
  /** In front of the tables' names. @default "sluice_" */
  readonly tablePrefix?: string;
  /** Where plain values and algorithms other than limits and circuits are kept. @default "entries" */
  readonly table?: "entries" | "cache";
  /** Largest value of `set`, in bytes. @default 16 MiB */
  readonly maxValueBytes?: number;
  /** Batches on the wire at once; each takes a connection of the pool. @default 2 */
  readonly lanes?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface PostgresDriver extends StateDriver {
  readonly connection: PostgresConnection;
  readonly tablePrefix: string;
  /**
   * Deletes the expired rows of one table, 1,000 per statement, past rows that somebody else holds. Gives the number deleted.
   * A row's instant is its last use for the algorithms: deleting changes no reply.
   */
  cleanup(table: RecordTable, options?: RunOptions): Promise<number>;
}

/** Tries of a compare-and-set before `STORE_CONTENTION`. */
const MAX_TRIES = 100;

/** Rows that one statement of a cleanup deletes. */
const SWEEP_ROWS = 1000;

const LIMITS: ReadonlySet<string> = /* @__PURE__ */ new Set(["fixed-window", "calendar-window", "sliding-window", "sliding-log", "token-bucket", "all-of"]);

/** The last instant a `bigint` of the table is asked to hold. */
const MAX_INSTANT = Number.MAX_SAFE_INTEGER;

interface Entry {
  readonly at: number;
  readonly operation: Operation;
  readonly key: string;
}

interface Found {
  readonly state: string;
  readonly version: number;
}

interface Swap {
  readonly entry: Entry;
  readonly text: string;
  readonly prior: number | null;
  readonly version: number;
  readonly expiresAt: number | null;
  readonly replies: Reply[];
}

/**
 * A state driver on Postgres 13 or later. The client is the caller's: it is never closed here.
 *
 * @throws OptionError for a client of no known shape and a prefix that is no plain identifier.
 *
 * @example
 * const stores = createStores(postgresDriver(new Pool({ connectionString: process.env.DATABASE_URL })));
 */
export function postgresDriver(client: PostgresClient, options: PostgresDriverOptions = {}): PostgresDriver {
  return new Driver(recogniseClient(client, options), options);
}

class Driver implements PostgresDriver {
  readonly name: string = "postgres";
  readonly capabilities: DriverCapabilities;
  readonly connection: PostgresConnection;
  readonly tablePrefix: string;
  private readonly entriesTable: RecordTable;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly statements: Readonly<Record<RecordTable, TableStatements>>;
  private reads = 0;
  private closed = false;

  constructor(connection: PostgresConnection, options: PostgresDriverOptions) {
    const prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
    this.connection = connection;
    this.tablePrefix = prefix;
    this.entriesTable = options.table ?? "entries";
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.statements = {
      rate_limits: statementsFor(`${prefix}rate_limits`),
      circuit_breakers: statementsFor(`${prefix}circuit_breakers`),
      cache: statementsFor(`${prefix}cache`),
      entries: statementsFor(`${prefix}entries`),
    };
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: checkInteger("maxValueBytes", options.maxValueBytes ?? 16 * 2 ** 20, 1, 512 * 2 ** 20),
      shared: true,
      // Limits and circuits are in unlogged tables unless the schema was made otherwise.
      durability: "memory",
      lanes: checkInteger("lanes", options.lanes ?? 2, 1),
    });
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.open();
    options?.signal?.throwIfAborted();
    const replies: Reply[][] = new Array(batch.length);
    const groups = new Map<RecordTable, Entry[]>();
    for (let at = 0; at < batch.length; at++) {
      const operation = batch[at] as Operation;
      const table = this.tableOf(operation.algorithm.name);
      const entry = { at, operation, key: physicalKey(operation.key) };
      const group = groups.get(table);
      if (group === undefined) groups.set(table, [entry]);
      else group.push(entry);
    }
    if (groups.size === 1) {
      for (const [table, entries] of groups) await this.runTable(table, entries, replies, options);
      return replies;
    }
    const ends = await Promise.allSettled([...groups].map(([table, entries]) => this.runTable(table, entries, replies, options)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && failures.length === ends.length) throw failures[0]?.reason;
    [...groups.values()].forEach((entries, i) => {
      const end = ends[i] as PromiseSettledResult<void>;
      if (end.status === "rejected") for (const { at, operation } of entries) replies[at] = failedReplies(operation, end.reason);
    });
    return replies;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.open();
    const [row] = await this.send("read", this.statements[this.entriesTable].get, [physicalKey(key)]);
    return row === undefined ? undefined : parsePlain(String(row["state"]));
  }

  async set(key: string, value: Uint8Array, ttlMs?: number): Promise<void> {
    this.open();
    const ttl = checkTtlMs("ttlMs", ttlMs);
    if (value.length > this.capabilities.maxValueBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${this.capabilities.maxValueBytes}`, { outcome: "not-applied" });
    }
    await this.send("write", this.statements[this.entriesTable].set, [physicalKey(key), plainText(value), ttl === undefined ? null : String(ttl)]);
  }

  async delete(key: string): Promise<boolean> {
    this.open();
    const rows = await this.send("write", this.statements[this.entriesTable].remove, [physicalKey(key)]);
    return rows.length > 0 && isTrue((rows[0] as Row)["live"]);
  }

  async cleanup(table: RecordTable, options?: RunOptions): Promise<number> {
    this.open();
    let removed = 0;
    for (let behind = ""; ; ) {
      options?.signal?.throwIfAborted();
      const [row] = await this.send("write", this.statements[table].sweep, [behind, String(SWEEP_ROWS)]);
      const rows = Number(row?.["rows"]);
      removed += rows;
      if (!(rows >= SWEEP_ROWS)) return removed;
      behind = String(row?.["last"]);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  private tableOf(algorithm: string): RecordTable {
    if (LIMITS.has(algorithm)) return "rate_limits";
    return algorithm === "circuit" ? "circuit_breakers" : this.entriesTable;
  }

  private open(): void {
    if (this.closed) throw new StoreError("STORE_CLOSED", "the postgres driver is closed", { outcome: "not-applied" });
  }

  /** A key that stands in a batch twice is run again after its first operation: one statement writes a row once. */
  private async runTable(table: RecordTable, entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    let left = entries;
    while (left.length > 0) {
      const keys = new Set<string>();
      const later: Entry[] = [];
      const round = left.filter((entry) => {
        if (!keys.has(entry.key)) return keys.add(entry.key);
        later.push(entry);
        return false;
      });
      await this.runCompareAndSet(this.statements[table], round, replies, options);
      left = later;
    }
  }

  private async runCompareAndSet(statements: TableStatements, entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    let left = entries;
    for (let tries = 1; ; tries++) {
      const { now, found } = await this.read(statements, left);
      options?.signal?.throwIfAborted();
      const swaps: Swap[] = [];
      for (const entry of left) {
        const swap = stepped(entry, found.get(entry.key), now, replies);
        if (swap !== undefined) swaps.push(swap);
      }
      if (swaps.length === 0) return;
      const written = await this.swap(statements, swaps);
      left = swaps.filter((swap) => {
        if (!written.has(swap.entry.key)) return true;
        replies[swap.entry.at] = swap.replies;
        return false;
      }).map(({ entry }) => entry);
      if (left.length === 0) return;
      if (tries >= MAX_TRIES) {
        const error = new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" });
        for (const { at, operation } of left) replies[at] = failedReplies(operation, error);
        return;
      }
      // The first loss is an accident; after that the writers take turns by chance.
      if (tries > 1) await sleep(Math.min(250, 2 * tries) * this.random.next(), this.clock, options?.signal);
    }
  }

  private async read({ read }: TableStatements, entries: readonly Entry[]): Promise<{ now: number; found: ReadonlyMap<string, Found> }> {
    const rows = await this.send("read", read[readPlan(this.reads++)] as Statement, [arrayLiteral(entries.map(({ key }) => key))]);
    const found = new Map<string, Found>();
    let now = Number.NaN;
    for (const row of rows) {
      if (typeof row["key"] === "string") found.set(row["key"], { state: row["state"] as string, version: Number(row["version"]) });
      else now = Number(row["now"]);
    }
    if (!Number.isFinite(now)) throw new StoreError("STORE_CORRUPT", `the client "${this.connection.client}" gave no rows as objects by column name`, { outcome: "not-applied" });
    return { now, found };
  }

  /** The keys that were written. A statement that the server ended in favour of another writer wrote none. */
  private async swap({ swap }: TableStatements, swaps: readonly Swap[]): Promise<ReadonlySet<string>> {
    const params = [
      arrayLiteral(swaps.map(({ entry }) => entry.key)),
      arrayLiteral(swaps.map(({ text }) => text)),
      arrayLiteral(swaps.map(({ version }) => version)),
      arrayLiteral(swaps.map(({ prior }) => prior)),
      arrayLiteral(swaps.map(({ expiresAt }) => expiresAt)),
    ];
    try {
      const rows = await this.connection.execute(swap, params);
      return new Set(rows.map((row) => row["key"] as string));
    } catch (error) {
      if (isLostRace(error)) return new Set();
      throw postgresError(error, "write");
    }
  }

  private async send(phase: Phase, statement: Statement, params: readonly (string | null)[]): Promise<readonly Row[]> {
    try {
      return await this.connection.execute(statement, params);
    } catch (error) {
      throw postgresError(error, phase);
    }
  }
}

/** What has to be written for an operation, or `undefined` when its replies are there already: nothing changed, or it failed. */
function stepped(entry: Entry, found: Found | undefined, now: number, replies: Reply[][]): Swap | undefined {
  const { at, operation } = entry;
  try {
    const before = parseState(operation.algorithm, found?.state);
    const { state, replies: given, expiresAt } = replay(operation, before, now);
    if (state === before) {
      replies[at] = given;
      return undefined;
    }
    return {
      entry,
      replies: given,
      text: state === undefined ? "" : stateText(operation.algorithm, state),
      prior: found?.version ?? null,
      // A new row's version is later than that of any row that was here before and is gone.
      version: found === undefined ? Math.floor(now * 1000) : found.version + 1,
      expiresAt: state === undefined ? Math.floor(now) + TOMBSTONE_MS : expiresAt === undefined ? null : Math.min(MAX_INSTANT, Math.ceil(expiresAt)),
    };
  } catch (error) {
    replies[at] = failedReplies(operation, error);
    return undefined;
  }
}

/** Postgres keeps no NUL in text, and in UTF-8 all lone surrogates would be one character. */
function physicalKey(key: string): string {
  const bound = boundKey(key);
  return bound.includes("\u0000") ? `~${escapeKeyPart(bound)}` : utf8Key(bound);
}

/** A boolean as clients give it, those that know no types included. */
function isTrue(value: unknown): boolean {
  return value === true || value === "t" || value === "true";
}
