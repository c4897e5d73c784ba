/** One request and its response, as a handler of undici's dispatcher. */

import { util } from "undici";
import { systemClock, type TimerHandle } from "../../core/clock.ts";
import { createFieldHeaders, type FieldHeaders } from "../../core/field-headers.ts";
import {
  CONNECTION_FIELDS, ERROR_BODY_BYTES, MAX_INTERIM, TransportError, flatField, isBodylessStatus, nominatedFields, type RawResponse, type RawTransportRequest, type TransportErrorCode,
} from "../../core/transport.ts";

/** Response bytes held before the reader asks for more: about what a socket delivers at once. */
const BUFFER_BYTES = 65_536;

/** What an exchange makes of a response: fields in the form `H`, the whole as `T`. */
export interface ResponseForm<H, T> {
  headers(): H;
  add(headers: H, name: string, value: string): void;
  get(headers: H, name: string): string | null | undefined;
  remove(headers: H, name: string): void;
  respond(status: number, statusText: string, headers: H, body: Uint8Array | ReadableStream<Uint8Array> | null): T;
}

/** The platform's `Response`. */
export const responseForm: ResponseForm<FieldHeaders, Response> = {
  headers: () => createFieldHeaders(),
  add: (headers, name, value) => headers.receive(name, value),
  get: (headers, name) => headers.get(name),
  remove: (headers, name) => headers.delete(name),
  respond: (status, statusText, headers, body) => new Response(body as BodyInit | null, { status, statusText, headers }),
};

/** Plain data: a third of what a `Response` costs to make and to read. */
export const rawForm: ResponseForm<string[], RawResponse> = {
  headers: () => [],
  add: (headers, name, value) => void headers.push(name, value),
  get: flatField,
  remove(headers, name) {
    for (let i = headers.length - 2; i >= 0; i -= 2) if (headers[i] === name) headers.splice(i, 2);
  },
  respond: (status, _statusText, headers, body) => ({ status, headers, body }),
};

/**
 * Chunks that arrive together with the headers are collected, and the response is made a microtask later: a small
 * response is then complete and needs no stream. The method names are undici's.
 */
export class Exchange<H, T> {
  readonly #request: RawTransportRequest;
  readonly #form: ResponseForm<H, T>;
  readonly #resolve: (response: T) => void;
  readonly #reject: (reason: unknown) => void;
  #abort: ((reason: Error) => void) | undefined;
  #cancelled: { readonly reason: unknown } | undefined;
  #forget: (() => void) | undefined;
  #status = 0;
  #statusText = "";
  #headers: H | undefined;
  #eventStream = false;
  /** The headers are there, and the response is about to be made. */
  #delivering = false;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #interims = 0;
  #complete = false;
  #failure: unknown;
  #settled = false;
  #resume: (() => void) | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #watch: TimerHandle;
  #activeAt = 0;
  /** Waiting for the reader, not for the peer. */
  #paused = false;

