/** The wire of `cloudflarePubSub`: brokers by the name of the topic, asked by RPC. */

import { type Clock, sleep } from "../../../core/clock.ts";
import { StoreError } from "../../../core/errors.ts";
import { type Random, systemRandom } from "../../../core/random.ts";
import type { PubSubWire } from "../../../state/pubsub/backend-pub-sub.ts";
import { topicToDoName } from "../../../state/pubsub/topic-to-do-name.ts";
import { isNoRpc, objectFailure } from "../object-failure.ts";
import type { DurableObjectNamespaceLike } from "../types.ts";
import { BrokerLine } from "./broker-line.ts";
import { Home, type Resident } from "./home.ts";
import { type BrokerOperation, type BrokerStub, MAX_MESSAGE_BYTES, SESSION } from "./protocol.ts";

export interface ObjectWireOptions {
  readonly namespace: DurableObjectNamespaceLike;
  readonly shards: number;
  readonly name: string;
  readonly prefix: string;
  /** The object this is in; absent outside one, or where its state is not known. */
  readonly home: Home | undefined;
  readonly clock: Clock;
  readonly random?: Random;
}

const RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

interface Session {
  readonly names: Set<string>;
  /** The broker hands messages to it; a new promise after every loss. */
  greeted: Promise<void>;
}

export class ObjectWire implements PubSubWire, Resident {
  readonly name = "Durable Object";
  readonly maxMessageBytes: number = MAX_MESSAGE_BYTES;
  readonly bus: string;
  readonly #options: ObjectWireOptions;
  readonly #home: Home;
  /** Whether brokers reach the object by themselves. */
  readonly #isObject: boolean;
  readonly #receivers: Map<string, (text: string) => void> = new Map();
  readonly #lines: Map<string, BrokerLine> = new Map();
  readonly #sessions: Map<string, Session> = new Map();
  /** Ids of brokers, by their names. */
  readonly #ids: Map<string, string> = new Map();
  readonly #known: Set<string> = new Set();
  #back: (physical: string, since?: number) => void = () => undefined;
  #closed = false;

  constructor(options: ObjectWireOptions) {
    this.#options = options;
    this.bus = `${options.prefix}bus`;
    this.#isObject = options.home !== undefined;
    this.#home = options.home ?? new Home(SESSION + (options.random ?? systemRandom).uuid(), options.clock);
    this.#home.residents.add(this);
  }

  get home(): Home {
    return this.#home;
  }

  physical(channel: string): string {
    return `${this.#options.prefix}topic:${channel}`;
  }

