/**
 * The Postgres driver. A batch is one statement for all its keys and kinds: plain charges on limits, looks, and writes of records
 * that were seen before. What was not seen before is looked at first. What changes nothing (a refusal, a peek) takes no
 * transaction id and no write of the log.
 */

import { checkInteger, checkPositive, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey, escapeKeyPart, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, type Row, type Statement, recogniseClient } from "./client.ts";
import { failedReplies, settleParts } from "../../state/replay.ts";
import { type Phase, postgresError } from "./failure.ts";
import { Exchange, throwIfAborted } from "./exchange.ts";
import { nativeLimits } from "./native/limits.ts";
import { patientConnection } from "./patient-connection.ts";
import { parsePlain, plainText } from "./records.ts";
import { DEFAULT_TABLE_PREFIX, RECORD_TABLES, type RecordTable, checkTablePrefix } from "./schema.ts";
import { type TableStatements, statementsFor } from "./statements.ts";
import type { Entry } from "./swap.ts";
import { type CacheEntryCommand, cacheEntry } from "../../state/algorithms/cache-entry.ts";
import { keySet } from "../../state/algorithms/key-set.ts";
import { Merger } from "./merger.ts";
import { type FillWrite, nameParts } from "./name-parts.ts";
import { NameSets } from "./name-sets.ts";

export interface PostgresDriverOptions extends PostgresClientOptions {
  /** In front of the tables' names. @default "sluice_" */
  readonly tablePrefix?: string;
  /** Where plain values, and algorithms other than those of limits, circuits and caches, are kept. @default "entries" */
  readonly table?: "entries" | "cache";
  /** Largest value of `set`, in bytes. @default 16 MiB */
  readonly maxValueBytes?: number;
  /** Batches on the wire at once; each takes a connection of the pool. @default 2 */
  readonly lanes?: number;
  /** A statement without an answer for so long is taken for hung, in ms; with `lanes` of them on a table no more is sent there. @default 1000 */
  readonly hungMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface PostgresDriver extends StateDriver {
  readonly connection: PostgresConnection;
  readonly tablePrefix: string;
  /** The plain values of another table. */
  values(table: RecordTable): Pick<StateDriver, "get" | "set" | "delete">;
  /**
   * Deletes the expired rows of one table, 1,000 per statement, past rows that somebody else holds. Gives the number deleted.
   * A row's instant is its last use for the algorithms: deleting changes no reply.
   */
  cleanup(table: RecordTable, options?: RunOptions): Promise<number>;
}

/** Rows that one statement of a cleanup deletes. */
const SWEEP_ROWS = 1000;

/** Where the built-in algorithms are kept; every other one is where plain values are. */
const TABLES: ReadonlyMap<string, RecordTable> = /* @__PURE__ */ new Map<string, RecordTable>([
  ...["fixed-window", "calendar-window", "sliding-window", "sliding-log", "token-bucket", "all-of"].map((name) => [name, "rate_limits"] as const),
  ["circuit", "circuit_breakers"],
  ...["cache-entry", "key-set", "purge-marks", "purge-number"].map((name) => [name, "cache"] as const),
]);

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
  private readonly patient: Pick<PostgresConnection, "execute">;
  private readonly entriesTable: RecordTable;
  private readonly statements: Readonly<Record<RecordTable, TableStatements>>;
  private readonly exchange: Exchange;
  private readonly names: NameSets;
  private closed = false;