  constructor(request: RawTransportRequest, form: ResponseForm<H, T>, resolve: (response: T) => void, reject: (reason: unknown) => void) {
    this.#request = request;
    this.#form = form;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Listens for cancellation. */
  begin(): void {
    const { signal, body } = this.#request;
    if (signal !== undefined) {
      if (signal.aborted) this.cancel(signal.reason);
      else {
        const onAbort = (): void => this.cancel(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        this.#forget = () => signal.removeEventListener("abort", onAbort);
      }
    } else if (this.#request.onCancel !== undefined) {
      const forget = this.#request.onCancel((reason) => this.cancel(reason));
      if (this.#cancelled === undefined) this.#forget = forget;
    }
    if (body !== null && !(body instanceof Uint8Array)) this.#startWatch();
  }

  cancel(reason: unknown): void {
    if (this.#complete || this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    if (!this.#settled) {
      this.#settled = true;
      this.#reject(reason);
    }
    this.#abort?.(toError(reason));
    if (this.#abort === undefined) this.#release();
  }

  onConnect(abort: (reason: Error) => void): void {
    this.#abort = abort;
    if (this.#cancelled !== undefined) abort(toError(this.#cancelled.reason));
    else this.#request.onSending?.();
  }

  onBodySent(): void {
    this.#activeAt = systemClock.monotonic();
  }

  onRequestSent(): void {
    // The peer may think as long as the headers deadline allows.
    this.#stopWatch();
  }

  onUpgrade(): void {
    this.#abort?.(new TransportError("RESPONSE_BROKEN", "the peer switched protocols unasked"));
  }

  onHeaders(status: number, raw: readonly Buffer[], resume: () => void, statusText: string): boolean {
    // Interim responses (1xx) come before the real one.
    if (status < 200) {
      const { onInterim } = this.#request;
      if (onInterim !== undefined && status > 101 && this.#interims++ < MAX_INTERIM) onInterim(status, interimFields(raw));
      return true;
    }
    this.#stopWatch();
    if (status > 599) throw new TransportError("RESPONSE_BROKEN", `the peer answered with status ${status}`);
    this.#status = status;
    this.#statusText = statusText;
    this.#resume = resume;
    this.#headers = this.#readHeaders(raw);
    this.#request.onHeaders?.(status);
    if (this.#request.collect === true && !this.#eventStream) {
      queueMicrotask(() => {
        if (!this.#complete && !this.#settled) this.#startWatch();
      });
      return true;
    }
    this.#delivering = true;
    queueMicrotask(() => this.#deliver());
    return true;
  }

  onData(chunk: Uint8Array): boolean {
    this.#bytes += chunk.byteLength;
    const { maxResponseBytes } = this.#request;
    const collects = this.#request.collect === true && !this.#eventStream;
    if (collects && this.#status >= 400 && this.#bytes > ERROR_BODY_BYTES) {
      this.#chunks.push(chunk.subarray(0, chunk.byteLength - (this.#bytes - ERROR_BODY_BYTES)));
      this.#complete = true;
      this.#release();
      this.#deliver();
      this.#abort?.(new TransportError("BODY_TOO_LONG", `the body of an error is read up to ${ERROR_BODY_BYTES} bytes`));
      return true;
    }
    if (maxResponseBytes !== undefined && this.#bytes > maxResponseBytes) {
      throw new TransportError("BODY_TOO_LONG", `the response body is longer than ${maxResponseBytes} bytes`);
    }
    const controller = this.#controller;
    if (controller === undefined) {
      this.#chunks.push(chunk);
      this.#activeAt = collects ? systemClock.monotonic() : 0;
      if (collects) return true;
      return this.#proceed(this.#bytes < BUFFER_BYTES);
    }
    this.#activeAt = systemClock.monotonic();
    controller.enqueue(chunk);
    return this.#proceed((controller.desiredSize ?? 0) > 0);
  }

  onComplete(): void {
    this.#complete = true;
    this.#release();
    if (this.#controller !== undefined) this.#controller.close();
    else if (this.#request.collect === true && !this.#eventStream) this.#deliver();
  }

  onError(error: unknown): void {
    const reason = this.#cancelled === undefined ? transportError(error, this.#status !== 0) : this.#cancelled.reason;
    this.#failure = reason;
    this.#release();
    if (this.#controller !== undefined) this.#controller.error(reason);
    else if (!this.#settled && !this.#delivering) {
      this.#settled = true;
      this.#reject(reason);
    }
  }

  #proceed(more: boolean): boolean {
    this.#paused = !more;
    return more;
  }

  #readHeaders(raw: readonly Buffer[]): H {
    const form = this.#form;
    const headers = form.headers();
    let nominated: string | undefined;
    for (let i = 0; i < raw.length; i += 2) {
      const name = util.headerNameToString(raw[i] as Buffer);
      if (CONNECTION_FIELDS.has(name)) {
        if (name === "connection") nominated = `${nominated ?? ""},${(raw[i + 1] as Buffer).toString("latin1")}`;
        continue;
      }
      form.add(headers, name, (raw[i + 1] as Buffer).toString("latin1"));
    }
    if (nominated !== undefined && nominated !== ",keep-alive") {
      for (const name of nominatedFields(nominated)) if (!END_TO_END.has(name)) form.remove(headers, name);
    }
    const { maxResponseBytes, editHeaders, method } = this.#request;
    const collectsError = this.#request.collect === true && this.#status >= 400;
    if (maxResponseBytes !== undefined && !collectsError && method !== "HEAD" && Number(form.get(headers, "content-length") ?? 0) > maxResponseBytes) {
      throw new TransportError("BODY_TOO_LONG", `the response body is longer than ${maxResponseBytes} bytes`);
    }
    this.#eventStream = form.get(headers, "content-type")?.toLowerCase().startsWith("text/event-stream") === true;
    editHeaders?.(headers as Headers);
    return headers;
  }

  #deliver(): void {
    if (this.#settled) return;
    this.#settled = true;
    try {
      this.#resolve(this.#form.respond(this.#status, this.#statusText, this.#headers as H, this.#body()));
    } catch (error) {
      this.#abort?.(toError(error));
      this.#reject(transportError(error, true));
    }
  }

  #body(): Uint8Array | ReadableStream<Uint8Array> | null {
    if (this.#failure !== undefined) throw this.#failure;
    const chunks = this.#chunks;
    if (this.#complete) {
      if (isBodylessStatus(this.#status) || this.#request.method === "HEAD") return null;
      return (chunks.length === 1 ? chunks[0] : chunks.length === 0 ? new Uint8Array(0) : Buffer.concat(chunks)) as Uint8Array;
    }
    if (isBodylessStatus(this.#status)) {
      this.#abort?.(new TransportError("RESPONSE_BROKEN", `a response with status ${this.#status} has a body`));
      return null;
    }
    return this.#stream();
  }

  #stream(): ReadableStream<Uint8Array> {
    if (!this.#eventStream) this.#startWatch();
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          for (const chunk of this.#chunks) controller.enqueue(chunk);
          this.#chunks = [];
        },
        pull: () => {
          if (!this.#paused) return;
          this.#paused = false;
          this.#activeAt = systemClock.monotonic();
          this.#resume?.();
        },
        cancel: (reason) => {
          this.#controller = undefined;
          this.cancel(reason ?? new DOMException("The body was cancelled", "AbortError"));
        },
      },
      { highWaterMark: BUFFER_BYTES, size: byteLength },
    );
  }

  /** One timer per exchange that re-arms itself: chunks only note the time. */
  #startWatch(): void {
    const { idleBodyTimeoutMs = 0 } = this.#request;
    if (idleBodyTimeoutMs === 0) return;
    this.#activeAt = systemClock.monotonic();
    const arm = (delayMs: number): void => {
      this.#watch = systemClock.setTimeout(() => {
        const left = this.#paused ? idleBodyTimeoutMs : this.#activeAt + idleBodyTimeoutMs - systemClock.monotonic();
        if (left > 0) arm(left);
        else this.#fail(new TransportError("BODY_TIMEOUT", `no body chunk within ${idleBodyTimeoutMs} ms`));
      }, delayMs);
    };
    arm(idleBodyTimeoutMs);
  }

  #fail(error: TransportError): void {
    if (this.#abort !== undefined) this.#abort(error);
    else this.onError(error);
  }

  #stopWatch(): void {
    if (this.#watch === undefined) return;
    systemClock.clearTimeout(this.#watch);
    this.#watch = undefined;
  }

  #release(): void {
    this.#stopWatch();
    this.#forget?.();
    this.#forget = undefined;
  }
}

function interimFields(raw: readonly Buffer[]): string[] {
  const fields: string[] = [];
  let nominated = "";
  for (let i = 0; i < raw.length; i += 2) {
    const name = util.headerNameToString(raw[i] as Buffer);
    const value = (raw[i + 1] as Buffer).toString("latin1");
    if (name === "connection") nominated += `,${value}`;
    if (!CONNECTION_FIELDS.has(name) && name !== "content-length") fields.push(name, value);
  }
  for (const name of nominatedFields(nominated)) rawForm.remove(fields, name);
  return fields;
}

const byteLength = (chunk: Uint8Array | undefined): number => chunk?.byteLength ?? 0;

/** What a `Connection` field cannot name away: it would change the meaning of the message. */
const END_TO_END: ReadonlySet<string> = new Set(["content-length", "content-type", "content-encoding", "cache-control", "set-cookie", "location", "www-authenticate", "vary", "date"]);

const CODES: Readonly<Record<string, TransportErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: "CONNECT_TIMEOUT",
  UND_ERR_HEADERS_TIMEOUT: "HEADERS_TIMEOUT",
  UND_ERR_BODY_TIMEOUT: "BODY_TIMEOUT",
  UND_ERR_INVALID_ARG: "REQUEST_INVALID",
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: "REQUEST_INVALID",
  UND_ERR_NOT_SUPPORTED: "REQUEST_INVALID",
  ECONNREFUSED: "CONNECT_FAILED",
  ENOTFOUND: "CONNECT_FAILED",
  EAI_AGAIN: "CONNECT_FAILED",
  EHOSTUNREACH: "CONNECT_FAILED",
  ENETUNREACH: "CONNECT_FAILED",
  EADDRNOTAVAIL: "CONNECT_FAILED",
  ERR_TLS_CERT_ALTNAME_INVALID: "CONNECT_FAILED",
  SLUICE_ADDRESS_REFUSED: "CONNECT_FAILED",
};

function transportError(error: unknown, answered: boolean): unknown {
  if (error instanceof TransportError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const known = answered || code === undefined ? undefined : CODES[code];
  return new TransportError(known ?? "RESPONSE_BROKEN", message ?? "the exchange failed", { cause: error });
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("the exchange was cancelled", { cause: reason });
}
