/** Checks of options that only sockets need: unknown names are errors, and options of options are checked, too. */

import { OptionError } from "../core/errors.ts";

export { checkFunction, checkInteger, checkNonNegative, checkOneOf, checkPositive, checkString } from "../core/check.ts";

/** Throws for a name that is no option, with its path. */
export function checkKeys(path: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new OptionError(path, value, "an object");
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new OptionError(path === "" ? key : `${path}.${key}`, (value as Record<string, unknown>)[key], `absent: the options are ${known.join(", ")}`);
  }
}

export function checkBoolean(option: string, value: unknown, alternative?: string): boolean {
  if (typeof value !== "boolean") throw new OptionError(option, value, alternative === undefined ? "true or false" : `true, false or ${alternative}`);
  return value;
}

/** A whole number of at least `min`, or `Infinity` written out. */
export function checkCount(option: string, value: unknown, min: number): number {
  if (value === Infinity) return Infinity;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) throw new OptionError(option, value, `an integer of at least ${min}, or Infinity`);
  return value;
}

export function checkOptionalFunction<F>(option: string, value: F): F {
  if (value !== undefined && typeof value !== "function") throw new OptionError(option, value, "a function");
  return value;
}
