/**
 * The port through which an HTTP request leaves the process. `#transport` (package.json, `imports`) resolves to the
 * best one a runtime has: undici's dispatcher on Node, `fetch` elsewhere. Both follow the same rules:
 *
 * - redirects are never followed;
 * - bodies stream in both directions and are never decoded: a `content-encoding` field says what the bytes are;
 * - aborting `signal` cancels the exchange before and after the response headers;
 * - only the fields given are sent, beside the framing fields and `host`.
 */

import { SluiceError } from "./errors.ts";

export interface TransportRequest {
  readonly url: URL;
  readonly method: string;
  /** Names in lower case. Hop-by-hop fields are the caller's to remove. */
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
  readonly signal?: AbortSignal;
  /** Deadline for the connection, in ms; part of the headers deadline where the runtime hides connecting. 0 is none. */
  readonly connectTimeoutMs?: number;
  /** Longest silence between two chunks of the response body, in ms; the body then errors. 0 is none. */
  readonly idleBodyTimeoutMs?: number;
}

/**
 * Sends a request and resolves with the response once its headers are there. Rejects with the reason of `signal`, or
 * with a {@link TransportError}.
 */
export type Transport = (request: TransportRequest) => Promise<Response>;

/** `REQUEST_INVALID` and the two `CONNECT_*` codes mean that the peer saw nothing of the request. */
export type TransportErrorCode = "CONNECT_FAILED" | "CONNECT_TIMEOUT" | "RESPONSE_BROKEN" | "REQUEST_INVALID";

/** An exchange that failed on the way. The message may name the peer: it is for the log, not for the caller. */
export class TransportError extends SluiceError<TransportErrorCode> {
  override get name(): string {
    return "TransportError";
  }
}
