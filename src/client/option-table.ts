/** Options as tables: every option with its check and its default in one place, so that a table is the whole declaration of a feature. */

import { checkFunction, checkInteger, checkNonNegative, checkOneOf, checkPositive, checkString, checkWindowMs } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import { checked, configError } from "./errors.ts";

/** Checks one option; `undefined` is its default. @throws OptionError */
export type OptionCheck<T> = (name: string, value: unknown) => T;
export type OptionTable<R> = { readonly [K in keyof R]: OptionCheck<R[K]> };

/** Refuses keys that nothing reads. */
export function checkKeys(where: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw configError(where === "" ? "the configuration" : where, value, "an object");
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw configError(where === "" ? key : `${where}.${key}`, (value as Record<string, unknown>)[key], `left out: it is no option (known: ${known.join(", ")})`);
  }
}

/** Options by their table, complete. @throws StitchError `CONFIG_INVALID` */
export function readOptions<R extends object>(where: string, options: object, table: OptionTable<R>): R {
  checkKeys(where, options, Object.keys(table));
  const rules: Record<string, unknown> = {};
  checked(where, () => {
    for (const name in table) rules[name] = table[name](name, (options as Record<string, unknown>)[name]);
  });
  return rules as R;
}

/** A table inside of a table; `false` gives `off`. */
export function nested<R extends object, F>(where: string, table: OptionTable<R>, off: F): OptionCheck<R | F> {
  return (name, value) => (value === false ? off : Object.freeze(readOptions(`${where}.${name}`, (value ?? {}) as object, table)));
}

export function optional<T>(check: OptionCheck<T>): OptionCheck<T | undefined> {
  return (name, value) => (value === undefined ? undefined : check(name, value));
}

export function integer(fallback: number | undefined, min: number, max?: number): OptionCheck<number> {
  return (name, value) => checkInteger(name, value ?? fallback, min, max);
}

export function positive(fallback?: number, max?: number): OptionCheck<number> {
  return (name, value) => checkPositive(name, value ?? fallback, max);
}

/** The same, and 0. */
export function positiveOrZero(fallback?: number, max?: number): OptionCheck<number> {
  return (name, value) => (value === 0 ? 0 : checkPositive(name, value ?? fallback, max));
}

export function nonNegative(fallback?: number): OptionCheck<number> {
  return (name, value) => checkNonNegative(name, value ?? fallback);
}

export function windowMs(fallback: number): OptionCheck<number> {
  return (name, value) => checkWindowMs(name, value ?? fallback);
}

/** The first is the default. */
export function oneOf<T extends string>(...allowed: readonly T[]): OptionCheck<T> {
  return (name, value) => checkOneOf(name, value ?? allowed[0], allowed);
}

export function flag(fallback: boolean): OptionCheck<boolean> {
  return (name, value = fallback) => {
    if (typeof value !== "boolean") throw new OptionError(name, value, "true or false");
    return value;
  };
}

/** A function, or nothing. */
export function callback<F>(): OptionCheck<F | undefined> {
  return optional((name, value) => checkFunction(name, value as F));
}

export const text: OptionCheck<string | undefined> = (name, value) => (value === undefined ? undefined : checkString(name, value));

export function statusSet(fallback?: readonly number[]): OptionCheck<ReadonlySet<number>> {
  return (name, value = fallback) => {
    if (!Array.isArray(value) || value.some((status) => !Number.isInteger(status) || status < 100 || status > 599)) throw new OptionError(name, value, "a list of statuses from 100 to 599");
    return new Set(value as number[]);
  };
}

export function methodSet(fallback: readonly string[]): OptionCheck<ReadonlySet<string>> {
  return (name, value = fallback) => {
    if (!Array.isArray(value) || value.some((method) => typeof method !== "string" || !/^[A-Za-z-]+$/.test(method))) throw new OptionError(name, value, "a list of method names");
    return new Set((value as string[]).map((method) => method.toUpperCase()));
  };
}
