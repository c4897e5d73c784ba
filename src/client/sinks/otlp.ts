/** Events to an OpenTelemetry collector, without an SDK. */

import { checkPositive } from "../../core/check.ts";
import { systemClock, type TimerHandle } from "../../core/clock.ts";
import { STATUS_ERROR, type Attributes, type SpanLike } from "../../core/open-telemetry.ts";
import { OtlpQueue, checkCollectorUrl, otlpResource, otlpTraces, type OtlpOptions, type OtlpSpan } from "../../core/otlp.ts";
import { newSpanId } from "../../core/trace-context.ts";
import { checked, configError } from "../errors.ts";
import type { TraceSink } from "../events.ts";
import { checkKeys } from "../option-table.ts";
import { spansOfCalls } from "./otel.ts";
import { createOtlpMeter } from "./otlp-meter.ts";

export interface OtlpSinkOptions extends OtlpOptions {
  /** The collector, such as `http://127.0.0.1:4318`: `/v1/traces` and `/v1/metrics` are added to its path. A path that ends in `/v1/traces` is taken as such. */
  readonly endpoint: string;
  /** @default "sluice" */
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  /** How often figures are sent while there are new ones, ms; `false` sends spans alone. @default 60000 */
  readonly metricsIntervalMs?: number | false;
}

/** A {@link TraceSink} that sends, with the count of what was lost. */
export interface OtlpSink extends TraceSink {
  /** Spans and reports of figures that reached nobody. */
  readonly dropped: number;
}

/**
 * What `otelSink` makes, sent by itself: OTLP over HTTP with JSON. Spans carry the ids of the events, so an upstream that was given
 * `traceparent` joins the same trace. They leave in batches; `seam.flush()` and `close()` send what waits. An answer of 429, 502, 503 or
 * 504 is tried again; what a collector refuses is dropped and counted, and never fails a call.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function otlpSink(options: OtlpSinkOptions): OtlpSink {
  checkKeys("otlpSink", options, ["endpoint", "headers", "timeoutMs", "maxBatch", "delayMs", "maxQueue", "clock", "fetch", "serviceName", "serviceVersion", "metricsIntervalMs"]);
  checkHeaders(options.headers);
  const { clock = systemClock, metricsIntervalMs = 60_000 } = options;
  const endpoint = checked("otlpSink", () => checkCollectorUrl("endpoint", options.endpoint, "the URL of a collector, such as http://127.0.0.1:4318"));
  const everyMs = metricsIntervalMs === false ? undefined : checked("otlpSink", () => checkPositive("metricsIntervalMs", metricsIntervalMs));
  const resource = checked("otlpSink", () => otlpResource(options.serviceName, options.serviceVersion));
  const traces = checked("otlpSink", () => new OtlpQueue<OtlpSpan>(signalUrl(endpoint, "traces"), (spans) => otlpTraces(resource, spans), options));
  // Reports are sums since the start: of those that wait, the last says everything.
  const metrics = checked("otlpSink", () => new OtlpQueue<unknown>(signalUrl(endpoint, "metrics"), (reports) => reports.at(-1), options));
  let timer: TimerHandle;
  let changed = false;
  const meter = createOtlpMeter(clock.now(), () => {
    changed = true;
    timer ??= clock.setTimeout(report, everyMs as number);
  });
  const report = (): void => {
    clock.clearTimeout(timer);
    timer = undefined;
    if (!changed) return;
    changed = false;
    void metrics.add([meter.document(resource, clock.now())]);
    void metrics.flush();
  };
  const flush = async (): Promise<void> => {
    report();
    await Promise.all([traces.flush(), metrics.flush()]);
  };
  const { handle } = spansOfCalls((name, { attributes, startTime }, event, parent) => {
    const ids = parent === undefined ? { spanId: event.spanId, parentSpanId: event.parentSpanId } : { spanId: newSpanId(), parentSpanId: event.spanId };
    return record({ traceId: event.traceId, ...ids, name, kind: "CLIENT", startTimeMs: startTime }, attributes, (span) => void traces.add([span]));
  }, everyMs === undefined ? undefined : meter);
  return {
    handle, flush, close: flush,
    get dropped() {
      return traces.dropped + metrics.dropped;
    },
  };
}

/** Where a kind of data goes. A query of the endpoint stays behind the path. */
function signalUrl(endpoint: string, signal: "traces" | "metrics"): string {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, "").replace(/\/v1\/traces$/, "")}/v1/${signal}`;
  return url.href;
}

/** A span that gives itself away when it ends. */
function record(facts: Omit<OtlpSpan, "endTimeMs" | "attributes" | "status">, first: Attributes, done: (span: OtlpSpan) => void): SpanLike {
  const attributes = { ...first };
  let status: OtlpSpan["status"] = { code: "UNSET" };
  return {
    setAttributes: (more) => Object.assign(attributes, more),
    setStatus({ code, message }) {
      if (code === STATUS_ERROR) status = { code: "ERROR", message };
    },
    end: (endTimeMs = facts.startTimeMs) => done({ ...facts, attributes, status, endTimeMs }),
  };
}

function checkHeaders(headers: unknown): void {
  if (headers === undefined) return;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) throw configError("otlpSink.headers", headers, "a record of texts");
  // The value is not quoted: it may be a credential.
  for (const [name, value] of Object.entries(headers)) if (typeof value !== "string") throw configError(`otlpSink.headers.${name}`, typeof value, "a text");
}
