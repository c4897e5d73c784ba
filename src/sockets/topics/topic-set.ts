/** The topics of one connection: a set that reads at once, and changes one operation after the other. */

import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";
import type { Connection } from "../connection.ts";
import { TopicError } from "../errors.ts";
import { flow } from "./flow.ts";
import type { HistoryEntry } from "./hub-topics.ts";
import type { PresenceMember } from "./presence.ts";

export interface TopicCallOptions {
  /** Aborted before the operation's turn, nothing changes. */
  readonly signal?: AbortSignal;
  /** Longest time for the operation, in ms. @default none */
  readonly timeoutMs?: number;
}

export type TopicStatus = "subscribed" | "pending-subscribe" | "pending-unsubscribe" | "absent";

export interface TopicChange {
  readonly added: number;
  readonly removed: number;
  readonly total: number;
}

/** `ctx.topics`. Names are the normalised ones, in the order in which they were subscribed to. */
export class TopicSet implements ReadonlySet<string> {
  readonly #connection: Connection;
  readonly #topics = new Set<string>();
  #pending: Map<string, "pending-subscribe" | "pending-unsubscribe"> | undefined;
  #tail: Promise<unknown> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  // ------------------------------------------------------------------------------------------------------------- reads

  get size(): number {
    return this.#topics.size;
  }

  has(topic: string): boolean {
    const name = this.#tryName(topic);
    return name !== undefined && this.#topics.has(name);
  }

