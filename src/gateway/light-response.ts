/**
 * The light `Response` that `@hono/node-server` installs on Node: text, bytes or a stream, and fields, until somebody needs
 * the platform's. What it makes cheap is used here, and what it does otherwise than the platform is put right.
 */

import { createFieldHeaders, isFieldHeaders, type FieldHeaders } from "../core/field-headers.ts";

type Fields = Headers | Readonly<Record<string, string>> | readonly (readonly [string, string])[] | undefined;
/** What it keeps: status, body, fields. */
type LightParts = [status: number, body: unknown, fields: Fields];

let lightClass: unknown;
let lightKey: symbol | undefined;

/**
 * Whether `response` is of that class. What it makes can always be changed, and asking would not be free. Its fields become
 * the cheap kind, and its own: the class would change the very `Headers` a handler has passed, for every later answer.
 */
export function lighten(response: Response): boolean {
  if (response.constructor !== globalThis.Response) return false;
  const parts = partsOf(response);
  if (parts !== undefined) {
    const fields = parts[2];
    if (!isFieldHeaders(fields) || (fields.owner !== undefined && fields.owner !== response)) parts[2] = ownFields(fields, parts[1]);
    (parts[2] as FieldHeaders).owner = response;
  }
  return lightKey !== undefined;
}

/** Of a response of that class which is not the platform's yet. */
function partsOf(response: Response): LightParts | undefined {
  if (response.constructor !== globalThis.Response) return undefined;
  if (lightClass !== globalThis.Response) {
    lightClass = globalThis.Response;
    lightKey = findLightKey();
  }
  return lightKey === undefined ? undefined : (response as unknown as Record<symbol, LightParts | undefined>)[lightKey];
}

function ownFields(fields: Fields, body: unknown): FieldHeaders {
  const pairs = fields instanceof Headers || Array.isArray(fields);
  const own = createFieldHeaders(pairs ? undefined : (fields as Readonly<Record<string, string>>));
  if (pairs) for (const [name, value] of fields as Iterable<readonly [string, string]>) own.append(name, value);
  // As the platform has it (WHATWG fetch 6.4, initialize a response).
  if (typeof body === "string" && !own.has("content-type")) own.set("content-type", "text/plain;charset=UTF-8");
  return own;
}

/** Its keys are private to it: found by name, and used only when they behave as expected. */
function findLightKey(): symbol | undefined {
  const { Response } = globalThis;
  if (Object.getPrototypeOf(Response) === Function.prototype) return undefined;
  const probe = new Response("x", { headers: { "x-probe": "1" } });
  const found = Object.getOwnPropertySymbols(probe).find((symbol) => symbol.description === "cache");
  const parts = found === undefined ? undefined : (probe as unknown as Record<symbol, unknown>)[found];
  if (found === undefined || !Array.isArray(parts) || parts.length !== 3 || parts[0] !== 200 || parts[1] !== "x") return undefined;
  parts[2] = createFieldHeaders({ "x-probe": "2" });
  if (probe.headers !== parts[2]) return undefined;
  steadyFields(Response.prototype, found);
  // Fields must survive the change to the platform's class.
  return probe.body !== null && probe.headers === parts[2] ? found : undefined;
}

/**
 * A light response becomes the platform's when its body is asked for, and has copied its fields then: whoever holds them
 * would write into the void. Here the fields stay the ones it had.
 */
function steadyFields(prototype: Response, key: symbol): void {
  const methods = prototype as unknown as Record<symbol, unknown>;
  const name = Object.getOwnPropertySymbols(prototype).find((symbol) => symbol.description === "getResponseCache");
  const convert = name === undefined ? undefined : methods[name];
  if (name === undefined || typeof convert !== "function") return;
  methods[name] = function (this: Record<symbol, LightParts | undefined>): Response {
    const fields = this[key]?.[2];
    const native = convert.call(this) as Response;
    if (isFieldHeaders(fields)) keepFields(native, fields);
    return native;
  };
}

function keepFields(native: Response, fields: Headers): void {
  const clone = (): Response => {
    const copy = Object.getPrototypeOf(native).clone.call(native) as Response;
    keepFields(copy, ownFields(fields, undefined));
    return copy;
  };
  Object.defineProperties(native, { headers: { value: fields, configurable: true }, clone: { value: clone, configurable: true } });
}

/** The body of a light response, left as it is; `undefined` for any other response. */
export function lightBody(response: Response): unknown {
  return partsOf(response)?.[1];
}

/** The body of a light response that is in memory as a whole, or `null` when it has none; `undefined` for any other response. */
export function bodyInMemory(response: Response): string | Uint8Array | null | undefined {
  const body = lightBody(response);
  return typeof body === "string" || body instanceof Uint8Array || body === null ? body : undefined;
}
