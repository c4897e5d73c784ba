/** Options of what a call can do beside asking: each checked once, complete and frozen. */

import { checkPositive } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import type { Backoff, Jitter } from "../resilience/backoff.ts";
import type { CallInput } from "./config.ts";
import { RETRY_STATUSES } from "./errors.ts";
import { callback, flag, integer, methodSet, nested, nonNegative, oneOf, readOptions, statusSet, type OptionCheck, type OptionTable } from "./option-table.ts";

export interface RetryContext {
  readonly status?: number;
  readonly error?: unknown;
  readonly attempt: number;
  readonly method: string;
  readonly elapsedMs: number;
}

export interface RetryOptions {
  /** Total tries, the first included. @default 1 */
  readonly attempts?: number;
  /** Statuses that are tried again, or a test. @default 408, 425, 429, 500, 502, 503, 504, and no answer */
  readonly on?: readonly number[] | ((context: RetryContext) => boolean);
  /** Methods that may be sent twice. @default GET, HEAD, OPTIONS, PUT, DELETE */
  readonly methods?: readonly string[];
  /** Before the second try, ms; doubles with every further one. @default 100 */
  readonly baseDelayMs?: number;
  /** @default 10000 */
  readonly maxDelayMs?: number;
  /** @default "full" */
  readonly jitter?: Jitter;
  /** @default true */
  readonly respectRetryAfter?: boolean;
  /** A longer wait that the server asks for ends the tries, ms. @default 60000 */
  readonly maxRetryAfterMs?: number;
  /** Bounds retries as a share of first tries in a rolling 10 s. @default { ratio: 0.2, minPerSecond: 1, scope: "stitch" } */
  readonly budget?: false | { readonly ratio?: number; readonly minPerSecond?: number; readonly scope?: "stitch" | "seam" };
}

export interface TimeoutOptions {
  /** The whole call. @default 60000 */
  readonly totalMs?: number | false;
  /** One try. @default 30000 */
  readonly attemptMs?: number | false;
  /** Longest silence between two chunks of a body. @default 30000 */
  readonly idleMs?: number | false;
  /** One connection. @default part of the try */
  readonly connectMs?: number;
}

export interface ThrottleOptions {
  /** `"20/s"`, `"120/m"`, `"1/500ms"`. */
  readonly rate?: string;
  /** Calls at once after idleness; 1 is strict even spacing. @default 1 */
  readonly burst?: number;
  /** Requests on the wire at once. */
  readonly concurrency?: number;
  /** A crashed holder's place is free after this, ms. @default 30000 */
  readonly leaseMs?: number;
  /** `host` counts per host and port of the URL asked. @default "stitch" */
  readonly pool?: "stitch" | "host";
  readonly cost?: (input: CallInput) => number;
  /** A further partition, such as a tenant. */
  readonly key?: (input: CallInput) => string;
  /** @default 60000 */
  readonly maxWaitMs?: number;
  /** @default 10000 */
  readonly maxQueue?: number;
  /** Heed `Retry-After` and `RateLimit`. @default { on: [429, 503], rateLimitFields: true, maxPauseMs: 300000 } */
  readonly feedback?: false | { readonly on?: readonly number[]; readonly rateLimitFields?: boolean; readonly maxPauseMs?: number };
  /** `reject` never waits. @default "wait" */
  readonly mode?: "wait" | "reject";
}

export interface CircuitOptions {
  /** Failures inside the window that open it. @default 5 */
  readonly failureThreshold?: number;
  /** @default 60000 */
  readonly windowMs?: number;
  /** How long it refuses, ms. @default 30000 */
  readonly cooldownMs?: number;
  /** Probes at once while half-open, fleet-wide. @default 1 */
  readonly halfOpenMax?: number;
  /** Share of failures, above 0 to 1, that opens it as well. */
  readonly failureRate?: number;
  /** @default 20 */
  readonly minimumThroughput?: number;
  /** Slower answers count as failures, ms. */
  readonly slowMs?: number;
  readonly key?: string;
  /** @default "stitch" */
  readonly pool?: "stitch" | "host";
  readonly isFailure?: (outcome: { readonly status?: number; readonly error?: unknown }) => boolean;
}

export interface HedgeOptions {
  /** Silence after which a second request leaves, ms; `p95` learns it from the last answers. */
  readonly delayMs: number | "p95";
  /** Further requests. @default 1 */
  readonly max?: number;
}

export interface IdempotencyOptions {
  /** @default "Idempotency-Key" */
  readonly header?: string;
  readonly key?: (input: CallInput) => string;
  /** @default POST, PATCH */
  readonly methods?: readonly string[];
}

