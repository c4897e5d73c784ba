/**
 * The statements of the driver, one set per table. Each is complete in itself, so a pooler in transaction mode may run every
 * one on another session. Lists travel as array literals in text parameters, which every client sends as they are.
 */

import type { Statement } from "./client.ts";

export interface TableStatements {
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

/** Epoch ms with fraction. Not `now()`: that is when the transaction began. */
const NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::float8";

/** A writer that read a record before it was deleted may still come: until then the tombstone refuses it. */
export const TOMBSTONE_MS = 60_000;

export function statementsFor(table: string): TableStatements {
  const named = (verb: string, text: string): Statement => ({ name: `${table}_${verb}`, text });
  return {
    read: Array.from({ length: READ_PLANS }, (_, plan) => named(`read_${plan}`, read(table, plan))),
    // Rows are locked one after the other in the order of their keys, so no two batches wait for each other in a circle.
    swap: named("swap", `INSERT INTO ${table} AS t (key, state, version, prior, expires_at)
SELECT i.key, i.state, i.version, i.prior, i.expires_at
FROM unnest($1::text::text[], $2::text::text[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[]) AS i (key, state, version, prior, expires_at)
ORDER BY i.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = excluded.version, expires_at = excluded.expires_at
WHERE t.version = excluded.prior
RETURNING key`),
    get: named("get", `SELECT state FROM ${table} WHERE key = $1::text AND state <> '' AND (expires_at IS NULL OR expires_at > ${NOW_MS})`),
    set: named("set", `INSERT INTO ${table} AS t (key, state, version, expires_at)
SELECT $1::text, $2::text, (now * 1000)::bigint, ceil(now + $3::text::float8)::bigint FROM (SELECT ${NOW_MS} AS now OFFSET 0) AS clock
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = greatest(t.version + 1, excluded.version), expires_at = excluded.expires_at`),
    remove: named("remove", `UPDATE ${table} AS t SET state = '', version = t.version + 1, expires_at = (${NOW_MS})::bigint + ${TOMBSTONE_MS}
FROM (SELECT key, expires_at IS NULL OR expires_at > ${NOW_MS} AS live FROM ${table} WHERE key = $1::text AND state <> '' FOR UPDATE) AS old
WHERE t.key = old.key RETURNING old.live`),
    sweep: named("sweep", `WITH expired AS MATERIALIZED (
  SELECT key FROM ${table} WHERE key > $1::text AND expires_at <= ${NOW_MS} ORDER BY key LIMIT $2::text::bigint FOR UPDATE SKIP LOCKED
), gone AS (DELETE FROM ${table} AS t USING expired WHERE t.key = expired.key RETURNING t.key)
SELECT count(*)::text AS rows, max(key) AS last FROM gone`),
  };
}

/**
 * One lookup per key, whatever the planner thinks of their number. The time is taken after the snapshot (read committed), so no
 * record that is seen was written at a later time.
 */
function read(table: string, plan: number): string {
  return `/* ${plan} */ SELECT NULL::text AS key, NULL::text AS state, NULL::text AS version, ${NOW_MS} AS now
UNION ALL SELECT k, t.state, t.version::text, NULL FROM unnest($1::text::text[]) AS k
CROSS JOIN LATERAL (SELECT state, version FROM ${table} WHERE key = k OFFSET 0) AS t`;
}

const READ_PLANS = 6;

/**
 * Which of the `read` statements comes next after so many. A session plans a prepared statement once, for a table that may be
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
