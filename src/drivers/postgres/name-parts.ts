/**
 * What a response cache needs beside single records: its sets of names, and a fill in one step. A name in a set is a row of its own, so
 * a cache of any size adds one without moving those that are there, and two writers meet only at the very same name.
 */

import { sha1Hex } from "../../core/digest.ts";
import { PURGE_NUMBER_NAME } from "../../state/algorithms/purge-number.ts";
import type { Branch, Part } from "./parts.ts";
import { WRITE_COLUMNS, lookedUp, writeInto } from "./record-parts.ts";
import { NOW_US, arrayLiteral } from "./statements.ts";

/** In keys of stores no such character is left, so no record has the key of a name. */
const SEPARATOR = "\u0001";
const BEHIND = "\u0002";

export interface NameAdd {
  /** The set's key as it is stored. */
  readonly set: string;
  readonly name: string;
  readonly ttlMs: number;
}

/** A write of an entry that is the end of a fill. */
export interface FillWrite {
  readonly purges: string;
  readonly purge: number | null;
  readonly name: string;
  readonly sets: readonly string[];
  readonly ttlMs: number;
}

export interface NameParts {
  /** Adds names that are not there for as long already. */
  readonly add: Part;
  /** `$1` to `$2` the bounds of a set, `$3` and `$4` a page of it: names in `state`, their ends in `version`. */
  readonly page: Part;
  /** Writes entries like `write` of a record, each with its names, unless there was a purge: `n1` is 0 then. */
  readonly fill: Part;
}

export function nameParts(table: string): NameParts {
  // Behind the row's version, so that a writer of records that knew a row of this key does not take it for its own.
  const put = (from: string): string => `INSERT INTO ${table} AS t (key, state, version, expires_at)
SELECT m.key, m.name, m.now_us, m.ends FROM (${from}) AS m
WHERE coalesce((SELECT s.expires_at < m.ends FROM ${table} AS s WHERE s.key = m.key OFFSET 0), true)
ORDER BY m.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = greatest(t.version + 1, excluded.version), expires_at = excluded.expires_at
WHERE t.expires_at < excluded.expires_at`;
  const ends = (ttl: string): string => `ceil(clock.now_us / 1000.0::float8)::bigint + ${ttl} AS ends`;
  const list = (n: number, type: string): string => `(SELECT $${n}::text::${type}[])`;
  const answer: Branch = { columns: { now_us: "now_us" }, from: "FROM clock" };
  const { found, lookUp } = lookedUp(table);
  const given = [...WRITE_COLUMNS, ["purges", "text"], ["purge", "bigint"]] as const;
  return {
    add: {
      id: "add names",
      table: "cache",
      writes: true,
      params: 3,
      clock: "expression",
      looksUp: true,
      expressions: [`@w AS (${put(`SELECT i.key, i.name, clock.now_us, ${ends("i.ttl")} FROM unnest(${list(1, "text")}, ${list(2, "text")}, ${list(3, "bigint")}) AS i (key, name, ttl) CROSS JOIN clock`)})`],
      branches: [answer],
    },
    page: {
      id: "page of names",
      table: "cache",
      writes: false,
      params: 4,
      clock: "answer",
      looksUp: true,
      expressions: [],
      branches: [{
        columns: { key: "t.key", state: "t.state", version: "t.expires_at" },
        from: `FROM (SELECT key, state, expires_at FROM ${table} WHERE key > $1::text AND key < $2::text AND expires_at > ${NOW_US} / 1000.0::float8
ORDER BY expires_at DESC, state COLLATE "C" DESC OFFSET $3::text::bigint LIMIT $4::text::bigint) AS t`,
      }],
    },
    fill: {
      id: "fill cache",
      table: "cache",
      writes: true,
      params: 12,
      clock: "expression",
      looksUp: true,
      expressions: [
        `@i AS MATERIALIZED (SELECT * FROM unnest(${given.map(([, type], at) => list(at + 1, type)).join(", ")}) AS i (${given.map(([name]) => name).join(", ")}))`,
        // Rows are locked in the order of their keys: entries, the purge number, names. The lock on the number holds up the next purge
        // until the fill can be seen; and what is read under it is the number as it is now, whatever the snapshot shows.
        `@l AS MATERIALIZED (SELECT s.key FROM (SELECT key FROM @i ORDER BY key COLLATE "C") AS i CROSS JOIN LATERAL (SELECT key FROM ${table} WHERE key = i.key OFFSET 0 FOR UPDATE) AS s)`,
        `@p AS MATERIALIZED (SELECT s.key, s.state FROM (SELECT DISTINCT purges FROM @i WHERE purge IS NOT NULL AND (SELECT count(*) FROM @l) >= 0) AS i CROSS JOIN LATERAL (SELECT key, state FROM ${table} WHERE key = i.purges OFFSET 0 FOR SHARE) AS s)`,
        `@o AS MATERIALIZED (SELECT i.*, i.purge IS NULL OR EXISTS (SELECT FROM @p AS p WHERE p.key = i.purges AND p.state LIKE '${PURGE_NUMBER_NAME} ' || i.purge || ' %') AS clear FROM @i AS i)`,
        `@w AS (${writeInto(table, ["key", "state", "version", "prior", "expires_at"], "@o", "i.clear")})`,
        // A statement touches a row once: a name that stands in a set twice is one.
        `@m AS (${put(`SELECT i.key, i.name, clock.now_us, ${ends("max(i.ttl)")} FROM unnest(${list(9, "text")}, ${list(10, "text")}, ${list(11, "bigint")}, ${list(12, "text")}) AS i (key, name, ttl, entry) CROSS JOIN clock WHERE i.entry IN (SELECT w.key FROM @w AS w) GROUP BY i.key, i.name, clock.now_us`)})`,
      ],
      branches: [
        { columns: { key: "key" }, from: "FROM @w" },
        { columns: { key: "i.key", ...found, n1: "CASE WHEN i.clear THEN 1 ELSE 0 END" }, from: `FROM @o AS i LEFT JOIN LATERAL ${lookUp} ON true WHERE NOT EXISTS (SELECT FROM @w AS w WHERE w.key = i.key)` },
        answer,
      ],
    },
  };
}

