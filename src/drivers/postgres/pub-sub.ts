/** Pub/sub on Postgres: both contracts in one object, `LISTEN` on a session of its own. */

import { checkInteger } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { encodeText } from "../../core/codec.ts";
import { sha256Hex } from "../../core/digest.ts";
import { OptionError } from "../../core/errors.ts";
import { escapeKeyPart } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { type BackendPubSub, type BackendPubSubOptions, type PubSubWire, backendPubSub } from "../../state/pubsub/backend-pub-sub.ts";
import { type PostgresClient, type PostgresClientOptions, type PostgresConnection, type PostgresListener, recogniseClient } from "./client.ts";
import { postgresError } from "./failure.ts";
import { INLINE_BYTES, Outbox } from "./outbox.ts";
import { DEFAULT_TABLE_PREFIX, checkTablePrefix } from "./schema.ts";
import { PostgresTopicHistory } from "./topic-history.ts";

export interface PostgresPubSubOptions extends BackendPubSubOptions, PostgresClientOptions {
  /** In front of every channel, and of the table for long messages. @default "sluice_" */
  readonly tablePrefix?: string;
  /** Largest encoded message; above it `PAYLOAD_TOO_LARGE`. @default 8 MiB */
  readonly maxMessageBytes?: number;
  readonly random?: Random;
}

export interface PostgresPubSub extends BackendPubSub {}

/**
 * Pub/sub between everybody on this database with the same prefix: at most once, in the order of each publisher. Listening takes
 * one connection of the pool for as long as there is a handler, and needs a real session: connect to the server itself, not
 * to a pooler in transaction mode. Messages of up to 7,900 bytes travel in the notification, longer ones through the table
 * `<tablePrefix>messages`. What routers publish (a `SerializedMessage`) travels on one channel between routers; handlers of
 * `PubSub` do not see it.
 *
 * @throws OptionError for a client that cannot listen: a single `Client` of `pg`, or a bare `query(text, params)`. A pool of one connection
 * (`max: 1`) can publish, and rejects whoever subscribes with one.
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
  return backendPubSub(new PostgresWire(connection, connection.listener, options), options);
}

/** Longest identifier of Postgres; a longer one would be cut, and two channels might become one. */
const MAX_NAME_BYTES = 63;
/** What needs no quotes: some clients forget them when they stop listening. */
const PLAIN_NAME: RegExp = /^[a-z0-9_]+$/;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2000;
/** How long a session without a listener is kept: a new one costs a connection. */
const IDLE_MS = 1000;

/** A name that is listened to: whether it is so at this moment, and what is being fetched for it. */
interface Name {
  readonly receive: (text: string) => void;
  listening: boolean;
  fetching: Promise<void> | undefined;
}

class PostgresWire implements PubSubWire {
  readonly name: string = "postgres";
  readonly maxMessageBytes: number;
  readonly bus: string;
  readonly history: PostgresTopicHistory;
  readonly #listen: () => Promise<PostgresListener>;
  readonly #outbox: Outbox;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #names = new Map<string, Name>();
  readonly #tag: string;
  #sent = 0;
  #listener: Promise<PostgresListener> | undefined;
  #retry: unknown;
  #idle: unknown;
  #retryMs = FIRST_RETRY_MS;
  #away = false;
  /** Sessions lost so far: one that is lost while it comes back has come back for nothing. */
  #losses = 0;
  #closed = false;
  #lost: () => void = () => undefined;
  #back: (physical?: string) => void = () => undefined;

