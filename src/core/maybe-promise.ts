/** Values that are promises only when something had to be waited for. */

export type MaybePromise<T> = T | Promise<T>;

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** A value to be kept: a promise of it that fails is given to `forget`, so that who comes next does not get that failure, too. */
export function kept<T>(value: MaybePromise<T>, forget: () => void): MaybePromise<T> {
  if (isPromise(value)) value.then(undefined, forget);
  return value;
}

/** Applies `next` to a value now, or to a promise's value later. An exception of `next` is thrown where it is sync. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return isPromise(value) ? value.then(next) : next(value);
}
