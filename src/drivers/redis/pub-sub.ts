/** Pub/sub on Redis: both contracts in one object, a listening connection of its own. */

import { checkInteger, checkString } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import { utf8Key } from "../../core/keys.ts";
import { type BackendPubSub, type BackendPubSubOptions, type PubSubWire, backendPubSub } from "../../state/pubsub/backend-pub-sub.ts";
import { type RedisClient, type RedisConnection, recogniseClient } from "./client.ts";
import { warnOfRepeats } from "./repeats.ts";
import type { RedisSubscriber } from "./subscriber.ts";
import { RedisTopicHistory } from "./topic-history.ts";

export interface RedisPubSubOptions extends BackendPubSubOptions {
  /** In front of every channel. @default "sluice:" */
  readonly prefix?: string;
  /**
   * A second client of the caller's to listen on; it stays the caller's and open. @default a duplicate of `client`, made at
   * the first subscription and closed with this object
   */
  readonly subscriber?: RedisClient;
  /** Largest encoded message; above it `PAYLOAD_TOO_LARGE`. Redis drops listeners that fall 8 MB behind for a minute. @default 8 MiB */
  readonly maxMessageBytes?: number;
  /** Is told, once per client, of what makes it deliver a message twice; `false` for nobody. @default console.warn */
  readonly warn?: false | ((message: string) => void);
}

export interface RedisPubSub extends BackendPubSub {}

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
    return backendPubSub(new RedisWire(connection, () => connection.subscriber!(true), options), options);
  }
  const listening = recogniseClient(options.subscriber);
  if (listening.subscriber === undefined) throw new OptionError("subscriber", options.subscriber, `a client that can listen; ${listening.client} cannot`);
  if (options.subscriber === client || listening === connection || (listening.raw !== undefined && listening.raw === connection.raw)) {
    throw new OptionError("subscriber", options.subscriber, "another connection than client: one that listens can do nothing else");
  }
  return backendPubSub(new RedisWire(connection, () => listening.subscriber!(false), options), options);
}

class RedisWire implements PubSubWire {
  readonly name: string = "redis";
  readonly maxMessageBytes: number;
  readonly bus: string;
  readonly history: RedisTopicHistory;
  readonly #connection: RedisConnection;
  readonly #listen: () => Promise<RedisSubscriber>;
  readonly #prefix: string;
  #subscriber: Promise<RedisSubscriber> | undefined;
  #lost: () => void = () => undefined;
  #back: () => void = () => undefined;

  constructor(connection: RedisConnection, listen: () => Promise<RedisSubscriber>, options: RedisPubSubOptions) {
    this.#connection = connection;
    warnOfRepeats(connection, options.warn);
    this.#listen = listen;
    this.#prefix = checkString("prefix", options.prefix ?? "sluice:");
    this.maxMessageBytes = checkInteger("maxMessageBytes", options.maxMessageBytes ?? 8 * 2 ** 20, 1);
    this.bus = `${this.#prefix}routers`;
    this.history = new RedisTopicHistory(connection, this.#prefix);
  }

  physical(channel: string): string {
    return `${this.#prefix}channel:${utf8Key(channel)}`;
  }

  publish(physical: string, text: string): Promise<unknown> {
    return this.#connection.publish!(physical, text);
  }

  async subscribe(physical: string, receive: (text: string) => void): Promise<void> {
    await (await this.#connected()).subscribe(physical, receive);
  }

  async unsubscribe(physical: string): Promise<void> {
    await (await this.#connected()).unsubscribe(physical);
  }

  onChange(lost: () => void, back: () => void): void {
    this.#lost = lost;
    this.#back = back;
  }

  async close(): Promise<void> {
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    // One that is still connecting closes itself when it is there.
    await subscriber?.then((made) => made.close());
  }

  #connected(): Promise<RedisSubscriber> {
    if (this.#subscriber !== undefined) return this.#subscriber;
    const made = this.#listen().then((subscriber) => {
      subscriber.onChange(this.#lost, this.#back);
      return subscriber;
    });
    this.#subscriber = made;
    made.catch(() => {
      // The next one who wants to listen tries again.
      if (this.#subscriber === made) this.#subscriber = undefined;
    });
    return made;
  }
}
