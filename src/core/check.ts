/** Domain checks for options and arguments: each names the option and quotes the value. */

import { OptionError } from "./errors.ts";

/** Longest window, period or TTL of a policy: 400 days, in ms. Keeps every intermediate of the formulas below 2^53. */
export const MAX_WINDOW_MS: number = 400 * 86_400_000;

export function checkInteger(option: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new OptionError(option, value, max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`);
  }
  return value;
}

export function checkPositive(option: string, value: unknown, max: number = Number.MAX_VALUE): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0 || value > max) {
    throw new OptionError(option, value, max === Number.MAX_VALUE ? "a finite number above 0" : `a number above 0 and at most ${max}`);
  }
  return value;
}

export function checkNonNegative(option: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw new OptionError(option, value, "a finite number of at least 0");
  }
  return value;
}

/** A window or period: at least 1 ms, at most 400 days; fractions of a millisecond are rounded up. */
export function checkWindowMs(option: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 1 || value > MAX_WINDOW_MS) {
    throw new OptionError(option, value, `a number of milliseconds from 1 to ${MAX_WINDOW_MS} (400 days)`);
  }
  return Math.ceil(value);
}

/** The TTL domain of every store: `undefined` is no expiry, a finite number above 0 is that many ms, rounded up. */
export function checkTtlMs(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw new OptionError(option, value, "undefined or a finite number of milliseconds above 0");
  }
  return Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER);
}

export function checkString(option: string, value: unknown): string {
  if (typeof value !== "string") throw new OptionError(option, value, "a string");
  return value;
}

export function checkFunction<F>(option: string, value: F): F {
  if (typeof value !== "function") throw new OptionError(option, value, "a function");
  return value;
}

export function checkOneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw new OptionError(option, value, `one of ${allowed.map((name) => `"${name}"`).join(", ")}`);
  return value as T;
}
