/** The shapes of `@opentelemetry/api` that are used, and the parent a message brings along. */

import { traceIds } from "../core/trace-context.ts";

export type Attributes = Record<string, string | number | boolean>;

/** What is used of a span of `@opentelemetry/api`. */
export interface SpanLike {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(endTime?: number): void;
}

export interface TracerLike {
  startSpan(name: string, options?: { kind?: number; attributes?: Attributes; startTime?: number; root?: boolean }, context?: unknown): SpanLike;
}

export interface MeterLike {
  createHistogram(name: string, options?: object): { record(value: number, attributes?: Attributes): void };
  createCounter(name: string, options?: object): { add(value: number, attributes?: Attributes): void };
  createUpDownCounter(name: string, options?: object): { add(value: number, attributes?: Attributes): void };
}

/** The parent a client named in `meta.traceparent`. */
export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote: true;
}

/** Gives the context of a remote parent: `(parent) => trace.setSpanContext(ROOT_CONTEXT, parent)`. */
export type ContextOf = (parent: RemoteParent) => unknown;

/** The context to start a span in; `undefined` when there is no valid parent. */
export function parentContext(contextOf: ContextOf | undefined, traceparent: unknown): unknown {
  if (contextOf === undefined || typeof traceparent !== "string") return undefined;
  const { traceId, parentSpanId, flags } = traceIds(traceparent);
  return parentSpanId === undefined ? undefined : contextOf({ traceId, spanId: parentSpanId, traceFlags: flags, isRemote: true });
}

/** `SpanKind` and `SpanStatusCode` of `@opentelemetry/api`. */
export const KIND = { server: 1, producer: 3, consumer: 4 } as const;
export const STATUS_ERROR = 2;
/** The name of this messaging and RPC system in attributes. */
export const SYSTEM = "sluice";
