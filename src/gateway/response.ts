/** Facts about responses that depend on how a runtime makes them. */

import { createFieldHeaders } from "../core/field-headers.ts";

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

/** What `@hono/node-server` keeps of a response until somebody needs the platform's: status, body, header fields. */
type LightParts = [status: number, body: unknown, fields: Headers | Readonly<Record<string, string>> | undefined];

let lightClass: unknown;
let lightKey: symbol | undefined;

/**
 * Whether `response` is of the light class that a Node server has installed. What it makes can always be changed, and
 * asking would not be free; its fields, while still a plain record, become the cheap kind here.
 */
function lighten(response: Response): boolean {
  if (response.constructor !== globalThis.Response) return false;
  if (lightClass !== globalThis.Response) {
    lightClass = globalThis.Response;
    lightKey = findLightKey();
  }
  if (lightKey === undefined) return false;
  const parts = (response as unknown as Record<symbol, LightParts | undefined>)[lightKey];
  if (parts !== undefined) {
    const fields = parts[2];
    // Like that class itself: text is the content type of a body without fields.
    if (fields === undefined) parts[2] = createFieldHeaders(parts[1] === null ? undefined : { "content-type": "text/plain; charset=UTF-8" });
    else if (!(fields instanceof Headers) && !Array.isArray(fields)) parts[2] = createFieldHeaders(fields);
  }
  return true;
}

/** Its key is private to it: found by name, and used only when it behaves as expected. */
function findLightKey(): symbol | undefined {
  if (Object.getPrototypeOf(globalThis.Response) === Function.prototype) return undefined;
  const probe = new Response("x", { headers: { "x-probe": "1" } });
  const found = Object.getOwnPropertySymbols(probe).find((symbol) => symbol.description === "cache");
  const parts = found === undefined ? undefined : (probe as unknown as Record<symbol, unknown>)[found];
  if (!Array.isArray(parts) || parts.length !== 3 || parts[0] !== 200 || parts[1] !== "x") return undefined;
  parts[2] = createFieldHeaders({ "x-probe": "2" });
  return probe.headers === parts[2] ? found : undefined;
}

/**
 * The body of a light response that is in memory as a whole, or `null` when it has none; `undefined` for any other
 * response. Reading it so leaves the response as it is.
 */
export function bodyInMemory(response: Response): string | Uint8Array | null | undefined {
  if (lightKey === undefined || response.constructor !== lightClass) return undefined;
  const parts = (response as unknown as Record<symbol, LightParts | undefined>)[lightKey];
  if (parts === undefined) return undefined;
  const body = parts[1];
  return typeof body === "string" || body instanceof Uint8Array || body === null ? body : undefined;
}
