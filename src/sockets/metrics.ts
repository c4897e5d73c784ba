/** Counts events and shows them as Prometheus text. */

import type { EventSink } from "../core/events.ts";
import type { SocketEvent } from "./events.ts";

export interface Metrics {
  /** Give it to `sinks` or `router.observe`. */
  readonly sink: EventSink<SocketEvent>;
  /** Prometheus text format 0.0.4. */
  text(): string;
  /** Values by name and labels, as in the text. */
  values(): Readonly<Record<string, number>>;
}

const BUCKETS_MS = [1, 5, 10, 50, 100, 500, 1000, 5000] as const;
/** Series of one name; later label values are counted as `other`. */
const MAX_SERIES = 1000;

/** Counters, a gauge of the connections that opened while the sink listened, and a histogram of how long messages and calls take. */
export function socketMetrics(): Metrics {
  const counters = new Map<string, Map<string, number>>();
  const histogram = new Map<string, { readonly buckets: number[]; sum: number; count: number }>();
  /** Connections this sink has seen open: one that was there before it listened is not its to count down. */
  const open = new Set<string>();
  const count = (name: string, labels: string, by = 1): void => {
    let series = counters.get(name);
    if (series === undefined) counters.set(name, (series = new Map()));
    const key = series.has(labels) || series.size < MAX_SERIES ? labels : '{type="other"}';
    series.set(key, (series.get(key) ?? 0) + by);
  };
  const observe = (labels: string, durationMs: number): void => {
    const key = histogram.has(labels) || histogram.size < MAX_SERIES ? labels : 'type="other"';
    let entry = histogram.get(key);
    if (entry === undefined) histogram.set(key, (entry = { buckets: BUCKETS_MS.map(() => 0), sum: 0, count: 0 }));
    BUCKETS_MS.forEach((limit, i) => durationMs <= limit && entry.buckets[i]!++);
    entry.sum += durationMs;
    entry.count++;
  };
  const label = (name: string, value: string): string => `${name}="${value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`))}"`;
  const sink = (event: SocketEvent): void => {
    switch (event.type) {
      case "connection.open": open.add(event.clientId); return count("sluice_sockets_connections_total", "");
      case "connection.close": open.delete(event.clientId); return count("sluice_sockets_closes_total", `{${label("code", String(event.code))}}`);
      case "connection.refused": return count("sluice_sockets_refused_total", `{${label("status", String(event.status))}}`);
      case "message.in": count("sluice_sockets_received_bytes_total", "", event.bytes); return count("sluice_sockets_received_total", `{${label("type", event.messageType)}}`);
      case "message.out": count("sluice_sockets_sent_bytes_total", "", event.bytes); return count("sluice_sockets_sent_total", "");
      case "message.end": case "rpc.end": observe(label("type", event.messageType), event.durationMs); return count("sluice_sockets_handled_total", `{${label("type", event.messageType)},${label("code", event.code)}}`);
      case "topic.publish": count("sluice_sockets_published_total", ""); return count("sluice_sockets_deliveries_total", "", event.matched);
      case "topic.drop": return count("sluice_sockets_dropped_total", "", event.dropped);
      case "limit": return count("sluice_sockets_limits_total", `{${label("limit", event.limit)}}`);
      case "violation": return count("sluice_sockets_violations_total", "");
      case "pubsub.gap": return count("sluice_sockets_gaps_total", "");
      case "error": return count("sluice_sockets_errors_total", `{${label("code", event.code)}}`);
      default: return undefined;
    }
  };
  const values = (): Record<string, number> => {
    const all: Record<string, number> = { sluice_sockets_connections: open.size };
    for (const [name, series] of counters) for (const [labels, value] of series) all[name + labels] = value;
    return all;
  };
  return {
    sink,
    values,
    text() {
      const lines = ["# TYPE sluice_sockets_connections gauge", `sluice_sockets_connections ${open.size}`];
      for (const [name, series] of counters) {
        lines.push(`# TYPE ${name} counter`);
        for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
      }
      if (histogram.size > 0) lines.push("# TYPE sluice_sockets_duration_ms histogram");
      for (const [labels, { buckets, sum, count: total }] of histogram) {
        BUCKETS_MS.forEach((limit, i) => lines.push(`sluice_sockets_duration_ms_bucket{${labels},le="${limit}"} ${buckets[i]}`));
        lines.push(`sluice_sockets_duration_ms_bucket{${labels},le="+Inf"} ${total}`, `sluice_sockets_duration_ms_sum{${labels}} ${sum}`, `sluice_sockets_duration_ms_count{${labels}} ${total}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}
