/** What the server or the client said, as an error of the state layer. */

import { type Outcome, type SluiceError, StoreError, isSluiceError } from "../../core/errors.ts";

/** Missing table, missing column. */
const SCHEMA: ReadonlySet<string> = /* @__PURE__ */ new Set(["42P01", "42703"]);

/** The writer lost against another one: serialization failure, deadlock, lock not available. */
const LOST: ReadonlySet<string> = /* @__PURE__ */ new Set(["40001", "40P01", "55P03"]);

/** Read-only transaction; disk full, out of memory: what only looks may still be answered. */
const NO_WRITES: ReadonlySet<string> = /* @__PURE__ */ new Set(["25006", "53100", "53200"]);

/** The server ended the statement, so nothing of it holds; classes of SQLSTATE (PostgreSQL manual, appendix A). */
const ROLLED_BACK: RegExp = /^(?:0A|2[0-9A-Z]|3[0-9A-Z]|4[0-9A-Z]|5[34]|57014)/;

/** Where a call stands: a read that failed changed nothing, whatever happened. */
export type Phase = "read" | "write";

export function postgresError(error: unknown, phase: Phase): SluiceError {
  if (isSluiceError(error)) return error;
  const { code, message } = describe(error);
  if (SCHEMA.has(code)) {
    return new StoreError("STORE_SCHEMA", `the tables of Sluice are missing or older than this release (${message}): run POSTGRES_SCHEMA_SQL, or postgresSchemaSql({ tablePrefix }) for a prefix of your own, once on this database`, { cause: error, outcome: "not-applied" });
  }
  if (phase === "write" && NO_WRITES.has(code)) return new StoreError("STORE_READ_ONLY", `postgres: ${message}`, { cause: error, outcome: "not-applied" });
  const outcome: Outcome = phase === "read" || ROLLED_BACK.test(code) || code === "ECONNREFUSED" ? "not-applied" : "unknown";
  return new StoreError("STORE_UNAVAILABLE", `postgres: ${message}`, { cause: error, outcome });
}

/** Whether the server ended the statement, or it was not sent: nothing of it holds, and another one may go better. */
export function isRefused(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === "STORE_OVERLOADED";
  const { code } = describe(error);
  return SCHEMA.has(code) || ROLLED_BACK.test(code);
}

/** Whether nothing was written only because another writer was there. */
export function isLostRace(error: unknown): boolean {
  return LOST.has(describe(error).code);
}

function describe(error: unknown): { code: string; message: string } {
  const { code, message } = (typeof error === "object" && error !== null ? error : {}) as { code?: unknown; message?: unknown };
  return { code: typeof code === "string" ? code : "", message: typeof message === "string" && message !== "" ? message : "the statement failed" };
}
