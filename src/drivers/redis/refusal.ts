/** What a failed call says about its effect. */

import { StoreError, isSluiceError } from "../../core/errors.ts";

/**
 * Refusals of the server that come before a script writes anything: read-only replica, out of memory, no rights, loading,
 * slots without a node, keys of several slots. A script that runs out of memory does so at its first write or not at all.
 */
const REFUSALS: RegExp = /\b(READONLY|OOM|NOAUTH|WRONGPASS|NOPERM|LOADING|CLUSTERDOWN|MASTERDOWN|CROSSSLOT|BUSY|MISCONF|TRYAGAIN|NOREPLICAS)\b/;

/** Refusals of writes alone: reads are answered. */
const NO_WRITES: ReadonlySet<string> = /* @__PURE__ */ new Set(["READONLY", "OOM", "MISCONF", "NOREPLICAS"]);

/** The error of a client as one of ours. Its text stays in `cause`: it may hold keys and values. */
export function refusedBy(error: unknown): unknown {
  if (isSluiceError(error)) return error;
  const code = REFUSALS.exec(error instanceof Error ? error.message : String(error))?.[1];
  return code === undefined
    ? new StoreError("STORE_UNAVAILABLE", "the call to redis failed", { cause: error, outcome: "unknown" })
    : new StoreError(NO_WRITES.has(code) ? "STORE_READ_ONLY" : "STORE_UNAVAILABLE", `redis refuses the call: ${code}`, { cause: error, outcome: "not-applied" });
}
