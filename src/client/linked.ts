/** Steps of one piece of work, in one trace. */

import { randomHex, traceIds } from "../core/trace-context.ts";
import { StitchError, configError } from "./errors.ts";
import type { TraceParent } from "./call.ts";
import type { Args } from "./infer.ts";
import type { LazyResult, StitchResult } from "./result.ts";
import { INVOKE, isStitch, type Stitch } from "./stitch.ts";

/** Calls a stitch as a step. */
export type RunStep = <Out, In>(stitch: Stitch<Out, In>, ...input: Args<In>) => StitchResult<Out>;

export interface LinkedOptions {
  /** Of the request this work is for. What is malformed begins a new trace. */
  readonly traceparent?: string | null;
  readonly tracestate?: string | null;
}

/**
 * Runs steps that share a trace id, with this work as their parent. When the function ends, steps still open are aborted.
 *
 * ```ts
 * await linked(async (run) => {
 *   const user = await run(getUser, { params: { id } });
 *   await run(sendMail, { body: user });
 * });
 * ```
 */
export async function linked<T>(work: (run: RunStep) => Promise<T> | T, options: LinkedOptions = {}): Promise<T> {
  if (typeof work !== "function") throw configError("linked", work, "a function");
  const ids = traceIds(options.traceparent);
  const parent: TraceParent = {
    traceId: ids.traceId, spanId: randomHex(8), flags: ids.parentSpanId === undefined ? 1 : ids.flags,
    tracestate: ids.parentSpanId === undefined ? undefined : (options.tracestate ?? undefined),
  };
  const open = new Set<LazyResult<unknown>>();
  const run = ((stitch: Stitch<unknown, never>, input?: unknown) => {
    if (!isStitch(stitch)) throw configError("run", stitch, "a stitch");
    const result = (stitch as Stitch)[INVOKE](input as never, { parent }) as LazyResult<unknown>;
    open.add(result);
    return result;
  }) as unknown as RunStep;
  try {
    return await work(run);
  } finally {
    for (const result of open) result.abort(new StitchError("ABORTED", "the work this step was a part of is over"));
  }
}
