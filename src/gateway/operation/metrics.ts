/** Counters, gauges and histograms of constant memory, and their Prometheus text. */

export type MetricTags = Readonly<Record<string, string>>;

/** What a gateway writes its figures to; one of your own may forward them to any system. */
export interface MetricsCollector {
  increment(name: string, value?: number, tags?: MetricTags): void;
  histogram(name: string, value: number, tags?: MetricTags): void;
  gauge(name: string, value: number, tags?: MetricTags): void;
  snapshot(): MetricsSnapshot;
  reset(): void;
}

export interface TaggedValue {
  readonly value: number;
  readonly tags?: MetricTags;
}

export interface HistogramEntry {
  readonly tags?: MetricTags;
  /** Observations at or below each bound, not cumulative; the last one counts those above all bounds. */
  readonly counts: readonly number[];
  readonly bounds: readonly number[];
  readonly sum: number;
  readonly count: number;
}

export interface MetricsSnapshot {
  readonly counters: Readonly<Record<string, readonly TaggedValue[]>>;
  readonly gauges: Readonly<Record<string, readonly TaggedValue[]>>;
  readonly histograms: Readonly<Record<string, readonly HistogramEntry[]>>;
}

/** Upper bounds of the buckets of durations, in ms. */
export const DURATION_BOUNDS_MS: readonly number[] = Object.freeze([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]);

/** Label sets per metric; further ones are counted together as `__other__`. */
export const MAX_SERIES = 1000;
/** Metrics of one collector; names come from code. */
const MAX_METRICS = 500;
const OTHER = "__other__";

type Kind = "counter" | "gauge" | "histogram";

interface Series {
  readonly tags: MetricTags | undefined;
  value: number;
  counts: number[] | undefined;
  count: number;
}

interface Metric {
  readonly kind: Kind;
  readonly series: Map<string, Series>;
}

export interface InMemoryMetricsOptions {
  /** Upper bounds of histogram buckets, ascending. @default 5 to 10000 */
  readonly bounds?: readonly number[];
  /** Label sets per metric. @default 1000 */
  readonly maxSeries?: number;
}

/** Keeps figures in this process: memory follows the label sets, never the observations. */
export class InMemoryMetricsCollector implements MetricsCollector {
  private readonly metrics = new Map<string, Metric>();
  private readonly bounds: readonly number[];
  private readonly maxSeries: number;

  constructor(options: InMemoryMetricsOptions = {}) {
    this.bounds = options.bounds ?? DURATION_BOUNDS_MS;
    this.maxSeries = options.maxSeries ?? MAX_SERIES;
  }

  increment(name: string, value = 1, tags?: MetricTags): void {
    if (!Number.isFinite(value) || value < 0) return;
    const series = this.seriesOf("counter", name, tags);
    if (series !== undefined) series.value += value;
  }

  gauge(name: string, value: number, tags?: MetricTags): void {
    if (!Number.isFinite(value)) return;
    const series = this.seriesOf("gauge", name, tags);
    if (series !== undefined) series.value = value;
  }

  histogram(name: string, value: number, tags?: MetricTags): void {
    if (!Number.isFinite(value)) return;
    const series = this.seriesOf("histogram", name, tags);
    if (series === undefined) return;
    const { bounds } = this;
    series.counts ??= Array.from({ length: bounds.length + 1 }, () => 0);
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    series.counts[at] = (series.counts[at] as number) + 1;
    series.value += value;
    series.count++;
  }

  snapshot(): MetricsSnapshot {
    const counters: Record<string, TaggedValue[]> = {};
    const gauges: Record<string, TaggedValue[]> = {};
    const histograms: Record<string, HistogramEntry[]> = {};
    for (const [name, { kind, series }] of this.metrics) {
      const all = [...series.values()];
      const tagged = ({ tags }: Series): { tags?: MetricTags } => (tags === undefined ? {} : { tags });
      if (kind === "histogram") put(histograms, name, all.map((one) => ({ ...tagged(one), bounds: this.bounds, counts: [...(one.counts ?? [])], sum: one.value, count: one.count })));
      else put(kind === "counter" ? counters : gauges, name, all.map((one) => ({ ...tagged(one), value: one.value })));
    }
    return { counters, gauges, histograms };
  }

  reset(): void {
    this.metrics.clear();
  }

