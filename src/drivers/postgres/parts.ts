/**
 * Statements put together from parts. A part does one thing on one table (charges, a look-up, writes) in common table
 * expressions and gives rows of the same columns as every other, so whatever a batch mixes leaves as one statement.
 *
 * All parts see one snapshot and one reading of the clock. Those that write come in the order in which they are given, each with
 * its rows in the order of their keys: with tables always in the same order no two statements wait for each other in a circle.
 */

import type { Statement } from "./client.ts";
import type { RecordTable } from "./schema.ts";
import { NOW_US, READ_PLANS, named, readPlan } from "./statements.ts";

/** Columns of an answer, with the type of a part's that has none. */
const COLUMNS = {
  key: "text", state: "text", version: "bigint", now_us: "bigint", seen_us: "bigint", times: "bigint", n1: "bigint", n2: "bigint", n3: "bigint", trail_at: "text", trail_units: "text",
} as const;

export type Column = keyof typeof COLUMNS;

/** `SELECT` of expressions by column, and what follows them (`FROM …`). */
export interface Branch {
  readonly columns: Readonly<Partial<Record<Column, string>>>;
  readonly from: string;
}

/** In its SQL `@` stands before the names of its own expressions, `$1` … are its own parameters, and `clock` has the time as `now_us`. */
export interface Part {
  readonly id: string;
  readonly table: RecordTable;
  readonly expressions: readonly string[];
  readonly branches: readonly Branch[];
  /** Changes rows. */
  readonly writes: boolean;
  /** How many parameters. */
  readonly params: number;
  /** Needs the time in its expressions; in its answer; not at all. */
  readonly clock: "expression" | "answer" | "none";
  /** Looks rows up by key, so its plan depends on how large the table was when it was made. */
  readonly looksUp: boolean;
  /** The same as a statement by itself, where that is shorter. */
  readonly alone?: string;
}

/** The part that a row of an answer belongs to. */
export function partOf(row: Readonly<Record<string, unknown>>): number {
  return row["part"] === undefined ? 0 : Number(row["part"]);
}

/** The statements for what was asked so far, each made once. */
export class Composer {
  readonly #made = new Map<string, { sent: number; readonly plans: (Statement | undefined)[]; readonly looksUp: boolean }>();

  /** Whether there is such a statement, or may be one more. */
  takes(parts: readonly Part[], most: number): boolean {
    return this.#made.size < most || this.#made.has(idOf(parts));
  }

  statement(parts: readonly Part[]): Statement {
    const id = idOf(parts);
    let made = this.#made.get(id);
    if (made === undefined) this.#made.set(id, (made = { sent: 0, plans: Array.from<undefined>({ length: READ_PLANS }), looksUp: parts.some((part) => part.looksUp) }));
    const plan = made.looksUp ? readPlan(made.sent++) : 0;
    return (made.plans[plan] ??= named(`${made.looksUp ? `/* ${plan} */ ` : ""}${compose(parts)}`, [...new Set(parts.map((part) => part.table))]));
  }
}

function idOf(parts: readonly Part[]): string {
  return parts.length === 1 ? (parts[0] as Part).id : parts.map((part) => part.id).join("+");
}

function compose(parts: readonly Part[]): string {
  const [first] = parts as readonly [Part];
  if (parts.length === 1 && first.alone !== undefined) return first.alone;
  const columns = (Object.keys(COLUMNS) as Column[]).filter((column) => parts.some((part) => part.branches.some((branch) => column in branch.columns) || (column === "now_us" && part.clock === "answer")));
  const expressions: string[] = [];
  const selects: string[] = [];
  const timed = parts.some((part) => part.clock === "expression");
  if (timed) expressions.push(`clock AS MATERIALIZED (SELECT ${NOW_US} AS now_us)`);
  let params = 0;
  parts.forEach((part, at) => {
    const own = (sql: string): string => sql.replace(/\$(\d+)/g, (_, n: string) => `$${Number(n) + params}`).replaceAll("@", `p${at}_`);
    expressions.push(...part.expressions.map(own));
    const branches = [...part.branches];
    if (part.clock === "answer") branches.unshift({ columns: { now_us: timed ? "now_us" : NOW_US }, from: timed ? "FROM clock" : "" });
    for (const branch of branches) {
      const list = columns.map((column) => `${own(branch.columns[column] ?? "NULL")}::${COLUMNS[column]} AS ${column}`);
      if (parts.length > 1) list.unshift(`${at} AS part`);
      selects.push(`SELECT ${list.join(", ")} ${own(branch.from)}`);
    }
    params += part.params;
  });
  return `${expressions.length > 0 ? `WITH ${expressions.join(", ")}\n` : ""}${selects.join("\nUNION ALL ")}`;
}
