/** The upgrade request as a connection keeps it: without secrets, and as one text until somebody looks. */

import type { SocketRequest } from "./types.ts";

/** Header fields as a platform has them; a `Headers` is one. */
export interface HeaderFields extends Iterable<[string, string]> {
  /** By a name in small letters; several fields of it are joined by commas. */
  get(name: string): string | null;
}

const BEARER = "bearer.";
const SECRET: ReadonlySet<string> = /* @__PURE__ */ new Set(["authorization", "cookie", "proxy-authorization"]);

/** `offered` are the subprotocols: a token among them is left out. */
export function captured(url: URL, fields: HeaderFields, offered: readonly string[], ip: string | undefined): SocketRequest {
  return new CapturedRequest(withoutToken(url), kept(fields, offered), ip);
}

/** The token of a subprotocol. */
export function bearerOf(offered: readonly string[]): string | undefined {
  return offered.find(isBearer)?.slice(BEARER.length);
}

export function isBearer(protocol: string): boolean {
  return protocol.startsWith(BEARER);
}

/** A `Headers` of fields; one that it refuses says nothing to anybody. */
export function toHeaders(fields: Iterable<[string, string]>): Headers {
  const headers = new Headers();
  for (const [name, value] of fields) {
    try {
      headers.append(name, value);
    } catch {
      // Not a field of HTTP.
    }
  }
  return headers;
}

/** A `Headers` object takes kilobytes, so it is made when somebody looks. */
class CapturedRequest implements SocketRequest {
  readonly url: string;
  readonly ip: string | undefined;
  /** Names and values by turns, one a line: neither can hold a line break. */
  readonly #fields: string;
  #headers: Headers | undefined;

  constructor(url: string, fields: string, ip: string | undefined) {
    this.url = url;
    this.ip = ip;
    this.#fields = fields;
  }

  get headers(): Headers {
    return (this.#headers ??= toHeaders(pairs(this.#fields)));
  }
}

function* pairs(fields: string): Generator<[string, string]> {
  const lines = fields === "" ? [] : fields.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) yield [lines[i] as string, lines[i + 1] as string];
}

function kept(fields: HeaderFields, offered: readonly string[]): string {
  const lines: string[] = [];
  const hasToken = offered.some(isBearer);
  for (const [name, value] of fields) {
    if (SECRET.has(name) || (hasToken && name === "sec-websocket-protocol")) continue;
    lines.push(name, value);
  }
  const open = hasToken ? offered.filter((protocol) => !isBearer(protocol)) : [];
  if (open.length > 0) lines.push("sec-websocket-protocol", open.join(", "));
  return lines.join("\n");
}

function withoutToken(url: URL): string {
  if (!url.searchParams.has("access_token")) return url.href;
  const copy = new URL(url);
  copy.searchParams.delete("access_token");
  return copy.href;
}
