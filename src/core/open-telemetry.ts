/** What is used of `@opentelemetry/api`, by its shapes, and names that its conventions fix. */

export type Attributes = Record<string, string | number | boolean>;

/** What is used of a span of `@opentelemetry/api`. */
export interface SpanLike {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(endTime?: number): void;
}

/** What is used of a tracer of `@opentelemetry/api`. */
export interface TracerLike {
  startSpan(name: string, options?: { kind?: number; attributes?: Attributes; startTime?: number; root?: boolean }, context?: unknown): SpanLike;
}

/** What is used of a meter of `@opentelemetry/api`. */
export interface MeterLike {
  createHistogram(name: string, options?: object): { record(value: number, attributes?: Attributes): void };
  createCounter(name: string, options?: object): { add(value: number, attributes?: Attributes): void };
}

/** `SpanKind`. */
export const SPAN_KIND = { server: 1, client: 2, producer: 3, consumer: 4 } as const;
/** `SpanStatusCode.ERROR`. */
export const STATUS_ERROR = 2;
/** Bounds of durations in seconds, by the semantic conventions for HTTP metrics. */
export const DURATION_BOUNDARIES: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