  constructor(connection: PostgresConnection, listen: () => Promise<PostgresListener>, options: PostgresPubSubOptions) {
    this.#listen = listen;
    this.#prefix = checkTablePrefix(options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
    this.bus = `${this.#prefix}routers`;
    this.maxMessageBytes = checkInteger("maxMessageBytes", options.maxMessageBytes ?? 8 * 2 ** 20, 1, 256 * 2 ** 20);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#outbox = new Outbox(connection, this.#prefix);
    this.#tag = this.#random.uuid().slice(0, 8);
    this.history = new PostgresTopicHistory(connection, this.#prefix, () => this.#nextTag());
  }

  physical(channel: string): string {
    const name = `${this.#prefix}channel_${channel}`;
    if (name.length <= MAX_NAME_BYTES && PLAIN_NAME.test(channel)) return name;
    // 160 bits of SHA-256; no name of the other form is that many hex digits behind that word.
    return `sluice_hash_${sha256Hex(`${this.#prefix}channel:${escapeKeyPart(channel)}`).slice(0, 40)}`;
  }

  async publish(physical: string, text: string): Promise<void> {
    // A UTF-16 unit takes at most three bytes, so short texts need no measuring.
    const long = text.length * 3 > INLINE_BYTES && encodeText(text).length > INLINE_BYTES;
    try {
      await this.#outbox.send({ channel: physical, tag: this.#nextTag(), text, long });
    } catch (error) {
      throw postgresError(error, "write");
    }
  }

  #nextTag(): string {
    return `${this.#tag}${(this.#sent++).toString(36)}`;
  }

  async subscribe(physical: string, receive: (text: string) => void): Promise<void> {
    const name: Name = { receive, listening: false, fetching: undefined };
    this.#names.set(physical, name);
    try {
      await this.#hear(physical, name);
    } catch (error) {
      if (this.#names.get(physical) === name) this.#names.delete(physical);
      this.#giveBackUnused();
      throw postgresError(error, "write");
    }
  }

  async unsubscribe(physical: string): Promise<void> {
    const name = this.#names.get(physical);
    this.#names.delete(physical);
    try {
      // A session that is gone listens to nothing.
      if (name?.listening === true) await (await this.#listener)?.unlisten(physical);
    } catch (error) {
      throw postgresError(error, "write");
    } finally {
      this.#giveBackUnused();
    }
  }

  onChange(lost: () => void, back: (physical?: string) => void): void {
    this.#lost = lost;
    this.#back = back;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#names.clear();
    this.#clock.clearTimeout(this.#retry);
    this.#clock.clearTimeout(this.#idle);
    const listener = this.#listener;
    this.#listener = undefined;
    // One that is still connecting closes itself when it is there.
    await listener?.then((made) => made.close());
  }

  async #hear(physical: string, name: Name): Promise<void> {
    const session = this.#connected();
    const listener = await session;
    try {
      await listener.listen(physical);
    } catch (error) {
      // A session may be dead before anybody could be told; kept, it would refuse for ever.
      listener.close().catch(() => undefined);
      this.#sessionLost(session);
      throw error;
    }
    // A session lost meanwhile has listened for nothing.
    if (this.#listener === session) name.listening = true;
  }

  /** Nobody listens: the session goes back to the pool, unless somebody comes soon. */
  #giveBackUnused(): void {
    if (this.#names.size > 0) return;
    this.#clock.clearTimeout(this.#idle);
    this.#idle = this.#clock.setTimeout(() => {
      if (this.#names.size > 0) return;
      const listener = this.#listener;
      this.#listener = undefined;
      listener?.then((made) => made.close()).catch(() => undefined);
    }, IDLE_MS);
  }

  #connected(): Promise<PostgresListener> {
    if (this.#listener !== undefined) return this.#listener;
    const made = this.#listen().then((listener) => {
      listener.onMessage((channel, payload) => this.#receive(channel, payload));
      listener.onLost(() => this.#sessionLost(made));
      listener.onBack((physical) => this.#back(physical));
      return listener;
    });
    this.#listener = made;
    made.catch(() => {
      // The next one who wants to listen tries again.
      if (this.#listener === made) this.#listener = undefined;
    });
    return made;
  }

  #sessionLost(session: Promise<PostgresListener>): void {
    if (this.#listener !== session) return;
    this.#listener = undefined;
    this.#away = true;
    this.#losses++;
    this.#lost();
    for (const name of this.#names.values()) name.listening = false;
    this.#comeBack();
  }

  #comeBack(): void {
    this.#clock.clearTimeout(this.#retry);
    this.#retry = this.#clock.setTimeout(() => {
      const losses = this.#losses;
      const silent = [...this.#names].filter(([, name]) => !name.listening);
      Promise.all(silent.map(([physical, name]) => this.#hear(physical, name))).then(
        () => {
          // After another loss, whoever brings that session back tells of the gap.
          if (!this.#away || this.#closed || losses !== this.#losses) return;
          this.#away = false;
          this.#retryMs = FIRST_RETRY_MS;
          this.#back();
        },
        () => {
          this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
          if (!this.#closed) this.#comeBack();
        },
      );
    }, this.#retryMs * (0.5 + this.#random.next() / 2));
  }

  /** `m<tag>:<text>`, or `x<tag>:<id>` for a text that has to be fetched. What comes behind that waits for it. */
  #receive(physical: string, payload: string): void {
    const name = this.#names.get(physical);
    const colon = payload.indexOf(":");
    if (name === undefined || colon < 0) return;
    const body = payload.slice(colon + 1);
    if (payload[0] === "m" && name.fetching === undefined) {
      name.receive(body);
      return;
    }
    const before = name.fetching ?? Promise.resolve();
    const fetched = payload[0] === "m" ? body : this.#outbox.fetch(body).catch(() => undefined);
    const mine: Promise<void> = before.then(async () => {
      const text = await fetched;
      if (text === undefined) this.#back(physical);
      else name.receive(text);
      if (name.fetching === mine) name.fetching = undefined;
    });
    name.fetching = mine;
  }
}