  publish(physical: string, text: string): Promise<unknown> {
    // Handlers of the same object need no broker, and it hands nothing back to where a message came from.
    queueMicrotask(() => {
      const broker = this.#idOf(this.#brokerOf(physical));
      for (const resident of this.#home.residents) if (resident.knows(broker) && resident.wants(physical)) resident.receive(physical, text);
    });
    return this.#ask(physical, ["publish", physical, text]);
  }

  async subscribe(physical: string, receive: (text: string) => void): Promise<void> {
    this.#receivers.set(physical, receive);
    this.#idOf(this.#brokerOf(physical));
    this.#home.arrived();
    try {
      if (!this.#isObject) await this.#follow(physical);
      await this.#ask(physical, ["listen", physical]);
      const since = this.#home.missedBefore(this, this.#idOf(this.#brokerOf(physical)), physical);
      if (since !== undefined) this.#back(physical, since);
    } catch (error) {
      this.#receivers.delete(physical);
      this.#leave(physical);
      throw error;
    }
  }

  async unsubscribe(physical: string): Promise<void> {
    this.#receivers.delete(physical);
    if (this.#home.shares(this.#idOf(this.#brokerOf(physical)), physical, this)) return;
    await this.#ask(physical, ["unlisten", physical]);
    this.#leave(physical);
  }

  onChange(_lost: () => void, back: (physical: string, since?: number) => void): void {
    this.#back = back;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#receivers.keys()].map((name) => this.unsubscribe(name)));
    this.#home.residents.delete(this);
  }

  knows(broker: string): boolean {
    return this.#known.has(broker);
  }

  wants(name: string): boolean {
    return this.#receivers.has(name);
  }

  receive(name: string, text: string): void {
    this.#receivers.get(name)?.(text);
  }

  missed(broker: string, since: number): void {
    for (const name of this.#receivers.keys()) if (this.#idOf(this.#brokerOf(name)) === broker) this.#back(name, since);
  }

  #brokerOf(physical: string): string {
    return topicToDoName(physical, this.#options.shards, this.#options.name);
  }

  #idOf(broker: string): string {
    let id = this.#ids.get(broker);
    if (id === undefined) {
      this.#ids.set(broker, (id = String(this.#options.namespace.idFromName(broker))));
      this.#known.add(id);
    }
    return id;
  }

  #ask(physical: string, operation: BrokerOperation): Promise<void> {
    const broker = this.#brokerOf(physical);
    let line = this.#lines.get(broker);
    if (line === undefined) {
      line = new BrokerLine({
        send: (operations) => this.#call((stub) => stub.exchange(this.#home.id, operations), broker),
        single: this.#isObject || this.#sessions.has(broker),
        onIdle: () => this.#lines.delete(broker),
      });
      this.#lines.set(broker, line);
    }
    return line.ask(operation);
  }

  async #call<T>(call: (stub: BrokerStub) => Promise<T>, broker: string): Promise<T> {
    const { namespace } = this.#options;
    try {
      return await call(namespace.get(namespace.idFromName(broker)) as unknown as BrokerStub);
    } catch (error) {
      if (isNoRpc(error)) {
        throw new StoreError("STORE_CAPABILITY", "pub/sub needs RPC: the Worker that holds PubSubDO needs a compatibility date of 2024-04-03 or later, and a bundler that resolves the condition workerd", { cause: error, outcome: "not-applied" });
      }
      throw objectFailure(error, "PubSubDO");
    }
  }

  /** Sees to it that the broker hands messages to this session. */
  #follow(physical: string): Promise<void> {
    const broker = this.#brokerOf(physical);
    let session = this.#sessions.get(broker);
    if (session === undefined) {
      session = { names: new Set(), greeted: Promise.resolve() };
      this.#sessions.set(broker, session);
      session.greeted = this.#begin(broker, session);
    }
    session.names.add(physical);
    return session.greeted;
  }

  #begin(broker: string, session: Session): Promise<void> {
    return new Promise((greeted, refused) => {
      const call = this.#call(
        (stub) => stub.follow(this.#home.id, async (delivery) => {
          greeted();
          return this.#home.deliver(delivery);
        }),
        broker,
      );
      call.then(
        () => this.#lost(broker, session),
        (error: unknown) => {
          refused(error);
          this.#lost(broker, session);
        },
      );
    });
  }

  #lost(broker: string, session: Session): void {
    if (this.#sessions.get(broker) !== session || this.#closed || session.names.size === 0) return;
    const since = this.#options.clock.now();
    session.greeted = this.#again(broker, session, since);
    session.greeted.catch(() => undefined);
  }

  async #again(broker: string, session: Session, since: number): Promise<void> {
    for (let wait = RETRY_MS; this.#sessions.get(broker) === session; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      await sleep(wait, this.#options.clock);
      try {
        await this.#begin(broker, session);
        await Promise.all([...session.names].map((name) => this.#ask(name, ["listen", name])));
        for (const name of session.names) this.#back(name, since);
        return;
      } catch {
        // The next try may find it.
      }
    }
  }

  #leave(physical: string): void {
    const broker = this.#brokerOf(physical);
    const session = this.#sessions.get(broker);
    if (session === undefined || !session.names.delete(physical) || session.names.size > 0) return;
    this.#sessions.delete(broker);
    void this.#ask(physical, ["leave"]).catch(() => undefined);
  }
}
