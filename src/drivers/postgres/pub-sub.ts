/** Pub/sub on Postgres: both contracts in one object, `LISTEN` on a session of its own. */

import { checkFunction, checkInteger, checkPositive, checkString } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { sha256Hex } from "../../core/digest.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import { escapeKeyPart } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../../state/contracts.ts";
import { ChannelHandlers, type ChannelHandlersOptions, type MessageHandler, type PubSubGap } from "../../state/pubsub/channel-handlers.ts";
import { isSerialized } from "../../state/pubsub/message.ts";
import { TopicInterest } from "../../state/pubsub/topic-interest.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, type PostgresListener, recogniseClient } from "./client.ts";
import { postgresError } from "./failure.ts";
import { INLINE_BYTES, Outbox } from "./outbox.ts";
import { DEFAULT_TABLE_PREFIX, checkTablePrefix } from "./schema.ts";

export interface PostgresPubSubOptions extends ChannelHandlersOptions, PostgresClientOptions {
  /** In front of every channel, and of the table for long messages. @default "sluice_" */
  readonly tablePrefix?: string;
  /** Longest time for a publish or a subscription, in ms; then `STORE_TIMEOUT`. @default 5000 */
  readonly timeoutMs?: number;
  /** Largest encoded message; above it `PAYLOAD_TOO_LARGE`. @default 8 MiB */
  readonly maxMessageBytes?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface PostgresPubSub extends PubSub, PubSubAdapter {
  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  unsubscribe(clientId: string, topic: string): Promise<void>;
  list(clientId: string): Promise<string[]>;
  disconnect(clientId: string): Promise<void>;
  start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>>;
  /** Ends every subscription and gives the listening session back; later calls reject with `STORE_CLOSED`. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** One per channel after a lost session is back, and for handlers that are too slow. */
  readonly events: EventSource<PubSubGap>;
  /** A channel is listened to only while a handler here wants it: routers use one channel per topic. */
  readonly byChannel: true;
  /** What is held: channels listened to, clients with a topic, routers. All 0 when nobody is left. */
  readonly size: { readonly channels: number; readonly clients: number; readonly routers: number };
}

/**
 * Pub/sub between everybody on this database with the same prefix: at most once, in the order of each publisher. Listening takes
 * one connection of the pool for as long as there is a handler, and needs a real session: connect to the server itself, not
 * to a pooler in transaction mode. Messages of up to 7,900 bytes travel in the notification, longer ones through the table
 * `<tablePrefix>messages`. What routers publish (a `SerializedMessage`) travels on one channel between routers; handlers of
 * `PubSub` do not see it.
 *
 * @throws OptionError for a client that cannot listen: a single `Client` of `pg`, or a bare `query(text, params)`.
 *
 * @example
 * const pubsub = postgresPubSub(new Pool({ connectionString: process.env.DATABASE_URL }));
 * const stop = await pubsub.subscribe("orders", (order) => console.log(order));
 */
export function postgresPubSub(client: PostgresClient, options: PostgresPubSubOptions = {}): PostgresPubSub {
  const connection = recogniseClient(client, options);
  if (connection.listener === undefined) {
    throw new OptionError("client", client, `a client that can listen (a Pool of pg, postgres.js, PGlite); this one (${connection.client}) has no session to give away`);
  }
  return new PostgresBroker(connection, connection.listener, options);
}

/** Longest identifier of Postgres; a longer one would be cut, and two channels might become one. */
const MAX_NAME_BYTES = 63;
/** What needs no quotes: some clients forget them when they stop listening. */
const PLAIN_NAME: RegExp = /^[a-z0-9_]+$/;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2000;

/** A channel of the backend: what is so, the work that brings it in line with what is wanted, and what is being fetched for it. */
interface Line {
  readonly channel: string | undefined;
  listening: boolean;
  work: Promise<void> | undefined;
  fetching: Promise<void> | undefined;
}

class PostgresBroker implements PostgresPubSub {
  readonly byChannel: true = true as const;
  readonly #listen: () => Promise<PostgresListener>;
  readonly #outbox: Outbox;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #maxMessageBytes: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #handlers: ChannelHandlers;
  readonly #interest = new TopicInterest();
  readonly #routers = new Set<{ readonly onRemote: (message: SerializedMessage) => void }>();
  readonly #lines = new Map<string, Line>();
  readonly #tag: string;
  #sent = 0;
  #listener: Promise<PostgresListener> | undefined;
  #retry: unknown;
  #retryMs = FIRST_RETRY_MS;
  #lostAt = 0;
  #closed: Promise<void> | undefined;

