/**
 * Statements that hang hold connections of the caller's pool, and a client cannot take one back: somebody else's lock on one table
 * would in the end starve everything that shares the pool. So a driver with a few hung statements on a table sends no more there
 * until one of them has ended.
 */

import type { Clock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import type { PostgresConnection } from "./client.ts";

const NONE: readonly string[] = [];

/** `most`: hung statements at which the next one is refused; `hungMs`: a statement older than this hangs, as nobody waits for it any more. */
export function patientConnection(connection: PostgresConnection, most: number, hungMs: number, clock: Clock): Pick<PostgresConnection, "client" | "execute"> {
  /** When each statement on the wire was sent, oldest first. */
  const sent = new Set<{ readonly at: number; readonly tables: readonly string[] }>();

  function hangs(now: number, wanted: readonly string[]): boolean {
    if (sent.size < most) return false;
    let hung = 0;
    for (const { at, tables } of sent) {
      if (now - at < hungMs) return false;
      if (tables.some((table) => wanted.includes(table)) && ++hung >= most) return true;
    }
    return false;
  }

  return {
    client: connection.client,
    async execute(statement, params) {
      const now = clock.monotonic();
      const { tables = NONE } = statement;
      if (hangs(now, tables)) throw new StoreError("STORE_OVERLOADED", `postgres: ${most} statements have hung for more than ${hungMs} ms; no more is sent until one has ended`, { outcome: "not-applied" });
      const mark = { at: now, tables };
      sent.add(mark);
      try {
        return await connection.execute(statement, params);
      } finally {
        sent.delete(mark);
      }
    },
  };
}
