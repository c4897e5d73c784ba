/** Events as OpenTelemetry spans and metrics, by the HTTP client conventions (semantic conventions 1.44). */

import { DURATION_BOUNDARIES, SPAN_KIND, STATUS_ERROR, type Attributes, type MeterLike, type SpanLike, type TracerLike } from "../../core/open-telemetry.ts";
import { configError } from "../errors.ts";
import type { SinkContext, StitchEvent, TraceSink } from "../events.ts";

export interface OtelSinkOptions {
  readonly tracer: TracerLike;
  readonly meter?: MeterLike;
  /** Makes a span the parent of what is started: `(span) => trace.setSpan(context.active(), span)`. @default siblings */
  readonly contextOf?: (span: SpanLike) => unknown;
}

/** Calls followed at once; those beyond have metrics and no spans. */
const MAX_OPEN = 10_000;

interface Open {
  readonly span: SpanLike;
  readonly attributes: Attributes;
  attempt: SpanLike | undefined;
  attemptAt: number;
}

/** A span per call, a child per try with `http.request.resend_count`, and the standard histogram. @throws StitchError `CONFIG_INVALID` */
export function otelSink(options: OtelSinkOptions): TraceSink {
  const { tracer, meter, contextOf } = options ?? {};
  if (typeof tracer?.startSpan !== "function") throw configError("otelSink.tracer", tracer, "a tracer with startSpan");
  return spansOfCalls((name, start, _event, parent) => tracer.startSpan(name, start, parent === undefined ? undefined : contextOf?.(parent)), meter);
}

/** Begins a span: of a call, or of a try of the call whose span is `parent`. */
export type StartSpan = (name: string, start: { readonly kind: number; readonly attributes: Attributes; readonly startTime: number }, event: StitchEvent, parent: SpanLike | undefined) => SpanLike;

/** Events as spans and figures, wherever those go. */
export function spansOfCalls(startSpan: StartSpan, meter: MeterLike | undefined): TraceSink {
  const duration = meter?.createHistogram("http.client.request.duration", { unit: "s", description: "Duration of HTTP client requests.", advice: { explicitBucketBoundaries: DURATION_BOUNDARIES } });
  const retries = meter?.createCounter("sluice.client.retries", { description: "Tries beyond the first." });
  const throttled = meter?.createCounter("sluice.client.throttle_wait", { unit: "ms", description: "Time waited for a turn." });
  const cache = meter?.createCounter("sluice.client.cache_hits", { description: "Answers from the cache." });
  const circuit = meter?.createCounter("sluice.client.circuit_refusals", { description: "Calls refused by an open circuit." });
  const open = new Map<string, Open>();

  const endAttempt = (call: Open, at: number, status: number | undefined, error: string | undefined): void => {
    if (call.attempt === undefined) return;
    const failed = error ?? (status !== undefined && status >= 400 ? String(status) : undefined);
    const attributes: Attributes = { ...call.attributes, ...(status === undefined ? {} : { "http.response.status_code": status }), ...(failed === undefined ? {} : { "error.type": failed }) };
    call.attempt.setAttributes(attributes);
    if (failed !== undefined) call.attempt.setStatus({ code: STATUS_ERROR });
    call.attempt.end(at);
    call.attempt = undefined;
    const { "url.full": _, "url.template": __, ...labels } = attributes;
    duration?.record(Math.max(0, at - call.attemptAt) / 1000, labels);
  };

  return {
    handle(event, context) {
      if (event.type === "start") {
        if (open.size >= MAX_OPEN) return;
        const attributes = attributesOf(context);
        open.set(event.spanId, { span: startSpan(context.method, { kind: SPAN_KIND.client, attributes: { ...attributes, "sluice.stitch": event.name }, startTime: event.at }, event, undefined), attributes, attempt: undefined, attemptAt: event.at });
        return;
      }
      count(event);
      const call = open.get(event.spanId);
      if (call === undefined) return;
      if (event.type === "progress" && event.phase === "request") {
        endAttempt(call, event.at, undefined, "replaced");
        const resent: Attributes = event.attempt > 1 ? { "http.request.resend_count": event.attempt - 1 } : {};
        call.attempt = startSpan(context.method, { kind: SPAN_KIND.client, attributes: { ...call.attributes, ...resent }, startTime: event.at }, event, call.span);
        call.attemptAt = event.at;
      } else if (event.type === "progress" && event.phase === "response") endAttempt(call, event.at, event.status, undefined);
      else if (event.type === "error") {
        endAttempt(call, event.at, event.status, event.code);
        call.span.setAttributes({ "error.type": event.code, ...(event.status === undefined ? {} : { "http.response.status_code": event.status }) });
        call.span.setStatus({ code: STATUS_ERROR, message: event.code });
      } else if (event.type === "result") call.span.setAttributes({ "http.response.status_code": event.status, "sluice.source": event.source });
      else if (event.type === "done") {
        endAttempt(call, event.at, undefined, event.ok ? undefined : "unfinished");
        call.span.end(event.at);
        open.delete(event.spanId);
      }
    },
  };

  function count(event: StitchEvent): void {
    const labels = { "sluice.stitch": event.name };
    if (event.type === "result" && event.source !== "live") cache?.add(1, { ...labels, source: event.source });
    if (event.type !== "progress") return;
    if (event.phase === "retry") retries?.add(1, labels);
    else if (event.phase === "throttled" && event.delayMs !== undefined) throttled?.add(event.delayMs, labels);
    else if (event.phase === "circuit") circuit?.add(1, labels);
  }
}

function attributesOf({ method, url, template }: SinkContext): Attributes {
  const attributes: Attributes = { "http.request.method": method, "url.full": url, "url.template": template };
  try {
    const { hostname, port, protocol } = new URL(url);
    attributes["server.address"] = hostname;
    attributes["server.port"] = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  } catch {
    // A call that failed before it had a URL.
  }
  return attributes;
}
