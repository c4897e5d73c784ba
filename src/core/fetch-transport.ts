/** The transport of every runtime but Node: the platform's `fetch`. */

import { systemClock, type TimerHandle } from "./clock.ts";
import {
  CONNECTION_FIELDS, ERROR_BODY_BYTES, MAX_CODINGS, TransportError, bodyCodings, flatField, isBodylessStatus, nominatedFields, type OwnTransport, type RawResponse, type RawTransport,
  type RawTransportRequest, type Transport, type TransportErrorCode, type TransportRequest,
} from "./transport.ts";

/** Codings every `fetch` undoes by itself. Others are not asked for, so that it is known what the bytes are. */
const DECODED: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate", "br"]);

export const transport: Transport = (request) => exchange(request, globalThis.fetch, undefined);

/** Where an exchange ended, if a browser followed redirects. */
interface End {
  url: string | undefined;
}

async function exchange(request: RawTransportRequest, fetch: typeof globalThis.fetch, end: End | undefined): Promise<Response> {
  const raw = end !== undefined;
  const controller = new AbortController();
  const watch = createWatch(request, (error) => controller.abort(error));
  const forget = listen(request, (reason) => controller.abort(reason));
  const release = (): void => {
    watch.stop();
    forget();
  };
  let response: Response;
  request.onSending?.();
  try {
    response = await fetch(request.url.origin + request.url.pathname + request.url.search, {
      method: request.method,
      headers: requestHeaders(request),
      body: requestBody(request, watch.touch) as BodyInit | null,
      redirect: raw ? redirectMode(request) : "manual",
      signal: controller.signal,
      // Streaming a request body (WHATWG fetch 5.4) and leaving the response encoded (Bun); unknown members are ignored.
      ...({ duplex: "half", decompress: raw } as object),
    });
  } catch (error) {
    release();
    throw controller.signal.aborted ? controller.signal.reason : transportError(error);
  }
  watch.stop();
  if (raw && response.redirected) end.url = response.url;
  request.onHeaders?.(response.status);
  if (raw && bodyCodings(response.headers.get("content-encoding")).length > MAX_CODINGS) {
    release();
    controller.abort();
    throw new TransportError("RESPONSE_BROKEN", `a body with more than ${MAX_CODINGS} codings`);
  }
  const headers = responseHeaders(response, request, raw);
  const { status, statusText, body } = response;
  if (tooLong(headers, request)) {
    release();
    controller.abort();
    throw new TransportError("BODY_TOO_LONG", `the response body is longer than ${request.maxResponseBytes} bytes`);
  }
  if (body === null || isBodylessStatus(status) || request.method === "HEAD") {
    forget();
    return new Response(null, { status, statusText, headers });
  }
  return new Response(guarded(body, request, headers, controller, release), { status, statusText, headers });
}

/** `fetch` keeps its connections to itself: there is nothing to close. */
export function createTransport(): OwnTransport {
  return { send: transport, sendRaw: rawTransport, close: async () => {} };
}

/** The raw form: `fetch` has decoded the body, so what is counted and given is plain bytes. */
export const rawTransport: RawTransport = (request) => rawExchange(request, globalThis.fetch);

/** A raw exchange over a `fetch` of the caller's. */
export function rawTransportOver(fetch: typeof globalThis.fetch): RawTransport {
  return (request) => rawExchange(request, fetch);
}

async function rawExchange(request: RawTransportRequest, fetch: typeof globalThis.fetch): Promise<RawResponse> {
  const end: End = { url: undefined };
  const { status, headers: fields, body } = await exchange(request, fetch, end);
  const headers: string[] = [];
  fields.forEach((value, name) => void headers.push(name, value));
  const collects = request.collect === true && body !== null && flatField(headers, "content-type")?.startsWith("text/event-stream") !== true;
  return { status, headers, url: end.url, body: collects ? await collect(body as ReadableStream<Uint8Array>, status) : body };
}

/** A browser shows nothing of a redirect that is not followed (WHATWG fetch, opaque-redirect filtered response): it must follow, or fail. */
function redirectMode(request: RawTransportRequest): RequestRedirect {
  // Every browser's name begins like this, in pages and workers, and that of no other runtime.
  if (globalThis.navigator?.userAgent?.startsWith("Mozilla/") !== true) return "manual";
  return request.mayFollow === true ? "follow" : "error";
}

async function collect(body: ReadableStream<Uint8Array>, status: number): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.byteLength;
    if (status >= 400 && length > ERROR_BODY_BYTES) {
      await reader.cancel().catch(() => undefined);
      break;
    }
  }
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return status >= 400 ? bytes.subarray(0, ERROR_BODY_BYTES) : bytes;
}

function listen(request: TransportRequest, cancel: (reason: unknown) => void): () => void {
  const { signal } = request;
  if (signal === undefined) return request.onCancel?.(cancel) ?? ((): void => {});
  if (signal.aborted) cancel(signal.reason);
  const onAbort = (): void => cancel(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

function requestHeaders(request: TransportRequest): Headers {
  const headers = new Headers();
  const add = (name: string, value: string): void => {
    headers.append(name, name === "accept-encoding" ? knownCodings(value) : value);
  };
  if (Array.isArray(request.headers)) for (let i = 0; i < request.headers.length; i += 2) add(request.headers[i] as string, request.headers[i + 1] as string);
  else (request.headers as Headers).forEach((value, name) => add(name, value));
  return headers;
}

function knownCodings(value: string): string {
  const kept = value.split(",").map((part) => part.trim()).filter((part) => /^(?:gzip|x-gzip|deflate|br|identity)\s*(?:;|$)/i.test(part));
  return kept.length === 0 ? "identity" : kept.join(", ");
}

function requestBody(request: TransportRequest, touch: (ended: boolean) => void): unknown {
  const { body } = request;
  if (body === null || body instanceof Uint8Array || request.method === "GET" || request.method === "HEAD") return body;
  const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator];
  if (iterator === undefined) return body;
  const chunks = iterator.call(body);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      touch(done === true);
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  }, { highWaterMark: 0 });
}

