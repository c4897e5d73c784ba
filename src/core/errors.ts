/** The error base of the package: one class, stable codes, recognised by brand. */

const BRAND = Symbol.for("sluice.error");

function brand(error: Error): void {
  Object.defineProperty(error, BRAND, { value: true });
}

/** Every code an error of the state layer can carry. Surfaces add their own unions on top of it. */
export type StateErrorCode =
  | "CONFIG_INVALID"
  | "PAYLOAD_TOO_LARGE"
  | "STORE_CAPABILITY"
  | "STORE_CLOSED"
  | "STORE_CONTENTION"
  | "STORE_CORRUPT"
  | "STORE_FULL"
  | "STORE_OVERFLOW"
  | "STORE_OVERLOADED"
  | "STORE_READ_ONLY"
  | "STORE_SCHEMA"
  | "STORE_TIMEOUT"
  | "STORE_UNAVAILABLE"
  | "STORE_UNSERIALIZABLE"
  | "STORE_VALUE_TOO_LARGE"
  | "STORE_WRONG_TYPE";

/**
 * What is known about an operation that failed: `not-applied` means the backend never saw it, `unknown` means the
 * reply was lost after sending. An operation with an unknown outcome is never sent again by Sluice.
 */
export type Outcome = "not-applied" | "unknown";

export interface SluiceErrorOptions {
  readonly cause?: unknown;
  readonly outcome?: Outcome;
  /** When asking again can succeed, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

/** Base class of all errors thrown by Sluice. Recognise one with {@link isSluiceError}, not with `instanceof`. */
export class SluiceError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly outcome?: Outcome;
  readonly retryAfterMs?: number;

  constructor(code: Code, message: string, options: SluiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    brand(this);
    this.code = code;
    if (options.outcome !== undefined) this.outcome = options.outcome;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }

  override get name(): string {
    return "SluiceError";
  }
}

/** A failure of a store or of the way to it. */
export class StoreError extends SluiceError<StateErrorCode> {
  override get name(): string {
    return "StoreError";
  }
}

/**
 * A value outside the domain of an option or argument. It is a `RangeError`, names the option and quotes the value,
 * and is raised before anything is read or written.
 */
export class OptionError extends RangeError {
  readonly code = "CONFIG_INVALID" as const;
  readonly option: string;
  readonly value: unknown;

  constructor(option: string, value: unknown, expected: string) {
    super(`${option} must be ${expected}, got ${quote(value)}`);
    brand(this);
    this.option = option;
    this.value = value;
  }

  override get name(): string {
    return "OptionError";
  }
}

/** True for every error of this package, also when two copies of it are loaded. */
export function isSluiceError(error: unknown): error is SluiceError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
}

/**
 * What `create` gives or throws, errors made in it without a stack. For hot paths: capturing a stack costs microseconds
 * and tells nothing about a refusal that the caller asked for.
 */
export function stackless<T>(create: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return create();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** A value as it appears in a message: short, one line, never throws. */
export function quote(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return value.name === "" ? "a function" : `function ${value.name}`;
  if (typeof value !== "object" || value === null) return String(value);
  try {
    const text = JSON.stringify(value) ?? Object.prototype.toString.call(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  } catch {
    return Object.prototype.toString.call(value);
  }
}
