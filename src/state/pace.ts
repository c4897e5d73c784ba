/** Compiles the pace of a cursor. */

import { checkInteger, checkPositive, MAX_WINDOW_MS } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import type { CursorPolicy } from "./algorithms/cursor.ts";
import { MAX_UNITS } from "./limit-policy.ts";
import { spacingFraction } from "./rate-fraction.ts";

export interface CompiledPace {
  /** What travels in the command. Frozen. */
  readonly policy: CursorPolicy;
  /** What shapes the state, as a part of the key without `:`. */
  readonly keySuffix: string;
}

export type PaceOptions = (
  | { readonly spacingMs: number }
  /** `count` turns per `periodMs`. */
  | { readonly count: number; readonly periodMs: number }
) & {
  /** Turns at once after idleness; 1 is strict even spacing. @default 1 */
  readonly burst?: number;
};

/**
 * Compiles a pace. Fractional spacings are exact: the decimal fraction as written, or the simple one that was meant.
 *
 * @throws OptionError for a spacing or period outside above 0 to 400 days, a `count` or `burst` that is no positive
 * integer, and what would leave the exact integers.
 */
export function compilePace(options: PaceOptions): CompiledPace {
  const { p, q } = "spacingMs" in options ? fromSpacing(options.spacingMs) : fromPeriod(options.count, options.periodMs);
  const burst = options.burst === undefined ? 1 : checkInteger("burst", options.burst, 1, Math.floor(MAX_UNITS / q));
  return Object.freeze({ policy: Object.freeze({ p, q, capacityUnits: burst * q }), keySuffix: `cursor-${q}` });
}

function fromPeriod(count: number, periodMs: number): { readonly p: number; readonly q: number } {
  return { p: checkInteger("count", count, 1, MAX_UNITS), q: Math.ceil(checkPositive("periodMs", periodMs, MAX_WINDOW_MS)) };
}

function fromSpacing(spacingMs: number): { readonly p: number; readonly q: number } {
  checkPositive("spacingMs", spacingMs, MAX_WINDOW_MS);
  if (Number.isInteger(spacingMs)) return { p: 1, q: spacingMs };
  const fraction = spacingFraction(spacingMs, MAX_UNITS, MAX_UNITS);
  if (fraction === undefined) throw new OptionError("spacingMs", spacingMs, `a number of milliseconds of at least ${1 / MAX_UNITS}`);
  return fraction;
}
