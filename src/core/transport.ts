/**
 * The port through which an HTTP request leaves the process. `#transport` (package.json, `imports`) resolves to the
 * best one a runtime has: undici's dispatcher on Node, `fetch` elsewhere. Both follow the same rules:
 *
 * - redirects are never followed;
 * - bodies stream in both directions; what `content-encoding` says of the response is what its bytes are;
 * - cancelling ends the exchange before and after the response headers;
 * - a body that breaks off is an error of its stream, never an early end;
 * - connection fields of the response (RFC 9110 7.6.1) are removed, since they spoke of a connection that is not there;
 * - only the fields given are sent, beside the framing fields and `host` (`fetch` may add its own `accept` and `user-agent`).
 */

import { SluiceError } from "./errors.ts";

/** Where a request goes; a `URL` is one. */
export interface TransportTarget {
  readonly origin: string;
  readonly pathname: string;
  /** With its `?`, or empty. */
  readonly search: string;
}

export interface TransportRequest {
  readonly url: TransportTarget;
  readonly method: string;
  /** Names in lower case: `Headers`, or a flat list of names and values. Hop-by-hop fields are the caller's to remove. */
  readonly headers: Headers | readonly string[];
  /** A stream of the runtime (a Node `Readable`) is taken as well where the transport is of that runtime. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | AsyncIterable<Uint8Array> | null;
  readonly signal?: AbortSignal;
  /** Instead of `signal`, where making one is worth avoiding: calls `cancel` when the exchange is to end; gives what forgets it. */
  readonly onCancel?: (cancel: (reason: unknown) => void) => () => void;
  /** Deadline for the connection, in ms; part of the headers deadline where the runtime hides connecting. 0 is none. */
  readonly connectTimeoutMs?: number;
  /** Longest wait from the sent request to the response headers, in ms. 0 is none. */
  readonly headersTimeoutMs?: number;
  /**
   * Longest silence between two chunks of a body in either direction, in ms; waiting for a slow reader is no silence.
   * Event streams (`text/event-stream`) may be silent for ever. 0 is none.
   */
  readonly idleBodyTimeoutMs?: number;
  /** A longer response body is broken off. */
  readonly maxResponseBytes?: number;
  /**
   * Hears of interim responses (1xx but 100 and 101) with a flat list of names and values, connection and framing fields
   * removed. Called up to {@link MAX_INTERIM} times, and only where the runtime shows them.
   */
  readonly onInterim?: ((status: number, fields: readonly string[]) => void) | undefined;
  /** Changes the response's header fields before the response is made. */
  readonly editHeaders?: (headers: Headers) => void;
}

/** What a raw exchange reports and accepts beside the rest. */
export interface RawTransportRequest extends TransportRequest {
  /**
   * Resolve when the whole body is there, with its bytes. The body of an error status is then cut after
   * {@link ERROR_BODY_BYTES}, since it is read for a message and not for its content.
   */
  readonly collect?: boolean;
  /** Connect to public addresses only: what a name resolves to is checked, and the connection goes to the checked address. */
  readonly publicOnly?: boolean;
  /** In a browser, which follows redirects itself: whether it may. `false` makes a redirect fail there. @default false */
  readonly mayFollow?: boolean;
  /** The request was given to a connection: from here on the peer may have seen it. */
  onSending?(): void;
  /** The response's status line and fields are there. */
  onHeaders?(status: number): void;
}

/** A response as plain data. Codings are undone, and the fields that named them are gone. */
export interface RawResponse {
  readonly status: number;
  /** Names in lower case and values, alternating; repeated fields stand apart. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Where the response came from, if a browser followed redirects on the way. */
  readonly url?: string | undefined;
}

/** A transport for callers that need neither `Headers` nor `Response`, and want bodies decoded. */
export type RawTransport = (request: RawTransportRequest) => Promise<RawResponse>;

/** Most bytes of an error status's body that a collecting exchange reads. */
export const ERROR_BODY_BYTES = 65_536;

/** Most interim responses of one exchange that are told of. */
export const MAX_INTERIM = 16;

/** Most codings of one body: each more is a factor a hostile peer can multiply by. */
export const MAX_CODINGS = 2;

/** The codings of a body, in the order in which they were applied; empty for none. */
export function bodyCodings(field: string | null | undefined): string[] {
  if (field === null || field === undefined || field === "") return [];
  return field.toLowerCase().split(",").map((coding) => coding.trim()).filter((coding) => coding !== "" && coding !== "identity");
}

/** The value of a field in a flat list, or `undefined`. Names are in lower case. */
export function flatField(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/**
 * Sends a request and resolves with the response once its headers are there. Rejects with the reason of `signal` or
 * `onCancel`, or with a {@link TransportError}.
 */
export type Transport = (request: TransportRequest) => Promise<Response>;

/** A transport with connections of its own. */
export interface OwnTransport {
  readonly send: Transport;
  readonly sendRaw: RawTransport;
  /** Ends what is open. Idempotent. */
  close(): Promise<void>;
}

/** `REQUEST_INVALID` and the two `CONNECT_*` codes mean that the peer saw nothing of the request. */
export type TransportErrorCode =
  | "CONNECT_FAILED"
  | "CONNECT_TIMEOUT"
  | "HEADERS_TIMEOUT"
  | "BODY_TIMEOUT"
  | "BODY_TOO_LONG"
  | "RESPONSE_BROKEN"
  | "REQUEST_INVALID";

/** An exchange that failed on the way. The message may name the peer: it is for the log, not for the caller. */
export class TransportError extends SluiceError<TransportErrorCode> {
  override get name(): string {
    return "TransportError";
  }
}

/** Fields of a connection, not of a message (RFC 9110 7.6.1). `trailer` and `te` go, too: trailers are not carried. */
export const CONNECTION_FIELDS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
]);

/** Fields `Connection` names, which then are connection fields as well. */
export function nominatedFields(connection: string | null | undefined): string[] {
  // What most connections say names nothing.
  if (connection === null || connection === undefined || connection === "" || connection === "keep-alive" || connection === "close") return [];
  return connection.toLowerCase().split(",").map((name) => name.trim()).filter((name) => name !== "" && name !== "close" && name !== "keep-alive");
}

/** Statuses whose responses have no body (RFC 9110 15.2, 15.3.5, 15.3.6, 15.4.5). */
export function isBodylessStatus(status: number): boolean {
  return status === 204 || status === 304 || status === 205;
}
