/** The way of every algorithm: look records up, and write them where nobody else wrote in between. */

import type { Row } from "./client.ts";
import { columnsOf } from "./native/columns.ts";
import { WAIT_US } from "./native/native-limit.ts";
import type { Branch, Column, Part } from "./parts.ts";
import type { StoredState } from "./records.ts";
import type { RecordTable } from "./schema.ts";
import { arrayLiteral } from "./statements.ts";

/** What is known of a row. */
export interface Found extends StoredState {
  /** `null` for a row that is not there. */
  readonly version: number | null;
  readonly seenUs: number | undefined;
}

export interface RecordWrite extends StoredState {
  readonly key: string;
  readonly prior: number | null;
  readonly version: number;
  readonly expiresAt: number | null;
  readonly nowUs: number;
  /** `nowUs` was not told by the server: it writes only when that was its time a moment ago. */
  readonly guessed: boolean;
}

export interface RecordParts {
  /** `$1` a key; `$1` a list of keys. */
  readonly readOne: Part;
  readonly readMany: Part;
  /** Writes rows whose version is still the expected one. Gives their keys, and of the others what is there now. */
  readonly write: Part;
}

/** The version of a row that is not there. */
const ABSENT = -1;

const LIMIT_COLUMNS = ["seen_us", "n1", "n2", "n3"] as const;
const TRAIL_COLUMNS = ["trail_at", "trail_units"] as const;

/** What a row shows of itself as `t`, and one lookup per key of `i`, whatever the planner thinks of their number. */
export function lookedUp(table: string, limits = false): { readonly shown: Branch["columns"]; readonly found: Branch["columns"]; readonly lookUp: string } {
  const more = limits ? [...LIMIT_COLUMNS, ...TRAIL_COLUMNS] : [];
  const shown: Branch["columns"] = Object.fromEntries<string>([...["state", "version", ...(limits ? LIMIT_COLUMNS : [])].map((name) => [name, `t.${name}`] as const), ...(limits ? TRAIL_COLUMNS : []).map((name) => [name, `t.${name}::text`] as const)]) as Partial<Record<Column, string>>;
  return { shown, found: { ...shown, version: `coalesce(t.version, ${ABSENT})` }, lookUp: `(SELECT ${["state", "version", ...more].join(", ")} FROM ${table} WHERE key = i.key OFFSET 0) AS t` };
}

/**
 * Writes the rows `i` of `from` whose version is still the expected one. They are locked one after the other in the order of their
 * keys. The snapshot is asked first: who has lost by then takes no lock and no transaction id, and what was known of a row that is
 * gone does not bring it back.
 */
export function writeInto(table: string, written: readonly string[], from: string, where = "true"): string {
  return `INSERT INTO ${table} AS t (${written.join(", ")})
SELECT ${written.map((name) => (name.startsWith("trail") ? `i.${name}::bigint[]` : `i.${name}`)).join(", ")} FROM ${from} AS i CROSS JOIN clock
WHERE ${where} AND coalesce(clock.now_us BETWEEN i.guess_us AND i.guess_us + ${WAIT_US}, true) AND i.prior IS NOT DISTINCT FROM (SELECT s.version FROM ${table} AS s WHERE s.key = i.key OFFSET 0)
ORDER BY i.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET ${written.filter((name) => name !== "key" && name !== "prior").map((name) => `${name} = excluded.${name}`).join(", ")}
WHERE t.version = excluded.prior RETURNING t.key`;
}

/** Of every write of records. */
export const WRITE_COLUMNS: readonly (readonly [name: string, type: string])[] = [["key", "text"], ["state", "text"], ["version", "bigint"], ["prior", "bigint"], ["expires_at", "bigint"], ["guess_us", "bigint"]];

/** `limits`: records may be rows of numbers. */
export function recordParts(table: string, kind: RecordTable): RecordParts {
  const limits = kind === "rate_limits";
  const more = limits ? [...LIMIT_COLUMNS, ...TRAIL_COLUMNS] : [];
  const { shown, found, lookUp } = lookedUp(table, limits);
  // The time is read after the snapshot (read committed), so no record that is seen was written at a later time.
  const read = { table: kind, expressions: [], writes: false, params: 1, clock: "answer", looksUp: true } as const;
  const given: readonly (readonly [name: string, type: string])[] = [
    ...WRITE_COLUMNS,
    ...(limits ? LIMIT_COLUMNS.map((name) => [name, "bigint"] as const) : []), ...(limits ? TRAIL_COLUMNS.map((name) => [name, "text"] as const) : []),
  ];
  return {
    readOne: { ...read, id: `read ${kind}`, branches: [{ columns: { key: "t.key", ...shown }, from: `FROM ${table} AS t WHERE t.key = $1::text` }] },
    readMany: { ...read, id: `reads ${kind}`, branches: [{ columns: { key: "i.key", ...shown }, from: `FROM unnest((SELECT $1::text::text[])) AS i (key) CROSS JOIN LATERAL ${lookUp}` }] },
    write: {
      id: `write ${kind}`,
      table: kind,
      writes: true,
      params: given.length,
      clock: "expression",
      looksUp: true,
      expressions: [
        `@i AS MATERIALIZED (SELECT * FROM unnest(${given.map(([, type], i) => `(SELECT $${i + 1}::text::${type}[])`).join(", ")}) AS i (${given.map(([name]) => name).join(", ")}))`,
        `@w AS (${writeInto(table, ["key", "state", "version", "prior", "expires_at", ...more], "@i")})`,
      ],
      branches: [
        { columns: { key: "key" }, from: "FROM @w" },
        { columns: { key: "i.key", ...found }, from: `FROM @i AS i LEFT JOIN LATERAL ${lookUp} ON true WHERE NOT EXISTS (SELECT FROM @w AS w WHERE w.key = i.key)` },
        { columns: { now_us: "now_us" }, from: "FROM clock" },
      ],
    },
  };
}

/** Of a row with a key: what is there, or `undefined` when it was written. */
export function foundIn(row: Row): Found | undefined {
  const version = row["version"];
  if (version === null || version === undefined) return undefined;
  if (Number(version) === ABSENT) return NOT_THERE;
  const seen = row["seen_us"];
  return { text: row["state"] as string, version: Number(version), columns: columnsOf(row), seenUs: seen === undefined || seen === null ? undefined : Number(seen) };
}

export const NOT_THERE: Found = /* @__PURE__ */ Object.freeze({ text: "", version: null, seenUs: undefined });

export function writeParams(kind: RecordTable, writes: readonly RecordWrite[]): string[] {
  const list = (item: (write: RecordWrite) => string | number | null): string => arrayLiteral(writes.map(item));
  const params = [list(({ key }) => key), list(({ text }) => text), list(({ version }) => version), list(({ prior }) => prior), list(({ expiresAt }) => expiresAt), list(({ nowUs, guessed }) => (guessed ? nowUs : null))];
  if (kind === "rate_limits") {
    params.push(list(({ nowUs }) => nowUs));
    for (const i of [0, 1, 2]) params.push(list(({ columns }) => columns?.n[i] ?? null));
    for (const name of ["at", "units"] as const) params.push(list(({ columns }) => (columns === undefined ? null : arrayLiteral(columns[name]))));
  }
  return params;
}
