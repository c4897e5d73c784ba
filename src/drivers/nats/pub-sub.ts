/** Pub/sub on core NATS: both contracts in one object, on the connection that is given. */

import { checkString } from "../../core/check.ts";
import { decodeText } from "../../core/codec.ts";
import { sha256Hex } from "../../core/digest.ts";
import { OptionError } from "../../core/errors.ts";
import { MAX_KEY_BYTES, utf8Key } from "../../core/keys.ts";
import { type BackendPubSub, type BackendPubSubOptions, type PubSubWire, backendPubSub } from "../../state/pubsub/backend-pub-sub.ts";
import { natsError } from "./kv.ts";
import { toSubject } from "./subject.ts";

/** A connection of `@nats-io/transport-node`, `@nats-io/transport-deno` or `@nats-io/nats-core` (`wsconnect`): they are one class. */
export interface NatsConnectionLike {
  readonly info?: { readonly max_payload?: number };
  publish(subject: string, payload: string): void;
  subscribe(subject: string, options: { callback: (error: Error | null, message: { readonly data: Uint8Array }) => void }): { unsubscribe(): void };
  flush(): Promise<void>;
  status(): AsyncIterable<{ readonly type: string }>;
}

export interface NatsPubSubOptions extends BackendPubSubOptions {
  /** In front of every subject; `sluice:` becomes the token `sluice`. @default "sluice:" */
  readonly prefix?: string;
}

export interface NatsPubSub extends BackendPubSub {}

const DEFAULT_MAX_PAYLOAD = 2 ** 20;

/** Subjects of channels that are remembered: spelling one costs more than sending a short message. */
const MAX_SUBJECTS = 1024;

/**
 * Pub/sub between everybody on this NATS with the same prefix: at most once, in the order of each publisher. A subject is
 * subscribed to while a handler here wants it. `publish` resolves when the server has taken the message; publishes of one
 * turn share that round trip. What routers publish (a `SerializedMessage`) travels on one subject between routers; handlers
 * of `PubSub` do not see it. The connection stays the caller's and open.
 *
 * @throws OptionError for an object that is no connection.
 *
 * @example
 * const pubsub = natsPubSub(await connect({ servers: "demo.example:4222", maxReconnectAttempts: -1 }));
 * const stop = await pubsub.subscribe("orders", (order) => console.log(order));
 */
export function natsPubSub(connection: NatsConnectionLike, options: NatsPubSubOptions = {}): NatsPubSub {
  const missing = (["publish", "subscribe", "flush", "status"] as const).filter((method) => typeof (connection as Partial<NatsConnectionLike> | null | undefined)?.[method] !== "function");
  if (missing.length > 0) throw new OptionError("connection", connection, `a connection to NATS; it lacks ${missing.join(", ")}`);
  return backendPubSub(new NatsWire(connection, checkString("prefix", options.prefix ?? "sluice:")), options);
}

class NatsWire implements PubSubWire {
  readonly name: string = "nats";
  readonly bus: string;
  readonly #connection: NatsConnectionLike;
  readonly #prefix: string;
  readonly #subscriptions = new Map<string, { unsubscribe(): void }>();
  readonly #subjects = new Map<string, string>();
  #maxPayload: number = DEFAULT_MAX_PAYLOAD;
  #flushing: Promise<void> | undefined;
  #status: (AsyncIterable<{ readonly type: string }> & { stop?(): void }) | undefined;
  #lost: () => void = () => undefined;
  #back: () => void = () => undefined;
  #gone: () => void = () => undefined;
  #closed = false;

  constructor(connection: NatsConnectionLike, prefix: string) {
    this.#connection = connection;
    this.#prefix = utf8Key(prefix);
    this.bus = toSubject(`${this.#prefix}routers`);
  }

  /** What the server says; while there is none, what it said last. */
  get maxMessageBytes(): number {
    return (this.#maxPayload = this.#connection.info?.max_payload ?? this.#maxPayload);
  }

  physical(channel: string): string {
    const known = this.#subjects.get(channel);
    if (known !== undefined) return known;
    let subject = toSubject(`${this.#prefix}channel:${utf8Key(channel)}`);
    // The control line of the protocol ends at 4,096 bytes.
    if (subject.length > 3 * MAX_KEY_BYTES) subject = toSubject(`${this.#prefix}long:${sha256Hex(channel)}`);
    if (this.#subjects.size >= MAX_SUBJECTS) this.#subjects.clear();
    this.#subjects.set(channel, subject);
    return subject;
  }

  publish(physical: string, text: string): Promise<void> {
    try {
      this.#connection.publish(physical, text);
    } catch (error) {
      throw natsError(error, "publish", "unknown");
    }
    return (this.#flushing ??= this.#flush());
  }

  async subscribe(physical: string, receive: (text: string) => void): Promise<void> {
    this.#watch();
    let refusal: Error | undefined;
    const callback = (error: Error | null, message: { readonly data: Uint8Array }): void => {
      if (error === null) receive(decodeText(message.data));
      else refusal = error;
    };
    try {
      const subscription = this.#connection.subscribe(physical, { callback });
      this.#subscriptions.set(physical, subscription);
      await this.#connection.flush();
      // Told before the answer to the flush: the server goes through its input in order.
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      await this.unsubscribe(physical);
      throw natsError(error, "subscribe", "unknown");
    }
  }

  async unsubscribe(physical: string): Promise<void> {
    this.#subscriptions.get(physical)?.unsubscribe();
    this.#subscriptions.delete(physical);
    if (this.#subscriptions.size === 0) this.#unwatch();
  }

  onChange(lost: () => void, back: () => void, gone: () => void): void {
    this.#lost = lost;
    this.#back = back;
    this.#gone = gone;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#unwatch();
  }

  /** One for everybody who publishes in this turn. */
  async #flush(): Promise<void> {
    await Promise.resolve();
    this.#flushing = undefined;
    try {
      await this.#connection.flush();
    } catch (error) {
      throw natsError(error, "publish", "unknown");
    }
  }

  /** The client subscribes again by itself after a reconnection; what was published meanwhile is lost. One that gives up ends its status. */
  #watch(): void {
    if (this.#status !== undefined || this.#closed) return;
    const status = this.#connection.status();
    this.#status = status;
    void (async () => {
      for await (const { type } of status) {
        if (this.#status !== status) return;
        if (type === "disconnect") this.#lost();
        else if (type === "reconnect") {
          const isBack = await this.#connection.flush().then(
            () => true,
            () => false,
          );
          if (isBack && this.#status === status) this.#back();
        }
      }
    })()
      .catch(() => undefined)
      .then(() => {
        if (this.#status !== status) return;
        this.#status = undefined;
        this.#subscriptions.clear();
        this.#gone();
      });
  }

  #unwatch(): void {
    const status = this.#status;
    this.#status = undefined;
    status?.stop?.();
  }
}
