/** The transport of every runtime but Node: the platform's `fetch`. */

import { systemClock, type TimerHandle } from "./clock.ts";
import { isDecoded, listen, rawTransport, requestBody, requestHeaders, tooLong, transportError, withoutConnection } from "./fetch-raw.ts";
import { TransportError, isBodylessStatus, type OwnTransport, type Transport, type TransportErrorCode, type TransportRequest } from "./transport.ts";

export { rawTransport, rawTransportOver } from "./fetch-raw.ts";

export const transport: Transport = async (request) => {
  const controller = new AbortController();
  const watch = createWatch(request, (error) => controller.abort(error));
  const forget = listen(request, (reason) => controller.abort(reason));
  const release = (): void => {
    watch.stop();
    forget();
  };
  let response: Response;
  try {
    response = await globalThis.fetch(request.url.origin + request.url.pathname + request.url.search, {
      method: request.method,
      headers: requestHeaders(request),
      body: requestBody(request, watch.touch) as BodyInit | null,
      redirect: "manual",
      signal: controller.signal,
      // Streaming a request body (WHATWG fetch 5.4) and leaving the response encoded (Bun); unknown members are ignored.
      ...({ duplex: "half", decompress: false } as object),
    });
  } catch (error) {
    release();
    throw controller.signal.aborted ? controller.signal.reason : transportError(error);
  }
  watch.stop();
  const headers = responseHeaders(response, request);
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
};

/** `fetch` keeps its connections to itself: there is nothing to close. */
export function createTransport(): OwnTransport {
  return { send: transport, sendRaw: rawTransport, close: async () => {} };
}

function responseHeaders(response: Response, { method, editHeaders }: TransportRequest): Headers {
  const headers = withoutConnection(response.headers);
  const codings = headers.get("content-encoding");
  const decoded = codings !== null && !("Bun" in globalThis) && isDecoded(codings);
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