  constructor(connection: PostgresConnection, options: PostgresDriverOptions) {
    const prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
    const lanes = checkInteger("lanes", options.lanes ?? 2, 1);
    this.connection = connection;
    const patient = patientConnection(connection, lanes, checkPositive("hungMs", options.hungMs ?? 1000), options.clock ?? systemClock);
    this.patient = patient;
    this.tablePrefix = prefix;
    this.entriesTable = options.table ?? "entries";
    this.statements = Object.fromEntries(RECORD_TABLES.map((table) => [table, statementsFor(prefix, table)])) as Record<RecordTable, TableStatements>;
    const clock = options.clock ?? systemClock;
    const merger = new Merger(patient, clock);
    const names = nameParts(`${prefix}cache`);
    this.exchange = new Exchange(connection, merger, prefix, names, clock, options.random ?? systemRandom);
    this.names = new NameSets(merger, names);
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: checkInteger("maxValueBytes", options.maxValueBytes ?? 16 * 2 ** 20, 1, 512 * 2 ** 20),
      shared: true,
      // Limits and circuits are in unlogged tables unless the schema was made otherwise.
      durability: "memory",
      native: [...nativeLimits.keys(), keySet.name],
      cacheFills: true,
      lanes,
    });
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.open();
    throwIfAborted(options);
    if (batch.some(isFillAmongOthers)) return this.oneByOne(batch, options);
    const replies: Reply[][] = new Array(batch.length);
    const entries = batch.map((operation, at): Entry => ({ at, operation, table: this.tableOf(operation.algorithm.name), key: physicalKey(operation.key), ...fillOf(operation) }));
    if (entries.length === 1) {
      await this.exchanged(entries, replies, options);
      return replies;
    }
    for (let left = entries; left.length > 0; ) {
      // A key that stands in a batch twice is run again after its first operation: one statement writes a row once.
      const rows = new Set<string>();
      const later: Entry[] = [];
      const round = left.filter((entry) => {
        const row = `${entry.table}:${entry.key}`;
        if (!rows.has(row)) return rows.add(row);
        later.push(entry);
        return false;
      });
      try {
        await this.exchanged(round, replies, options);
      } catch (error) {
        if (left === entries) throw error;
        for (const { at, operation } of round) replies[at] = failedReplies(operation, error);
      }
      left = later;
    }
    return replies;
  }

  /** Sets of names have a way of their own. */
  private exchanged(entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const named = entries.filter(({ operation: { algorithm } }) => algorithm.name === keySet.name && algorithm.version === keySet.version);
    if (named.length === 0) return this.exchange.run(entries, replies, options);
    const names = this.names.run(named, replies, options);
    if (named.length === entries.length) return names;
    const others = entries.filter((entry) => !named.includes(entry));
    return settleParts([{ entries: named, done: names }, { entries: others, done: this.exchange.run(others, replies, options) }], replies);
  }

  /** The end of a fill is a write of its own: what else was asked of its key goes before or after it. */
  private async oneByOne(batch: readonly Operation[], options: RunOptions | undefined): Promise<Reply[][]> {
    const single = batch.flatMap(({ algorithm, key, commands }) => commands.map((command) => ({ algorithm, key, commands: [command] })));
    const replies = await this.run(single, options);
    let next = 0;
    return batch.map(({ commands }) => commands.map(() => (replies[next++] as Reply[])[0]));
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.read(this.entriesTable, key);
  }

  set(key: string, value: Uint8Array, ttlMs?: number): Promise<void> {
    return this.write(this.entriesTable, key, value, ttlMs);
  }

  delete(key: string): Promise<boolean> {
    return this.remove(this.entriesTable, key);
  }

  values(table: RecordTable): Pick<StateDriver, "get" | "set" | "delete"> {
    return {
      get: (key) => this.read(table, key),
      set: (key, value, ttlMs) => this.write(table, key, value, ttlMs),
      delete: (key) => this.remove(table, key),
    };
  }

  private async read(table: RecordTable, key: string): Promise<Uint8Array | undefined> {
    this.open();
    const [row] = await this.send("read", this.statements[table].get, [physicalKey(key)]);
    return row === undefined ? undefined : parsePlain(String(row["state"]));
  }

  private async write(table: RecordTable, key: string, value: Uint8Array, ttlMs: number | undefined): Promise<void> {
    this.open();
    const ttl = checkTtlMs("ttlMs", ttlMs);
    if (value.length > this.capabilities.maxValueBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${this.capabilities.maxValueBytes}`, { outcome: "not-applied" });
    }
    await this.send("write", this.statements[table].set, [physicalKey(key), plainText(value), ttl === undefined ? null : String(ttl)]);
  }

  private async remove(table: RecordTable, key: string): Promise<boolean> {
    this.open();
    const rows = await this.send("write", this.statements[table].remove, [physicalKey(key)]);
    return rows.length > 0 && isTrue((rows[0] as Row)["live"]);
  }

  async cleanup(table: RecordTable, options?: RunOptions): Promise<number> {
    this.open();
    let removed = 0;
    for (let behind = ""; ; ) {
      throwIfAborted(options);
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
    return TABLES.get(algorithm) ?? this.entriesTable;
  }

  private open(): void {
    if (this.closed) throw new StoreError("STORE_CLOSED", "the postgres driver is closed", { outcome: "not-applied" });
  }

  private async send(phase: Phase, statement: Statement, params: readonly (string | null)[]): Promise<readonly Row[]> {
    try {
      return await this.patient.execute(statement, params);
    } catch (error) {
      throw postgresError(error, phase);
    }
  }
}

function fillOf({ algorithm, commands }: Operation): { fill?: FillWrite } {
  const [command] = commands as readonly CacheEntryCommand[];
  if (algorithm.name !== cacheEntry.name || command?.type !== "put" || command.fill === undefined) return {};
  const { name, sets, purges, purge } = command.fill;
  return { fill: { name, sets: sets.map(physicalKey), purges: physicalKey(purges), purge: purge ?? null, ttlMs: command.ttlMs } };
}

function isFillAmongOthers({ algorithm, commands }: Operation): boolean {
  return commands.length > 1 && algorithm.name === cacheEntry.name && (commands as readonly CacheEntryCommand[]).some((command) => command.type === "put" && command.fill !== undefined);
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