  list(): string[] {
    return [...this.#topics];
  }

  forEach(callback: (value: string, key: string, set: ReadonlySet<string>) => void, thisArg?: unknown): void {
    for (const topic of this.list()) callback.call(thisArg, topic, topic, this);
  }

  keys(): SetIterator<string> {
    return new Set(this.#topics).keys();
  }

  values(): SetIterator<string> {
    return new Set(this.#topics).values();
  }

  entries(): SetIterator<[string, string]> {
    return new Set(this.#topics).entries();
  }

  [Symbol.iterator](): SetIterator<string> {
    return this.values();
  }

  status(topic: string): TopicStatus {
    const name = this.#tryName(topic);
    if (name === undefined) return "absent";
    return this.#pending?.get(name) ?? (this.#topics.has(name) ? "subscribed" : "absent");
  }

  // ------------------------------------------------------------------------------------------------------------ writes

  /** Rejects with a `TopicError` when it is not allowed. Idempotent. */
  subscribe(topic: string, options?: TopicCallOptions): Promise<void> {
    return this.#enqueue(() => this.#change([topic], []), options).then(() => undefined);
  }

  unsubscribe(topic: string, options?: TopicCallOptions): Promise<void> {
    return this.#enqueue(() => this.#change([], [topic]), options).then(() => undefined);
  }

  /** All or nothing. */
  subscribeMany(topics: Iterable<string>, options?: TopicCallOptions): Promise<{ added: number; total: number }> {
    const list = [...topics];
    return this.#enqueue(() => this.#change(list, []), options).then(({ added, total }) => ({ added, total }));
  }

  unsubscribeMany(topics: Iterable<string>, options?: TopicCallOptions): Promise<{ removed: number; total: number }> {
    const list = [...topics];
    return this.#enqueue(() => this.#change([], list), options).then(({ removed, total }) => ({ removed, total }));
  }

  /** Makes the set what it is given. */
  set(topics: Iterable<string>, options?: TopicCallOptions): Promise<TopicChange> {
    const list = [...topics];
    return this.#enqueue(() => this.#target(list), options);
  }

  /** Changes a draft of the set; what it holds afterwards is the target. */
  update(change: (draft: Set<string>) => void, options?: TopicCallOptions): Promise<TopicChange> {
    return this.#enqueue(() => {
      const draft = new Set(this.#topics);
      change(draft);
      return this.#target([...draft]);
    }, options);
  }

  clear(options?: TopicCallOptions): Promise<{ removed: number }> {
    return this.#enqueue(() => this.#change([], this.list()), options).then(({ removed }) => ({ removed }));
  }

  /** Resolves when nothing is under way, for one topic or for all. */
  async settle(_topic?: string): Promise<void> {
    await this.#tail?.catch(() => undefined);
  }

  /** What the adapter thinks. */
  async verify(topic: string): Promise<"subscribed" | "unsubscribed" | "unsupported" | "error"> {
    await this.settle();
    const { bridge } = this.#connection.hub.topics;
    const name = this.#tryName(topic);
    if (name === undefined) return "unsubscribed";
    if (bridge === undefined) return this.#topics.has(name) ? "subscribed" : "unsubscribed";
    try {
      const listed = await bridge.list(this.#connection.clientId);
      return listed === undefined ? "unsupported" : listed.includes(name) ? "subscribed" : "unsubscribed";
    } catch {
      return "error";
    }
  }

  // -------------------------------------------------------------------------------------------------- presence, history

  /** Who is there, in the whole fleet. */
  presence(topic: string): Promise<PresenceMember[]> {
    return this.#guarded(() => this.#connection.hub.topics.presenceOf(topic, this.#connection));
  }

  /** Says something about oneself to those who look at the presence of a topic; at most 4 KiB. */
  track(topic: string, data: unknown): Promise<void> {
    return this.#guarded(() => this.#connection.hub.topics.track(topic, data, this.#connection));
  }

  /** What was published, oldest first. */
  history(topic: string, options: { readonly after?: string; readonly limit?: number } = {}): Promise<HistoryEntry[]> {
    return this.#guarded(() => this.#connection.hub.topics.historyOf(topic, options, this.#connection));
  }

  #guarded<T>(call: () => MaybePromise<T>): Promise<T> {
    const work = (async () => call())();
    work.catch(() => undefined);
    return work;
  }

  // ----------------------------------------------------------------------------------------------------------- internal

  #tryName(topic: string): string | undefined {
    try {
      return this.#connection.hub.topics.normalise(topic, this.#connection);
    } catch {
      return undefined;
    }
  }

  /** Runs an operation after those before it. A rejection nobody waits for is nobody's, but never an unhandled one. */
  #enqueue<T>(operation: () => MaybePromise<T>, options: TopicCallOptions | undefined): Promise<T> {
    const run = (): MaybePromise<T> => {
      if (options?.signal?.aborted === true) throw new TopicError("ABORTED", "aborted before its turn");
      if (this.#connection.isClosing) throw new TopicError("CONNECTION_CLOSED", "the connection is closed");
      const work = operation();
      return options?.timeoutMs === undefined ? work : this.#timed(work, options.timeoutMs);
    };
    let work: Promise<T>;
    if (this.#tail === undefined) {
      try {
        const now = run();
        if (!isPromise(now)) return Promise.resolve(now);
        work = now;
      } catch (error) {
        work = Promise.reject(error);
        work.catch(() => undefined);
        return work;
      }
    } else work = this.#tail.then(run, run);
    const tail: Promise<unknown> = work.then(
      () => this.#done(tail),
      () => this.#done(tail),
    );
    this.#tail = tail;
    work.catch(() => undefined);
    return work;
  }

  #done(tail: Promise<unknown>): void {
    if (this.#tail === tail) this.#tail = undefined;
  }

  async #timed<T>(work: MaybePromise<T>, timeoutMs: number): Promise<T> {
    try {
      return await this.#connection.hub.within(work, timeoutMs);
    } catch (error) {
      if (error instanceof DOMException && error.name === "TimeoutError") throw new TopicError("ABORTED", `not done within ${timeoutMs} ms`, {}, error);
      throw error;
    }
  }

  #target(topics: readonly string[]): MaybePromise<TopicChange> {
    const { topics: hubTopics } = this.#connection.hub;
    const wanted = new Set(topics.map((topic) => hubTopics.normalise(topic, this.#connection)));
    const gone = this.list().filter((topic) => !wanted.has(topic));
    return this.#change([...wanted], gone);
  }

  #change(add: readonly string[], remove: readonly string[]): MaybePromise<TopicChange> {
    return flow(this.#steps(add, remove));
  }

  *#steps(add: readonly string[], remove: readonly string[]): Generator<unknown, TopicChange, never> {
    const connection = this.#connection;
    const { topics } = connection.hub;
    const adding = [...new Set(add.map((topic) => topics.normalise(topic, connection)))].filter((topic) => !this.#topics.has(topic));
    const removing = [...new Set(remove.map((topic) => topics.normalise(topic, connection)))].filter((topic) => this.#topics.has(topic));
    for (const topic of removing) yield topics.authorise("unsubscribe", topic, connection);
    for (const topic of adding) yield topics.authorise("subscribe", topic, connection);
    const { maxTopicsPerConnection, maxTopics } = topics.policy;
    const total = this.#topics.size + adding.length - removing.length;
    if (adding.length > 0 && total > maxTopicsPerConnection) throw new TopicError("TOPIC_LIMIT_EXCEEDED", `at most ${maxTopicsPerConnection} topics per connection`, { topic: adding[0] as string, limit: maxTopicsPerConnection });
    const fresh = adding.filter((topic) => !topics.index.has(topic)).length;
    if (fresh > 0 && topics.index.size + fresh > maxTopics) throw new TopicError("TOPIC_LIMIT_EXCEEDED", `at most ${maxTopics} topics`, { topic: adding[0] as string, limit: maxTopics });
    const pending = (this.#pending ??= new Map());
    for (const topic of removing) pending.set(topic, "pending-unsubscribe");
    for (const topic of adding) pending.set(topic, "pending-subscribe");
    const undo: (() => MaybePromise<void>)[] = [];
    try {
      for (const topic of removing) {
        yield topics.detach(connection.clientId, topic);
        undo.push(() => topics.attach(connection.clientId, topic));
      }
      for (const topic of adding) {
        yield topics.attach(connection.clientId, topic);
        undo.push(() => topics.detach(connection.clientId, topic));
      }
      if (connection.isClosing) throw new TopicError("CONNECTION_CLOSED", "the connection is closed");
    } catch (error) {
      for (const step of undo.reverse()) {
        try {
          yield step();
        } catch {
          // The adapter is told again when the connection closes.
        }
      }
      throw error;
    } finally {
      for (const topic of removing) pending.delete(topic);
      for (const topic of adding) pending.delete(topic);
      if (pending.size === 0 && this.#pending === pending) this.#pending = undefined;
    }
    for (const topic of removing) {
      this.#topics.delete(topic);
      topics.left(topic, connection);
    }
    for (const topic of adding) {
      this.#topics.add(topic);
      topics.joined(topic, connection);
    }
    return { added: adding.length, removed: removing.length, total: this.#topics.size };
  }

  /** Puts back what another process life knew. @internal */
  restore(topics: Iterable<string>): void {
    for (const topic of topics) {
      this.#topics.add(topic);
      this.#connection.hub.topics.joined(topic, this.#connection);
    }
  }
}
