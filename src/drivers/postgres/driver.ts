/**
 * The Postgres driver. Plain charges on limits are one statement for all keys of a batch; every other command, a user's algorithm
 * included, is a statement that reads and one that writes where nobody else wrote in between. What changes nothing
 * (a refusal, a peek) takes no transaction id and no write of the log.
 */

import { checkInteger, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey, escapeKeyPart, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts.ts";
import { failedReplies } from "../../state/replay.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, type Row, type Statement, recogniseClient } from "./client.ts";
import { type Phase, postgresError } from "./failure.ts";
import { type Charge, NativeCharges, chargeOf } from "./native/charges.ts";
import { nativeLimits } from "./native/limits.ts";
import type { NativeLimit } from "./native/native-limit.ts";
import { patientConnection } from "./patient-connection.ts";
import { parsePlain, plainText } from "./records.ts";
import { DEFAULT_TABLE_PREFIX, type RecordTable, checkTablePrefix } from "./schema.ts";
import { type TableStatements, statementsFor } from "./statements.ts";
import { CompareAndSwap, type Entry } from "./swap.ts";

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

/** Rows that one statement of a cleanup deletes. */
const SWEEP_ROWS = 1000;

const LIMITS: ReadonlySet<string> = /* @__PURE__ */ new Set(["fixed-window", "calendar-window", "sliding-window", "sliding-log", "token-bucket", "all-of"]);

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

/** One statement's work, and what follows for keys that it leaves alone. */
type Job = { readonly table: RecordTable; readonly entries: readonly Entry[] } & ({ readonly limit?: undefined } | { readonly limit: NativeLimit; readonly charges: readonly Charge[] });

class Driver implements PostgresDriver {
  readonly name: string = "postgres";
  readonly capabilities: DriverCapabilities;
  readonly connection: PostgresConnection;
  readonly tablePrefix: string;
  private readonly patient: PostgresConnection;
  private readonly entriesTable: RecordTable;
  private readonly statements: Readonly<Record<RecordTable, TableStatements>>;
  private readonly swaps: Readonly<Record<RecordTable, CompareAndSwap>>;
  private readonly charges: NativeCharges;
  private closed = false;

  constructor(connection: PostgresConnection, options: PostgresDriverOptions) {
    const prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
    const lanes = checkInteger("lanes", options.lanes ?? 2, 1);
    this.connection = connection;
    const patient = patientConnection(connection, lanes, options.clock ?? systemClock);
    this.patient = patient;
    this.tablePrefix = prefix;
    this.entriesTable = options.table ?? "entries";
    this.statements = byTable((table) => statementsFor(prefix + table, table === "rate_limits"));
    this.swaps = byTable((table) => new CompareAndSwap(patient, this.statements[table], options.clock ?? systemClock, options.random ?? systemRandom));
    this.charges = new NativeCharges(patient, `${prefix}rate_limits`);
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: checkInteger("maxValueBytes", options.maxValueBytes ?? 16 * 2 ** 20, 1, 512 * 2 ** 20),
      shared: true,
      // Limits and circuits are in unlogged tables unless the schema was made otherwise.
      durability: "memory",
      native: [...nativeLimits.keys()],
      lanes,
    });
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.open();
    options?.signal?.throwIfAborted();
    const replies: Reply[][] = new Array(batch.length);
    const [first] = batch;
    if (batch.length === 1 && first !== undefined) {
      // The lone caller: nothing to sort.
      const entry = { at: 0, operation: first, key: physicalKey(first.key) };
      await this.perform(this.jobsOf([entry])[0] as Job, replies, options);
      return replies;
    }
    let left: Entry[] = batch.map((operation, at) => ({ at, operation, key: physicalKey(operation.key) }));
    while (left.length > 0) {
      // A key that stands in a batch twice is run again after its first operation: one statement writes a row once.
      const keys = new Set<string>();
      const later: Entry[] = [];
      const round = left.filter((entry) => {
        const row = `${this.tableOf(entry.operation.algorithm.name)}:${entry.key}`;
        if (!keys.has(row)) return keys.add(row);
        later.push(entry);
        return false;
      });
      await this.runRound(this.jobsOf(round), later, replies, options);
      left = later;
    }
    return replies;
  }

  private async runRound(jobs: readonly Job[], later: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    if (jobs.length === 1 && later.length === 0) return this.perform(jobs[0] as Job, replies, options);
    const ends = await Promise.allSettled(jobs.map((job) => this.perform(job, replies, options)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && failures.length === ends.length) throw failures[0]?.reason;
    ends.forEach((end, i) => {
      if (end.status === "rejected") for (const { at, operation } of (jobs[i] as Job).entries) replies[at] ??= failedReplies(operation, end.reason);
    });
  }

  /** What goes to the server together: equal kinds of charges on limits, and by table what else there is. */
  private jobsOf(entries: readonly Entry[]): Job[] {
    const swaps = new Map<RecordTable, Entry[]>();
    const charged = new Map<NativeLimit, Charge[]>();
    for (const entry of entries) {
      const table = this.tableOf(entry.operation.algorithm.name);
      const charge = table === "rate_limits" ? chargeOf(entry) : undefined;
      if (charge !== undefined) add(charged, charge.limit, charge);
      else add(swaps, table, entry);
    }
    return [
      ...[...charged].map(([limit, charges]) => ({ table: "rate_limits" as const, entries: charges.map(({ entry }) => entry), limit, charges })),
      ...[...swaps].map(([table, group]) => ({ table, entries: group })),
    ];
  }

  private async perform(job: Job, replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    let { entries } = job;
    if (job.limit !== undefined) {
      entries = await this.charges.run(job.limit, job.charges, replies);
      if (entries.length === 0) return;
      options?.signal?.throwIfAborted();
    }
    await this.swaps[job.table].run(entries, replies, options);
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

  private async send(phase: Phase, statement: Statement, params: readonly (string | null)[]): Promise<readonly Row[]> {
    try {
      return await this.patient.execute(statement, params);
    } catch (error) {
      throw postgresError(error, phase);
    }
  }
}

function byTable<T>(make: (table: RecordTable) => T): Record<RecordTable, T> {
  return { rate_limits: make("rate_limits"), circuit_breakers: make("circuit_breakers"), cache: make("cache"), entries: make("entries") };
}

function add<K, T>(groups: Map<K, T[]>, key: K, item: T): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [item]);
  else group.push(item);
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
