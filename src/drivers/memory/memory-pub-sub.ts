/** Pub/sub inside one process: both contracts in one object. */

import { checkFunction, checkString } from "../../core/check.ts";
import type { EventSource } from "../../core/events.ts";
import { StoreError } from "../../core/errors.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../../state/contracts/pub-sub.ts";
import { ChannelHandlers, type ChannelHandlersOptions, type MessageHandler, type PubSubGap } from "../../state/pubsub/channel-handlers.ts";
import { copier, isSerialized } from "../../state/pubsub/message.ts";
import { TopicInterest } from "../../state/pubsub/topic-interest.ts";

export type { MessageHandler, PubSubGap } from "../../state/pubsub/channel-handlers.ts";

/** Bounds and error sink of its handlers. */
export interface MemoryPubSubOptions extends ChannelHandlersOptions {}

/**
 * Carries messages between everybody who holds this object. As a `PubSub` it calls handlers by channel; as a
 * `PubSubAdapter` it knows which client wants which topic, for routers that share it. A function as second argument of
 * `subscribe`, or one argument of `unsubscribe`, means `PubSub`.
 */
export interface MemoryPubSub extends PubSub, PubSubAdapter {
  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  unsubscribe(clientId: string, topic: string): Promise<void>;
  list(clientId: string): Promise<string[]>;
  disconnect(clientId: string): Promise<void>;
  start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>>;
  /** Drops every subscription; later calls reject with `STORE_CLOSED`. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  readonly events: EventSource<PubSubGap>;
  /** What is held: channels with a handler, clients with a topic, routers. All 0 when nobody is left. */
  readonly size: { readonly channels: number; readonly clients: number; readonly routers: number };
}

/**
 * Pub/sub for one process. Messages are copies, as on every backend: JSON values and `Uint8Array`, else the promise of
 * `publish` rejects with `STORE_UNSERIALIZABLE`. A handler gets them in order, one at a time; one that throws, or whose
 * promise takes long, delays and hurts nobody but itself.
 *
 * @example
 * const pubsub = memoryPubSub();
 * const stop = await pubsub.subscribe("orders", (order) => console.log(order));
 * await pubsub.publish("orders", { id: 7 });
 * await stop();
 */
export function memoryPubSub(options: MemoryPubSubOptions = {}): MemoryPubSub {
  return new Broker(options);
}

class Broker implements MemoryPubSub {
  readonly #handlers: ChannelHandlers;
  readonly #interest = new TopicInterest();
  readonly #routers = new Set<{ readonly onRemote: (message: SerializedMessage) => void }>();
  #closed = false;

  constructor(options: MemoryPubSubOptions) {
    this.#handlers = new ChannelHandlers(options);
  }

  get events(): EventSource<PubSubGap> {
    return this.#handlers.gaps;
  }

  get size(): { channels: number; clients: number; routers: number } {
    return { channels: this.#handlers.size, clients: this.#interest.size, routers: this.#routers.size };
  }

  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  async publish(channel: string, message: unknown): Promise<PublishReport | void> {
    this.#check("channel", channel);
    const serialized = isSerialized(message);
    // Encoded before anything is sent, also when nobody listens: what cannot travel is refused everywhere. A router's
    // message is plain data by its type and goes to routers as it is.
    if (!serialized || this.#handlers.has(channel)) this.#handlers.deliver(channel, copier(message));
    if (serialized) for (const router of this.#routers) this.#handlers.call(() => router.onRemote(message), channel);
    return { matched: this.#interest.count(channel), capability: "exact", reach: "cluster" };
  }

  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  async subscribe(first: string, second: MessageHandler | string): Promise<(() => Promise<void>) | void> {
    this.#check(typeof second === "function" ? "channel" : "clientId", first);
    if (typeof second === "function") {
      const added = this.#handlers.add(first, second);
      return async () => void this.#handlers.remove(added);
    }
    this.#check("topic", second);
    this.#interest.add(first, second);
  }

  async unsubscribe(first: string, topic?: string): Promise<void> {
    this.#check(topic === undefined ? "channel" : "clientId", first);
    if (topic === undefined) this.#handlers.removeAll(first);
    else this.#interest.remove(first, topic);
  }

  async list(clientId: string): Promise<string[]> {
    this.#check("clientId", clientId);
    return this.#interest.topicsOf(clientId);
  }

  async disconnect(clientId: string): Promise<void> {
    this.#interest.removeClient(clientId);
  }

  async start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>> {
    this.#check("onRemote", "router");
    const router = { onRemote: checkFunction("onRemote", onRemote) };
    this.#routers.add(router);
    return async () => void this.#routers.delete(router);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#handlers.clear();
    this.#interest.clear();
    this.#routers.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(option: string, name: unknown): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
    checkString(option, name);
  }
}
