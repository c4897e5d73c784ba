/** A handler that can be told to step aside. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import type { PolicyHandler } from "../types.ts";

/**
 * The same handler when there is no `skip`. Otherwise `skip` is asked first, and when it is true the rest of the
 * pipeline runs as if the handler were not there. What `skip` throws is thrown: a check is never skipped by accident.
 */
export function withSkip(skip: ((c: Context) => MaybePromise<boolean>) | undefined | null, handler: PolicyHandler): PolicyHandler {
  if (skip === undefined || skip === null) return handler;
  return (c, next) => {
    const skipped = skip(c);
    if (isPromise(skipped)) return skipped.then((yes) => (yes ? next() : handler(c, next)));
    return skipped ? next() : handler(c, next);
  };
}