function tooLong(headers: Headers, request: TransportRequest): boolean {
  const { maxResponseBytes, method } = request;
  return maxResponseBytes !== undefined && method !== "HEAD" && Number(headers.get("content-length") ?? 0) > maxResponseBytes;
}

function responseHeaders(response: Response, { method, editHeaders }: TransportRequest, raw: boolean): Headers {
  const headers = new Headers(response.headers);
  for (const name of nominatedFields(headers.get("connection"))) headers.delete(name);
  for (const name of CONNECTION_FIELDS) headers.delete(name);
  const codings = headers.get("content-encoding");
  const decoded = codings !== null && (raw || !("Bun" in globalThis)) && codings.split(",").every((coding) => DECODED.has(coding.trim().toLowerCase()));
  // What came decoded must not be called encoded, and its length is another one (a HEAD answer has no bytes to be wrong about).
  if (decoded && method !== "HEAD" && response.body !== null) {
    headers.delete("content-encoding");
    headers.delete("content-length");
  }
  editHeaders?.(headers);
  return headers;
}

function guarded(
  body: ReadableStream<Uint8Array>,
  request: TransportRequest,
  headers: Headers,
  controller: AbortController,
  release: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const silent = headers.get("content-type")?.toLowerCase().startsWith("text/event-stream") === true;
  const { maxResponseBytes = Number.POSITIVE_INFINITY, idleBodyTimeoutMs = 0 } = request;
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(stream) {
      const timer = silent || idleBodyTimeoutMs === 0 ? undefined : systemClock.setTimeout(
        () => controller.abort(new TransportError("BODY_TIMEOUT", `no body chunk within ${idleBodyTimeoutMs} ms`)),
        idleBodyTimeoutMs,
      );
      try {
        const { done, value } = await reader.read();
        if (done) {
          release();
          stream.close();
          return;
        }
        bytes += value.byteLength;
        if (bytes > maxResponseBytes) throw new TransportError("BODY_TOO_LONG", `the response body is longer than ${maxResponseBytes} bytes`);
        stream.enqueue(value);
      } catch (error) {
        release();
        const reason = controller.signal.aborted ? controller.signal.reason : transportError(error, true);
        controller.abort(reason);
        stream.error(reason);
      } finally {
        if (timer !== undefined) systemClock.clearTimeout(timer);
      }
    },
    cancel(reason) {
      release();
      // On Bun only an abort closes the connection; cancelling the reader does not.
      controller.abort(reason);
      return reader.cancel(reason).catch(() => {});
    },
  }, { highWaterMark: 0 });
}

interface Watch {
  /** A chunk of the request body was taken, or its end. */
  readonly touch: (ended: boolean) => void;
  readonly stop: () => void;
}

/** Deadlines up to the response headers: silence of the request body, then of the peer. */
function createWatch(request: TransportRequest, expire: (error: TransportError) => void): Watch {
  const { headersTimeoutMs = 0, connectTimeoutMs = 0, idleBodyTimeoutMs = 0, body } = request;
  const total = headersTimeoutMs === 0 ? 0 : headersTimeoutMs + connectTimeoutMs;
  let timer: TimerHandle;
  const stop = (): void => {
    if (timer !== undefined) systemClock.clearTimeout(timer);
    timer = undefined;
  };
  const arm = (delayMs: number, code: TransportErrorCode, what: string): void => {
    stop();
    if (delayMs > 0) timer = systemClock.setTimeout(() => expire(new TransportError(code, `no ${what} within ${delayMs} ms`)), delayMs);
  };
  const streams = body !== null && !(body instanceof Uint8Array);
  let stopped = false;
  if (streams) arm(idleBodyTimeoutMs, "BODY_TIMEOUT", "body chunk");
  else arm(total, "HEADERS_TIMEOUT", "response headers");
  return {
    stop() {
      stopped = true;
      stop();
    },
    touch(ended) {
      if (stopped) return;
      if (ended) arm(headersTimeoutMs, "HEADERS_TIMEOUT", "response headers");
      else arm(idleBodyTimeoutMs, "BODY_TIMEOUT", "body chunk");
    },
  };
}

const CONNECT_CODES: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ConnectionRefused"]);

function transportError(error: unknown, answered = false): unknown {
  if (error instanceof TransportError) return error;
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const code = cause?.code ?? (error as { code?: string }).code;
  const kind: TransportErrorCode = answered ? "RESPONSE_BROKEN" : code === "UND_ERR_CONNECT_TIMEOUT" ? "CONNECT_TIMEOUT" : code !== undefined && CONNECT_CODES.has(code) ? "CONNECT_FAILED" : "RESPONSE_BROKEN";
  return new TransportError(kind, cause?.message ?? String((error as Error).message ?? error), { cause: error });
}
