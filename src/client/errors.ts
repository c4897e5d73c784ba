/** Errors of the client: one class, stable codes, recognised by brand. */

import { OptionError, SluiceError, isSluiceError, quote, type SluiceErrorOptions } from "../core/errors.ts";

/** Every code a call of the client can fail with. `docs/client-errors.md` has a section per code. */
export const STITCH_ERROR_CODES = [
  "CONFIG_INVALID", "INPUT_INVALID", "OUTPUT_INVALID",
  "HTTP_STATUS", "RESPONSE_REJECTED", "RATE_LIMITED", "THROTTLED",
  "TIMEOUT", "ABORTED", "NETWORK", "TLS", "BODY_TRUNCATED", "PROTOCOL_ERROR",
  "REDIRECT_REFUSED", "TOO_MANY_REDIRECTS",
  "RESPONSE_TOO_LARGE", "PARSE_FAILED", "BODY_NOT_REPLAYABLE",
  "CIRCUIT_OPEN", "ALL_FAILED", "PAGINATION_LOOP", "GRAPHQL_ERRORS",
  "AUTH_FAILED", "LOAD_FAILED",
  "STORE_UNAVAILABLE", "STORE_CAPABILITY", "STORE_WRONG_TYPE", "STORE_UNSERIALIZABLE", "STORE_VALUE_TOO_LARGE", "STORE_CONTENTION", "STORE_FULL",
  "CLOSED",
] as const;

export type StitchErrorCode = (typeof STITCH_ERROR_CODES)[number];

/** What was running when a deadline passed. */
export type TimeoutPhase = "total" | "attempt" | "idle" | "connect" | "auth" | "throttle" | "store";

/** Why credentials could not be had. */
export type AuthFailure = "invalid-credentials" | "rate-limited" | "network" | "protocol";

/** One thing a validator found wrong. */
export interface Issue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** The facts of a failure; all of them optional but the ones every call has. */
export interface StitchErrorFacts {
  readonly stitch?: string;
  readonly method?: string;
  /** Redacted. */
  readonly url?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  readonly attempts?: number;
  readonly elapsedMs?: number;
  readonly sent?: boolean | "unknown";
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly phase?: TimeoutPhase;
  readonly issues?: readonly Issue[];
  readonly errors?: readonly unknown[];
  readonly data?: unknown;
  readonly category?: AuthFailure;
  readonly step?: "apply" | "refresh";
  readonly budgetExhausted?: boolean;
  readonly idempotencyKey?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly cause?: unknown;
}

const BRAND = Symbol.for("sluice.stitch-error");
const HIDDEN: ReadonlySet<string> = /* @__PURE__ */ new Set(["body", "headers", "data"]);

/** A problem document (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
}

/** Answers after which the same request may pass. */
export const RETRY_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/**
 * The one error of the client. Compare `code`; recognise it with {@link isStitchError}. `body`, `headers` and `data` are
 * readable and not enumerable, so that logging an error does not log what an upstream sent.
 */
export class StitchError extends SluiceError<StitchErrorCode> {
  declare readonly stitch: string | undefined;
  declare readonly method: string | undefined;
  /** With secrets masked. */
  declare readonly url: string | undefined;
  declare readonly status: number | undefined;
  declare readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  /** What the upstream answered, parsed when it was JSON. */
  declare readonly body: unknown;
  /** Tries made, the first included. */
  declare readonly attempts: number;
  /** Milliseconds from the start of the call. */
  declare readonly elapsedMs: number;
  /** `false`: no byte of the request left, so sending it again is safe. `true`: the upstream answered. */
  declare readonly sent: boolean | "unknown";
  /** Whether the same call may succeed later. */
  declare readonly retryable: boolean;
  declare readonly phase: TimeoutPhase | undefined;
  declare readonly issues: readonly Issue[] | undefined;
  /** Of `GRAPHQL_ERRORS` and `ALL_FAILED`. */
  declare readonly errors: readonly unknown[] | undefined;
  /** What came beside `GRAPHQL_ERRORS`. */
  declare readonly data: unknown;
  declare readonly category: AuthFailure | undefined;
  declare readonly step: "apply" | "refresh" | undefined;
  /** The retry budget, not the number of attempts, ended the tries. */
  declare readonly budgetExhausted: boolean | undefined;
  /** The key of the call, to resume it with after a restart. */
  declare readonly idempotencyKey: string | undefined;
  declare readonly traceId: string | undefined;
  declare readonly spanId: string | undefined;

