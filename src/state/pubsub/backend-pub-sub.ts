/** The half of pub/sub that is the same on every backend behind a wire: both contracts in one object, by interest, in order. */

import { checkFunction, checkPositive, checkString } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { StoreError, isSluiceError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../contracts/pub-sub.ts";
import { timed } from "../timed.ts";
import { ChannelHandlers, type ChannelHandlersOptions, type MessageHandler, type PubSubGap } from "./channel-handlers.ts";
import { isSerialized } from "./message.ts";
import type { Announcement, LogOptions, LogSlice, TopicHistory } from "./topic-log.ts";
import { TopicInterest } from "./topic-interest.ts";

/** What a backend does: carry texts under names of its own. Errors that are no `StoreError` become `STORE_UNAVAILABLE`. */
export interface PubSubWire {
  /** For messages of errors. */
  readonly name: string;
  /** Largest encoded message. */
  readonly maxMessageBytes: number;
  /** The backend's name for a channel: no two channels share one, and none is {@link bus}. */
  physical(channel: string): string;
  /** The backend's name for what routers tell each other. */
  readonly bus: string;
  /** Resolves when the backend has it. Calls that are answered together may be given the same promise. */
  publish(physical: string, text: string): Promise<unknown>;
  /** Resolves when the backend has confirmed. Called once per name until {@link unsubscribe}. */
  subscribe(physical: string, receive: (text: string) => void): Promise<void>;
  unsubscribe(physical: string): Promise<void>;
  /**
   * Called once: `lost` when the connection breaks, `back` when every name is listened to again. `back(name)` is for a name by itself:
   * it was away, or a message of it was lost; `since`, epoch ms, says when, and is now unless given. `gone` when the connection will
   * not come back: no name is listened to any more, and none is unsubscribed from.
   */
  onChange(lost: () => void, back: (physical?: string, since?: number) => void, gone?: () => void): void;
  /** Frees what the wire opened itself. */
  close(): Promise<void>;
  /** The history of topics, where the backend keeps one. */
  readonly history?: WireHistory;
}

/** The text of an announcement in two halves: the offset goes between them. */
export interface WireAnnouncement {
  readonly physical: string;
  readonly before: string;
  readonly after: string;
}

/** A history beside the channels of a wire. */
export interface WireHistory {
  append(topic: string, body: string, options: LogOptions, announcement: WireAnnouncement | undefined): Promise<string>;
  read(topic: string, after: string | undefined, options: LogOptions, limit: number): Promise<LogSlice>;
}

export interface BackendPubSubOptions extends ChannelHandlersOptions {
  /** Longest time for a publish or a subscription, in ms; then `STORE_TIMEOUT`. @default 5000 */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

/** Both contracts of pub/sub. A function as second argument of `subscribe`, or one argument of `unsubscribe`, means `PubSub`. */
export interface BackendPubSub extends PubSub, PubSubAdapter {
  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  unsubscribe(clientId: string, topic: string): Promise<void>;
  list(clientId: string): Promise<string[]>;
  disconnect(clientId: string): Promise<void>;
  start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>>;
  /** Ends every subscription and frees what was opened here; later calls reject with `STORE_CLOSED`. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  /** One per channel after a lost connection is back, and for handlers that are too slow. */
  readonly events: EventSource<PubSubGap>;
  /** A channel is listened to only while a handler here wants it: routers use one channel per topic. */
  readonly byChannel: true;
  /** The history of topics, where the backend keeps one; routers use it for `topics.history`. */
  readonly history: TopicHistory | undefined;
  /** What is held: channels listened to, clients with a topic, routers. All 0 when nobody is left. */
  readonly size: { readonly channels: number; readonly clients: number; readonly routers: number };
}

/** Stands for the offset in the text of an announcement. */
const OFFSET_MARK = "%offset%";

/** Pub/sub over `wire`: a name of the backend is listened to while a handler here wants it. */
export function backendPubSub(wire: PubSubWire, options: BackendPubSubOptions = {}): BackendPubSub {
  return new Broker(wire, options);
}

/** A name of the backend: what is so, and the work that brings it in line with what is wanted. */
interface Line {
  /** Absent for {@link PubSubWire.bus}. */
  readonly channel: string | undefined;
  listening: boolean;
  /** What the backend was given last; an older one may still be called. */
  receive: ((text: string) => void) | undefined;
  work: Promise<void> | undefined;
}

class Broker implements BackendPubSub {
  readonly byChannel: true = true as const;
  readonly history: TopicHistory | undefined;
  readonly #wire: PubSubWire;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #handlers: ChannelHandlers;
  readonly #interest = new TopicInterest();
  readonly #routers = new Set<{ readonly onRemote: (message: SerializedMessage) => void }>();
  readonly #lines = new Map<string, Line>();
  #sent: Promise<unknown> | undefined;
  #sentInTime: Promise<void> | undefined;
  #lostAt = 0;
  #closed: Promise<void> | undefined;

  constructor(wire: PubSubWire, options: BackendPubSubOptions) {
    this.#wire = wire;
    this.#timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 5000);
    this.#clock = options.clock ?? systemClock;
    this.#handlers = new ChannelHandlers(options);
    const { history } = wire;
    this.history = history && {
      announces: true,
      append: (topic, body, log, announcement) => this.#asked("append", topic, () => history.append(topic, body, log, announcement && this.#announcement(announcement))),
      read: (topic, after, log, limit = Infinity) => this.#asked("read", topic, () => history.read(topic, after, log, limit)),
    };
    wire.onChange(
      () => void (this.#lostAt ||= this.#clock.now()),
      (physical, since) => this.#back(physical, since),
      () => this.#gone(),
    );
  }

  get events(): EventSource<PubSubGap> {
    return this.#handlers.gaps;
  }

  get size(): { channels: number; clients: number; routers: number } {
    return { channels: Math.max(this.#handlers.size, this.#lines.size), clients: this.#interest.size, routers: this.#routers.size };
  }

  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  publish(channel: string, message: unknown): Promise<PublishReport | void> {
    try {
      this.#check("channel", channel);
      const text = encodeValue(message);
      this.#fits(text);
      if (!isSerialized(message)) return this.#publish(this.#wire.physical(channel), text);
      return this.#publish(this.#wire.bus, text).then((): PublishReport => ({ matched: this.#interest.count(channel), capability: "exact" }));
    } catch (error) {
      return Promise.reject(this.#failure("publish", error));
    }
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
    const added = this.#handlers.add(first, second);
    try {
      await this.#timed("subscribe", this.#follow(this.#wire.physical(first), first));
    } catch (error) {
      this.#handlers.remove(added);
      void this.#follow(this.#wire.physical(first), first).catch(() => undefined);
      throw error;
    }
    return async () => {
      if (this.#handlers.remove(added)) await this.#follow(this.#wire.physical(first), first);
    };
  }

  async unsubscribe(first: string, topic?: string): Promise<void> {
    this.#check(topic === undefined ? "channel" : "clientId", first);
    if (topic !== undefined) {
      this.#interest.remove(first, topic);
      return;
    }
    this.#handlers.removeAll(first);
    await this.#follow(this.#wire.physical(first), first);
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
      await this.#timed("start", this.#follow(this.#wire.bus));
    } catch (error) {
      this.#routers.delete(router);
      void this.#follow(this.#wire.bus).catch(() => undefined);
      throw error;
    }
    return async () => {
      if (this.#routers.delete(router)) await this.#follow(this.#wire.bus);
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
    await this.#timed("close", this.#wire.close()).catch(() => undefined);
  }

  #check(option: string, name: unknown): void {
    if (this.#closed !== undefined) throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
    checkString(option, name);
  }

  /** Brings the backend's subscription in line with what is wanted here, one step at a time per name. */
  #follow(physical: string, channel?: string): Promise<void> {
    let line = this.#lines.get(physical);
    if (line === undefined) this.#lines.set(physical, (line = { channel, listening: false, receive: undefined, work: undefined }));
    return (line.work ??= this.#settle(physical, channel, line));
  }

  async #settle(physical: string, channel: string | undefined, line: Line): Promise<void> {
    try {
      for (;;) {
        const wanted = this.#isWanted(channel);
        if (this.#closed !== undefined || wanted === line.listening) return;
        if (wanted) {
          const receive = (text: string): void => {
            if (line.receive === receive) this.#receive(channel, text);
          };
          line.receive = receive;
          await this.#wire.subscribe(physical, receive);
        } else {
          // Also when the backend cannot be told: whoever wants the name next asks for it anew, and hears with that alone.
          line.listening = false;
          line.receive = undefined;
          await this.#wire.unsubscribe(physical).catch((error: unknown) => {
            if (!this.#isWanted(channel)) throw error;
          });
        }
        line.listening = wanted;
      }
    } finally {
      line.work = undefined;
      if (!line.listening && this.#lines.get(physical) === line) this.#lines.delete(physical);
    }
  }

  #isWanted(channel: string | undefined): boolean {
    return channel === undefined ? this.#routers.size > 0 : this.#handlers.has(channel);
  }

  #back(physical: string | undefined, at: number = this.#clock.now()): void {
    if (physical !== undefined) {
      const line = this.#lines.get(physical);
      if (line !== undefined) this.#handlers.lost(at, [line.channel ?? "*"]);
      return;
    }
    const since = this.#lostAt || this.#clock.now();
    this.#lostAt = 0;
    this.#handlers.lost(since);
    if (this.#routers.size > 0) this.#handlers.lost(since, ["*"]);
  }

  /** Nothing will come any more: handlers are told of their gap, and who subscribes again asks the backend anew. */
  #gone(): void {
    for (const [physical, line] of this.#lines) {
      line.listening = false;
      if (line.work === undefined) this.#lines.delete(physical);
    }
    this.#back(undefined);
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

  /** A wire that answers several publishes at once gives them one promise; then they share one deadline, too. */
  #publish(physical: string, text: string): Promise<void> {
    const sent = this.#wire.publish(physical, text);
    if (sent !== this.#sent) {
      this.#sent = sent;
      this.#sentInTime = this.#timed("publish", sent.then(nothing));
    }
    return this.#sentInTime as Promise<void>;
  }

  #asked<T>(operation: string, topic: string, ask: () => Promise<T>): Promise<T> {
    try {
      this.#check("topic", topic);
      return this.#timed(`history ${operation}`, ask());
    } catch (error) {
      return Promise.reject(this.#failure(operation, error));
    }
  }

  #announcement({ channel, message }: Announcement): WireAnnouncement {
    const text = encodeValue(message(OFFSET_MARK));
    this.#fits(text);
    const at = text.indexOf(OFFSET_MARK);
    return { physical: this.#wire.physical(channel), before: text.slice(0, at), after: text.slice(at + OFFSET_MARK.length) };
  }

  #fits(text: string): void {
    const { maxMessageBytes } = this.#wire;
    // A UTF-16 unit takes at most three bytes, so short texts need no measuring.
    if (text.length * 3 > maxMessageBytes && encodeText(text).length > maxMessageBytes) {
      throw new StoreError("PAYLOAD_TOO_LARGE", `the message takes more than ${maxMessageBytes} bytes`, { outcome: "not-applied" });
    }
  }

  async #timed<T>(operation: string, work: Promise<T>): Promise<T> {
    try {
      return await timed(work, this.#timeoutMs, () => new StoreError("STORE_TIMEOUT", `${this.#wire.name} pub/sub: ${operation} gave no answer within ${this.#timeoutMs} ms`, { outcome: "unknown" }), this.#clock);
    } catch (error) {
      throw this.#failure(operation, error);
    }
  }

  #failure(operation: string, error: unknown): unknown {
    if (isSluiceError(error)) return error;
    return new StoreError("STORE_UNAVAILABLE", `${this.#wire.name} pub/sub: ${operation} failed`, { cause: error, outcome: "unknown" });
  }
}

function nothing(): void {}
