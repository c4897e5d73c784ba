/** The tables of Sluice in Postgres, as SQL that can be run again and again. */

import { checkOneOf } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";

export interface PostgresSchemaOptions {
  /** In front of every table's name; matches `^[a-z_][a-z0-9_]{0,40}$`. @default "sluice_" */
  readonly tablePrefix?: string;
  /**
   * Of limits and circuits. `unlogged`: they are not written to the log, so a decision waits for no disk; a crash of the
   * server empties them (a clean restart does not), and replicas do not have them. `logged`: they survive a crash.
   * Values, leases and cached responses always do. @default "unlogged"
   */
  readonly durability?: "unlogged" | "logged";
}

/** "sluice" in ASCII. */
const SCHEMA_LOCK = 0x736c75696365;

const PREFIX: RegExp = /^[a-z_][a-z0-9_]{0,40}$/;

export const DEFAULT_TABLE_PREFIX = "sluice_";

/** A table of records: limiters, circuits, or everything else. */
export type RecordTable = "rate_limits" | "circuit_breakers" | "cache" | "entries";

/** In the order in which one statement writes to them. */
export const RECORD_TABLES: readonly RecordTable[] = ["rate_limits", "circuit_breakers", "cache", "entries"];

/** @throws OptionError unless the prefix is a plain lower-case identifier: it is part of statements. */
export function checkTablePrefix(prefix: unknown): string {
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) throw new OptionError("tablePrefix", prefix, `a string that matches ${PREFIX.source}`);
  return prefix;
}

/**
 * The statements that create the tables, to be sent as one. Running them again, or from several processes at once, changes
 * nothing; a table that is there keeps its durability (`ALTER TABLE … SET LOGGED` changes it).
 *
 * @throws OptionError for a prefix that is no plain identifier, and for an unknown durability.
 *
 * @example
 * await pool.query(postgresSchemaSql({ tablePrefix: "shop_" }));
 */
export function postgresSchemaSql(options: PostgresSchemaOptions = {}): string {
  const prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
  const durability = checkOneOf("durability", options.durability ?? "unlogged", ["unlogged", "logged"]);
  const state = durability === "unlogged" ? "UNLOGGED" : "LOGGED";
  return [
    // Two processes that create one table at a time fail on Postgres's own catalogue. Held to the end of these statements.
    `SELECT pg_advisory_xact_lock(${SCHEMA_LOCK});`,
    records(`${prefix}rate_limits`, state, LIMIT_COLUMNS),
    records(`${prefix}circuit_breakers`, state),
    records(`${prefix}cache`, "LOGGED"),
    records(`${prefix}entries`, "LOGGED"),
    // Messages too long for a notification, for the minute it takes everybody to read them.
    `CREATE UNLOGGED TABLE IF NOT EXISTS ${prefix}messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payload text NOT NULL,
  sent_at timestamptz NOT NULL DEFAULT clock_timestamp()
);`,
    // The history of topics: the newest number of each, and what it still has. A crash takes both, and so the epoch.
    `CREATE UNLOGGED TABLE IF NOT EXISTS ${prefix}topics (
  topic text COLLATE "C" PRIMARY KEY,
  epoch bigint NOT NULL,
  last bigint NOT NULL,
  total bigint NOT NULL,
  sent_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);`,
    `CREATE UNLOGGED TABLE IF NOT EXISTS ${prefix}topic_entries (
  topic text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  n bigint NOT NULL,
  body text NOT NULL,
  total bigint NOT NULL,
  sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, epoch, n)
);`,
  ].join("\n");
}

/**
 * A limit is a row of numbers, so that one statement can move it: `n1` to `n3` are what the algorithm keeps, `trail_at` and
 * `trail_units` the charges of a sliding window, `seen_us` the clock of the last writer. `times` and `a1` to `a4` carry the
 * charges and their arguments into the row; afterwards `times` says how many passed.
 */
const LIMIT_COLUMNS = `,
  seen_us bigint,
  n1 bigint,
  n2 bigint,
  n3 bigint,
  trail_at bigint[],
  trail_units bigint[],
  times bigint,
  a1 bigint,
  a2 bigint,
  a3 bigint,
  a4 bigint`;

/** The statements for the default prefix and durability. */
export const POSTGRES_SCHEMA_SQL: string = /* @__PURE__ */ postgresSchemaSql();

/**
 * A row is a record: `state` is text, '' for one that was deleted. `version` changes with every write; `prior` is the version a
 * writer expects, and is read only where an insert meets a row. No index on a column that changes and half-filled
 * pages: an update then stays on its page (heap-only tuples) and leaves no work in an index.
 */
function records(table: string, state: "UNLOGGED" | "LOGGED", more = ""): string {
  return `CREATE ${state === "UNLOGGED" ? "UNLOGGED " : ""}TABLE IF NOT EXISTS ${table} (
  key text COLLATE "C" PRIMARY KEY,
  state text NOT NULL,
  version bigint NOT NULL,
  prior bigint,
  expires_at bigint${more}
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);`;
}
