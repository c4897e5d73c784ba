/** Events of calls, for assertions. */

import type { SinkContext, StitchEvent, TraceSink } from "../events.ts";
import type { StitchResult } from "../result.ts";

/** A sink that keeps what it is told. */
export interface CollectingSink extends TraceSink {
  readonly events: readonly StitchEvent[];
  readonly contexts: readonly SinkContext[];
  reset(): void;
}

/** Without an argument a sink for `trace`, which sees what sinks see: no data, no bodies. */
export function collectEvents(): CollectingSink;
/** Events of one call, to its end. Never rejects: a failure is an event. */
export function collectEvents(source: StitchResult<unknown> | AsyncIterable<StitchEvent>): Promise<StitchEvent[]>;
export function collectEvents(source?: StitchResult<unknown> | AsyncIterable<StitchEvent>): CollectingSink | Promise<StitchEvent[]> {
  if (source !== undefined) return collect(Symbol.asyncIterator in source ? source : source.stream());
  const events: StitchEvent[] = [];
  const contexts: SinkContext[] = [];
  return {
    events, contexts,
    handle(event, context) {
      events.push(event);
      contexts.push(context);
    },
    reset() {
      events.length = 0;
      contexts.length = 0;
    },
  };
}

async function collect(stream: AsyncIterable<StitchEvent>): Promise<StitchEvent[]> {
  const events: StitchEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
