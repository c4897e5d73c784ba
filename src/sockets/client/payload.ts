/** Payloads and frames of the client. */

import { isPromise } from "../../core/maybe-promise.ts";
import type { Validator } from "../validate.ts";
import { validationError } from "../client-errors.ts";

export function frameText(type: string, meta: Record<string, unknown>, payload: unknown): string {
  return JSON.stringify({ type, ...(Object.keys(meta).length > 0 ? { meta } : {}), payload });
}

/** What the schema makes of a value; throws, or rejects, when it does not fit. */
export function checked(check: Validator | undefined, payload: unknown): unknown {
  if (check === undefined) return payload;
  const result = check(payload);
  const use = ({ issues, value }: { issues?: readonly { path: readonly string[]; message: string }[] | undefined; value?: unknown }): unknown => {
    if (issues !== undefined) throw validationError(issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
    return value;
  };
  return isPromise(result) ? result.then(use as never) : use(result as never);
}

/** Whether a synchronous schema refuses a value; an asynchronous one is the server's to ask. */
export function invalid(check: Validator | undefined, payload: unknown): boolean {
  if (check === undefined) return payload !== undefined;
  const result = check(payload);
  if (!isPromise(result)) return result.issues !== undefined;
  result.catch(() => undefined);
  return false;
}
