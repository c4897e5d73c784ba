/** Header fields as a plain record of lower-case names: what a request carries through the pipeline. */

import { StitchError } from "./errors.ts";

/** Without prototype. `set-cookie` of a response may hold a list. */
export type Fields = Record<string, string>;
export type ResponseFields = Readonly<Record<string, string | readonly string[]>>;

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/;
/** Fields of the connection or of framing: the adapter writes them. */
const NOT_YOURS: ReadonlySet<string> = /* @__PURE__ */ new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect", "http2-settings"]);

/** Sets a field, checked. `undefined` removes it. @throws StitchError */
export function setField(fields: Fields, name: string, value: unknown, code: "CONFIG_INVALID" | "INPUT_INVALID"): void {
  const lower = name.toLowerCase();
  if (!NAME.test(name)) throw new StitchError(code, `headers holds a name that is no field name: ${JSON.stringify(name.slice(0, 60))}`);
  if (NOT_YOURS.has(lower)) throw new StitchError(code, `headers.${lower} is written by the connection and cannot be set`);
  if (value === undefined || value === null) {
    delete fields[lower];
    return;
  }
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  // The value is not quoted: it may be a secret.
  if (BAD_VALUE.test(text)) throw new StitchError(code, `headers.${lower} holds a line break, a control character or a character beyond Latin-1`);
  fields[lower] = text.trim();
}

/** Adds all of `more` to `fields`, names compared without case. Takes records, `Headers` and lists of pairs. */
export function mergeFields(fields: Fields, more: unknown, code: "CONFIG_INVALID" | "INPUT_INVALID"): void {
  if (more === undefined || more === null) return;
  if (typeof more !== "object") throw new StitchError(code, "headers must be a record, Headers or a list of pairs");
  if (more instanceof Headers) {
    more.forEach((value, name) => setField(fields, name, value, code));
    return;
  }
  if (Array.isArray(more)) {
    for (const pair of more as unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") throw new StitchError(code, "headers must hold pairs of name and value");
      setField(fields, pair[0], pair[1], code);
    }
    return;
  }
  for (const name of Object.keys(more)) setField(fields, name, (more as Record<string, unknown>)[name], code);
}

export function newFields(from?: Fields): Fields {
  const fields = Object.create(null) as Fields;
  if (from !== undefined) for (const name in from) fields[name] = from[name] as string;
  return fields;
}

/** A flat list as a record. Repeated fields are joined (RFC 9110 5.3), cookies kept apart. */
export function fieldsOf(flat: readonly string[]): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    const known = fields[name];
    if (name === "set-cookie") {
      if (known === undefined) fields[name] = [value];
      else (known as string[]).push(value);
    } else fields[name] = known === undefined ? value : `${known as string}, ${value}`;
  }
  return fields;
}

/** Any form of response fields as the record. */
export function responseFields(headers: unknown): ResponseFields {
  if (headers === undefined || headers === null) return Object.create(null) as ResponseFields;
  if (headers instanceof Headers) {
    const flat: string[] = [];
    headers.forEach((value, name) => {
      if (name !== "set-cookie") flat.push(name, value);
    });
    for (const cookie of headers.getSetCookie()) flat.push("set-cookie", cookie);
    return fieldsOf(flat);
  }
  const fields = Object.create(null) as Record<string, string | readonly string[]>;
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    if (value === undefined) continue;
    const lower = name.toLowerCase();
    fields[lower] = lower === "set-cookie" ? (Array.isArray(value) ? value.map(String) : [String(value)]) : Array.isArray(value) ? value.join(", ") : String(value);
  }
  return fields;
}

/** One field of a response as text. */
export function field(fields: ResponseFields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" ? value : value?.join(", ");
}
