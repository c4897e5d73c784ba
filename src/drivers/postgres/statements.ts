/**
 * What all statements are made with, and those of plain values, one set per table. Each is complete in itself, so a pooler in
 * transaction mode may run every one on another session. Lists travel as array literals in text parameters, which every client
 * sends as they are.
 */

import { sha1Hex } from "../../core/digest.ts";
import type { Statement } from "./client.ts";
import type { RecordTable } from "./schema.ts";

export interface TableStatements {
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

/** A statement named after its text: a name is cut at 63 bytes, and means one text in every session, whichever release sent it. */
export function named(text: string, tables: readonly RecordTable[]): Statement {
  return { name: `sluice_${sha1Hex(text).slice(0, 20)}`, text, tables };
}

export function statementsFor(prefix: string, kind: RecordTable): TableStatements {
  const table = prefix + kind;
  const one = (text: string): Statement => named(text, [kind]);
  return {
    get: one(`SELECT state FROM ${table} WHERE key = $1::text AND state <> '' AND (expires_at IS NULL OR expires_at > ${NOW_MS})`),
    set: one(`INSERT INTO ${table} AS t (key, state, version, expires_at)
SELECT $1::text, $2::text, now, ceil(now / 1000.0::float8 + $3::text::float8)::bigint FROM (SELECT ${NOW_US} AS now OFFSET 0) AS clock
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = greatest(t.version + 1, excluded.version), expires_at = excluded.expires_at`),
    remove: one(`UPDATE ${table} AS t SET state = '', version = t.version + 1, expires_at = ${NOW_US} / 1000 + ${TOMBSTONE_MS}
FROM (SELECT key, expires_at IS NULL OR expires_at > ${NOW_MS} AS live FROM ${table} WHERE key = $1::text AND state <> '' FOR UPDATE) AS old
WHERE t.key = old.key RETURNING old.live`),
    sweep: one(`WITH expired AS MATERIALIZED (
  SELECT key FROM ${table} WHERE key > $1::text AND expires_at <= ${NOW_MS} ORDER BY key LIMIT $2::text::bigint FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM ${table} AS t USING expired WHERE t.key = expired.key RETURNING t.key)
SELECT count(*)::text AS rows, max(key) AS last FROM gone`),
  };
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
