/**
 * Native limits: one statement charges all keys of a batch, each row under its own lock, in the order of the keys.
 *
 * The statement moves the state, and the replies come from `step`: it gives back each record as it is afterwards and how many of
 * the equal charges passed; undoing those gives a state from which `step` at the same instant says what every caller gets. So the
 * SQL has only to arrive at the state of the definition, which the model test checks on the real server.
 *
 * It does what is common (plain charges on a record whose clock goes on) and leaves a row alone that needs anything else: the row
 * is then missing in its answer, and the driver takes the way of every algorithm, compare-and-set.
 */

import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { Branch, Part } from "../parts.ts";
import { NOW_US } from "../statements.ts";

/** The numbers of a record as they stand in the table. */
export interface LimitColumns {
  /** `n1`, `n2`, `n3`. */
  readonly n: readonly number[];
  /** `trail_at` and `trail_units`, pairwise, oldest first; empty where an algorithm has none. */
  readonly at: readonly number[];
  readonly units: readonly number[];
}

/** Expressions of whole numbers. `row` and `args` are names of row sources: one with a record, one with `seen_us`, `times`, `a1` …. */
export interface LimitSql {
  /** What counts against the limit (`a2`) at this moment. */
  used(row: string, args: string): string;
  /** Whether the record is one that the other expressions are right for. */
  fits(row: string, args: string): string;
  next(row: string, args: string, used: string, charge: string): Readonly<Record<string, string>>;
  /** The columns of a record that was not there. */
  first(nowUs: string, args: string, charge: string): Readonly<Record<string, string>>;
  /** From when the record may be swept, epoch ms. */
  ends(nowUs: string, args: string): string;
}

export interface NativeLimit {
  readonly algorithm: Algorithm;
  /** What stands in `state`. */
  readonly tag: string;
  /** How many of the columns `n1` … it has. */
  readonly width: number;
  /** How many arguments; the first is the cost of one charge in units, the second how many units there may be. */
  readonly args: number;
  /** The arguments of a plain charge, or `undefined` for a command that only the definition can run. */
  toArgs(command: unknown): readonly number[] | undefined;
  toColumns(state: unknown): LimitColumns;
  /** `undefined` for numbers that are no state. */
  fromColumns(columns: LimitColumns): unknown;
  /** A state that answers at that instant like the one before `passed` charges led to `after`. */
  before(after: LimitColumns, args: readonly number[], passed: number): unknown;
  readonly sql: LimitSql;
}

export interface LimitParts {
  /** `$1` a key, `$2` how many charges, `$3` … their arguments. */
  readonly one: Part;
  /** The same with arrays. */
  readonly many: Part;
  /** As above, and a record that refuses all charges is answered from the snapshot: no lock, no write. */
  readonly oneFiltered: Part;
  readonly manyFiltered: Part;
}

/** How far a record's clock may be ahead of a statement that began before it, in microseconds. */
export const WAIT_US = 1_000_000;

/**
 * The instant of a charge. A statement reads the clock once, and may then wait for a lock while others write: on such a row time
 * does not go back to when it began. Further back than a wait can be is a clock that was set.
 */
export function nowUsOf(row: string, args: string): string {
  return `least(greatest(${row}.seen_us, ${args}.seen_us), ${args}.seen_us + ${WAIT_US})`;
}

export function nowMsOf(row: string, args: string): string {
  return `(${nowUsOf(row, args)} / 1000)`;
}

const OUT = ["seen_us", "times", "n1", "n2", "n3"];
const TRAIL_OUT = [...OUT, "trail_at", "trail_units"];

