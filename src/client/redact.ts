/** What must not be seen: masked in URLs, headers, fields and texts before anything leaves the call. */

import { checked, configError } from "./errors.ts";
import { checkString } from "../core/check.ts";

export interface RedactOptions {
  /** Header names to mask beside the built-in ones. */
  readonly headers?: readonly string[];
  /** Query names to mask beside the built-in ones. */
  readonly query?: readonly string[];
  /** Names of body fields to mask beside the built-in ones. */
  readonly fields?: readonly string[];
}

export const MASK = "[redacted]";

const HEADERS: ReadonlySet<string> = /* @__PURE__ */ new Set(["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"]);
const HEADER_TAIL = /(?:-token|-secret)$/;
const NAMES = /token|secret|key|sig|signature|code|password/i;

/** Secrets shorter than this are not searched for in texts: they would mask ordinary words. */
const MIN_SECRET = 4;
/** Secrets remembered per stitch; rotated ones leave in the order in which they came. */
const MAX_SECRETS = 64;

export class Redactor {
  readonly #headers: Set<string>;
  readonly #query: Set<string>;
  readonly #fields: Set<string>;
  readonly #secrets = new Set<string>();

  constructor(options: RedactOptions | undefined) {
    this.#headers = names("redact.headers", options?.headers);
    this.#query = names("redact.query", options?.query);
    this.#fields = names("redact.fields", options?.fields);
  }

  /** Registers a header or query name that carries a credential. */
  hide(where: "header" | "query", name: string): void {
    (where === "header" ? this.#headers : this.#query).add(name.toLowerCase());
  }

  /** Remembers a resolved secret: it is masked wherever it turns up. */
  learn(secret: string): void {
    if (secret.length < MIN_SECRET || this.#secrets.has(secret)) return;
    this.#secrets.add(secret);
    if (this.#secrets.size > MAX_SECRETS) this.#secrets.delete(this.#secrets.values().next().value as string);
  }

  get knowsSecrets(): boolean {
    return this.#secrets.size > 0;
  }

  hidesHeader(name: string): boolean {
    return HEADERS.has(name) || HEADER_TAIL.test(name) || this.#headers.has(name);
  }

  hidesQuery(name: string): boolean {
    return NAMES.test(name) || this.#query.has(name.toLowerCase());
  }

  hidesField(name: string): boolean {
    return NAMES.test(name) || this.#fields.has(name.toLowerCase());
  }

  /** A text with every known secret masked, and those of one call, in plain and in percent-encoded form. */
  text(text: string, ofCall: readonly string[] = []): string {
    let masked = text;
    for (const secret of ofCall.length === 0 ? this.#secrets : [...this.#secrets, ...ofCall]) {
      if (masked.includes(secret)) masked = masked.replaceAll(secret, MASK);
      const encoded = percentEncoded(secret);
      if (encoded !== secret && masked.includes(encoded)) masked = masked.replaceAll(encoded, MASK);
    }
    return masked;
  }

  /** A URL without user info, fragment and secret query values. Templates pass as they are. */
  url(url: string): string {
    const bare = url.replace(/#.*$/s, "").replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1");
    const at = bare.indexOf("?");
    if (at === -1) return this.text(bare);
    const query = bare.slice(at + 1).split("&").map((pair) => {
      const eq = pair.indexOf("=");
      const name = eq === -1 ? pair : pair.slice(0, eq);
      return eq !== -1 && this.hidesQuery(plain(name)) ? `${name}=${MASK}` : pair;
    });
    return this.text(`${bare.slice(0, at)}?${query.join("&")}`);
  }

  /** A copy of plain data with secret fields masked. */
  value(value: unknown, depth = 0): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth > 32) return MASK;
    if (Array.isArray(value)) return value.map((item) => this.value(item, depth + 1));
    const copy = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(value)) copy[key] = this.hidesField(key) ? MASK : this.value((value as Record<string, unknown>)[key], depth + 1);
    return copy;
  }

  /** Values that a record holds under names that are hidden. Bytes have no names, and listing them would take seconds. */
  under(kind: "header" | "query" | "field", record: unknown): string[] {
    const entries = record instanceof Headers || record instanceof URLSearchParams || Array.isArray(record) ? [...(record as Iterable<unknown>)] : typeof record === "object" && record !== null && !ArrayBuffer.isView(record) ? Object.entries(record) : [];
    const found: string[] = [];
    for (const entry of entries) {
      const [name, value] = Array.isArray(entry) ? (entry as unknown[]) : [];
      if (typeof name !== "string" || !(kind === "header" ? this.hidesHeader(name.toLowerCase()) : kind === "query" ? this.hidesQuery(name) : this.hidesField(name))) continue;
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) if (typeof each === "string" && each.length >= MIN_SECRET) found.push(each);
    }
    return found;
  }

  /** The cause of an error, when its message holds a secret: a copy with the message masked. */
  cause(cause: unknown, ofCall: readonly string[] = []): unknown {
    if (!(cause instanceof Error) || (this.#secrets.size === 0 && ofCall.length === 0)) return typeof cause === "string" ? this.text(cause, ofCall) : cause;
    const message = this.text(cause.message, ofCall);
    const stack = this.text(cause.stack ?? "", ofCall);
    const inner = this.cause(cause.cause, ofCall);
    if (message === cause.message && inner === cause.cause && stack === (cause.stack ?? "")) return cause;
    const copy = new Error(message, inner === undefined ? undefined : { cause: inner });
    copy.name = cause.name;
    copy.stack = stack;
    return copy;
  }
}

function names(option: string, list: readonly string[] | undefined): Set<string> {
  if (list === undefined) return new Set();
  if (!Array.isArray(list)) throw configError(option, list, "a list of names");
  return checked("", () => new Set((list as string[]).map((name) => checkString(option, name).toLowerCase())));
}

function percentEncoded(secret: string): string {
  try {
    return encodeURIComponent(secret);
  } catch {
    return secret;
  }
}

export function plain(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}
