/** What a middleware does after the rest, be it done at once or later. */

import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";

/** Runs `work`, then `done`; or `failed`, after which the error goes on. */
export function around(work: () => MaybePromise<void>, done: () => void, failed: (error: unknown) => void): MaybePromise<void> {
  const rethrow = (error: unknown): never => {
    failed(error);
    throw error;
  };
  let working: MaybePromise<void>;
  try {
    working = work();
  } catch (error) {
    return rethrow(error);
  }
  return isPromise(working) ? working.then(done, rethrow) : done();
}
