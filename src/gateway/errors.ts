/** Errors of the gateway, and the problem documents (RFC 9457) they become. */

import { SluiceError, quote } from "../core/errors.ts";
import { isResponse } from "./response.ts";

/** Every code the gateway itself answers with, by status; `docs/errors.md` says when. A user's own `GatewayError` may carry another one. */
export const GATEWAY_ERROR_CODES = [
  "bad_request", "invalid_json", "json_threat", "threat_detected", "invalid_method_override", "idempotency_key_missing",
  "unauthorized", "jws_missing", "jws_invalid", "signature_invalid",
  "forbidden", "insufficient_scope", "ip_denied", "geo_denied", "ssl_required", "csrf_rejected",
  "not_found", "no_route",
  "method_not_allowed",
  "idempotency_in_progress",
  "request_too_large", "body_too_large",
  "unsupported_media_type",
  "validation_failed", "idempotency_key_reused",
  "rate_limited", "quota_exceeded", "concurrency_limited",
  "client_closed",
  "internal_error", "config_error", "policy_error", "policy_no_response", "handler_no_response",
  "method_not_implemented", "upgrade_unsupported",
  "upstream_error", "jwks_error", "introspection_error", "callout_failed", "invalid_upstream_response",
  "circuit_open", "bulkhead_full", "overloaded", "store_unavailable", "no_healthy_upstream", "gateway_closing",
  "gateway_timeout", "upstream_timeout", "cache_miss",
  "loop_detected",
] as const;

export type GatewayErrorCode = (typeof GATEWAY_ERROR_CODES)[number];

export interface GatewayErrorOptions {
  readonly cause?: unknown;
  /** Problem type, a registered URI. @default "about:blank" */
  readonly type?: string;
  /** Further members of the problem document. They never replace the standard ones. */
  readonly members?: Readonly<Record<string, unknown>>;
}

const GATEWAY_BRAND = Symbol.for("sluice.gateway.error");

/**
 * An error with an HTTP answer. Throw it from a policy or handler to answer with `statusCode` and a problem document
 * whose `code` is `code` and whose `detail` is `message` (so `message` is seen by the caller). `headers` are added to
 * the answer; they never replace its content type.
 */
export class GatewayError extends SluiceError<GatewayErrorCode | (string & {})> {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly type: string | undefined;
  readonly members: Readonly<Record<string, unknown>> | undefined;

  constructor(
    statusCode: number,
    code: GatewayErrorCode | (string & {}),
    message: string,
    headers?: Readonly<Record<string, string>>,
    options: GatewayErrorOptions = {},
  ) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    Object.defineProperty(this, GATEWAY_BRAND, { value: true });
    this.statusCode = statusCode;
    this.headers = headers;
    this.type = options.type;
    this.members = options.members;
  }

  override get name(): string {
    return "GatewayError";
  }
}

/** True for every `GatewayError`, also when two copies of the package are loaded. */
export function isGatewayError(error: unknown): error is GatewayError {
  try {
    return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[GATEWAY_BRAND] === true;
  } catch {
    // A getter or a proxy of somebody's own.
    return false;
  }
}

/** The error of a bad option: `where` names the option, `value` is quoted. */
export function configError(where: string, value: unknown, expected: string): GatewayError {
  return new GatewayError(500, "config_error", `${where} must be ${expected}, got ${quote(value)}`);
}

/** The answer to an exception of a user's callback: 500 `policy_error` with the policy's name and nothing of the exception. */
export function policyError(policyName: string, cause: unknown, option?: string): GatewayError {
  return isGatewayError(cause)
    ? cause
    : new GatewayError(500, "policy_error", `Policy ${quote(policyName)} failed${option === undefined ? "" : ` in ${quote(option)}`}`, undefined, { cause, members: { policy: policyName } });
}

export const DEFAULT_ERROR_MESSAGE = "An unexpected error occurred";

/** Turns anything thrown into its answer. What is not a `GatewayError` becomes a 500 that tells nothing about it. */
export function errorToResponse(error: unknown, requestId?: string, defaultMessage: string = DEFAULT_ERROR_MESSAGE): Response {
  if (isGatewayError(error)) {
    return problemResponse(error.statusCode, error.code, error.message, requestId, error);
  }
  const own = ownResponse(error);
  return own ?? defaultErrorResponse(requestId, defaultMessage);
}

/** The 500 `internal_error` problem. */
export function defaultErrorResponse(requestId?: string, message: string = DEFAULT_ERROR_MESSAGE): Response {
  return problemResponse(500, "internal_error", message, requestId);
}

export interface ProblemExtras {
  readonly type?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly members?: Readonly<Record<string, unknown>> | undefined;
}

/** A problem document as a response. */
export function problemResponse(status: number, code: string, detail: string, requestId?: string, extras?: ProblemExtras): Response {
  const safeStatus = Number.isInteger(status) && status >= 400 && status <= 599 ? status : 500;
  const body = {
    ...extras?.members,
    type: extras?.type ?? "about:blank",
    title: TITLES[safeStatus] ?? (safeStatus < 500 ? "Client Error" : "Server Error"),
    status: safeStatus,
    detail,
    code,
    ...(requestId === undefined ? undefined : { requestId }),
  };
  const headers: Record<string, string> = Object.fromEntries(sendableFields(extras?.headers));
  headers["content-type"] = "application/problem+json";
  headers["cache-control"] = "no-store";
  return new Response(toJson(body), { status: safeStatus, headers });
}

/** Fields of an error that its answer can carry: one that cannot be sent must not take the answer with it. */
export function sendableFields(fields: Readonly<Record<string, string>> | undefined): [name: string, value: string][] {
  if (fields === undefined) return [];
  return Object.entries(fields).flatMap(([name, value]): [string, string][] => {
    const lower = name.toLowerCase();
    return lower !== "content-type" && lower !== "content-length" && isField(lower, value) ? [[lower, value]] : [];
  });
}

function isField(name: string, value: unknown): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) && !/[\u0000\r\n\u0100-\uffff]/.test(String(value));
}

/** Members that JSON has no form for (a cycle, a bigint) are left out. */
function toJson(body: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(body);
  } catch {
    const { type, title, status, detail, code, requestId } = body;
    return JSON.stringify({ type, title, status, detail: String(detail), code: String(code), requestId });
  }
}

/** Exceptions of Hono carry their response. */
function ownResponse(error: unknown): Response | undefined {
  try {
    if (typeof error !== "object" || error === null || !("getResponse" in error) || typeof error.getResponse !== "function") return undefined;
    const response: unknown = error.getResponse();
    return isResponse(response) ? response : undefined;
  } catch {
    return undefined;
  }
}

/** Reason phrases of RFC 9110 and of the registry. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
  413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
  421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked", 425: "Too Early", 426: "Upgrade Required",
  428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
  499: "Client Closed Request", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
  504: "Gateway Timeout", 505: "HTTP Version Not Supported", 508: "Loop Detected", 511: "Network Authentication Required",
};
