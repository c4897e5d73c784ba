/** Errors of sockets: what a client is told, what closes a connection, and what topics refuse. */

import { SluiceError, type SluiceErrorOptions } from "../core/errors.ts";
import { checkCloseCode } from "./close-codes.ts";

/** Codes every client knows. */
export type StandardErrorCode =
  | "UNAUTHENTICATED" | "PERMISSION_DENIED" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "NOT_FOUND" | "ALREADY_EXISTS" | "UNIMPLEMENTED"
  | "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "INTERNAL";

/** A standard code, or an `UPPER_SNAKE` one of the application's. */
export type ErrorCode = StandardErrorCode | (string & {});

interface CodeRule {
  readonly retryable: boolean;
  readonly retryAfter: boolean;
  /** What a client waits before the next try when it is told nothing, in ms. */
  readonly backoffMs: number | undefined;
}

const never: CodeRule = { retryable: false, retryAfter: false, backoffMs: undefined };
const soon: CodeRule = { retryable: true, retryAfter: true, backoffMs: 50 };
const later: CodeRule = { retryable: true, retryAfter: true, backoffMs: 100 };

const RULES: Readonly<Record<StandardErrorCode, CodeRule>> = {
  UNAUTHENTICATED: never, PERMISSION_DENIED: never, INVALID_ARGUMENT: never, FAILED_PRECONDITION: never, NOT_FOUND: never,
  ALREADY_EXISTS: never, UNIMPLEMENTED: never, CANCELLED: never,
  DEADLINE_EXCEEDED: soon, ABORTED: soon, RESOURCE_EXHAUSTED: later, UNAVAILABLE: later,
  INTERNAL: { retryable: false, retryAfter: true, backoffMs: 200 },
};

export function isStandardErrorCode(code: unknown): code is StandardErrorCode {
  return typeof code === "string" && Object.hasOwn(RULES, code);
}

/** The standard codes. */
export const standardErrorCodes: readonly StandardErrorCode[] = Object.freeze(Object.keys(RULES) as StandardErrorCode[]);

/** What a client may wait before it tries again after `code`, in ms; `undefined` where trying again is no use. */
export function suggestedBackoffMs(code: string): number | undefined {
  return isStandardErrorCode(code) ? RULES[code].backoffMs : undefined;
}

/** Whether `retryAfterMs` may go with the code. @internal */
export function allowsRetryAfter(code: string): boolean {
  return isStandardErrorCode(code) ? RULES[code].retryAfter : true;
}

/** @internal */
export function retryableByDefault(code: string): boolean {
  return isStandardErrorCode(code) && RULES[code].retryable;
}

export interface ErrorOptions {
  /** Whether the client may try again. @default by code; false for codes of the application */
  readonly retryable?: boolean;
  /** When trying again can succeed, in ms; `null` means never. Dropped for codes that cannot be retried. */
  readonly retryAfterMs?: number | null;
}

/** The payload of `ERROR` and `RPC_ERROR`. */
export interface ErrorPayload {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}

const CODE = /^[A-Z][A-Z0-9_]*$/;

/** Whether `code` can be sent: a standard one or any `UPPER_SNAKE`. */
export function isErrorCode(code: unknown): code is string {
  return typeof code === "string" && code.length <= 64 && CODE.test(code);
}

/** Thrown by a handler or a middleware, it reaches the client with its code, message and details. */
export class SocketError extends SluiceError<string> {
  readonly details?: unknown;
  readonly retryable?: boolean;
  readonly retryAfter?: number | null;

  constructor(code: ErrorCode, message = "", details?: unknown, options: ErrorOptions & Pick<SluiceErrorOptions, "cause"> = {}) {
    super(code, message, { cause: options.cause, ...(typeof options.retryAfterMs === "number" ? { retryAfterMs: options.retryAfterMs } : {}) });
    if (details !== undefined) this.details = details;
    if (options.retryable !== undefined) this.retryable = options.retryable;
    if (options.retryAfterMs !== undefined) this.retryAfter = options.retryAfterMs;
  }

  override get name(): string {
    return "SocketError";
  }
}

/** Thrown by a handler or a hook, it closes the connection with its code and reason. @throws OptionError for a code that cannot be sent */
export class CloseError extends SluiceError<"CLOSE"> {
  readonly closeCode: number;
  readonly reason: string;

  constructor(closeCode: number, reason = "") {
    super("CLOSE", `closes the connection with ${closeCode}${reason === "" ? "" : `: ${reason}`}`);
    this.closeCode = checkCloseCode("closeCode", closeCode);
    this.reason = reason;
  }

  override get name(): string {
    return "CloseError";
  }
}

export type TopicErrorCode = "INVALID_TOPIC" | "ACL_SUBSCRIBE" | "TOPIC_LIMIT_EXCEEDED" | "ADAPTER_ERROR" | "CONNECTION_CLOSED" | "ABORTED" | "UNSUPPORTED";

export interface TopicErrorDetails {
  readonly topic?: string;
  /** Why a name is no topic. */
  readonly reason?: "length" | "pattern" | "validate" | "wildcard";
  readonly limit?: number;
}

/** What an operation on topics rejects with. */
export class TopicError extends SluiceError<TopicErrorCode> {
  readonly details: TopicErrorDetails;

  constructor(code: TopicErrorCode, message: string, details: TopicErrorDetails = {}, cause?: unknown) {
    super(code, message, { cause });
    this.details = details;
  }

  override get name(): string {
    return "TopicError";
  }
}

/** The code a topic error has in a frame; `undefined` where nobody is left to be told. @internal */
export const topicFrameCode: Readonly<Record<TopicErrorCode, StandardErrorCode | undefined>> = {
  INVALID_TOPIC: "INVALID_ARGUMENT",
  ACL_SUBSCRIBE: "PERMISSION_DENIED",
  TOPIC_LIMIT_EXCEEDED: "RESOURCE_EXHAUSTED",
  ADAPTER_ERROR: "UNAVAILABLE",
  CONNECTION_CLOSED: undefined,
  ABORTED: "CANCELLED",
  UNSUPPORTED: "FAILED_PRECONDITION",
};
