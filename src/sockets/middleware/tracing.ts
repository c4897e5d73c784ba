/** A span around each message that is active while it is handled. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import { STATUS_ERROR, type SpanLike, type TracerLike } from "../../core/open-telemetry.ts";
import { checkFunction, checkKeys, checkOptionalFunction } from "../check.ts";
import { type ContextOf, handlingSpan, parentContext } from "../telemetry.ts";
import type { ConnectionData, Middleware } from "../types.ts";
import { around } from "./around.ts";

export interface TracingOptions {
  readonly tracer: TracerLike;
  /** Makes the client's span, from `meta.traceparent`, the parent: `(parent) => trace.setSpanContext(ROOT_CONTEXT, parent)`. @default every message begins a trace of its own */
  readonly contextOf?: ContextOf;
  /** Runs the rest while the span is active, so that what a handler calls is traced below it: `(span, work) => context.with(trace.setSpan(context.active(), span), work)`. @default the span is not active */
  readonly within?: (span: SpanLike, work: () => MaybePromise<void>) => MaybePromise<void>;
}

/** A span per message and call, at `ctx.span` for attributes of your own. @throws OptionError for what is no tracer */
export function tracing<Data = ConnectionData>(options: TracingOptions): Middleware<Data, { readonly span: SpanLike }> {
  checkKeys("tracing", options, ["tracer", "contextOf", "within"]);
  const { tracer, contextOf, within } = options;
  checkFunction("tracing.tracer.startSpan", tracer?.startSpan);
  checkOptionalFunction("tracing.contextOf", contextOf);
  checkOptionalFunction("tracing.within", within);
  return (ctx, next) => {
    const { type, kind, meta, clientId } = ctx;
    const context = parentContext(contextOf, meta.traceparent);
    const { name, ...start } = handlingSpan(kind === "rpc", type, clientId);
    const span = tracer.startSpan(name, { ...start, ...(context === undefined ? { root: true } : {}) }, context);
    (ctx as { span?: SpanLike }).span = span;
    const failed = (error: unknown): void => {
      const kindOfError = (error as { code?: unknown } | undefined)?.code ?? (error as Error | undefined)?.name;
      span.setAttributes({ "error.type": typeof kindOfError === "string" ? kindOfError : "_OTHER" });
      span.setStatus({ code: STATUS_ERROR });
      span.end();
    };
    return around(within === undefined ? next : () => within(span, next), () => span.end(), failed);
  };
}
