/** Pub/sub on Redis: both contracts in one object, a listening connection of its own. */

import { checkFunction, checkInteger, checkPositive, checkString } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import { utf8Key } from "../../core/keys.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../../state/contracts.ts";
import { ChannelHandlers, type ChannelHandlersOptions, type MessageHandler, type PubSubGap } from "../../state/pubsub/channel-handlers.ts";
import { isSerialized } from "../../state/pubsub/message.ts";
import { TopicInterest } from "../../state/pubsub/topic-interest.ts";
import { type RedisClient, type RedisConnection, recogniseClient } from "./client.ts";
import type { RedisSubscriber } from "./subscriber.ts";

export interface RedisPubSubOptions extends ChannelHandlersOptions {
  /** In front of every channel. @default "sluice:" */
  readonly prefix?: string;
  /**
   * A second client of the caller's to listen on; it stays the caller's and open. @default a duplicate of `client`, made at
   * the first subscription and closed with this object
   */
  readonly subscriber?: RedisClient;
  /** Longest time for a publish or a subscription, in ms; then `STORE_TIMEOUT`. @default 5000 */
  readonly timeoutMs?: number;
  /** Largest encoded message; above it `PAYLOAD_TOO_LARGE`. Redis drops listeners that fall 8 MB behind for a minute. @default 8 MiB */
  readonly maxMessageBytes?: number;
  readonly clock?: Clock;
}

export interface RedisPubSub extends PubSub, PubSubAdapter {
  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  unsubscribe(clientId: string, topic: string): Promise<void>;
  list(clientId: string): Promise<string[]>;
  disconnect(clientId: string): Promise<void>;
  start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>>;
  /** Ends every subscription and closes the connection that was made here; later calls reject with `STORE_CLOSED`. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** One per channel after a lost connection is back, and for handlers that are too slow. */
  readonly events: EventSource<PubSubGap>;
  /** What is held: channels listened to, clients with a topic, routers. All 0 when nobody is left. */
  readonly size: { readonly channels: number; readonly clients: number; readonly routers: number };
}

/**
 * Pub/sub between everybody on this Redis with the same prefix: at most once, in the order of each publisher. A channel
 * is listened to while a handler here wants it. What routers publish (a `SerializedMessage`) travels on one channel
 * between routers, so a publish is one command whatever the number of subscribers; handlers of `PubSub` do not see it.
 *
 * @throws OptionError for a client that cannot publish or listen, or when `subscriber` is `client`: a connection that
 * listens can do nothing else.
 *
 * @example
 * const pubsub = redisPubSub(new Redis(process.env.REDIS_URL));
 * const stop = await pubsub.subscribe("orders", (order) => console.log(order));
 */
export function redisPubSub(client: RedisClient, options: RedisPubSubOptions = {}): RedisPubSub {
  const connection = recogniseClient(client);
  if (connection.publish === undefined) throw new OptionError("client", client, `a client with publish; this one (${connection.client}) has none`);
  if (options.subscriber === undefined) {
    if (connection.subscriber === undefined) throw new OptionError("subscriber", undefined, `a client that can listen; ${connection.client} cannot make one of its own`);
    return new RedisBroker(connection, () => connection.subscriber!(true), options);
  }
  const listening = recogniseClient(options.subscriber);
  if (listening.subscriber === undefined) throw new OptionError("subscriber", options.subscriber, `a client that can listen; ${listening.client} cannot`);
  if (options.subscriber === client || listening === connection || (listening.raw !== undefined && listening.raw === connection.raw)) {
    throw new OptionError("subscriber", options.subscriber, "another connection than client: one that listens can do nothing else");
  }
  return new RedisBroker(connection, () => listening.subscriber!(false), options);
}

/** A channel of the backend: what is wanted, what is so, and the work that makes one the other. */
interface Line {
  listening: boolean;
  work: Promise<void> | undefined;
}

class RedisBroker implements RedisPubSub {
  readonly #connection: RedisConnection;
  readonly #listen: () => Promise<RedisSubscriber>;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #maxMessageBytes: number;
  readonly #clock: Clock;
  readonly #handlers: ChannelHandlers;
  readonly #interest = new TopicInterest();
  readonly #routers = new Set<{ readonly onRemote: (message: SerializedMessage) => void }>();
  readonly #lines = new Map<string, Line>();
  #subscriber: Promise<RedisSubscriber> | undefined;
  #lostAt = 0;
  #closed: Promise<void> | undefined;

  constructor(connection: RedisConnection, listen: () => Promise<RedisSubscriber>, options: RedisPubSubOptions) {
    this.#connection = connection;
    this.#listen = listen;
    this.#prefix = checkString("prefix", options.prefix ?? "sluice:");
    this.#timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 5000);
    this.#maxMessageBytes = checkInteger("maxMessageBytes", options.maxMessageBytes ?? 8 * 2 ** 20, 1);
    this.#clock = options.clock ?? systemClock;
    this.#handlers = new ChannelHandlers(options);
  }

  get events(): EventSource<PubSubGap> {
    return this.#handlers.gaps;
  }