  constructor(connection: PostgresConnection, listen: () => Promise<PostgresListener>, options: PostgresPubSubOptions) {
    this.#listen = listen;
    this.#prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
    this.#timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 5000);
    this.#maxMessageBytes = checkInteger("maxMessageBytes", options.maxMessageBytes ?? 8 * 2 ** 20, 1, 256 * 2 ** 20);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#handlers = new ChannelHandlers(options);
    this.#outbox = new Outbox(connection, this.#prefix);
    this.#tag = this.#random.uuid().slice(0, 8);
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
    const bytes = text.length * 3 <= INLINE_BYTES ? text.length : encodeText(text).length;
    if (bytes > this.#maxMessageBytes) throw new StoreError("PAYLOAD_TOO_LARGE", `the message takes more than ${this.#maxMessageBytes} bytes`, { outcome: "not-applied" });
    const to = isSerialized(message) ? this.#bus : this.#physical(channel);
    await this.#timed("publish", this.#outbox.send({ channel: to, tag: `${this.#tag}${(this.#sent++).toString(36)}`, text, long: bytes > INLINE_BYTES }));
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
    try {
      await this.#timed("subscribe", this.#follow(physical, first));
    } catch (error) {
      this.#handlers.remove(added);
      void this.#follow(physical, first).catch(() => undefined);
      throw error;
    }
    return async () => {
      if (this.#handlers.remove(added)) await this.#follow(physical, first);
    };
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
    this.#clock.clearTimeout(this.#retry);
    const listener = this.#listener;
    this.#listener = undefined;
    // One that is still connecting closes itself when it is there.
    if (listener !== undefined) await this.#timed("close", listener.then((made) => made.close())).catch(() => undefined);
  }

  get #bus(): string {
    return `${this.#prefix}routers`;
  }

  #physical(channel: string): string {
    const name = `${this.#prefix}channel_${channel}`;
    if (name.length <= MAX_NAME_BYTES && PLAIN_NAME.test(channel)) return name;
    // 160 bits of SHA-256; no name of the other form is that many hex digits behind that word.
    return `sluice_hash_${sha256Hex(`${this.#prefix}channel:${escapeKeyPart(channel)}`).slice(0, 40)}`;
  }

  #check(option: string, name: unknown): void {
    if (this.#closed !== undefined) throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
    checkString(option, name);
  }

  /** Brings the backend's subscription in line with what is wanted here, one step at a time per channel. */
  #follow(physical: string, channel?: string): Promise<void> {
    let line = this.#lines.get(physical);
    if (line === undefined) this.#lines.set(physical, (line = { channel, listening: false, work: undefined, fetching: undefined }));
    return (line.work ??= this.#settle(physical, line));
  }

  async #settle(physical: string, line: Line): Promise<void> {
    try {
      for (;;) {
        const wanted = this.#wanted(line);
        if (this.#closed !== undefined || wanted === line.listening) return;
        const listener = await this.#connected();
        if (wanted) await listener.listen(physical);
        else await listener.unlisten(physical);
        line.listening = wanted;
      }
    } finally {
      line.work = undefined;
      if (!line.listening && !this.#wanted(line) && this.#lines.get(physical) === line) this.#lines.delete(physical);
      if (this.#lines.size === 0) this.#giveBack();
    }
  }

  #wanted({ channel }: Line): boolean {
    return channel === undefined ? this.#routers.size > 0 : this.#handlers.has(channel);
  }

  /** Nobody listens: the session goes back to the pool. */
  #giveBack(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.then((made) => made.close()).catch(() => undefined);
  }

  #connected(): Promise<PostgresListener> {
    if (this.#listener !== undefined) return this.#listener;
    const made = this.#listen().then((listener) => {
      listener.onMessage((channel, payload) => this.#receive(channel, payload));
      listener.onLost(() => this.#lost(made));
      listener.onBack((physical) => this.#handlers.lost(this.#clock.now(), [this.#lines.get(physical)?.channel ?? "*"]));
      return listener;
    });
    this.#listener = made;
    made.catch(() => {
      // The next one who wants to listen tries again.
      if (this.#listener === made) this.#listener = undefined;
    });
    return made;
  }

  #lost(listener: Promise<PostgresListener>): void {
    if (this.#listener !== listener) return;
    this.#listener = undefined;
    this.#lostAt ||= this.#clock.now();
    for (const line of this.#lines.values()) line.listening = false;
    this.#retryMs = FIRST_RETRY_MS;
    this.#comeBack();
  }

  #comeBack(): void {
    this.#clock.clearTimeout(this.#retry);
    this.#retry = this.#clock.setTimeout(() => {
      const lines = [...this.#lines.keys()];
      Promise.all(lines.map((physical) => this.#follow(physical))).then(
        () => {
          if (this.#lostAt === 0 || this.#closed !== undefined) return;
          const since = this.#lostAt;
          this.#lostAt = 0;
          this.#handlers.lost(since);
          if (this.#routers.size > 0) this.#handlers.lost(since, ["*"]);
        },
        () => {
          this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
          if (this.#closed === undefined) this.#comeBack();
        },
      );
    }, this.#retryMs * (0.5 + this.#random.next() / 2));
  }

  /** `m<tag>:<text>`, or `x<tag>:<id>` for a text that has to be fetched. What comes behind that waits for it. */
  #receive(physical: string, payload: string): void {
    const line = this.#lines.get(physical);
    const colon = payload.indexOf(":");
    if (line === undefined || colon < 0) return;
    const body = payload.slice(colon + 1);
    if (payload[0] === "m" && line.fetching === undefined) {
      this.#deliver(line, body);
      return;
    }
    const before = line.fetching ?? Promise.resolve();
    const fetched = payload[0] === "m" ? body : this.#outbox.fetch(body).catch(() => undefined);
    const mine: Promise<void> = before.then(async () => {
      const text = await fetched;
      if (text === undefined) this.#handlers.lost(this.#clock.now(), [line.channel ?? "*"]);
      else this.#deliver(line, text);
      if (line.fetching === mine) line.fetching = undefined;
    });
    line.fetching = mine;
  }

  #deliver({ channel }: Line, text: string): void {
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
        reject(new StoreError("STORE_TIMEOUT", `postgres pub/sub: ${operation} gave no answer within ${this.#timeoutMs} ms`, { outcome: "unknown" }));
      }, this.#timeoutMs);
      work.then(
        (result) => {
          this.#clock.clearTimeout(timer);
          resolve(result);
        },
        (error: unknown) => {
          this.#clock.clearTimeout(timer);
          reject(postgresError(error, "write"));
        },
      );
    });
  }
}
