/** What the platform threw, in the words of the package. Its own properties say what kind it is. */

import { StoreError, isSluiceError } from "../../core/errors.ts";

/** `className`: the class that should be behind the binding. */
export function objectFailure(error: unknown, className: string): Error {
  if (isSluiceError(error)) return error;
  const { overloaded, durableObjectReset } = error as { overloaded?: unknown; durableObjectReset?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  if (overloaded === true) return new StoreError("STORE_OVERLOADED", `the object is overloaded (raise "shards"): ${message}`, { cause: error, outcome: "unknown" });
  if (durableObjectReset === true) return new StoreError("STORE_UNAVAILABLE", `the object was reset while it was asked: ${message}`, { cause: error, outcome: "unknown" });
  if (/does not implement the method/.test(message)) {
    return new StoreError("STORE_CAPABILITY", `the class behind the binding is not ${className} of sluice/cloudflare, or does not extend it: ${message}`, { cause: error, outcome: "not-applied" });
  }
  return new StoreError("STORE_UNAVAILABLE", `the object could not be asked: ${message}`, { cause: error, outcome: "unknown" });
}

/** The class was bundled without the platform's base class: it has `fetch` alone. */
export function isNoRpc(error: unknown): boolean {
  return error instanceof TypeError && /does not support RPC/.test(error.message);
}
