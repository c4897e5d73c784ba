/** The event port: typed events to any number of sinks, none of which can fail or slow the sender. */

export type EventSink<Event> = (event: Event) => void;

export interface EventSource<Event> {
  /** Adds a sink; the function returned removes it. */
  on(sink: EventSink<Event>): () => void;
}

export interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  /** True while somebody listens: lets a sender skip building an event nobody reads. */
  readonly active: boolean;
}

export function createEvents<Event>(...initial: readonly (EventSink<Event> | undefined)[]): Events<Event> {
  const sinks = new Set<EventSink<Event>>();
  for (const sink of initial) if (sink !== undefined) sinks.add(sink);
  return {
    on(sink) {
      sinks.add(sink);
      return () => void sinks.delete(sink);
    },
    emit(event) {
      for (const sink of sinks) {
        try {
          sink(event);
        } catch {
          // A sink observes; what it throws is its own affair and must not reach the call it observes.
        }
      }
    },
    get active() {
      return sinks.size > 0;
    },
  };
}