export function limitParts(table: string, limit: NativeLimit): LimitParts {
  const { sql, tag } = limit;
  const args = Array.from({ length: limit.args }, (_, i) => `a${i + 1}`);
  const trail = "trail_at" in sql.first("", "c", "");
  const out = trail ? TRAIL_OUT : OUT;
  const columnOf = (source: string, name: string): string => (name.startsWith("trail") ? `${source}.${name}::text` : `${source}.${name}`);
  const outOf = (source: string, values: Readonly<Record<string, string>> = {}): Branch["columns"] => Object.fromEntries(["key", ...out].map((name) => [name, values[name] ?? columnOf(source, name)]));

  const passed = (row: string, input: string): string => `least(${input}.times, (${input}.a2 - (${sql.used(row, input)})) / ${input}.a1)`;
  const update = (): string => {
    const charge = `${passed("t", "excluded")} * excluded.a1`;
    const next = { ...sql.next("t", "excluded", `(${sql.used("t", "excluded")})`, charge), times: passed("t", "excluded"), seen_us: nowUsOf("t", "excluded"), version: "t.version + 1", expires_at: sql.ends(nowUsOf("t", "excluded"), "excluded") };
    const columns = Object.entries(next).map(([name, text]) => `${name} = ${text}`).join(", ");
    return `UPDATE SET ${columns} WHERE t.state = '${tag}' AND ${sql.fits("t", "excluded")} AND ${passed("t", "excluded")} > 0`;
  };
  const insert = (source: string, more: string): string => {
    const charge = `least(c.times, c.a2 / c.a1) * c.a1`;
    const first = { key: "c.key", state: `'${tag}'`, ...sql.first("c.seen_us", "c", charge), seen_us: "c.seen_us", times: "c.times", ...Object.fromEntries(args.map((name) => [name, `c.${name}`])), version: "c.seen_us", expires_at: sql.ends("c.seen_us", "c") };
    return `INSERT INTO ${table} AS t (${Object.keys(first).join(", ")}) SELECT ${Object.values(first).join(", ")} FROM ${source} AS c WHERE c.a2 >= c.a1${more} ORDER BY c.key COLLATE "C" ON CONFLICT (key) DO ${update()}`;
  };
  // Without the order there is one row, and nothing to sort.
  const single = (text: string): string => text.replace(/ ORDER BY c\.key COLLATE "C"/, "");
  const one = `(SELECT $1::text AS key, ${NOW_US} AS seen_us, $2::text::bigint AS times, ${args.map((name, i) => `$${i + 3}::text::bigint AS ${name}`).join(", ")} OFFSET 0)`;
  // A parameter inside a subselect has no size to the planner, so it keeps one plan for all instead of making one for each.
  const many = `(SELECT i.*, n.seen_us FROM (SELECT ${NOW_US} AS seen_us OFFSET 0) AS n, unnest((SELECT $1::text::text[]), (SELECT $2::text::bigint[]), ${args.map((_, i) => `(SELECT $${i + 3}::text::bigint[])`).join(", ")}) AS i (key, times, ${args.join(", ")}))`;
  const returning = ` RETURNING t.key, ${out.map((name) => columnOf("t", name)).join(", ")}`;
  const common = { table: "rate_limits", writes: true, params: 2 + limit.args, clock: "none" } as const;
  const direct = (id: string, text: string): Part => ({
    ...common, id: `${id} ${tag}`, looksUp: false, alone: `${text}${returning}`,
    expressions: [`@w AS (${text}${returning})`],
    branches: [{ columns: outOf("w"), from: "FROM @w AS w" }],
  });
  const filtered = (id: string, input: string, insertion: (source: string, more: string) => string): Part => {
    const refusing = `coalesce(s.state = '${tag}' AND ${sql.fits("s", "i")} AND ${passed("s", "i")} <= 0, false)`;
    const columns = ["state", ...out.filter((name) => name !== "times" && name !== "seen_us")];
    return {
      ...common, id: `${id} ${tag}`, looksUp: true,
      expressions: [
        `@c AS MATERIALIZED (SELECT i.*, ${nowUsOf("s", "i")} AS read_us, ${columns.map((name) => `s.${name}`).join(", ")}, ${refusing} AS refused FROM ${input} AS i LEFT JOIN LATERAL (SELECT seen_us, ${columns.join(", ")} FROM ${table} WHERE key = i.key OFFSET 0) AS s ON true)`,
        `@w AS (${insertion("@c", " AND NOT c.refused")}${returning})`,
      ],
      branches: [{ columns: outOf("w"), from: "FROM @w AS w" }, { columns: outOf("c", { times: "0", seen_us: "c.read_us" }), from: "FROM @c AS c WHERE c.refused" }],
    };
  };
  return {
    one: direct("charge", single(insert(one, ""))),
    many: direct("charges", insert(many, "")),
    oneFiltered: filtered("filtered charge", one, (source, more) => single(insert(source, more))),
    manyFiltered: filtered("filtered charges", many, insert),
  };
}