export function addParams(adds: readonly NameAdd[]): string[] {
  const longest = new Map<string, NameAdd>();
  for (const add of adds) {
    const key = nameKey(add.set, add.name);
    if (!((longest.get(key)?.ttlMs ?? -1) >= add.ttlMs)) longest.set(key, add);
  }
  const all = [...longest];
  return [arrayLiteral(all.map(([key]) => key)), arrayLiteral(all.map(([, { name }]) => name)), arrayLiteral(all.map(([, { ttlMs }]) => ttlMs))];
}

export function pageParams(set: string, from: number, limit: number): string[] {
  return [set + SEPARATOR, set + BEHIND, String(from), String(limit)];
}

/** What stands behind the parameters of the write: what the fills need, and the names of all of them. */
export function fillParams(fills: readonly { readonly key: string; readonly fill: FillWrite }[]): string[] {
  const names = fills.flatMap(({ key, fill }) => fill.sets.map((set) => ({ key: nameKey(set, fill.name), name: fill.name, ttlMs: fill.ttlMs, entry: key })));
  return [
    arrayLiteral(fills.map(({ fill }) => fill.purges)), arrayLiteral(fills.map(({ fill }) => fill.purge)),
    arrayLiteral(names.map(({ key }) => key)), arrayLiteral(names.map(({ name }) => name)), arrayLiteral(names.map(({ ttlMs }) => ttlMs)), arrayLiteral(names.map(({ entry }) => entry)),
  ];
}

function nameKey(set: string, name: string): string {
  return set + SEPARATOR + sha1Hex(name);
}
