/** An adapter without a network: routes with answers, and a record of what was asked. */

import type { Adapter, AdapterHeaders, AdapterRequest, AdapterResponse } from "../core/adapter.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { OptionError } from "../core/errors.ts";

/** An answer. A plain value in `body` is sent as JSON, unless it is text, bytes or a stream. */
export interface MockResponse {
  /** @default 200 */
  readonly status?: number;
  readonly headers?: AdapterHeaders;
  readonly body?: unknown;
  /** Chunks of a streamed body; an `Error` among them breaks it. */
  readonly stream?: Iterable<string | Uint8Array | Error> | AsyncIterable<string | Uint8Array | Error>;
  /** Waits before it answers, ms on the adapter's clock. Ends with the call. */
  readonly delayMs?: number;
  /** Fails instead of answering: an error, or the code of one such as `"ECONNREFUSED"`. */
  readonly error?: unknown;
}

export interface MockRoute {
  /** @default every method */
  readonly method?: string;
  /** The pathname, a pattern on the URL, or a test. @default every URL */
  readonly match?: string | RegExp | ((request: AdapterRequest) => boolean);
  /** An answer; a list, of which the last repeats; or a function of the request and the number of the call, from 1. */
  readonly respond: MockResponse | readonly MockResponse[] | ((request: AdapterRequest, nth: number) => MockResponse | Promise<MockResponse>);
}

/** A request as it was asked. */
export interface MockCall {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AdapterRequest["body"];
}

export interface MockAdapter extends Adapter {
  readonly calls: readonly MockCall[];
  readonly callCount: number;
  readonly lastRequest: MockCall | undefined;
  /** Requests whose answer is not complete. */
  readonly inFlight: number;
  /** Forgets the calls; lists of answers begin anew. */
  reset(): void;
}

export interface MockAdapterOptions {
  /** What happens without a route: the call fails, or gets this answer. @default "throw" */
  readonly onUnmatched?: "throw" | MockResponse;
  readonly clock?: Clock;
}

/**
 * An adapter that answers by routes, the first that matches.
 *
 * ```ts
 * const adapter = mockAdapter([{ method: "GET", match: "/users/7", respond: { body: { id: 7 } } }]);
 * ```
 *
 * @throws OptionError
 */
export function mockAdapter(routes: readonly MockRoute[] | MockRoute, options: MockAdapterOptions = {}): MockAdapter {
  const list = Array.isArray(routes) ? (routes as readonly MockRoute[]) : [routes as MockRoute];
  for (const route of list) if (typeof route?.respond !== "function" && (typeof route?.respond !== "object" || route.respond === null)) throw new OptionError("respond", route?.respond, "an answer, a list of answers or a function");
  const { onUnmatched = "throw", clock = systemClock } = options;
  const calls: MockCall[] = [];
  const counts = new Map<MockRoute, number>();
  let inFlight = 0;

  const adapter = async (request: AdapterRequest): Promise<AdapterResponse> => {
    calls.push({ method: request.method, url: request.url, headers: { ...request.headers }, body: request.body });
    const route = list.find((each) => matches(each, request));
    if (route === undefined && onUnmatched === "throw") throw Object.assign(new Error(`mockAdapter has no route for ${request.method} ${request.url}`), { sent: false });
    inFlight++;
    try {
      const nth = route === undefined ? 1 : (counts.get(route) ?? 0) + 1;
      if (route !== undefined) counts.set(route, nth);
      const response = route === undefined ? (onUnmatched as MockResponse) : await answer(route, request, nth);
      if (!isUnsent(response.error)) request.onSending();
      if (response.delayMs !== undefined) await wait(response.delayMs, clock, request);
      if (response.error !== undefined) throw failure(response.error);
      if (request.body !== null && typeof request.body !== "string" && !(request.body instanceof Uint8Array)) for await (const _ of request.body as AsyncIterable<Uint8Array>);
      const { status = 200 } = response;
      request.onHeaders(status);
      return encode(response, status);
    } finally {
      inFlight--;
    }
  };
  return Object.defineProperties(Object.assign(adapter, {
    capabilities: { stream: true, uploadProgress: true, http2: false, sending: true, redirects: false },
    reset() {
      calls.length = 0;
      counts.clear();
    },
  }), {
    calls: { get: () => calls },
    callCount: { get: () => calls.length },
    lastRequest: { get: () => calls.at(-1) },
    inFlight: { get: () => inFlight },
  }) as unknown as MockAdapter;
}

function matches({ method, match }: MockRoute, request: AdapterRequest): boolean {
  if (method !== undefined && method.toUpperCase() !== request.method) return false;
  if (match === undefined) return true;
  if (typeof match === "function") return match(request);
  return typeof match === "string" ? new URL(request.url).pathname === match || request.url === match : new RegExp(match.source, match.flags.replace("g", "")).test(request.url);
}

async function answer(route: MockRoute, request: AdapterRequest, nth: number): Promise<MockResponse> {
  const { respond } = route;
  if (typeof respond === "function") return respond(request, nth);
  return Array.isArray(respond) ? (respond[Math.min(nth, respond.length) - 1] as MockResponse) : (respond as MockResponse);
}

const UNSENT: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

function isUnsent(error: unknown): boolean {
  return UNSENT.has(error) || (error as { sent?: unknown } | undefined)?.sent === false;
}

function failure(error: unknown): unknown {
  return typeof error === "string" ? Object.assign(new Error(`mockAdapter failed on purpose: ${error}`), { code: error }) : error;
}

function wait(delayMs: number, clock: Clock, request: AdapterRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    let forget = (): void => undefined;
    const timer = clock.setTimeout(() => {
      forget();
      resolve();
    }, delayMs, true);
    forget = request.onCancel((reason) => {
      clock.clearTimeout(timer);
      reject(reason);
    });
  });
}

function encode({ headers, body, stream }: MockResponse, status: number): AdapterResponse {
  if (stream !== undefined) return { status, headers, body: streamOf(stream) };
  if (body === undefined || body === null || status === 204 || status === 304) return { status, headers, body: null };
  if (typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream) return { status, headers: withType(headers, typeof body === "string" ? "text/plain;charset=UTF-8" : undefined), body };
  return { status, headers: withType(headers, "application/json"), body: JSON.stringify(body) };
}

function withType(headers: AdapterHeaders | undefined, type: string | undefined): AdapterHeaders | undefined {
  if (type === undefined) return headers;
  const all: Record<string, string | readonly string[] | undefined> = {};
  if (headers instanceof Headers) headers.forEach((value, name) => (all[name] = value));
  else if (Array.isArray(headers)) for (let i = 0; i < headers.length; i += 2) all[headers[i] as string] = headers[i + 1] as string;
  else if (headers !== undefined) for (const [name, value] of Object.entries(headers as Record<string, string>)) all[name.toLowerCase()] = value;
  all["content-type"] ??= type;
  return all;
}

function streamOf(chunks: NonNullable<MockResponse["stream"]>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else if (value instanceof Error) controller.error(value);
      else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
    },
    async cancel() {
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}
