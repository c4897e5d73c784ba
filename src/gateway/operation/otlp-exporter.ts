/** Sends spans to an OpenTelemetry collector, in batches: OTLP over HTTP with JSON. */

import { checkInteger, checkPositive } from "../../core/check.ts";
import { sleep, systemClock, type Clock, type TimerHandle } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import type { ReadableSpan, SpanAttribute, SpanExporter } from "./spans.ts";

export interface OTLPSpanExporterOptions {
  /** URL of the traces endpoint, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Deadline of one request. @default 10000 */
  readonly timeoutMs?: number;
  /** @default "sluice" */
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  /** Spans of one request. @default 512 */
  readonly maxBatch?: number;
  /** Longest wait of a span for others. @default 5000 */
  readonly delayMs?: number;
  /** Spans that wait; further ones are dropped and counted. @default 2048 */
  readonly maxQueue?: number;
  readonly clock?: Clock;
  /** Sends a request. @default the platform's `fetch` */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** Answers after which the same batch may pass (OTLP 1.x, "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const ATTEMPTS = 4;
const BASE_DELAY_MS = 500;

export class OTLPSpanExporter implements SpanExporter {
  private readonly options: Required<Omit<OTLPSpanExporterOptions, "serviceVersion">> & { readonly serviceVersion: string | undefined };
  private queue: ReadableSpan[] = [];
  private timer: TimerHandle;
  private sending: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;
  private wake: (() => void) | undefined;
  private lost = 0;

  constructor(options: OTLPSpanExporterOptions) {
    if (typeof options?.endpoint !== "string" || !URL.canParse(options.endpoint)) throw new OptionError("endpoint", options?.endpoint, "the URL of a traces endpoint");
    this.options = {
      endpoint: options.endpoint,
      headers: options.headers ?? {},
      timeoutMs: checkPositive("timeoutMs", options.timeoutMs ?? 10_000),
      serviceName: options.serviceName ?? "sluice",
      serviceVersion: options.serviceVersion,
      maxBatch: checkInteger("maxBatch", options.maxBatch ?? 512, 1),
      delayMs: checkPositive("delayMs", options.delayMs ?? 5000),
      maxQueue: checkInteger("maxQueue", options.maxQueue ?? 2048, 1),
      clock: options.clock ?? systemClock,
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    };
  }

  /** Spans that reached nobody: the queue was full, or the collector refused them. */
  get dropped(): number {
    return this.lost;
  }

  /** Queues the spans. Resolves once they have been sent or dropped, so that a platform can be kept awake; never rejects. */
  export(spans: readonly ReadableSpan[]): Promise<void> {
    const { maxQueue, maxBatch, delayMs, clock } = this.options;
    const room = Math.max(0, maxQueue - this.queue.length);
    this.queue.push(...spans.slice(0, room));
    this.lost += Math.max(0, spans.length - room);
    if (this.queue.length === 0) return Promise.resolve();
    this.waiting ??= new Promise((resolve) => (this.wake = resolve));
    const done = this.waiting;
    if (this.queue.length >= maxBatch) void this.flush();
    else this.timer ??= clock.setTimeout(() => void this.flush(), delayMs);
    return done;
  }

  /** Sends what waits, now. */
  flush(): Promise<void> {
    this.options.clock.clearTimeout(this.timer);
    this.timer = undefined;
    const spans = this.queue;
    const wake = this.wake;
    this.queue = [];
    this.waiting = undefined;
    this.wake = undefined;
    if (spans.length === 0) return this.sending;
    this.sending = this.sending.then(async () => {
      for (let at = 0; at < spans.length; at += this.options.maxBatch) await this.send(spans.slice(at, at + this.options.maxBatch));
      wake?.();
    });
    return this.sending;
  }

  shutdown(): Promise<void> {
    return this.flush();
  }

  private async send(spans: readonly ReadableSpan[]): Promise<void> {
    const { endpoint, headers, timeoutMs, clock } = this.options;
    const body = JSON.stringify(this.payload(spans));
    for (let attempt = 1; ; attempt++) {
      let waitMs: number | undefined = BASE_DELAY_MS * 2 ** (attempt - 1);
      const deadline = new AbortController();
      const late = clock.setTimeout(() => deadline.abort(), timeoutMs);
      try {
        const response = await this.options.fetch(endpoint, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body, signal: deadline.signal });
        response.body?.cancel().catch(() => {});
        if (response.ok) return;
        const after = Number(response.headers.get("retry-after") ?? Number.NaN);
        if (!RETRYABLE.has(response.status)) waitMs = undefined;
        else if (after >= 0) waitMs = Math.min(after * 1000, timeoutMs);
      } catch {
        // Not reached: the same as an answer that asks to try again.
      } finally {
        clock.clearTimeout(late);
      }
      if (waitMs === undefined || attempt === ATTEMPTS) {
        this.lost += spans.length;
        return;
      }
      await sleep(waitMs, clock);
    }
  }

  private payload(spans: readonly ReadableSpan[]): unknown {
    const { serviceName, serviceVersion } = this.options;
    const resource = { "service.name": serviceName, ...(serviceVersion === undefined ? undefined : { "service.version": serviceVersion }) };
    return { resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: "sluice" }, spans: spans.map(otlpSpan) }] }] };
  }
}

const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3 } as const;
const STATUS = { UNSET: 0, OK: 1, ERROR: 2 } as const;

function otlpSpan(span: ReadableSpan): unknown {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === undefined ? undefined : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanos(span.startTimeMs),
    endTimeUnixNano: nanos(span.endTimeMs),
    attributes: attributesOf(span.attributes),
    events: span.events.map((event) => ({ name: event.name, timeUnixNano: nanos(event.timeMs), attributes: attributesOf(event.attributes ?? {}) })),
    status: { code: STATUS[span.status.code], ...(span.status.message === undefined ? undefined : { message: span.status.message }) },
  };
}

/** Nanoseconds since the epoch leave the safe integers: they are text. */
function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

function attributesOf(attributes: Readonly<Record<string, SpanAttribute>>): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : typeof value === "boolean" ? { boolValue: value } : Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value },
  }));
}