export interface CacheOptions {
  /** Freshness in place of the response's own, ms. */
  readonly ttlMs?: number;
  /** `ttl` ignores what the response says of its freshness. @default "http" */
  readonly mode?: "http" | "ttl";
  /** @default GET, HEAD */
  readonly methods?: readonly string[];
  /** @default "principal" */
  readonly tenancy?: "principal" | "app";
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  /** @default "process" */
  readonly coalesce?: "process" | "cluster" | false;
  /** Keeps 404 and 410, ms. @default off */
  readonly negativeTtlMs?: number;
  /** Joins the key: a changed shape of the output needs a new one. */
  readonly version?: string | number;
  /** @default 1048576 */
  readonly maxBodyBytes?: number;
  /** Of the index in this process. @default 1000 */
  readonly maxEntries?: number;
}

export type FailMode = "local" | "open" | "closed";

/** What each feature does while the store fails. */
export interface FailModes {
  /** @default "local" */
  readonly throttle?: FailMode;
  /** @default "local" */
  readonly circuit?: FailMode;
  /** @default "open" */
  readonly cache?: "open" | "closed";
  /** @default "local" */
  readonly tokens?: "local" | "closed";
  /** @default "open" */
  readonly lock?: "open" | "closed";
}

export interface RetryRules {
  readonly attempts: number;
  readonly on: ReadonlySet<number> | ((context: RetryContext) => boolean);
  readonly methods: ReadonlySet<string>;
  readonly backoff: { readonly backoff: Backoff; readonly baseDelayMs: number; readonly maxDelayMs: number; readonly jitter: Jitter };
  readonly respectRetryAfter: boolean;
  readonly maxRetryAfterMs: number;
  readonly budget: false | { readonly ratio: number; readonly minPerSecond: number; readonly scope: "stitch" | "seam" };
}

type RetryRead = Omit<RetryRules, "backoff"> & Omit<RetryRules["backoff"], "backoff">;

const retryTable = (): OptionTable<RetryRead> => ({
  attempts: integer(1, 1, 1000),
  on: (name, value) => (typeof value === "function" ? (value as (context: RetryContext) => boolean) : statusSet(RETRY_STATUSES)(name, value)),
  methods: methodSet(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]),
  baseDelayMs: nonNegative(100),
  maxDelayMs: nonNegative(10_000),
  jitter: oneOf<Jitter>("full", "equal", "none"),
  respectRetryAfter: flag(true),
  maxRetryAfterMs: nonNegative(60_000),
  budget: nested("retry", { ratio: nonNegative(0.2), minPerSecond: nonNegative(1), scope: oneOf("stitch", "seam") }, false as const),
});

export function retryRules(option: number | RetryOptions | false | undefined): RetryRules {
  const options = option === undefined || option === false ? {} : typeof option === "number" ? { attempts: option } : option;
  const { baseDelayMs, maxDelayMs, jitter, ...rules } = readOptions("retry", options, retryTable());
  return Object.freeze({ ...rules, backoff: Object.freeze({ backoff: "exponential" as const, baseDelayMs, maxDelayMs, jitter }) });
}

export interface TimeoutRules {
  readonly totalMs: number;
  readonly attemptMs: number;
  readonly idleMs: number;
  readonly connectMs: number | undefined;
  /** `totalMs` was written down, so it also ends a stream. */
  readonly explicitTotal: boolean;
}

const limit = (fallback: number): OptionCheck<number> => (name, value) => (value === false || value === Infinity ? Infinity : checkPositive(name, value ?? fallback));

export function timeoutRules(option: number | TimeoutOptions | false | undefined): TimeoutRules {
  const options = option === undefined ? {} : option === false ? { totalMs: false as const, attemptMs: false as const, idleMs: false as const } : typeof option === "number" ? { totalMs: option } : option;
  const connectMs: OptionCheck<number | undefined> = (name, value) => (value === undefined ? undefined : limit(0)(name, value));
  const rules = readOptions<Omit<TimeoutRules, "explicitTotal">>("timeout", options, { totalMs: limit(60_000), attemptMs: limit(30_000), idleMs: limit(30_000), connectMs });
  return Object.freeze({ ...rules, explicitTotal: options.totalMs !== undefined });
}

export interface IdempotencyRules {
  readonly header: string;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly methods: ReadonlySet<string>;
}

const header: OptionCheck<string> = (name, value = "Idempotency-Key") => {
  if (typeof value !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value)) throw new OptionError(name, value, "a header name");
  return value.toLowerCase();
};

export function idempotencyRules(option: true | IdempotencyOptions | false | undefined): IdempotencyRules | undefined {
  if (option === undefined || option === false) return undefined;
  return Object.freeze(readOptions<IdempotencyRules>("idempotency", option === true ? {} : option, { header, key: callback<(input: CallInput) => string>(), methods: methodSet(["POST", "PATCH"]) }));
}

export interface HedgeRules {
  readonly delayMs: number | "p95";
  readonly max: number;
}

export function hedgeRules(option: HedgeOptions | false | undefined): HedgeRules | undefined {
  if (option === undefined || option === false) return undefined;
  return Object.freeze(readOptions<HedgeRules>("hedge", option, { delayMs: (name, value) => (value === "p95" ? value : nonNegative()(name, value)), max: integer(1, 1, 10) }));
}
