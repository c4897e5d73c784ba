/** Options of the features that keep state: throttle, circuit, cache. */

import { MAX_WINDOW_MS, checkFunction, checkInteger, checkOneOf, checkPositive, checkString, checkWindowMs } from "../core/check.ts";
import type { CallInput } from "./config.ts";
import { checked, configError } from "./errors.ts";
import { checkKeys, flagOf, methods, statuses, type CacheOptions, type CircuitOptions, type ThrottleOptions } from "./options.ts";

export interface ThrottleRules {
  /** `undefined`: no rate, concurrency alone. */
  readonly spacingMs: number | undefined;
  readonly burst: number;
  readonly concurrency: number | undefined;
  readonly leaseMs: number;
  readonly pool: "stitch" | "host";
  readonly cost: ((input: CallInput) => number) | undefined;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly maxWaitMs: number;
  readonly maxQueue: number;
  readonly feedback: { readonly on: ReadonlySet<number>; readonly rateLimitFields: boolean; readonly maxPauseMs: number } | undefined;
  readonly mode: "wait" | "reject";
}

const RATE = /^(\d{1,9})\/(\d{0,9})(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const MAX_SPACING_MS = 24 * 86_400_000;

export function throttleRules(option: string | ThrottleOptions | false | undefined): ThrottleRules | undefined {
  if (option === undefined || option === false) return undefined;
  const options = typeof option === "string" ? { rate: option } : option;
  checkKeys("throttle", options, ["rate", "burst", "concurrency", "leaseMs", "pool", "cost", "key", "maxWaitMs", "maxQueue", "feedback", "mode"]);
  if (options.rate === undefined && options.concurrency === undefined) throw configError("throttle", option, "a rate, a concurrency or both");
  const feedback = options.feedback ?? {};
  if (feedback !== false) checkKeys("throttle.feedback", feedback, ["on", "rateLimitFields", "maxPauseMs"]);
  return checked("throttle", () => Object.freeze({
    spacingMs: options.rate === undefined ? undefined : spacing(options.rate),
    burst: checkInteger("burst", options.burst ?? 1, 1, 1_000_000),
    concurrency: options.concurrency === undefined ? undefined : checkInteger("concurrency", options.concurrency, 1, 512),
    leaseMs: checkWindowMs("leaseMs", options.leaseMs ?? 30_000),
    pool: checkOneOf("pool", options.pool ?? "stitch", ["stitch", "host"]),
    cost: options.cost === undefined ? undefined : checkFunction("cost", options.cost as (input: CallInput) => number),
    key: options.key === undefined ? undefined : checkFunction("key", options.key as (input: CallInput) => string),
    maxWaitMs: options.maxWaitMs === 0 ? 0 : checkPositive("maxWaitMs", options.maxWaitMs ?? 60_000, MAX_WINDOW_MS),
    maxQueue: checkInteger("maxQueue", options.maxQueue ?? 10_000, 0),
    feedback: feedback === false ? undefined : Object.freeze({
      on: feedback.on === undefined ? new Set([429, 503]) : statuses("throttle.feedback.on", feedback.on),
      rateLimitFields: flagOf("throttle.feedback.rateLimitFields", feedback.rateLimitFields, true),
      maxPauseMs: checkPositive("feedback.maxPauseMs", feedback.maxPauseMs ?? 300_000, MAX_WINDOW_MS),
    }),
    mode: checkOneOf("mode", options.mode ?? "wait", ["wait", "reject"]),
  }));
}

/** `"20/s"` is 50. */
function spacing(rate: unknown): number {
  const match = typeof rate === "string" ? RATE.exec(rate.trim()) : null;
  const count = Number(match?.[1]);
  const periods = match?.[2] === "" ? 1 : Number(match?.[2]);
  const spacingMs = (periods * (UNIT_MS[match?.[3] ?? ""] ?? Number.NaN)) / count;
  if (match === null || !(spacingMs > 0) || spacingMs > MAX_SPACING_MS) throw configError("throttle.rate", rate, 'a rate such as "20/s", "120/m" or "1/500ms", with at most 24 days between two calls');
  return spacingMs;
}

export interface CircuitRules {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly resetTimeoutMs: number;
  readonly halfOpenMax: number;
  readonly failureRate: number | undefined;
  readonly minimumThroughput: number;
  readonly slowMs: number | undefined;
  readonly key: string | undefined;
  readonly pool: "stitch" | "host";
  readonly isFailure: CircuitOptions["isFailure"];
}

export function circuitRules(option: CircuitOptions | true | false | undefined): CircuitRules | undefined {
  if (option === undefined || option === false) return undefined;
  const options = option === true ? {} : option;
  checkKeys("circuit", options, ["failureThreshold", "windowMs", "cooldownMs", "halfOpenMax", "failureRate", "minimumThroughput", "slowMs", "key", "pool", "isFailure"]);
  return checked("circuit", () => {
    const { failureRate } = options;
    if (failureRate !== undefined && !(typeof failureRate === "number" && failureRate >= 0.000_001 && failureRate <= 1)) throw configError("circuit.failureRate", failureRate, "a share above 0 and at most 1");
    return Object.freeze({
      failureThreshold: checkInteger("failureThreshold", options.failureThreshold ?? 5, 1, 2 ** 31 - 1),
      windowMs: checkWindowMs("windowMs", options.windowMs ?? 60_000),
      resetTimeoutMs: checkWindowMs("cooldownMs", options.cooldownMs ?? 30_000),
      halfOpenMax: checkInteger("halfOpenMax", options.halfOpenMax ?? 1, 1, 16),
      failureRate,
      minimumThroughput: checkInteger("minimumThroughput", options.minimumThroughput ?? 20, 1, 2 ** 31 - 1),
      slowMs: options.slowMs === undefined ? undefined : checkPositive("slowMs", options.slowMs),
      key: options.key === undefined ? undefined : checkString("key", options.key),
      pool: checkOneOf("pool", options.pool ?? "stitch", ["stitch", "host"]),
      isFailure: options.isFailure === undefined ? undefined : checkFunction("isFailure", options.isFailure),
    });
  });
}

export interface CacheRules {
  readonly ttlMs: number | undefined;
  readonly mode: "http" | "ttl";
  readonly methods: ReadonlySet<string>;
  readonly tenancy: "principal" | "app";
  /** `tenancy` was written down. */
  readonly explicitTenancy: boolean;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
  readonly coalesce: "process" | "cluster" | false;
  readonly negativeTtlMs: number | undefined;
  readonly version: string;
  readonly maxBodyBytes: number;
  readonly maxEntries: number;
}

export function cacheRules(option: number | CacheOptions | false | undefined): CacheRules | undefined {
  if (option === undefined || option === false) return undefined;
  const options = typeof option === "number" ? { ttlMs: option } : option;
  checkKeys("cache", options, ["ttlMs", "mode", "methods", "tenancy", "staleWhileRevalidateMs", "staleIfErrorMs", "coalesce", "negativeTtlMs", "version", "maxBodyBytes", "maxEntries"]);
  const ms = (name: string, value: number | undefined): number | undefined => (value === undefined ? undefined : checkPositive(name, value, MAX_WINDOW_MS));
  const window = (name: string, value: number | undefined): number | undefined => (value === 0 ? 0 : ms(name, value));
  return checked("cache", () => {
    const { coalesce = "process" } = options;
    if (options.mode === "ttl" && options.ttlMs === undefined) throw configError("cache.ttlMs", options.ttlMs, 'set when mode is "ttl"');
    return Object.freeze({
      ttlMs: ms("ttlMs", options.ttlMs),
      mode: checkOneOf("mode", options.mode ?? "http", ["http", "ttl"]),
      methods: options.methods === undefined ? new Set(["GET", "HEAD"]) : methods("cache.methods", options.methods),
      tenancy: checkOneOf("tenancy", options.tenancy ?? "principal", ["principal", "app"]),
      explicitTenancy: options.tenancy !== undefined,
      staleWhileRevalidateMs: window("staleWhileRevalidateMs", options.staleWhileRevalidateMs),
      staleIfErrorMs: window("staleIfErrorMs", options.staleIfErrorMs),
      coalesce: coalesce === false ? false : checkOneOf("coalesce", coalesce, ["process", "cluster"]),
      negativeTtlMs: ms("negativeTtlMs", options.negativeTtlMs),
      version: options.version === undefined ? "" : String(options.version),
      maxBodyBytes: checkInteger("maxBodyBytes", options.maxBodyBytes ?? 1_048_576, 1),
      maxEntries: checkInteger("maxEntries", options.maxEntries ?? 1000, 1),
    });
  });
}
