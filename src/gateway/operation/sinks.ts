/** Sinks of a gateway's event stream: figures, lines for a console, OpenTelemetry instruments. */

import type { EventSink } from "../../core/events.ts";
import { DURATION_BOUNDARIES, type MeterLike } from "../../core/open-telemetry.ts";
import type { GatewayEvent } from "../types.ts";
import { InMemoryMetricsCollector, toPrometheusText, type MetricsCollector } from "./metrics.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);
const CIRCUIT_STATE: Readonly<Record<string, number>> = { closed: 0, "half-open": 1, open: 2 };

/** Turns events into the metrics `gateway_…`. Labels hold route patterns and names of the configuration, never a path, key or address. */
export function metricsSink(gateway: string, collector: MetricsCollector): EventSink<GatewayEvent> {
  return detailed((event) => {
    switch (event.type) {
      case "request": {
        const tags = { gateway, route: event.route, method: METHODS.has(event.method) ? event.method : "OTHER", status: String(event.status), ...event.tags };
        collector.increment("gateway_requests_total", 1, tags);
        if (event.status >= 400) collector.increment("gateway_request_errors_total", 1, tags);
        collector.histogram("gateway_request_duration_ms", event.durationMs, tags);
        return;
      }
      case "policy":
        return collector.histogram("gateway_policy_duration_ms", event.durationMs, { gateway, route: event.route, policy: event.policy });
      case "limit":
        return collector.increment("gateway_rate_limit_decisions_total", 1, { gateway, policy: event.policy, decision: event.decision });
      case "cache":
        return collector.increment("gateway_cache_requests_total", 1, { gateway, result: event.result });
      case "concurrency":
        return collector.gauge("gateway_concurrency_limit", event.limit, { gateway, policy: event.policy, route: event.route });
      case "circuit":
        collector.increment("gateway_circuit_transitions_total", 1, { gateway, policy: event.policy ?? "", to: event.to });
        return collector.gauge("gateway_circuit_state", CIRCUIT_STATE[event.to] ?? 0, { gateway, policy: event.policy ?? "", route: event.route ?? "*" });
      case "upstream":
        return collector.histogram("gateway_upstream_duration_ms", event.durationMs, { gateway, route: event.route, status: event.status === undefined ? "error" : String(event.status) });
      case "retry":
        return collector.increment("gateway_retries_total", 1, { gateway, route: event.route });
      case "store.down":
      case "store.up":
        return collector.gauge("gateway_store_up", event.type === "store.up" ? 1 : 0, { gateway, store: event.store });
      case "store.call": {
        collector.histogram("gateway_store_duration_ms", event.durationMs, { gateway, store: event.store, operation: event.operation });
        if (!event.ok) collector.increment("gateway_store_errors_total", 1, { gateway, store: event.store, operation: event.operation, mode: event.mode });
      }
    }
  });
}

/** Marks a sink that wants the frequent events. */
function detailed(sink: (event: GatewayEvent) => void): EventSink<GatewayEvent> {
  return Object.assign(sink, { detailed: true });
}

/** Keeps the figures of the stream and gives them as Prometheus text. */
export function prometheusSink(options: { readonly gateway?: string; readonly collector?: MetricsCollector } = {}): { readonly sink: EventSink<GatewayEvent>; readonly text: () => string } {
  const collector = options.collector ?? new InMemoryMetricsCollector();
  return { sink: metricsSink(options.gateway ?? "edge-gateway", collector), text: () => toPrometheusText(collector.snapshot()) };
}

/** One JSON line per event; requests are left out unless asked for. What `write` throws is ignored by the stream. */
export function consoleSink(options: { readonly write?: (line: string) => void; readonly requests?: boolean } = {}): EventSink<GatewayEvent> {
  const { write = (line: string) => console.log(line), requests = false } = options;
  const noisy: ReadonlySet<GatewayEvent["type"]> = new Set(["request", "policy", "limit", "cache", "upstream", "store.call", "concurrency"]);
  const sink = (event: GatewayEvent): void => {
    if (noisy.has(event.type) && !(requests && event.type === "request")) return;
    write(JSON.stringify(event, (key, value: unknown) => (key === "error" && value instanceof Error ? { name: value.name, message: value.message, code: (value as { code?: unknown }).code } : value)));
  };
  return requests ? detailed(sink) : sink;
}

/** Records the stable HTTP metrics and counters of the gateway on an OpenTelemetry meter. */
export function openTelemetrySink(meter: MeterLike, options: { readonly scheme?: string } = {}): EventSink<GatewayEvent> {
  const advice = { unit: "s", advice: { explicitBucketBoundaries: [...DURATION_BOUNDARIES] } };
  const server = meter.createHistogram("http.server.request.duration", { ...advice, description: "Duration of HTTP server requests." });
  const client = meter.createHistogram("http.client.request.duration", { ...advice, description: "Duration of HTTP client requests." });
  const limits = meter.createCounter("gateway.rate_limit.decisions");
  const caches = meter.createCounter("gateway.cache.requests");
  const circuits = meter.createCounter("gateway.circuit.transitions");
  return detailed((event) => {
    switch (event.type) {
      case "request":
        return server.record(event.durationMs / 1000, {
          "http.request.method": METHODS.has(event.method) ? event.method : "_OTHER",
          "url.scheme": options.scheme ?? "http",
          "http.response.status_code": event.status,
          ...(event.route === "*" ? undefined : { "http.route": event.route }),
          ...(event.status >= 500 ? { "error.type": String(event.status) } : undefined),
        });
      case "upstream": {
        const target = event.target === undefined ? undefined : new URL(event.target);
        return client.record(event.durationMs / 1000, {
          "http.request.method": METHODS.has(event.method) ? event.method : "_OTHER",
          ...(target === undefined ? undefined : { "server.address": target.hostname, "server.port": Number(target.port === "" ? (target.protocol === "https:" ? 443 : 80) : target.port) }),
          ...(event.status === undefined ? { "error.type": event.error ?? "error" } : { "http.response.status_code": event.status, ...(event.status >= 400 ? { "error.type": String(event.status) } : undefined) }),
        });
      }
      case "limit":
        return limits.add(1, { "gateway.policy": event.policy, "gateway.decision": event.decision });
      case "cache":
        return caches.add(1, { "gateway.cache.result": event.result });
      case "circuit":
        return circuits.add(1, { "gateway.circuit.to": event.to });
    }
  });
}
