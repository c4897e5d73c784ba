/** Pub/sub inside one process: both contracts in one object. */

import { checkFunction, checkInteger, checkString } from "../../core/check.ts";
import { decodeValue, encodeValue } from "../../core/codec.ts";
import { type EventSource, type Events, createEvents } from "../../core/events.ts";
import { StoreError } from "../../core/errors.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../../state/contracts.ts";

/** Messages were dropped for a handler that is too slow. */
export interface PubSubGap {
  readonly type: "pubsub.gap";
  readonly channel: string;
  /** How many, since the last event about this handler. */
  readonly dropped: number;
}

export interface MemoryPubSubOptions {
  /** Messages that wait for one slow handler; above it the oldest is dropped, and a gap is raised. @default 1024 */
  readonly maxQueued?: number;
  /** Told what a handler throws or rejects with; nothing else stops. @default nobody */
  readonly onError?: (error: unknown, channel: string) => void;
}

export type MessageHandler = (message: unknown) => void | Promise<void>;

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
  readonly events: Events<PubSubGap> = createEvents<PubSubGap>();
  readonly #maxQueued: number;
  readonly #onError: (error: unknown, channel: string) => void;
  /** Lists are replaced, never changed: one that is being walked stays as it was. */
  readonly #channels = new Map<string, readonly Subscription[]>();
  readonly #topics = new Map<string, Set<string>>();
  readonly #clients = new Map<string, Set<string>>();
  readonly #routers = new Set<{ readonly onRemote: (message: SerializedMessage) => void }>();
  #closed = false;

  constructor(options: MemoryPubSubOptions) {
    this.#maxQueued = checkInteger("maxQueued", options.maxQueued ?? 1024, 1);
    this.#onError = options.onError === undefined ? () => undefined : checkFunction("onError", options.onError);
  }

  get size(): { channels: number; clients: number; routers: number } {
    return { channels: this.#channels.size, clients: this.#clients.size, routers: this.#routers.size };
  }

  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  async publish(channel: string, message: unknown): Promise<PublishReport | void> {
    this.#check("channel", channel);
    const listeners = this.#channels.get(channel);
    const serialized = isSerialized(message);
    // Encoded before anything is sent, also when nobody listens: what cannot travel is refused everywhere. A router's
    // message is plain data by its type and goes to routers as it is.
    if (listeners !== undefined || !serialized) {
      const copy = copier(message);
      for (const subscription of listeners ?? []) this.#deliver(subscription, copy());
    }
    if (serialized) for (const router of this.#routers) this.#call(() => router.onRemote(message), channel);
    return { matched: this.#topics.get(channel)?.size ?? 0, capability: "exact", reach: "cluster" };
  }

  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  async subscribe(first: string, second: MessageHandler | string): Promise<(() => Promise<void>) | void> {
    this.#check(typeof second === "function" ? "channel" : "clientId", first);
    if (typeof second === "function") return this.#listen(first, second);
    this.#check("topic", second);
    add(this.#clients, first, second);
    add(this.#topics, second, first);
  }

  async unsubscribe(first: string, topic?: string): Promise<void> {
    this.#check(topic === undefined ? "channel" : "clientId", first);
    if (topic !== undefined) {
      remove(this.#clients, first, topic);
      remove(this.#topics, topic, first);
      return;
    }
    for (const subscription of this.#channels.get(first) ?? []) end(subscription);
    this.#channels.delete(first);
  }

  async list(clientId: string): Promise<string[]> {
    this.#check("clientId", clientId);
    return [...(this.#clients.get(clientId) ?? [])];
  }

  async disconnect(clientId: string): Promise<void> {
    for (const topic of this.#clients.get(clientId) ?? []) remove(this.#topics, topic, clientId);
    this.#clients.delete(clientId);
  }

  async start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>> {
    this.#check("onRemote", "router");
    const router = { onRemote: checkFunction("onRemote", onRemote) };
    this.#routers.add(router);
    return async () => void this.#routers.delete(router);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const list of this.#channels.values()) for (const subscription of list) end(subscription);
    this.#channels.clear();
    this.#topics.clear();
    this.#clients.clear();
    this.#routers.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(option: string, name: unknown): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
    checkString(option, name);
  }

  #listen(channel: string, handler: MessageHandler): () => Promise<void> {
    const subscription: Subscription = { channel, handler, queue: [], busy: false, ended: false, dropped: 0 };
    this.#channels.set(channel, [...(this.#channels.get(channel) ?? []), subscription]);
    return async () => {
      if (subscription.ended) return;
      end(subscription);
      const left = (this.#channels.get(channel) ?? []).filter((other) => other !== subscription);
      if (left.length > 0) this.#channels.set(channel, left);
      else this.#channels.delete(channel);
    };
  }

  #deliver(subscription: Subscription, message: unknown): void {
    if (subscription.ended) return;
    if (!subscription.busy) {
      this.#drain(subscription, message);
      return;
    }
    subscription.queue.push(message);
    if (subscription.queue.length <= this.#maxQueued) return;
    subscription.queue.shift();
    subscription.dropped++;
    // One event per overflow: more of them while the handler stands still would say nothing new.
    if (subscription.dropped === 1) this.events.emit({ type: "pubsub.gap", channel: subscription.channel, dropped: 1 });
  }

  /** Hands over a message and what queued up behind it, until a handler's promise has to be waited for. */
  #drain(subscription: Subscription, first: unknown): void {
    subscription.busy = true;
    let message = first;
    for (;;) {
      const pending = this.#call(() => subscription.handler(message), subscription.channel);
      if (pending !== undefined) {
        void pending.then(() => this.#next(subscription));
        return;
      }
      if (subscription.ended || subscription.queue.length === 0) break;
      message = subscription.queue.shift();
    }
    subscription.busy = false;
  }

  #next(subscription: Subscription): void {
    if (subscription.dropped > 1) this.events.emit({ type: "pubsub.gap", channel: subscription.channel, dropped: subscription.dropped - 1 });
    subscription.dropped = 0;
    if (subscription.ended || subscription.queue.length === 0) subscription.busy = false;
    else this.#drain(subscription, subscription.queue.shift());
  }

  /** Calls a handler; a promise when it has to be waited for. It never throws and never rejects. */
  #call(handler: () => void | Promise<void>, channel: string): Promise<void> | undefined {
    try {
      const result = handler();
      return isPromise(result) ? Promise.resolve(result).catch((error: unknown) => this.#report(error, channel)) : undefined;
    } catch (error) {
      this.#report(error, channel);
      return undefined;
    }
  }

  #report(error: unknown, channel: string): void {
    try {
      this.#onError(error, channel);
    } catch {
      // Whoever is told about errors cannot stop the messages either.
    }
  }
}

interface Subscription {
  readonly channel: string;
  readonly handler: MessageHandler;
  readonly queue: unknown[];
  /** A message is being handled. */
  busy: boolean;
  ended: boolean;
  /** Since the handler last came back. */
  dropped: number;
}

function end(subscription: Subscription): void {
  subscription.ended = true;
  subscription.queue.length = 0;
}

/** Gives a fresh copy each time: no handler sees what another one, or the publisher, does to a message. */
function copier(message: unknown): () => unknown {
  if (typeof message === "string" || typeof message === "boolean" || message === null) return () => message;
  const text = encodeValue(message);
  return () => decodeValue(text);
}

function isSerialized(message: unknown): message is SerializedMessage {
  if (typeof message !== "object" || message === null) return false;
  const { origin, topic, frame } = message as Partial<SerializedMessage>;
  return typeof origin === "string" && typeof topic === "string" && (typeof frame === "string" || frame instanceof Uint8Array);
}

function add(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([member]));
  else set.add(member);
}

function remove(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  if (set?.delete(member) === true && set.size === 0) sets.delete(key);
}
