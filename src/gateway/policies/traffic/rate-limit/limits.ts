/** The options of `rateLimit` as the limits they mean. */

import type { Context } from "hono";
import { checkInteger } from "../../../../core/check.ts";
import { OptionError } from "../../../../core/errors.ts";
import type { MaybePromise } from "../../../../core/maybe-promise.ts";
import type { LimitPolicy } from "../../../../state/contracts/limits.ts";
import { MAX_WINDOW_MS } from "../../../../core/check.ts";
import { limitLabel, type LimitLabel } from "./headers.ts";

export type RateLimitAlgorithm = "sliding-window" | "fixed-window" | "token-bucket";

/** One of several limits on the same caller. */
export interface RateLimitWindow {
  /** Added to the policy's name in the response fields. @default its seconds */
  readonly name?: string;
  /** Most cost in the window: an integer of at least 1. */
  readonly max: number;
  /** Length of the window; fractions to the millisecond. */
  readonly windowSeconds: number;
}

export interface LimitOptions {
  readonly name?: string;
  readonly max?: number | ((c: Context) => MaybePromise<number>);
  readonly windowSeconds?: number;
  readonly algorithm?: RateLimitAlgorithm;
  readonly burst?: number;
  readonly windows?: readonly RateLimitWindow[];
}

/** One limit of a policy. `policy` is what its store gets; it is made per request only where `max` is a function. */
export interface Limit {
  readonly label: LimitLabel;
  readonly windowMs: number;
  readonly max: number | ((c: Context) => MaybePromise<number>);
  readonly policy: LimitPolicy | undefined;
}

/** Every limit of the options, checked. Throws `OptionError`. */
export function limitsOf(options: LimitOptions): Limit[] {
  const algorithm = options.algorithm ?? "sliding-window";
  const name = options.name ?? "default";
  const limits: Limit[] = [];
  if (options.burst !== undefined) {
    if (algorithm !== "token-bucket") throw new OptionError("burst", options.burst, `left out with algorithm "${algorithm}": only a "token-bucket" has a burst`);
    if (!(Number.isFinite(options.burst) && options.burst >= 1)) throw new OptionError("burst", options.burst, "a finite number of at least 1");
  }
  if (options.max !== undefined) {
    const windowMs = windowMsOf("windowSeconds", options.windowSeconds ?? 60);
    if (typeof options.max === "function") limits.push({ label: limitLabel(name, windowMs, undefined), windowMs, max: options.max, policy: undefined });
    else limits.push(fixed("max", name, options.max, windowMs, algorithm, options.burst));
  }
  if (options.windows !== undefined) {
    if (!Array.isArray(options.windows)) throw new OptionError("windows", options.windows, "a list of {max, windowSeconds}");
    options.windows.forEach((window: RateLimitWindow, i) => {
      if (typeof window !== "object" || window === null) throw new OptionError(`windows[${i}]`, window, "an object {max, windowSeconds}");
      if (window.name !== undefined && (typeof window.name !== "string" || window.name === "")) throw new OptionError(`windows[${i}].name`, window.name, "a non-empty string");
      const windowMs = windowMsOf(`windows[${i}].windowSeconds`, window.windowSeconds);
      const label = `${name}-${window.name ?? window.windowSeconds}`;
      if (limits.some((limit) => limit.label.name === label)) throw new OptionError(`windows[${i}].name`, window.name, `unique: another limit is called "${label}"`);
      limits.push(fixed(`windows[${i}].max`, label, window.max, windowMs, algorithm, options.burst));
    });
  }
  if (limits.length === 0) throw new OptionError("max", options.max, "given, as a number or function, unless windows has a limit");
  return limits;
}

/** The limit with the `max` of one request. 0 refuses everybody. Throws `OptionError` for anything that is no limit. */
export function dynamicPolicy(max: number, windowMs: number, algorithm: RateLimitAlgorithm, burst: number | undefined): LimitPolicy {
  return policyOf(checkInteger("max", max, 0), windowMs, algorithm, burst, true);
}

function fixed(option: string, name: string, max: number, windowMs: number, algorithm: RateLimitAlgorithm, burst: number | undefined): Limit {
  checkInteger(option, max, 1);
  return { label: limitLabel(name, windowMs, max), windowMs, max, policy: policyOf(max, windowMs, algorithm, burst, false) };
}

function policyOf(max: number, windowMs: number, algorithm: RateLimitAlgorithm, burst: number | undefined, dynamic: boolean): LimitPolicy {
  if (algorithm === "sliding-window") return dynamic ? { algorithm, max, windowMs, dynamic } : { algorithm, max, windowMs };
  // A bucket needs a capacity; a window of 0 refuses and never writes, so the two do not meet in the store.
  if (algorithm === "fixed-window" || max === 0) return { algorithm: "fixed-window", max, windowMs };
  return { algorithm, capacity: burst ?? max, max, windowMs };
}

function windowMsOf(option: string, value: unknown): number {
  const ms = typeof value === "number" ? Math.round(value * 1000) : Number.NaN;
  if (!(ms >= 1 && ms <= MAX_WINDOW_MS)) throw new OptionError(option, value, `a number of seconds from 0.001 to ${MAX_WINDOW_MS / 1000} (400 days)`);
  return ms;
}
