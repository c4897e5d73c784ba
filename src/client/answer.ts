/** A response on its way through the pipeline, whatever form the adapter gave it. */

import type { AdapterResponse } from "../core/adapter.ts";
import { joinBytes } from "../core/concat-bytes.ts";
import { decodeText, encodeText } from "../core/utf8.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { flatField } from "../core/transport.ts";
import { StitchError } from "./errors.ts";
import { fieldsOf, field, responseFields, type ResponseFields } from "./fields.ts";

export class Answer {
  readonly status: number;
  readonly url: string;
  readonly requestedAt: number;
  readonly respondedAt: number;
  body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Frees what a streaming body holds; called when it has ended. */
  onEnd: (() => void) | undefined;
  /** Of an answer out of a cache: its JSON, without parsing it again. */
  parsed: { read(parse: () => unknown): unknown } | undefined;
  readonly #flat: readonly string[] | undefined;
  #fields: ResponseFields | undefined;

  /** `fields`: the headers, where they have the form of {@link ResponseFields} already. */
  constructor(response: AdapterResponse, url: string, requestedAt: number, respondedAt: number, fields?: ResponseFields) {
    const { status, headers, body = null } = response;
    if (!Number.isInteger(status) || status < 100 || status > 599) throw new StitchError("PROTOCOL_ERROR", "the adapter gave no status from 100 to 599", { sent: true });
    this.status = status;
    this.url = url;
    this.requestedAt = requestedAt;
    this.respondedAt = respondedAt;
    this.body = typeof body === "string" ? encodeText(body) : body;
    if (fields !== undefined) this.#fields = fields;
    else if (Array.isArray(headers)) this.#flat = headers as readonly string[];
    else this.#fields = responseFields(headers);
  }

  get fields(): ResponseFields {
    return (this.#fields ??= fieldsOf(this.#flat as readonly string[]));
  }

  /** One field as text. Of a field that stands several times in a flat list, all values joined. */
  get(name: string): string | undefined {
    if (this.#fields !== undefined) return field(this.#fields, name);
    const first = flatField(this.#flat as readonly string[], name);
    // Fields of which several values matter are read by their record.
    return first === undefined || !LISTS.has(name) ? first : field(this.fields, name);
  }

  /** The body whole. A stream is read up to `maxBytes`. @throws StitchError `RESPONSE_TOO_LARGE` */
  async bytes(maxBytes: number): Promise<Uint8Array> {
    const { body } = this;
    if (body === null) return EMPTY;
    if (body instanceof Uint8Array) {
      if (body.byteLength > maxBytes) throw tooLarge(maxBytes, this.status);
      return body;
    }
    const reader = body.getReader();
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        length += value.byteLength;
        if (length > maxBytes) {
          const error = tooLarge(maxBytes, this.status);
          await reader.cancel(error).catch(() => undefined);
          throw error;
        }
        chunks.push(value);
      }
    } finally {
      this.end();
    }
    return (this.body = joinBytes(chunks, length));
  }

  end(): void {
    const { onEnd } = this;
    this.onEnd = undefined;
    onEnd?.();
  }

  /** Drops a body nobody reads, so that its connection is free. */
  async discard(): Promise<void> {
    const { body } = this;
    if (body !== null && !(body instanceof Uint8Array)) await body.cancel().catch(() => undefined);
    this.end();
  }
}

const EMPTY: Uint8Array = /* @__PURE__ */ new Uint8Array(0);
const LISTS: ReadonlySet<string> = /* @__PURE__ */ new Set(["cache-control", "vary", "link", "ratelimit", "set-cookie", "www-authenticate", "content-encoding"]);

export function tooLarge(maxBytes: number, status: number | undefined): StitchError {
  return new StitchError("RESPONSE_TOO_LARGE", `the response is longer than maxResponseBytes (${maxBytes})`, { sent: true, status });
}

const JSON_TYPE = /^application\/(?:json|[^;\s]*\+json)\s*(?:;|$)/i;

export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && (contentType === "application/json" || JSON_TYPE.test(contentType));
}

/** Text in the charset of a content type, UTF-8 by default. @throws StitchError `PARSE_FAILED` */
export function textOf(bytes: Uint8Array, contentType: string | undefined): string {
  const charset = contentType === undefined ? undefined : /;\s*charset="?([^";\s]{1,40})/i.exec(contentType)?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return decodeText(bytes);
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch (cause) {
    throw new StitchError("PARSE_FAILED", "the response is in a charset that is not known here", { cause, sent: true });
  }
}

/** The answer in the form asked for. @throws StitchError, or rejects with it */
export function readAnswer(answer: Answer, kind: "auto" | "json" | "text" | "bytes" | "blob", method: string, maxBytes: number): MaybePromise<unknown> {
  const { body } = answer;
  const parse = (bytes: Uint8Array): unknown => {
    const type = answer.get("content-type");
    if (answer.parsed !== undefined && (kind === "auto" || kind === "json")) return answer.parsed.read(() => parseBytes(bytes, kind, type, answer.status, method));
    return parseBytes(bytes, kind, type, answer.status, method);
  };
  return body instanceof Uint8Array && body.byteLength <= maxBytes ? parse(body) : answer.bytes(maxBytes).then(parse);
}

export function parseBytes(bytes: Uint8Array, kind: "auto" | "json" | "text" | "bytes" | "blob", contentType: string | undefined, status: number, method: string): unknown {
  if (bytes.byteLength === 0 || status === 204 || status === 205 || method === "HEAD") {
    return kind === "text" ? (status === 204 || status === 205 || method === "HEAD" ? undefined : "") : kind === "bytes" ? (status === 204 || status === 205 || method === "HEAD" ? undefined : bytes) : undefined;
  }
  switch (kind) {
    case "bytes":
      return bytes;
    case "text":
      return textOf(bytes, contentType);
    case "blob":
      return new Blob([bytes as Uint8Array<ArrayBuffer>], { type: contentType ?? "" });
    case "json":
      return parseJson(bytes, contentType, status);
    case "auto":
      if (isJson(contentType)) return parseJson(bytes, contentType, status);
      return contentType !== undefined && /^text\//i.test(contentType) ? textOf(bytes, contentType) : bytes;
  }
}

function parseJson(bytes: Uint8Array, contentType: string | undefined, status: number): unknown {
  const text = textOf(bytes, contentType);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new StitchError("PARSE_FAILED", "the response is no JSON", { status, sent: true });
  }
}
