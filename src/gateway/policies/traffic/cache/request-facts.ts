/** What a request means to a cache, read once. */

import { NO_REQUEST_DIRECTIVES, type RequestDirectives, parseRequestDirectives } from "../../../../core/cache-control.ts";
import type { AnswerRequest } from "./serve.ts";
import { digest, variantKey } from "../../../../core/cache-vary.ts";
import type { Identity } from "../../../types.ts";

const FOR_ORIGIN = ["if-match", "if-unmodified-since", "x-http-method-override", "x-http-method", "x-method-override"] as const;

export class RequestFacts implements AnswerRequest {
  headers: Headers;
  readonly method: string;
  readonly head: boolean;
  readonly directives: RequestDirectives;
  readonly authorization: string | null;
  readonly cookie: string | null;
  readonly identity: Identity | undefined;
  /** What auth policies have proven about the caller. */
  readonly #proven: readonly string[];
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  /** The caller showed credentials: its answers may be personal. */
  readonly authenticated: boolean;

  constructor(method: string, headers: Headers, identity: Identity | undefined, respectDirectives: boolean, proven: readonly string[] = []) {
    this.headers = headers;
    this.method = method;
    this.head = method === "HEAD";
    this.authorization = headers.get("authorization");
    this.cookie = headers.get("cookie");
    this.identity = identity;
    this.#proven = proven;
    this.authenticated = this.authorization !== null || this.cookie !== null || identity !== undefined || proven.length > 0;
    this.directives = respectDirectives ? directivesOf(headers) : NO_REQUEST_DIRECTIVES;
    const reads = method === "GET" || method === "HEAD";
    this.ifNoneMatch = reads ? (headers.get("if-none-match") ?? undefined) : undefined;
    this.ifModifiedSince = reads ? (headers.get("if-modified-since") ?? undefined) : undefined;
    // A range means something for GET alone (RFC 9110 14.2).
    this.range = method === "GET" ? (headers.get("range") ?? undefined) : undefined;
    this.ifRange = this.range === undefined ? undefined : (headers.get("if-range") ?? undefined);
  }

  /** Inner policies are about to change the request for the upstream: variants go by what the client has sent. */
  keepFields(): void {
    this.headers = new Headers(this.headers);
  }

  /** The upstream's answer to it would be whole and unconditional: what others can use. */
  get plain(): boolean {
    return !this.head && this.ifNoneMatch === undefined && this.ifModifiedSince === undefined && this.range === undefined;
  }

  /**
   * Only the origin can evaluate these (RFC 9111 4.3.2); and a request that asks an upstream to take it for another method
   * must not fill the entry of the one it looks like.
   */
  get forOriginOnly(): boolean {
    return FOR_ORIGIN.some((name) => this.headers.has(name));
  }

  /** A digest of who is calling. An identity stands for the token that proved it, since tokens are renewed. */
  get caller(): string {
    const { identity } = this;
    return digest(JSON.stringify([identity === undefined ? [this.authorization, ...this.#proven] : [identity.scheme, identity.id, ...this.#proven], this.cookie]));
  }

  /** Whether these fields differ wherever the caller's credentials do. */
  toldApartBy(fields: readonly string[]): boolean {
    if (this.authorization !== null && !fields.includes("authorization")) return false;
    if (this.cookie !== null && !fields.includes("cookie")) return false;
    if (this.authorization !== null || this.cookie !== null) return true;
    // Known by something else, such as an API key: negotiation fields at least say nothing about it.
    return fields.some((field) => !field.startsWith("accept"));
  }

  variant(names: readonly string[]): string {
    return variantKey(names, (name) => this.headers.get(name) ?? undefined);
  }
}

function directivesOf(headers: Headers): RequestDirectives {
  const cacheControl = headers.get("cache-control");
  if (cacheControl !== null) return parseRequestDirectives(cacheControl, undefined);
  const pragma = headers.get("pragma");
  return pragma === null ? NO_REQUEST_DIRECTIVES : parseRequestDirectives(undefined, pragma);
}
