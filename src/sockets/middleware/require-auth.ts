/** Lets messages pass only for those who may. */

import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { checkFunction } from "../check.ts";
import { SocketError } from "../errors.ts";
import type { ConnectionData, Middleware, MiddlewareContext } from "../types.ts";

/** A message passes when the predicate returns `true`, and nothing else; otherwise `UNAUTHENTICATED`. */
export function requireAuth<Data = ConnectionData>(predicate: (ctx: MiddlewareContext<Data>) => MaybePromise<unknown>): Middleware<Data> {
  checkFunction("predicate", predicate);
  return (ctx, next) => {
    const decide = (allowed: unknown): MaybePromise<unknown> => {
      if (allowed === true) return next();
      throw new SocketError("UNAUTHENTICATED", "not authenticated");
    };
    let allowed: MaybePromise<unknown>;
    try {
      allowed = predicate(ctx);
    } catch {
      return decide(false);
    }
    return isPromise(allowed) ? allowed.then((value) => value, () => false).then(decide) : decide(allowed);
  };
}
