/** What a fetch server lets through and should not: requests whose host or framing two readers could read differently. */

import { problemResponse } from "../gateway/errors.ts";

/** A host and an optional port (RFC 9110 7.2, RFC 3986 3.2.2): no path, no user, and no list of two joined fields. */
const HOST = /^(?:[\w.~!$&'()*+;=%-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i;

/**
 * The status that refuses `request`, or `undefined`. A fetch server joins repeated fields with a comma, so two `Host` or
 * `Content-Length` fields (RFC 9112 3.2 and 6.3) look like a list of one.
 */
export function refusalOf(request: Request): 400 | 501 | undefined {
  const { method, headers } = request;
  const host = headers.get("host");
  if (host !== null && host !== "" && !HOST.test(host)) return 400;
  // Without a body there is no framing to misread, and nothing of it is passed on.
  if (method === "GET" || method === "HEAD") return undefined;
  // A tunnel (RFC 9110 9.3.6) is no request to a resource.
  if (method === "CONNECT") return 501;
  const length = headers.get("content-length");
  if (length !== null && !/^\d+$/.test(length)) return 400;
  const coding = headers.get("transfer-encoding");
  if (coding === null) return undefined;
  // RFC 9112 6.1: a coding that is not undone here must not be passed on as content.
  return coding.toLowerCase() !== "chunked" ? 501 : length === null ? undefined : 400;
}

/** Whether `text` is a host in the sense of {@link refusalOf}. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

/** The answer to what was refused: a problem document as the gateway's own. */
export function refuse(status: number): Response {
  const code = status === 501 ? "method_not_implemented" : "bad_request";
  const detail = status === 431 ? "The header section of the request is too large" : status === 501 ? "The request method or transfer coding is not supported" : "The request is malformed";
  return problemResponse(status, code, detail, undefined, { headers: { connection: "close" } });
}

/** The answer for an application that threw; the log hears of it, the client does not. */
export function failed(error: unknown): Response {
  console.error(error);
  return new Response(null, { status: 500 });
}