  get size(): { channels: number; clients: number; routers: number } {
    return { channels: Math.max(this.#handlers.size, this.#lines.size), clients: this.#interest.size, routers: this.#routers.size };
  }

  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  async publish(channel: string, message: unknown): Promise<PublishReport | void> {
    this.#check("channel", channel);
    const text = encodeValue(message);
    // A UTF-16 unit takes at most three bytes, so short texts need no measuring.
    if (text.length * 3 > this.#maxMessageBytes && encodeText(text).length > this.#maxMessageBytes) {
      throw new StoreError("PAYLOAD_TOO_LARGE", `the message takes more than ${this.#maxMessageBytes} bytes`, { outcome: "not-applied" });
    }
    await this.#timed("publish", this.#connection.publish!(isSerialized(message) ? this.#bus : this.#physical(channel), text));
    return { matched: this.#interest.count(channel), capability: "exact" };
  }

  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  async subscribe(first: string, second: MessageHandler | string): Promise<(() => Promise<void>) | void> {
    this.#check(typeof second === "function" ? "channel" : "clientId", first);
    if (typeof second !== "function") {
      this.#check("topic", second);
      this.#interest.add(first, second);
      return;
    }
    const physical = this.#physical(first);
    const added = this.#handlers.add(first, second);
    const remove = async (): Promise<void> => {
      if (this.#handlers.remove(added)) await this.#follow(physical, first);
    };
    try {
      await this.#timed("subscribe", this.#follow(physical, first));
    } catch (error) {
      this.#handlers.remove(added);
      void this.#follow(physical, first).catch(() => undefined);
      throw error;
    }
    return remove;
  }

  async unsubscribe(first: string, topic?: string): Promise<void> {
    this.#check(topic === undefined ? "channel" : "clientId", first);
    if (topic !== undefined) {
      this.#interest.remove(first, topic);
      return;
    }
    this.#handlers.removeAll(first);
    await this.#follow(this.#physical(first), first);
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
    try {
      await this.#timed("start", this.#follow(this.#bus));
    } catch (error) {
      this.#routers.delete(router);
      void this.#follow(this.#bus).catch(() => undefined);
      throw error;
    }
    return async () => {
      if (this.#routers.delete(router)) await this.#follow(this.#bus);
    };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    this.#handlers.clear();
    this.#interest.clear();
    this.#routers.clear();
    this.#lines.clear();
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    // One that is still connecting closes itself when it is there.
    if (subscriber !== undefined) await this.#timed("close", subscriber.then((made) => made.close())).catch(() => undefined);
  }

  get #bus(): string {
    return `${this.#prefix}routers`;
  }

  #physical(channel: string): string {
    return `${this.#prefix}channel:${utf8Key(channel)}`;
  }

  #check(option: string, name: unknown): void {
    if (this.#closed !== undefined) throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
    checkString(option, name);
  }

  /** Brings the backend's subscription in line with what is wanted here, one step at a time per channel. */
  #follow(physical: string, channel?: string): Promise<void> {
    let line = this.#lines.get(physical);
    if (line === undefined) this.#lines.set(physical, (line = { listening: false, work: undefined }));
    return (line.work ??= this.#settle(physical, channel, line));
  }

  async #settle(physical: string, channel: string | undefined, line: Line): Promise<void> {
    try {
      for (;;) {
        const wanted = channel === undefined ? this.#routers.size > 0 : this.#handlers.has(channel);
        if (this.#closed !== undefined || wanted === line.listening) return;
        const subscriber = await this.#connected();
        if (wanted) await subscriber.subscribe(physical, (text) => this.#receive(channel, text));
        else await subscriber.unsubscribe(physical);
        line.listening = wanted;
      }
    } finally {
      line.work = undefined;
      if (!line.listening && this.#lines.get(physical) === line) this.#lines.delete(physical);
    }
  }

  #connected(): Promise<RedisSubscriber> {
    if (this.#subscriber !== undefined) return this.#subscriber;
    const made = this.#listen().then((subscriber) => {
      subscriber.onChange(
        () => void (this.#lostAt ||= this.#clock.now()),
        () => this.#back(),
      );
      return subscriber;
    });
    this.#subscriber = made;
    made.catch(() => {
      // The next one who wants to listen tries again.
      if (this.#subscriber === made) this.#subscriber = undefined;
    });
    return made;
  }

  #back(): void {
    const since = this.#lostAt || this.#clock.now();
    this.#lostAt = 0;
    this.#handlers.lost(since);
    if (this.#routers.size > 0) this.#handlers.lost(since, ["*"]);
  }

  #receive(channel: string | undefined, text: string): void {
    const decode = (): unknown => decodeValue(text);
    try {
      if (channel !== undefined) this.#handlers.deliver(channel, decode);
      else for (const router of this.#routers) this.#handlers.call(() => router.onRemote(decode() as SerializedMessage), "*");
    } catch (error) {
      this.#handlers.report(error, channel ?? "*");
    }
  }

  #timed<T>(operation: string, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        reject(new StoreError("STORE_TIMEOUT", `redis pub/sub: ${operation} gave no answer within ${this.#timeoutMs} ms`, { outcome: "unknown" }));
      }, this.#timeoutMs);
      work.then(
        (result) => {
          this.#clock.clearTimeout(timer);
          resolve(result);
        },
        (error: unknown) => {
          this.#clock.clearTimeout(timer);
          reject(error instanceof StoreError ? error : new StoreError("STORE_UNAVAILABLE", `redis pub/sub: ${operation} failed`, { cause: error, outcome: "unknown" }));
        },
      );
    });
  }
}
