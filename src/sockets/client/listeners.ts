/** Who listens at a client: to its own events, and to messages by their type. */

import type { CompiledMessage, MessageDescriptor } from "../message.ts";
import type { Validator } from "../validate.ts";
import type { ClientEvents, Incoming } from "./client-types.ts";

export interface MessageListener {
  readonly check: Validator | undefined;
  readonly run: (message: Incoming<never>) => void;
}

export class Listeners {
  readonly #events = new Map<string, Set<(event: never) => void>>();
  readonly #messages = new Map<string, Set<MessageListener>>();

  on(first: string | MessageDescriptor, handler: (event: never) => void): () => void {
    if (typeof first === "string") return add(this.#events, first, handler);
    const { type, payload } = first as CompiledMessage;
    return add(this.#messages, type, { check: payload, run: handler as never });
  }

  messages(type: string): ReadonlySet<MessageListener> | undefined {
    return this.#messages.get(type);
  }

  /** A listener that throws stops nobody; the others hear of it as an `error`. */
  emit<K extends keyof ClientEvents>(name: K, event: ClientEvents[K]): void {
    for (const listener of this.#events.get(name) ?? []) {
      try {
        (listener as (event: ClientEvents[K]) => void)(event);
      } catch (error) {
        if (name !== "error") this.emit("error", { error });
      }
    }
  }
}

function add<T>(map: Map<string, Set<T>>, key: string, entry: T): () => void {
  let set = map.get(key);
  if (set === undefined) map.set(key, (set = new Set()));
  set.add(entry);
  return () => void set.delete(entry);
}