  constructor(code: StitchErrorCode, message: string, facts: StitchErrorFacts = {}) {
    const base: SluiceErrorOptions = { cause: facts.cause, retryAfterMs: facts.retryAfterMs };
    super(code, message, base);
    Object.defineProperty(this, BRAND, { value: true });
    set(this, { attempts: 0, elapsedMs: 0, sent: false, retryable: false });
    set(this, facts);
  }

  override get name(): string {
    return "StitchError";
  }

  /** Everything but what the upstream sent and the cause. */
  toJSON(): Record<string, unknown> {
    const json: Record<string, unknown> = { name: this.name, message: this.message };
    for (const key of Object.keys(this)) if (key !== "cause" && key !== "errors") json[key] = (this as unknown as Record<string, unknown>)[key];
    return json;
  }

  /** A problem document for whoever called this service: it holds no text of the upstream. */
  toProblem(): Problem {
    const status = this.code === "TIMEOUT" ? 504 : this.code === "RATE_LIMITED" || this.code === "THROTTLED" || this.code === "CIRCUIT_OPEN" ? 503 : this.code === "INPUT_INVALID" ? 400 : 502;
    return { type: "about:blank", title: TITLES[status] as string, status, code: this.code };
  }
}

const TITLES: Readonly<Record<number, string>> = { 400: "Bad Request", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout" };

/** Adds facts that the place which threw did not have; what is there stays. */
export function completeError(error: StitchError, facts: StitchErrorFacts): StitchError {
  const missing: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(facts)) if ((error as unknown as Record<string, unknown>)[key] === undefined) missing[key] = value;
  set(error, missing);
  return error;
}

/** Sets facts, whatever was there. */
export function set(error: StitchError, facts: object): void {
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined || key === "cause") continue;
    Object.defineProperty(error, key, { value, writable: true, configurable: true, enumerable: !HIDDEN.has(key) });
  }
}

/** True for a {@link StitchError}, also of another copy of this package. */
export function isStitchError(error: unknown): error is StitchError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
}

/** A declaration that is wrong: names the option and quotes the value. */
export function configError(option: string, value: unknown, expected: string): StitchError {
  return new StitchError("CONFIG_INVALID", `${option} must be ${expected}, got ${quote(value)}`);
}

/** Runs a check of options: what it throws as an `OptionError` becomes `CONFIG_INVALID`, with `where` in front of the option. */
export function checked<T>(where: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof OptionError) throw new StitchError("CONFIG_INVALID", where === "" ? error.message : `${where}.${error.message}`, { cause: error });
    throw error;
  }
}

/** Any failure as a {@link StitchError}: codes of stores are kept, the rest is `fallback`. */
export function toStitchError(error: unknown, fallback: StitchErrorCode, message: string): StitchError {
  if (isStitchError(error)) return error;
  if (isSluiceError(error)) {
    const code = STORE_CODES[error.code] ?? (STITCH_ERROR_CODES as readonly string[]).find((known) => known === error.code) ?? fallback;
    return new StitchError(code as StitchErrorCode, error.message, { cause: error, retryAfterMs: error.retryAfterMs });
  }
  return new StitchError(fallback, message, { cause: error });
}

const STORE_CODES: Readonly<Record<string, StitchErrorCode>> = {
  STORE_TIMEOUT: "STORE_UNAVAILABLE", STORE_OVERLOADED: "STORE_UNAVAILABLE", STORE_CLOSED: "STORE_UNAVAILABLE", STORE_CORRUPT: "STORE_UNAVAILABLE",
  STORE_SCHEMA: "STORE_UNAVAILABLE", STORE_READ_ONLY: "STORE_UNAVAILABLE", STORE_OVERFLOW: "STORE_UNAVAILABLE",
};
