/** Other ways to see a call than its result: as events, and as a report. */

import { Call, type CallContext } from "./call.ts";
import type { CallInput } from "./config.ts";
import { isStitchError, type StitchError } from "./errors.ts";
import type { StitchEvent } from "./events.ts";
import type { ResponseFields } from "./fields.ts";
import { runCall, type StitchState } from "./run.ts";
import type { Inspection, Source } from "./stitch.ts";

/** The live events of a call, which it starts unless it runs. Leaving aborts it. */
export async function* streamOf(source: Source): AsyncGenerator<StitchEvent, void, undefined> {
  const queue: StitchEvent[] = [];
  let wake: (() => void) | undefined;
  let drained: (() => void) | undefined;
  let over = false;
  const push = (event: StitchEvent): void => {
    queue.push(event);
    wake?.();
  };
  if (source.running === undefined) {
    source.running = source.begin(push, (data, id, event) => {
      (source.call as Call).emit({ type: "delta", data, ...(id === undefined ? {} : { id }), ...(event === undefined ? {} : { event }) });
      // The next item is read when this one was taken.
      return new Promise<void>((resolve) => (drained = resolve));
    });
  } else if (source.call !== undefined) source.call.listener ??= push;
  const end = (): void => {
    over = true;
    wake?.();
  };
  const done = source.running.then(end, end);
  try {
    for (;;) {
      while (queue.length > 0) yield queue.shift() as StitchEvent;
      if (over) return;
      drained?.();
      drained = undefined;
      if (queue.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
    }
  } finally {
    if (!over) {
      source.abort(new DOMException("The stream was left", "AbortError"));
      drained?.();
      await done;
    }
  }
}

/** Runs a call and tells how it went. Never rejects. */
export async function inspect(state: StitchState, input: CallInput, context: CallContext, cache: boolean): Promise<Inspection<never>> {
  let call: Call | undefined;
  let outcome: { readonly data?: unknown; readonly error?: StitchError };
  try {
    call = new Call(state.plan, input, { ...context, bypassCache: !cache, inspect: true });
    outcome = { data: await runCall(state, call) };
  } catch (error) {
    outcome = { error: error as StitchError };
  }
  const { error } = outcome;
  const ok = error === undefined;
  const inspection = {
    ok, ...outcome, findings: call?.findings ?? [], attempts: call?.attempts ?? 0, elapsedMs: call?.elapsedMs ?? 0, waitedMs: call?.waitedMs ?? 0, source: call?.source ?? "live",
    ...(call?.status === undefined ? {} : { status: call.status }),
    ...(call?.last === undefined ? (isStitchError(error) && error.headers !== undefined ? { headers: error.headers } : {}) : { headers: call.last.headers as ResponseFields }),
    ...(call?.truncated === true ? { truncated: true } : {}),
  };
  return Object.defineProperty(inspection, "raw", { value: call?.last?.raw, enumerable: false }) as Inspection<never>;
}
