/** How messages are named in traces, and the parent a message brings along. */

import { type Attributes, type MeterLike as Meter, SPAN_KIND } from "../core/open-telemetry.ts";
import { traceIds } from "../core/trace-context.ts";

/** What is used of a meter of `@opentelemetry/api`. */
export interface MeterLike extends Meter {
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

/** The name of this messaging and RPC system in attributes. */
export const SYSTEM = "sluice";

/** The span of a message or a call that is handled: its name, its kind and what it says of itself. */
export function handlingSpan(isCall: boolean, type: string, clientId: string): { readonly name: string; readonly kind: number; readonly attributes: Attributes } {
  if (isCall) return { name: type, kind: SPAN_KIND.server, attributes: { "rpc.system.name": SYSTEM, "rpc.method": type, "messaging.client.id": clientId } };
  const attributes = { "messaging.system": SYSTEM, "messaging.operation.name": "process", "messaging.operation.type": "process", "messaging.destination.name": type, "messaging.client.id": clientId };
  return { name: `process ${type}`, kind: SPAN_KIND.consumer, attributes };
}
