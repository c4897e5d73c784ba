/** Defaults and domain of a circuit's policy. */

import { checkInteger, checkPositive, checkWindowMs, MAX_WINDOW_MS } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import type { CircuitPolicy } from "../contracts/circuits.ts";
import { PROBES } from "./circuit-row.ts";

/** Largest `failureThreshold`, `minimumThroughput` and `successThreshold`. */
const MAX_COUNT = 2 ** 31 - 1;

/**
 * A complete, frozen policy. Defaults: 5 failures in 10 s open it for 30 s, then one probe at a time, one good probe
 * closes it, and a probe nobody reports on ends after `resetTimeoutMs`. Throws `OptionError` for a value outside its domain.
 */
export function circuitPolicy(options: Partial<CircuitPolicy> = {}): CircuitPolicy {
  const { failureRate, slowCallMs, slowCallRate, maxResetTimeoutMs } = options;
  const resetTimeoutMs = checkWindowMs("resetTimeoutMs", options.resetTimeoutMs ?? 30_000);
  if (slowCallRate !== undefined && slowCallMs === undefined) {
    throw new OptionError("slowCallMs", slowCallMs, "set when slowCallRate is: it says which calls are slow");
  }
  return Object.freeze({
    failureThreshold: checkInteger("failureThreshold", options.failureThreshold ?? 5, 1, MAX_COUNT),
    windowMs: checkWindowMs("windowMs", options.windowMs ?? 10_000),
    failureRate: checkRate("failureRate", failureRate),
    minimumThroughput: checkInteger("minimumThroughput", options.minimumThroughput ?? 20, 1, MAX_COUNT),
    slowCallMs: slowCallMs === undefined ? undefined : checkPositive("slowCallMs", slowCallMs, MAX_WINDOW_MS),
    slowCallRate: checkRate("slowCallRate", slowCallRate),
    resetTimeoutMs,
    maxResetTimeoutMs: maxResetTimeoutMs === undefined ? undefined : checkWindowMs("maxResetTimeoutMs", maxResetTimeoutMs),
    halfOpenMax: checkInteger("halfOpenMax", options.halfOpenMax ?? 1, 1, PROBES),
    successThreshold: checkInteger("successThreshold", options.successThreshold ?? 1, 1, MAX_COUNT),
    probeTimeoutMs: checkWindowMs("probeTimeoutMs", options.probeTimeoutMs ?? resetTimeoutMs),
  });
}

function checkRate(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !(value >= 0.000_001 && value <= 1)) throw new OptionError(option, value, "a share from 0.000001 to 1");
  return value;
}
