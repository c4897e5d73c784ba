/**
 * Listening on a cluster: one plain connection to one node, which hears what is published on any. When it is gone and the node does
 * not answer, or the node has left, another one is asked. The clients' own subscribers lie inside, and do not say when they have missed something.
 */

import { type Clock, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { systemRandom } from "../../core/random.ts";
import { timed } from "../../state/timed.ts";
import type { RedisSubscriber } from "./subscriber.ts";

export interface ClusterNodes {
  /** Names of the nodes that the client knows now. */
  names(): readonly string[];
  /** A connection of its own to one of them. */
  connect(name: string): Promise<RedisSubscriber>;
}

/** A node that has not answered for this long is left for another one, in ms. */
const CONNECT_MS = 2000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
/** How often it is looked whether the node still belongs to the cluster, in ms. */
const LOOK_MS = 1000;

export function clusterSubscriber(nodes: ClusterNodes): Promise<RedisSubscriber> {
  return Promise.resolve(new ClusterSubscriber(nodes, systemClock));
}

class ClusterSubscriber implements RedisSubscriber {
  readonly #nodes: ClusterNodes;
  readonly #clock: Clock;
  readonly #handlers = new Map<string, (message: string) => void>();
  /** The connection that is there, or is being made. */
  #session: Promise<RedisSubscriber> | undefined;
  #live: RedisSubscriber | undefined;
  /** All channels are listened to on it. */
  #complete = false;
  #node: string | undefined;
  #same = false;
  #timer: unknown;
  #closed = false;
  #lost: () => void = () => undefined;
  #back: () => void = () => undefined;

  constructor(nodes: ClusterNodes, clock: Clock) {
    this.#nodes = nodes;
    this.#clock = clock;
  }

  async subscribe(channel: string, handler: (message: string) => void): Promise<void> {
    for (;;) {
      const session = (this.#session ??= this.#open());
      const listener = await session;
      try {
        await listener.subscribe(channel, handler);
      } catch (error) {
        if (this.#session === session) throw error;
      }
      if (this.#session !== session) continue;
      this.#handlers.set(channel, handler);
      return;
    }
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#handlers.delete(channel);
    const session = this.#session;
    try {
      await (await session)?.unsubscribe(channel);
    } catch (error) {
      // A connection that is gone listens to nothing.
      if (this.#session === session) throw error;
    }
  }

  onChange(lost: () => void, back: () => void): void {
    this.#lost = lost;
    this.#back = back;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#clock.clearTimeout(this.#timer);
    this.#handlers.clear();
    const live = this.#live;
    this.#session = this.#live = undefined;
    await live?.close();
  }

  /** Tries one node after the other, for as long as it takes. */
  async #open(): Promise<RedisSubscriber> {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(MAX_RETRY_MS, 2 * retryMs)) {
      const listener = await this.#try();
      if (this.#closed) {
        await listener?.close();
        throw new StoreError("STORE_CLOSED", "the pub/sub is closed", { outcome: "not-applied" });
      }
      if (listener !== undefined) return listener;
      await new Promise<void>((resolve) => void this.#clock.setTimeout(resolve, retryMs));
    }
  }

  async #try(): Promise<RedisSubscriber | undefined> {
    const node = this.#next();
    if (node === undefined) return undefined;
    this.#node = node;
    this.#same = false;
    const late = (): Error => new StoreError("STORE_TIMEOUT", `redis: ${node} gave no answer within ${CONNECT_MS} ms`, { outcome: "not-applied" });
    const connecting = this.#nodes.connect(node);
    try {
      const listener = await timed(connecting, CONNECT_MS, late);
      this.#live = listener;
      this.#complete = false;
      listener.onChange(() => this.#gone(listener), () => undefined);
      await timed(Promise.all([...this.#handlers].map(([channel, handler]) => listener.subscribe(channel, handler))), CONNECT_MS, late);
      // It may have gone meanwhile.
      if (this.#live === listener) {
        this.#complete = true;
        this.#look();
        return listener;
      }
    } catch {
      this.#live = undefined;
      connecting.then((listener) => listener.close()).catch(() => undefined);
    }
    return undefined;
  }

  /** The same one first: on another one a message that was just heard may come again, as nodes pass them on with a delay. */
  #next(): string | undefined {
    const names = this.#nodes.names();
    if (this.#same && names.includes(this.#node as string)) return this.#node;
    const others = names.filter((name) => name !== this.#node);
    const candidates = others.length > 0 ? others : names;
    return candidates[Math.floor(systemRandom.next() * candidates.length)];
  }

  #gone(listener: RedisSubscriber): void {
    if (this.#live !== listener || this.#closed) return;
    this.#live = undefined;
    this.#clock.clearTimeout(this.#timer);
    listener.close().catch(() => undefined);
    if (!this.#complete) return;
    this.#same = true;
    this.#lost();
    const session = this.#open();
    this.#session = session;
    session.then(() => this.#back(), () => undefined);
  }

  /** A node that has left the cluster hears nothing any more, and its connection stays. */
  #look(): void {
    const listener = this.#live as RedisSubscriber;
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#live !== listener) return;
      const names = this.#nodes.names();
      if (names.length > 0 && !names.includes(this.#node as string)) this.#gone(listener);
      else this.#look();
    }, LOOK_MS);
  }
}
