/** Steps that wait only where there is something to wait for. */

import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";

/** Runs a generator that yields values or promises; it stays synchronous as long as none of them is a promise. */
export function flow<T>(steps: Generator<unknown, T, never>): MaybePromise<T> {
  return advance(steps, () => steps.next());
}

function advance<T>(steps: Generator<unknown, T, never>, resume: () => IteratorResult<unknown, T>): MaybePromise<T> {
  let next = resume();
  while (next.done !== true) {
    const { value } = next;
    if (isPromise(value)) {
      return value.then(
        (settled) => advance(steps, () => steps.next(settled as never)),
        (error: unknown) => advance(steps, () => steps.throw(error)),
      );
    }
    next = steps.next(value as never);
  }
  return next.value;
}
