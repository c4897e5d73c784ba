/** Instruments that add up in this process, and their sums as OTLP. */

import { DURATION_BOUNDARIES, type Attributes, type MeterLike } from "../../core/open-telemetry.ts";
import { otlpAttributes, otlpNanos } from "../../core/otlp.ts";

/** Sets of attributes per instrument; those beyond share one, as the OpenTelemetry SDKs do ("Cardinality limits"). */
const MAX_SERIES = 2000;
const OVERFLOW: Attributes = { "otel.metric.overflow": true };
/** `AggregationTemporality.CUMULATIVE`. */
const CUMULATIVE = 2;

interface Series {
  readonly attributes: Attributes;
  count: number;
  sum: number;
  /** Of a histogram: one per boundary, and one for what is above all. */
  readonly buckets: number[] | undefined;
}

interface Instrument {
  readonly name: string;
  readonly options: { readonly unit?: string; readonly description?: string };
  readonly series: Map<string, Series>;
  readonly buckets: boolean;
}

export interface OtlpMeter extends MeterLike {
  /** What was counted since the start, at `now`; `undefined` while that is nothing. */
  document(resource: unknown, now: number): unknown;
}

/** `startedAt` and `now` in epoch ms. `onChange` is told of everything that is counted. */
export function createOtlpMeter(startedAt: number, onChange: () => void): OtlpMeter {
  const instruments: Instrument[] = [];
  const make = (name: string, options: object, buckets: boolean): ((value: number, attributes: Attributes) => void) => {
    const instrument: Instrument = { name, options, series: new Map(), buckets };
    instruments.push(instrument);
    return (value, attributes) => {
      const series = seriesOf(instrument, attributes);
      series.count++;
      series.sum += value;
      if (series.buckets !== undefined) {
        const at = DURATION_BOUNDARIES.findIndex((boundary) => value <= boundary);
        const bucket = at === -1 ? DURATION_BOUNDARIES.length : at;
        series.buckets[bucket] = (series.buckets[bucket] as number) + 1;
      }
      onChange();
    };
  };
  return {
    createHistogram(name, options = {}) {
      const record = make(name, options, true);
      return { record: (value, attributes = {}) => record(value, attributes) };
    },
    createCounter(name, options = {}) {
      const add = make(name, options, false);
      return { add: (value, attributes = {}) => add(value, attributes) };
    },
    document(resource, now) {
      const metrics = instruments.filter(({ series }) => series.size > 0).map((instrument) => metricOf(instrument, otlpNanos(startedAt), otlpNanos(now)));
      return metrics.length === 0 ? undefined : { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: "sluice" }, metrics }] }] };
    },
  };
}

function seriesOf({ series, buckets }: Instrument, attributes: Attributes): Series {
  let key = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
  let found = series.get(key);
  if (found !== undefined) return found;
  const full = series.size >= MAX_SERIES - 1;
  if (full) {
    key = "";
    found = series.get(key);
    if (found !== undefined) return found;
  }
  series.set(key, (found = { attributes: full ? OVERFLOW : attributes, count: 0, sum: 0, buckets: buckets ? Array.from({ length: DURATION_BOUNDARIES.length + 1 }, () => 0) : undefined }));
  return found;
}

function metricOf({ name, options, series, buckets }: Instrument, startTimeUnixNano: string, timeUnixNano: string): unknown {
  const point = ({ attributes }: Series): object => ({ attributes: otlpAttributes(attributes), startTimeUnixNano, timeUnixNano });
  const all = [...series.values()];
  const data = buckets
    ? { histogram: { aggregationTemporality: CUMULATIVE, dataPoints: all.map((each) => ({ ...point(each), count: String(each.count), sum: each.sum, bucketCounts: each.buckets?.map(String), explicitBounds: DURATION_BOUNDARIES })) } }
    : { sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints: all.map((each) => ({ ...point(each), asDouble: each.sum })) } };
  return { name, unit: options.unit ?? "1", description: options.description ?? "", ...data };
}
