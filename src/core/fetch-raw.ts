/** The raw form of an exchange over `fetch`, which has undone the codings: what is counted and given is plain bytes. */

import { systemClock, type TimerHandle } from "./clock.ts";
import { concatBytes, joinBytes } from "./concat-bytes.ts";
import {
  CONNECTION_FIELDS, ERROR_BODY_BYTES, MAX_CODINGS, TransportError, bodyCodings, isBodylessStatus, nominatedFields, type RawResponse, type RawTransport, type RawTransportRequest, type TransportErrorCode,
  type TransportRequest,
} from "./transport.ts";

/** Codings every `fetch` undoes by itself. Others are not asked for, so that it is known what the bytes are. */
const DECODED: ReadonlySet<string> = /* @__PURE__ */ new Set(["gzip", "x-gzip", "deflate", "br"]);

export const rawTransport: RawTransport = (request) => rawExchange(request, globalThis.fetch);

/** A raw exchange over a `fetch` of the caller's. */
export function rawTransportOver(fetch: typeof globalThis.fetch): RawTransport {
  return (request) => rawExchange(request, fetch);
}

async function rawExchange(request: RawTransportRequest, fetch: typeof globalThis.fetch): Promise<RawResponse> {
  const { url, method, idleBodyTimeoutMs = 0, maxResponseBytes = Infinity } = request;
  const controller = new AbortController();
  const cancel = (reason: unknown): void => controller.abort(reason);
  let timer: TimerHandle;
  let answered = false;
  const rest = (): void => systemClock.clearTimeout(timer);
  // Deadlines of the request are its scope's; what is silence only the exchange can see.
  const listenFor = (ms: number): void => {
    rest();
    if (ms > 0) timer = systemClock.setTimeout(() => cancel(new TransportError("BODY_TIMEOUT", `no body chunk within ${ms} ms`)), ms);
  };
  const forget = listen(request, cancel);
  const release = (): void => {
    rest();
    forget();
  };
  const failed = (error: unknown): unknown => {
    release();
    const reason = controller.signal.aborted ? controller.signal.reason : transportError(error, answered);
    cancel(reason);
    return reason;
  };
  if (request.body !== null && !(request.body instanceof Uint8Array)) listenFor(idleBodyTimeoutMs);
  request.onSending?.();
  let response: Response;
  try {
    response = await fetch(url.origin + url.pathname + url.search, {
      method, headers: requestHeaders(request), body: requestBody(request, (ended) => answered || listenFor(ended ? 0 : idleBodyTimeoutMs)) as BodyInit | null, redirect: redirectMode(request), signal: controller.signal,
      // Streaming a request body (WHATWG fetch 5.4); unknown members are ignored.
      ...({ duplex: "half" } as object),
    });
  } catch (error) {
    throw failed(error);
  }
  answered = true;
  rest();
  const { status, body } = response;
  request.onHeaders?.(status);
  const codings = response.headers.get("content-encoding");
  if (bodyCodings(codings).length > MAX_CODINGS) throw failed(new TransportError("RESPONSE_BROKEN", `a body with more than ${MAX_CODINGS} codings`));
  const fields = withoutConnection(response.headers);
  // What came decoded must not be called encoded, and its length is another one (a HEAD answer has no bytes to be wrong about).
  if (codings !== null && isDecoded(codings) && method !== "HEAD" && body !== null) {
    fields.delete("content-encoding");
    fields.delete("content-length");
  }
  if (tooLong(fields, request)) throw failed(tooLongError(maxResponseBytes));
  const headers: string[] = [];
  fields.forEach((value, name) => void headers.push(name, value));
  const end = response.redirected ? response.url : undefined;
  if (body === null || isBodylessStatus(status) || method === "HEAD") {
    forget();
    return { status, headers, url: end, body: null };
  }
  const reader = body.getReader();
  const silent = fields.get("content-type")?.toLowerCase().startsWith("text/event-stream") === true;
  let bytes = 0;
  const next = async (): Promise<Uint8Array | undefined> => {
    if (!silent) listenFor(idleBodyTimeoutMs);
    try {
      const { done, value } = await reader.read();
      if (done) forget();
      else if ((bytes += value.byteLength) > maxResponseBytes) throw tooLongError(maxResponseBytes);
      return done ? undefined : value;
    } catch (error) {
      throw failed(error);
    } finally {
      rest();
    }
  };
  const leave = (reason: unknown): Promise<void> => {
    release();
    // On Bun only an abort closes the connection; cancelling the reader does not.
    cancel(reason);
    return reader.cancel(reason).catch(() => {});
  };
  if (request.collect === true && !silent) return { status, headers, url: end, body: await collect(next, leave, status >= 400 ? ERROR_BODY_BYTES : Infinity) };
  const stream = new ReadableStream<Uint8Array>({
    async pull(to) {
      const chunk = await next();
      if (chunk === undefined) to.close();
      else to.enqueue(chunk);
    },
    cancel: leave,
  }, { highWaterMark: 0 });
  return { status, headers, url: end, body: stream };
}

