/**
 * The statements of the driver, one set per table. Each is complete in itself, so a pooler in transaction mode may run every
 * one on another session. Lists travel as array literals in text parameters, which every client sends as they are.
 */

import { sha1Hex } from "../../core/digest.ts";
import type { Statement } from "./client.ts";

export interface TableStatements {
  /** Records may be rows of numbers. */
  readonly limits: boolean;
  /** Records and the server's time, under several names: see {@link readPlan}. One row more than records are there carries the time. */
  readonly read: readonly Statement[];
  /** Writes records whose version is still the expected one; gives the keys that were written. */
  readonly swap: Statement;
  readonly get: Statement;
  readonly set: Statement;
  readonly remove: Statement;
  /** Deletes up to a number of expired rows behind a key; gives their number and where the next call goes on. */
  readonly sweep: Statement;
}

/** Epoch microseconds. Not `now()`: that is when the transaction began. `date_part` gives a double, which holds them and costs less than the numeric of `extract`. */
export const NOW_US = "round(date_part('epoch', clock_timestamp()) * 1000000)::bigint";

const NOW_MS = `(${NOW_US} / 1000.0::float8)`;

/** A writer that read a record before it was deleted may still come: until then the tombstone refuses it. */
export const TOMBSTONE_MS = 60_000;

/** What a limit has beside what every record has. */
const LIMIT_COLUMNS = ["seen_us", "n1", "n2", "n3"] as const;
const TRAIL_COLUMNS = ["trail_at", "trail_units"] as const;

/** A statement named after its text: a name is cut at 63 bytes, and means one text in every session, whichever release sent it. */
export function named(text: string): Statement {
  return { name: `sluice_${sha1Hex(text).slice(0, 20)}`, text };
}

/** `limits`: the table's records may be rows of numbers, for the native limits. */
export function statementsFor(table: string, limits: boolean): TableStatements {
  const more = limits ? [...LIMIT_COLUMNS, ...TRAIL_COLUMNS] : [];
  const columns = ["key", "state", "version", "prior", "expires_at", ...more];
  const given = limits ? `, ${LIMIT_COLUMNS.map((name) => `i.${name}`).join(", ")}, ${TRAIL_COLUMNS.map((name) => `i.${name}::bigint[]`).join(", ")}` : "";
  const types = ["text", "text", "bigint", "bigint", "bigint", ...(limits ? [...LIMIT_COLUMNS.map(() => "bigint"), "text", "text"] : [])];
  return {
    limits,
    read: Array.from({ length: READ_PLANS }, (_, plan) => named(read(table, plan, limits))),
    // Rows are locked one after the other in the order of their keys, so no two batches wait for each other in a circle.
    swap: named(`INSERT INTO ${table} AS t (${columns.join(", ")})
SELECT i.key, i.state, i.version, i.prior, i.expires_at${given}
FROM unnest(${types.map((type, i) => `(SELECT $${i + 1}::text::${type}[])`).join(", ")}) AS i (${columns.join(", ")})
ORDER BY i.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET ${["state", "version", "expires_at", ...more].map((name) => `${name} = excluded.${name}`).join(", ")}
WHERE t.version = excluded.prior
RETURNING key`),
    get: named(`SELECT state FROM ${table} WHERE key = $1::text AND state <> '' AND (expires_at IS NULL OR expires_at > ${NOW_MS})`),
    set: named(`INSERT INTO ${table} AS t (key, state, version, expires_at)
SELECT $1::text, $2::text, now, ceil(now / 1000.0::float8 + $3::text::float8)::bigint FROM (SELECT ${NOW_US} AS now OFFSET 0) AS clock
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = greatest(t.version + 1, excluded.version), expires_at = excluded.expires_at`),
    remove: named(`UPDATE ${table} AS t SET state = '', version = t.version + 1, expires_at = ${NOW_US} / 1000 + ${TOMBSTONE_MS}
FROM (SELECT key, expires_at IS NULL OR expires_at > ${NOW_MS} AS live FROM ${table} WHERE key = $1::text AND state <> '' FOR UPDATE) AS old
WHERE t.key = old.key RETURNING old.live`),
    sweep: named(`WITH expired AS MATERIALIZED (
  SELECT key FROM ${table} WHERE key > $1::text AND expires_at <= ${NOW_MS} ORDER BY key LIMIT $2::text::bigint FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM ${table} AS t USING expired WHERE t.key = expired.key RETURNING t.key)
SELECT count(*)::text AS rows, max(key) AS last FROM gone`),
  };
}

/**
 * One lookup per key, whatever the planner thinks of their number. The time is taken after the snapshot (read committed), so no
 * record that is seen was written at a later time.
 */
function read(table: string, plan: number, limits: boolean): string {
  const more = limits ? [...LIMIT_COLUMNS, ...TRAIL_COLUMNS] : [];
  const shown = limits ? `, ${LIMIT_COLUMNS.map((name) => `t.${name}`).join(", ")}, ${TRAIL_COLUMNS.map((name) => `t.${name}::text`).join(", ")}` : "";
  const none = limits ? `, ${LIMIT_COLUMNS.map((name) => `NULL::bigint AS ${name}`).join(", ")}, ${TRAIL_COLUMNS.map((name) => `NULL::text AS ${name}`).join(", ")}` : "";
  return `/* ${plan} */ SELECT NULL::text AS key, NULL::text AS state, NULL::bigint AS version, ${NOW_US} AS now_us${none}
UNION ALL SELECT k, t.state, t.version, NULL${shown} FROM unnest((SELECT $1::text::text[])) AS k
CROSS JOIN LATERAL (SELECT ${["state", "version", ...more].join(", ")} FROM ${table} WHERE key = k OFFSET 0) AS t`;
}

export const READ_PLANS = 6;

/**
 * Which of several equal statements comes next after so many. A session plans a prepared statement once, for a table that may be
 * tiny then: it would go on reading all of it for each key, until statistics are taken a minute later. So the statement changes
 * its name, and is planned anew, each time ten times as many have been sent.
 */
export function readPlan(sent: number): number {
  return Math.min(READ_PLANS - 1, Math.floor(Math.log10(sent + 1)));
}

/** A Postgres array literal. */
export function arrayLiteral(items: readonly (string | number | null)[]): string {
  let text = "{";
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ",";
    const item = items[i];
    if (item === null) text += "NULL";
    else if (typeof item === "number") text += item;
    else text += QUOTED.test(item as string) ? `"${(item as string).replace(ESCAPED, "\\$&")}"` : `"${item}"`;
  }
  return `${text}}`;
}

const QUOTED: RegExp = /["\\]/;
const ESCAPED: RegExp = /["\\]/g;