  /** `undefined` when the name is another kind's already, or there are too many names. */
  private seriesOf(kind: Kind, name: string, tags: MetricTags | undefined): Series | undefined {
    let metric = this.metrics.get(name);
    if (metric === undefined) {
      if (this.metrics.size >= MAX_METRICS) return undefined;
      this.metrics.set(name, (metric = { kind, series: new Map() }));
    }
    if (metric.kind !== kind) return undefined;
    let key = tags === undefined ? "" : keyOf(tags);
    let series = metric.series.get(key);
    if (series === undefined) {
      let kept = tags;
      if (metric.series.size >= this.maxSeries && tags !== undefined) {
        kept = Object.fromEntries(Object.keys(tags).map((label) => [label, OTHER]));
        key = keyOf(kept);
        series = metric.series.get(key);
        if (series !== undefined) return series;
      }
      metric.series.set(key, (series = { tags: kept === undefined ? undefined : { ...kept }, value: 0, counts: undefined, count: 0 }));
    }
    return series;
  }
}

/** Own properties, also for names such as `__proto__`. */
function put<T>(target: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}

/** One text per label set, whatever the labels hold: every part has its length in front. */
function keyOf(tags: MetricTags): string {
  let key = "";
  for (const name of Object.keys(tags).sort()) {
    const value = String(tags[name]);
    key += `${name.length}:${name}${value.length}:${value}`;
  }
  return key;
}

/** Help texts of the gateway's own metrics. */
const HELP: Readonly<Record<string, string>> = {
  gateway_requests_total: "Requests answered",
  gateway_request_duration_ms: "Time from arrival to the end of the body, in milliseconds",
  gateway_request_errors_total: "Requests answered with a status of 400 or above",
  gateway_policy_duration_ms: "Time in a policy and everything inside it, in milliseconds",
  gateway_in_flight: "Requests, bodies and connections under way",
  gateway_rate_limit_decisions_total: "Decisions of limits",
  gateway_cache_requests_total: "Requests by what the cache did",
  gateway_circuit_state: "State of a circuit: 0 closed, 1 half-open, 2 open",
  gateway_circuit_transitions_total: "Changes of circuits",
  gateway_concurrency_limit: "Requests at once that adaptiveConcurrency allows",
  gateway_upstream_duration_ms: "Time of one upstream attempt up to its headers, in milliseconds",
  gateway_retries_total: "Attempts after the first",
  gateway_store_up: "1 while a store is asked, 0 while it is left alone",
  gateway_store_errors_total: "Store operations without a usable answer",
  gateway_store_duration_ms: "Time of one store operation, in milliseconds",
};

/** The text format of Prometheus 0.0.4. */
export function toPrometheusText(snapshot: MetricsSnapshot): string {
  let text = "";
  const head = (name: string, kind: Kind): string => {
    const legal = legalName(name, true);
    text += `# HELP ${legal} ${escapeHelp(HELP[name] ?? name)}\n# TYPE ${legal} ${kind}\n`;
    return legal;
  };
  for (const kind of ["counter", "gauge"] as const) {
    for (const [name, series] of Object.entries(kind === "counter" ? snapshot.counters : snapshot.gauges)) {
      const legal = head(name, kind);
      for (const { value, tags } of series) text += `${legal}${labels(tags)} ${value}\n`;
    }
  }
  for (const [name, series] of Object.entries(snapshot.histograms)) {
    const legal = head(name, "histogram");
    for (const { tags, bounds, counts, sum, count } of series) {
      let below = 0;
      bounds.forEach((bound, i) => {
        below += counts[i] ?? 0;
        text += `${legal}_bucket${labels(tags, String(bound))} ${below}\n`;
      });
      text += `${legal}_bucket${labels(tags, "+Inf")} ${count}\n${legal}_sum${labels(tags)} ${sum}\n${legal}_count${labels(tags)} ${count}\n`;
    }
  }
  return text === "" ? "\n" : text;
}

function labels(tags: MetricTags | undefined, le?: string): string {
  const parts = Object.entries(tags ?? {}).map(([name, value]) => `${legalName(name, false)}="${escapeValue(String(value))}"`);
  if (le !== undefined) parts.push(`le="${le}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function legalName(name: string, colons: boolean): string {
  const legal = name.replace(colons ? /[^a-zA-Z0-9_:]/g : /[^a-zA-Z0-9_]/g, "_");
  return /^\d|^$/.test(legal) ? `_${legal}` : legal;
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function escapeHelp(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}
