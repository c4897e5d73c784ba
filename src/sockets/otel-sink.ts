/** Events as OpenTelemetry spans and metrics, by the messaging and RPC conventions (semantic conventions 1.44). */

import type { EventSink } from "../core/events.ts";
import { OptionError } from "../core/errors.ts";
import { type Attributes, DURATION_BOUNDARIES, SPAN_KIND, STATUS_ERROR, type TracerLike } from "../core/open-telemetry.ts";
import { checkFunction, checkKeys } from "./check.ts";
import type { SocketEvent } from "./events.ts";
import { type ContextOf, type MeterLike, SYSTEM, handlingSpan, parentContext } from "./telemetry.ts";

export interface OtelSinkOptions {
  readonly tracer?: TracerLike;
  readonly meter?: MeterLike;
  /** Makes the client's span the parent: `(parent) => trace.setSpanContext(ROOT_CONTEXT, parent)`. @default every message begins a trace of its own */
  readonly contextOf?: ContextOf;
}

/** Distinct types in attributes of metrics; later ones are counted as `_OTHER`. */
const MAX_TYPES = 1000;

/**
 * A sink for `sinks` or `router.observe`: a span per message and per call that was handled, a span per publish, and metrics. Spans
 * carry types, topics of publishes, and codes, never payloads.
 *
 * ```ts
 * import { ROOT_CONTEXT, metrics, trace } from "@opentelemetry/api";
 * router.observe(otelSink({ tracer: trace.getTracer("chat"), meter: metrics.getMeter("chat"), contextOf: (parent) => trace.setSpanContext(ROOT_CONTEXT, parent) }));
 * ```
 *
 * @throws OptionError without a tracer and without a meter, or for one that is none.
 */
export function otelSink(options: OtelSinkOptions): EventSink<SocketEvent> {
  checkKeys("otelSink", options, ["tracer", "meter", "contextOf"]);
  const { tracer, meter, contextOf } = options;
  if (tracer === undefined && meter === undefined) throw new OptionError("otelSink", options, "an object with a tracer, a meter, or both");
  if (tracer !== undefined) checkFunction("otelSink.tracer.startSpan", tracer?.startSpan);
  if (meter !== undefined) checkFunction("otelSink.meter.createCounter", meter?.createCounter);
  if (contextOf !== undefined) checkFunction("otelSink.contextOf", contextOf);
  const counted = meter === undefined ? undefined : metricsOf(meter);
  const span = (name: string, kind: number, attributes: Attributes, startTime: number, endTime: number, error: string | undefined, traceparent?: string): void => {
    const context = parentContext(contextOf, traceparent);
    const made = tracer?.startSpan(name, { kind, attributes: error === undefined ? attributes : { ...attributes, "error.type": error }, startTime, ...(context === undefined ? { root: true } : {}) }, context);
    if (error !== undefined) made?.setStatus({ code: STATUS_ERROR, message: error });
    made?.end(endTime);
  };
  return (event) => {
    counted?.(event);
    if (tracer === undefined) return;
    if (event.type === "message.end" || event.type === "rpc.end") {
      const error = event.code === "OK" ? undefined : event.code;
      const isCall = event.type === "rpc.end";
      const { name, kind, attributes } = handlingSpan(isCall, event.messageType, event.clientId);
      if (isCall) attributes["rpc.response.status_code"] = event.code;
      if (isCall && event.correlationId !== undefined) attributes["messaging.message.conversation_id"] = event.correlationId;
      span(name, kind, attributes, event.at - event.durationMs, event.at, error, event.traceparent);
    } else if (event.type === "topic.publish") {
      span(`publish ${event.messageType}`, SPAN_KIND.producer, { "messaging.system": SYSTEM, "messaging.operation.name": "publish", "messaging.operation.type": "send", "messaging.destination.name": event.topic, "sluice.matched": event.matched, "sluice.dropped": event.dropped }, event.at, event.at, undefined, event.traceparent);
    }
  };
}

function metricsOf(meter: MeterLike): (event: SocketEvent) => void {
  const counter = (name: string, unit: string, description: string): { add(value: number, attributes?: Attributes): void } => meter.createCounter(name, { unit, description });
  const open = meter.createUpDownCounter("sluice.sockets.connections", { unit: "{connection}", description: "Connections that are open." });
  /** Those counted above: one that was there before this sink listened is not its to count down. */
  const seen = new Set<string>();
  const refused = counter("sluice.sockets.refused", "{connection}", "Upgrades that were refused, by HTTP status.");
  const consumed = counter("messaging.client.consumed.messages", "{message}", "Messages received from clients.");
  const sent = counter("messaging.client.sent.messages", "{message}", "Messages sent to single clients, and published.");
  const deliveries = counter("sluice.sockets.deliveries", "{message}", "Subscribers that accepted a published message.");
  const dropped = counter("sluice.sockets.dropped", "{message}", "Messages given up for slow consumers.");
  const limits = counter("sluice.sockets.limits", "{refusal}", "Limits that were exceeded.");
  const violations = counter("sluice.sockets.violations", "{violation}", "Frames against the protocol.");
  const errors = counter("sluice.sockets.errors", "{error}", "Failures of handlers, hooks and adapters.");
  const duration = (name: string, description: string): { record(value: number, attributes?: Attributes): void } => meter.createHistogram(name, { unit: "s", description, advice: { explicitBucketBoundaries: DURATION_BOUNDARIES } });
  const processed = duration("messaging.process.duration", "Duration of handlers of events.");
  const called = duration("rpc.server.call.duration", "Duration of calls.");
  const types = new Set<string>();
  const known = (type: string): string => {
    if (types.has(type)) return type;
    if (types.size >= MAX_TYPES) return "_OTHER";
    types.add(type);
    return type;
  };
  const failed = (code: string): Attributes => (code === "OK" ? {} : { "error.type": code });
  return (event) => {
    switch (event.type) {
      case "connection.open": seen.add(event.clientId); return open.add(1);
      case "connection.close": return seen.delete(event.clientId) ? open.add(-1) : undefined;
      case "connection.refused": return refused.add(1, { "http.response.status_code": event.status });
      case "message.in": return consumed.add(1, { "messaging.system": SYSTEM, "messaging.destination.name": known(event.messageType) });
      case "message.out": return sent.add(1, { "messaging.system": SYSTEM, "messaging.operation.name": "send" });
      case "message.end": return processed.record(event.durationMs / 1000, { "messaging.system": SYSTEM, "messaging.operation.name": "process", "messaging.destination.name": known(event.messageType), ...failed(event.code) });
      case "rpc.end": return called.record(event.durationMs / 1000, { "rpc.system.name": SYSTEM, "rpc.method": known(event.messageType), "rpc.response.status_code": event.code, ...failed(event.code) });
      case "topic.publish": sent.add(1, { "messaging.system": SYSTEM, "messaging.operation.name": "publish" }); return deliveries.add(event.matched);
      case "topic.drop": return dropped.add(event.dropped);
      case "limit": return limits.add(1, { "sluice.limit": event.limit });
      case "violation": return violations.add(1);
      case "error": return errors.add(1, { "error.type": event.code });
      default: return undefined;
    }
  };
}
