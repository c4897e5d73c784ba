/** Spans: what tracing exports. */

import { systemClock } from "../../core/clock.ts";
import { newSpanId } from "../../core/trace-context.ts";

export type SpanKind = "SERVER" | "CLIENT" | "INTERNAL";
export type SpanStatusCode = "UNSET" | "OK" | "ERROR";
export type SpanAttribute = string | number | boolean;

export interface SpanEvent {
  readonly name: string;
  readonly timeMs: number;
  readonly attributes?: Readonly<Record<string, SpanAttribute>>;
}

/** A span that has ended. Times are epoch ms. */
export interface ReadableSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  readonly attributes: Readonly<Record<string, SpanAttribute>>;
  readonly status: { readonly code: SpanStatusCode; readonly message?: string };
  readonly events: readonly SpanEvent[];
}

/** Where spans go. `flush` sends what waits; `shutdown` does so for the last time. */
export interface SpanExporter {
  export(spans: readonly ReadableSpan[]): Promise<void>;
  flush?(): Promise<void>;
  shutdown?(): Promise<void>;
}

/** Attribute names of the stable HTTP semantic conventions (OpenTelemetry 1.44). */
export const SemConv: Readonly<Record<"HTTP_METHOD" | "HTTP_METHOD_ORIGINAL" | "HTTP_ROUTE" | "HTTP_STATUS_CODE" | "HTTP_RESEND_COUNT" | "URL_PATH" | "URL_SCHEME" | "URL_FULL" | "SERVER_ADDRESS" | "SERVER_PORT" | "CLIENT_ADDRESS" | "USER_AGENT" | "ERROR_TYPE", string>> = /* @__PURE__ */ Object.freeze({
  HTTP_METHOD: "http.request.method",
  HTTP_METHOD_ORIGINAL: "http.request.method_original",
  HTTP_ROUTE: "http.route",
  HTTP_STATUS_CODE: "http.response.status_code",
  HTTP_RESEND_COUNT: "http.request.resend_count",
  URL_PATH: "url.path",
  URL_SCHEME: "url.scheme",
  URL_FULL: "url.full",
  SERVER_ADDRESS: "server.address",
  SERVER_PORT: "server.port",
  CLIENT_ADDRESS: "client.address",
  USER_AGENT: "user_agent.original",
  ERROR_TYPE: "error.type",
});

/** A span under construction. */
export class SpanBuilder {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startTimeMs: number;
  private readonly attributes: Record<string, SpanAttribute> = {};
  private readonly events: SpanEvent[] = [];
  private status: { code: SpanStatusCode; message?: string } = { code: "UNSET" };
  private ended: ReadableSpan | undefined;

  constructor(name: string, kind: SpanKind, traceId: string, spanId: string = newSpanId(), parentSpanId?: string, startTimeMs: number = systemClock.now()) {
    this.name = name;
    this.kind = kind;
    this.traceId = traceId;
    this.spanId = spanId;
    this.parentSpanId = parentSpanId;
    this.startTimeMs = startTimeMs;
  }

  setAttribute(key: string, value: SpanAttribute): this {
    if (this.ended === undefined) Object.defineProperty(this.attributes, key, { value, enumerable: true, configurable: true, writable: true });
    return this;
  }

  addEvent(name: string, attributes?: Readonly<Record<string, SpanAttribute>>, timeMs: number = systemClock.now()): this {
    if (this.ended === undefined) this.events.push(attributes === undefined ? { name, timeMs } : { name, timeMs, attributes });
    return this;
  }

  setStatus(code: SpanStatusCode, message?: string): this {
    if (this.ended === undefined) this.status = message === undefined ? { code } : { code, message };
    return this;
  }

  /** The finished span; later changes do not reach it, and a second call gives the same. */
  end(endTimeMs: number = systemClock.now()): ReadableSpan {
    const { traceId, spanId, parentSpanId, name, kind, startTimeMs, attributes, status, events } = this;
    return (this.ended ??= {
      traceId, spanId, ...(parentSpanId === undefined ? undefined : { parentSpanId }), name, kind, startTimeMs, endTimeMs: Math.max(startTimeMs, endTimeMs), attributes: { ...attributes }, status, events: [...events],
    });
  }
}

/** One JSON line per span. */
export class ConsoleSpanExporter implements SpanExporter {
  private readonly write: (line: string) => void;

  constructor(write: (line: string) => void = (line) => console.log(line)) {
    this.write = write;
  }

  export(spans: readonly ReadableSpan[]): Promise<void> {
    for (const span of spans) this.write(JSON.stringify(span));
    return Promise.resolve();
  }
}
