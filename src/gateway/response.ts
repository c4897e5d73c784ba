/** Facts about responses that depend on how a runtime makes them. */

import { lighten } from "./light-response.ts";

/** Anything that can serve as a response, also one of another realm or package. */
export function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  if (typeof value !== "object" || value === null) return false;
  const like = value as { status?: unknown; headers?: { get?: unknown }; body?: unknown };
  return typeof like.status === "number" && typeof like.headers?.get === "function" && "body" in like;
}

/** Whether it can be sent: `Response.error()` has status 0 and says that there is no answer. */
export function isSendable(response: Response): boolean {
  const { status } = response;
  return (status >= 200 && status <= 599) || status === 101;
}

const PROBE = "x-sluice-probe";

/**
 * The same response when its header fields can be changed, else a copy over the same body. Fields of a response from
 * `fetch` and of `Response.redirect` cannot.
 */
export function mutable(response: Response): Response {
  if (lighten(response)) return response;
  try {
    response.headers.delete(PROBE);
    return response;
  } catch {
    return copyResponse(response);
  }
}

/** A response with own header fields over the same body. */
export function copyResponse(response: Response): Response {
  const init = { status: response.status, statusText: response.statusText, headers: new Headers(response.headers) };
  return new Response(bodyless(response.status) ? null : response.body, init);
}

/** Statuses without a body (RFC 9110 15.2, 15.3.5, 15.3.6, 15.4.5). */
export function bodyless(status: number): boolean {
  return status === 204 || status === 304 || status === 205 || status === 101 || status === 103;
}

/** Frees the body of a response nobody will read. Never throws. */
export function discard(response: Response): void {
  try {
    const { body } = response;
    if (body !== null && !body.locked) body.cancel().catch(() => {});
  } catch {
    // Already read or broken: there is nothing left to free.
  }
}
