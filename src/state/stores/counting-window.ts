/** What `RateLimitStore.increment` counts in. */

import { MAX_WINDOW_MS } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import type { LimitPolicy } from "../contracts/limits.ts";

/**
 * Counting is a fixed window without a limit.
 *
 * @throws OptionError for anything but a number of seconds from 0.001 to 400 days.
 */
export function countingWindow(windowSeconds: unknown): Extract<LimitPolicy, { algorithm: "fixed-window" }> {
  if (typeof windowSeconds !== "number" || !(windowSeconds >= 0.001 && windowSeconds <= MAX_WINDOW_MS / 1000)) {
    throw new OptionError("windowSeconds", windowSeconds, `a number of seconds from 0.001 to ${MAX_WINDOW_MS / 1000} (400 days)`);
  }
  // 1.1 s is 1100 ms, not the 1101 that the double 1100.0000000000002 would be rounded up to.
  const ms = windowSeconds * 1000;
  const windowMs = Math.abs(ms - Math.round(ms)) < 1e-6 ? Math.round(ms) : Math.ceil(ms);
  return { algorithm: "fixed-window", max: Number.MAX_SAFE_INTEGER, windowMs };
}
