/** Options of the features that keep state: throttle, circuit, cache. */

import { MAX_WINDOW_MS, checkOneOf } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import type { CallInput } from "./config.ts";
import { configError } from "./errors.ts";
import { callback, flag, integer, methodSet, nested, oneOf, optional, positive, positiveOrZero, readOptions, statusSet, text, windowMs, type OptionCheck, type OptionTable } from "./option-table.ts";
import type { CacheOptions, CircuitOptions, ThrottleOptions } from "./options.ts";

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

/** `"20/s"` is 50. */
const spacing: OptionCheck<number> = (name, rate) => {
  const match = typeof rate === "string" ? RATE.exec(rate.trim()) : null;
  const count = Number(match?.[1]);
  const periods = match?.[2] === "" ? 1 : Number(match?.[2]);
  const spacingMs = (periods * (UNIT_MS[match?.[3] ?? ""] ?? Number.NaN)) / count;
  if (match === null || !(spacingMs > 0) || spacingMs > MAX_SPACING_MS) throw new OptionError(name, rate, 'a rate such as "20/s", "120/m" or "1/500ms", with at most 24 days between two calls');
  return spacingMs;
};

type ThrottleRead = Omit<ThrottleRules, "spacingMs"> & { readonly rate: number | undefined };

const throttleTable = (): OptionTable<ThrottleRead> => ({
  rate: optional(spacing),
  burst: integer(1, 1, 1_000_000),
  concurrency: optional(integer(undefined, 1, 512)),
  leaseMs: windowMs(30_000),
  pool: oneOf("stitch", "host"),
  cost: callback<(input: CallInput) => number>(),
  key: callback<(input: CallInput) => string>(),
  maxWaitMs: positiveOrZero(60_000, MAX_WINDOW_MS),
  maxQueue: integer(10_000, 0),
  feedback: nested("throttle", { on: statusSet([429, 503]), rateLimitFields: flag(true), maxPauseMs: positive(300_000, MAX_WINDOW_MS) }, undefined),
  mode: oneOf("wait", "reject"),
});

export function throttleRules(option: string | ThrottleOptions | false | undefined): ThrottleRules | undefined {
  if (option === undefined || option === false) return undefined;
  const { rate, ...rules } = readOptions("throttle", typeof option === "string" ? { rate: option } : option, throttleTable());
  if (rate === undefined && rules.concurrency === undefined) throw configError("throttle", option, "a rate, a concurrency or both");
  return Object.freeze({ spacingMs: rate, ...rules });
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

type CircuitRead = Omit<CircuitRules, "resetTimeoutMs"> & { readonly cooldownMs: number };

const share: OptionCheck<number> = (name, value) => {
  if (!(typeof value === "number" && value >= 0.000_001 && value <= 1)) throw new OptionError(name, value, "a share above 0 and at most 1");
  return value;
};

const circuitTable = (): OptionTable<CircuitRead> => ({
  failureThreshold: integer(5, 1, 2 ** 31 - 1),
  windowMs: windowMs(60_000),
  cooldownMs: windowMs(30_000),
  halfOpenMax: integer(1, 1, 16),
  failureRate: optional(share),
  minimumThroughput: integer(20, 1, 2 ** 31 - 1),
  slowMs: optional(positive()),
  key: text,
  pool: oneOf("stitch", "host"),
  isFailure: callback<NonNullable<CircuitOptions["isFailure"]>>(),
});

export function circuitRules(option: CircuitOptions | true | false | undefined): CircuitRules | undefined {
  if (option === undefined || option === false) return undefined;
  const { cooldownMs, ...rules } = readOptions("circuit", option === true ? {} : option, circuitTable());
  return Object.freeze({ resetTimeoutMs: cooldownMs, ...rules });
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

const lifetime = (): OptionCheck<number | undefined> => optional(positive(undefined, MAX_WINDOW_MS));
const grace = (): OptionCheck<number | undefined> => optional(positiveOrZero(undefined, MAX_WINDOW_MS));

const cacheTable = (): OptionTable<Omit<CacheRules, "explicitTenancy">> => ({
  ttlMs: lifetime(),
  mode: oneOf("http", "ttl"),
  methods: methodSet(["GET", "HEAD"]),
  tenancy: oneOf("principal", "app"),
  staleWhileRevalidateMs: grace(),
  staleIfErrorMs: grace(),
  coalesce: (name, value) => (value === false ? value : checkOneOf<"process" | "cluster">(name, value ?? "process", ["process", "cluster"])),
  negativeTtlMs: lifetime(),
  version: (_, value) => (value === undefined ? "" : String(value)),
  maxBodyBytes: integer(1_048_576, 1),
  maxEntries: integer(1000, 1),
});

export function cacheRules(option: number | CacheOptions | false | undefined): CacheRules | undefined {
  if (option === undefined || option === false) return undefined;
  const options = typeof option === "number" ? { ttlMs: option } : option;
  const rules = readOptions("cache", options, cacheTable());
  if (rules.mode === "ttl" && rules.ttlMs === undefined) throw configError("cache.ttlMs", rules.ttlMs, 'set when mode is "ttl"');
  return Object.freeze({ ...rules, explicitTenancy: options.tenancy !== undefined });
}
