/** The event port: typed events to any number of sinks, none of which can fail or slow the sender. */

export type EventSink<Event> = (event: Event) => void;

export interface EventSource<Event> {
  /**
   * Adds a sink; the function returned removes it. A passive one gets what is sent anyway: frequent events that are made
   * only while somebody listens do not come for it alone.
   */
  on(sink: EventSink<Event>, passive?: boolean): () => void;
}

export interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  /** True while somebody listens: lets a sender skip building an event nobody reads. */
  readonly active: boolean;
}

export function createEvents<Event>(...initial: readonly (EventSink<Event> | undefined)[]): Events<Event> {
  const sinks = new Set<EventSink<Event>>();
  const quiet = new Set<EventSink<Event>>();
  for (const sink of initial) if (sink !== undefined) sinks.add(sink);
  return {
    on(sink, passive = false) {
      sinks.add(sink);
      if (passive) quiet.add(sink);
      else quiet.delete(sink);
      return () => {
        sinks.delete(sink);
        quiet.delete(sink);
      };
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
      return sinks.size > quiet.size;
    },
  };
}
