/** The numbers of a limit in a row of the server's answer, whatever types the client gives them. */

import type { Row } from "../client.ts";
import type { LimitColumns } from "./native-limit.ts";

export function columnsOf(row: Row): LimitColumns | undefined {
  if (row["n1"] === undefined || row["n1"] === null) return undefined;
  const n: number[] = [];
  for (const name of ["n1", "n2", "n3"]) if (row[name] !== undefined && row[name] !== null) n.push(Number(row[name]));
  return { n, at: numbers(row["trail_at"]), units: numbers(row["trail_units"]) };
}

/** An array as text: `{1,2}`. */
function numbers(text: unknown): number[] {
  return typeof text !== "string" || text.length <= 2 ? [] : text.slice(1, -1).split(",").map(Number);
}
