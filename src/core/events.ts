/** The event port: typed events to any number of sinks, none of which can fail or slow the sender. */

export interface EventSink<Event> {
  (event: Event): void;
  /** It wants the frequent events, too, which are made only while such a sink listens. @default false */
  readonly detailed?: boolean;
}

export interface EventSource<Event> {
  /** Adds a sink; the function returned removes it. */
  on(sink: EventSink<Event>, options?: { readonly detailed?: boolean }): () => void;
}

export interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  /** Sends a frequent event to the sinks that want those. */
  detail(event: Event): void;
  /** True while a sink wants frequent events. */
  readonly detailed: boolean;
  /** True while somebody listens: lets a sender skip building an event nobody reads. */
  readonly active: boolean;
}

export function createEvents<Event>(...initial: readonly (EventSink<Event> | undefined)[]): Events<Event> {
  const sinks = new Set<EventSink<Event>>();
  const detailed = new Set<EventSink<Event>>();
  for (const sink of initial) if (sink !== undefined) sinks.add(sink);
  return {
    on(sink, options) {
      sinks.add(sink);
      if (options?.detailed ?? sink.detailed === true) detailed.add(sink);
      return () => {
        sinks.delete(sink);
        detailed.delete(sink);
      };
    },
    emit: (event) => send(sinks, event),
    detail: (event) => send(detailed, event),
    get active() {
      return sinks.size > 0;
    },
    get detailed() {
      return detailed.size > 0;
    },
  };
}

function send<Event>(sinks: ReadonlySet<EventSink<Event>>, event: Event): void {
  for (const sink of sinks) {
    try {
      sink(event);
    } catch {
      // A sink observes; what it throws is its own affair and must not reach the call it observes.
    }
  }
}