/** The whole body, or its first `most` bytes. */
async function collect(next: () => Promise<Uint8Array | undefined>, leave: (reason: unknown) => Promise<void>, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await next(); chunk !== undefined; chunk = await next()) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > most) {
      await leave(undefined);
      break;
    }
  }
  return length <= most ? joinBytes(chunks, length) : concatBytes(chunks, length).subarray(0, most);
}

function tooLongError(maxBytes: number): TransportError {
  return new TransportError("BODY_TOO_LONG", `the response body is longer than ${maxBytes} bytes`);
}

/** Whether `fetch` has undone all of them. */
export function isDecoded(codings: string): boolean {
  return codings.split(",").every((coding) => DECODED.has(coding.trim().toLowerCase()));
}

export function withoutConnection(from: Headers): Headers {
  const headers = new Headers(from);
  for (const name of nominatedFields(headers.get("connection"))) headers.delete(name);
  for (const name of CONNECTION_FIELDS) headers.delete(name);
  return headers;
}

/** A browser shows nothing of a redirect that is not followed (WHATWG fetch, opaque-redirect filtered response): it must follow, or fail. */
function redirectMode(request: RawTransportRequest): RequestRedirect {
  // Every browser's name begins like this, in pages and workers, and that of no other runtime.
  if (globalThis.navigator?.userAgent?.startsWith("Mozilla/") !== true) return "manual";
  return request.mayFollow === true ? "follow" : "error";
}

export function listen(request: TransportRequest, cancel: (reason: unknown) => void): () => void {
  const { signal } = request;
  if (signal === undefined) return request.onCancel?.(cancel) ?? ((): void => {});
  if (signal.aborted) cancel(signal.reason);
  const onAbort = (): void => cancel(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

export function requestHeaders(request: TransportRequest): Headers {
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

export function requestBody(request: TransportRequest, touch: (ended: boolean) => unknown): unknown {
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

export function tooLong(headers: Headers, request: TransportRequest): boolean {
  const { maxResponseBytes, method } = request;
  return maxResponseBytes !== undefined && method !== "HEAD" && Number(headers.get("content-length") ?? 0) > maxResponseBytes;
}

const CONNECT_CODES: ReadonlySet<string> = /* @__PURE__ */ new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ConnectionRefused"]);

export function transportError(error: unknown, answered = false): unknown {
  if (error instanceof TransportError) return error;
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const code = cause?.code ?? (error as { code?: string }).code;
  const kind: TransportErrorCode = answered ? "RESPONSE_BROKEN" : code === "UND_ERR_CONNECT_TIMEOUT" ? "CONNECT_TIMEOUT" : code !== undefined && CONNECT_CODES.has(code) ? "CONNECT_FAILED" : "RESPONSE_BROKEN";
  return new TransportError(kind, cause?.message ?? String((error as Error).message ?? error), { cause: error });
}
