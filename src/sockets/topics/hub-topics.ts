/** Topics of a hub: policy, subscribers, the way to other processes, history and presence. */

import { textBytes } from "../frame.ts";
import { type MaybePromise, chain, isPromise } from "../../core/maybe-promise.ts";
import type { SerializedMessage } from "../../state/contracts/pub-sub.ts";
import { routed } from "../../state/pubsub/message.ts";
import { type LogSlice, MemoryTopicLog, type TopicHistory } from "../../state/pubsub/topic-log.ts";
import type { Connection } from "../connection.ts";
import { TopicError } from "../errors.ts";
import type { Hub } from "../hub.ts";
import type { Bridge } from "./bridge.ts";
import { fanOut } from "./fan-out.ts";
import { flow } from "./flow.ts";
import type { ResolvedTopics, TopicAction, TopicActor } from "./policy.ts";
import { Presence, type PresenceMember } from "./presence.ts";
import { Sequencer } from "./sequencer.ts";
import { SharedReads } from "./shared-reads.ts";
import { TopicIndex, isPattern, isValidPattern } from "./topic-index.ts";

/** A message of the past. */
export interface HistoryEntry {
  readonly offset: string;
  readonly type: string;
  readonly payload: unknown;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** What hubs tell each other travels under this name, which no topic can have. */
export const CONTROL_TOPIC = "$control";
/** With wildcards every topic travels under one name: a pattern may want any of them. */
const ANY_TOPIC = "$any";
const CONTROL_TYPE = { takeover: "$ws:takeover", presence: "$ws:presence" } as const;
/** First wait before a broker that could not be started is tried again, in ms; doubled up to the last. */
const RETRY_MS = [100, 10_000] as const;

export class HubTopics {
  readonly hub: Hub;
  readonly policy: ResolvedTopics;
  readonly index: TopicIndex = new TopicIndex();
  readonly bridge: Bridge | undefined;
  readonly history: TopicHistory | undefined;
  readonly presence: Presence | undefined;
  readonly sequencer: Sequencer | undefined;
  readonly #reads = new SharedReads<LogSlice>();
  #started: Promise<void> | undefined;
  #startedOk = false;
  #retryAt = 0;
  #retryMs: number = RETRY_MS[0];
  #stop: (() => MaybePromise<void>) | undefined;
  #removeGap: (() => void) | undefined;

  constructor(hub: Hub, bridge: Bridge | undefined) {
    this.hub = hub;
    this.policy = hub.options.topics;
    this.bridge = bridge;
    if (this.policy.history !== undefined) this.history = bridge?.history ?? hub.server.history ?? new MemoryTopicLog(() => hub.now(), () => hub.options.random.uuid().slice(0, 8), Math.min(this.policy.maxTopics, 100_000));
    if (this.history !== undefined && bridge?.history !== undefined) this.sequencer = new Sequencer(this);
    if (this.policy.presence !== undefined) this.presence = new Presence(this, this.policy.presence);
  }

  // ------------------------------------------------------------------------------------------------------------ policy

  actor(connection: Connection | undefined): TopicActor<never> {
    return { actor: connection === undefined ? "server" : "client", clientId: connection?.clientId, data: (connection?.data ?? {}) as never, request: connection?.request };
  }

  /** The name that is meant, or an `INVALID_TOPIC`. */
  normalise(topic: unknown, connection: Connection | undefined, publishing = false): string {
    if (typeof topic !== "string") throw new TopicError("INVALID_TOPIC", "a topic is a text", { reason: "pattern" });
    const { normalize, maxTopicLength, pattern, validate, wildcards } = this.policy;
    const name = normalize === undefined ? topic : normalize(topic, this.actor(connection));
    const refuse = (reason: "length" | "pattern" | "validate" | "wildcard", text: string): never => {
      throw new TopicError("INVALID_TOPIC", text, { topic: String(name).slice(0, 128), reason });
    };
    if (typeof name !== "string" || name === "") return refuse("pattern", "a topic is a non-empty text");
    if (name.length > maxTopicLength || (name.length * 3 > maxTopicLength && textBytes(name) > maxTopicLength)) return refuse("length", `a topic has at most ${maxTopicLength} bytes`);
    if (wildcards && isPattern(name)) {
      if (publishing) return refuse("wildcard", "nothing is published to a pattern");
      if (!isValidPattern(name)) return refuse("wildcard", "a pattern has * for a whole segment, and ** only at the end");
      if (!pattern.test(name.replaceAll("*", "a"))) return refuse("pattern", "the name does not fit the pattern of topics");
    } else if (!pattern.test(name)) return refuse("pattern", "the name does not fit the pattern of topics");
    if (validate === undefined) return name;
    let reason: string | undefined | void;
    try {
      reason = validate(name);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    return reason === undefined ? name : refuse("validate", String(reason));
  }

  /** Rejects or throws unless the policy says `true`. */
  authorise(action: TopicAction, topic: string, connection: Connection | undefined): MaybePromise<void> {
    const { authorize } = this.policy;
    if (authorize === undefined) return undefined;
    const decide = (allowed: unknown): void => {
      if (allowed !== true) throw new TopicError("ACL_SUBSCRIBE", `${action} is not allowed`, { topic });
    };
    let allowed: MaybePromise<unknown>;
    try {
      allowed = authorize(action, topic, this.actor(connection));
    } catch {
      return decide(false);
    }
    return isPromise(allowed) ? allowed.then(decide, () => decide(false)) : decide(allowed);
  }

  keepsHistory(topic: string): boolean {
    return this.history !== undefined && this.policy.history!.matches(topic);
  }

  // ------------------------------------------------------------------------------------------------------- subscribing

  /** Tells the adapter. */
  attach(clientId: string, topic: string): MaybePromise<void> {
    const { bridge } = this;
    if (bridge === undefined) return undefined;
    return chain(this.ready(), () => chain(this.#adapter(() => bridge.subscribe(clientId, this.carrier(topic)), topic), () => this.#follow(clientId, topic)));
  }

  #follow(clientId: string, topic: string): MaybePromise<void> {
    const { sequencer } = this;
    if (sequencer === undefined || !this.keepsHistory(topic) || (this.policy.wildcards && isPattern(topic))) return undefined;
    const opening = sequencer.open(topic);
    return isPromise(opening) ? opening.catch((error: unknown) => this.#takeBack(clientId, topic, error)) : opening;
  }

  /** A subscription that came to nothing leaves none at the broker. */
  async #takeBack(clientId: string, topic: string, error: unknown): Promise<never> {
    try {
      await this.detach(clientId, topic);
    } catch {
      // The broker is told again when nobody is left.
    }
    throw error;
  }

  detach(clientId: string, topic: string): MaybePromise<void> {
    const { bridge } = this;
    if (bridge === undefined) return undefined;
    if (!this.index.has(topic)) this.sequencer?.settled(topic);
    // With one carrier for all topics the interest ends with the connection's last topic, at its end.
    if (this.policy.wildcards && bridge.shared) return undefined;
    return this.#adapter(() => bridge.unsubscribe(clientId, topic), topic);
  }

  #adapter(call: () => MaybePromise<void>, topic: string): MaybePromise<void> {
    const failed = (error: unknown): never => {
      throw new TopicError("ADAPTER_ERROR", "the broker did not take the subscription", { topic }, error);
    };
    try {
      const work = call();
      return isPromise(work) ? work.catch(failed) : undefined;
    } catch (error) {
      return failed(error);
    }
  }

  /** The name a topic travels under. */
  carrier(topic: string): string {
    return this.policy.wildcards && this.bridge?.shared === true ? ANY_TOPIC : topic;
  }

  joined(topic: string, connection: Connection): void {
    this.index.add(topic, connection);
    this.sequencer?.settled(topic);
    this.hub.onTopics?.(connection);
    this.presence?.join(topic, connection);
    const { events } = this.hub;
    if (events.active) events.emit({ type: "topic.subscribe", clientId: connection.clientId, at: this.hub.now(), topic });
  }

  left(topic: string, connection: Connection): void {
    this.index.remove(topic, connection);
    this.hub.onTopics?.(connection);
    this.presence?.leave(topic, connection);
    const { events } = this.hub;
    if (events.active) events.emit({ type: "topic.unsubscribe", clientId: connection.clientId, at: this.hub.now(), topic });
  }

  /** A connection is gone. */
  async leave(connection: Connection): Promise<void> {
    const topics = connection.ownTopics?.list() ?? [];
    for (const topic of topics) this.left(topic, connection);
    if (this.bridge === undefined || connection.ownTopics === undefined) return;
    try {
      await this.hub.within(this.bridge.disconnect(connection.clientId, topics.map((topic) => this.carrier(topic))), this.hub.options.limits.closeTimeoutMs);
    } catch (error) {
      this.hub.reportError(error, connection, undefined, "ADAPTER_ERROR");
    }
  }

  // ------------------------------------------------------------------------------------------------------------ broker

  /** Resolves when the broker listens; a failed start is tried again, not before its time. */
  ready(): MaybePromise<void> {
    const { bridge } = this;
    if (bridge === undefined || this.#startedOk) return undefined;
    if (this.#started !== undefined) return this.#started;
    if (this.hub.monotonic() < this.#retryAt) throw new TopicError("ADAPTER_ERROR", "the broker could not be started");
    const failed = (error: unknown): never => {
      this.#started = undefined;
      this.#retryAt = this.hub.monotonic() + this.#retryMs;
      this.#retryMs = Math.min(RETRY_MS[1], this.#retryMs * 2);
      throw new TopicError("ADAPTER_ERROR", "the broker could not be started", {}, error);
    };
    const begun = (stop: () => MaybePromise<void>): MaybePromise<void> => {
      this.#stop = stop;
      this.#retryMs = RETRY_MS[0];
      this.#removeGap = bridge.onGap((gap) => this.#onGap(gap));
      if (this.presence === undefined && this.hub.options.identity.onConflict !== "replace") return this.#ready();
      return chain(bridge.shared ? bridge.subscribe(`hub:${this.hub.id}`, CONTROL_TOPIC) : undefined, () => this.#ready());
    };
    try {
      const work = chain(bridge.start((message, offset, topic) => (message === undefined ? this.#onTold(topic, offset) : this.#onRemote(message, offset))), begun);
      if (!isPromise(work)) return work;
      this.#started = work.catch(failed);
      this.#started.catch(() => undefined);
      return this.#started;
    } catch (error) {
      return failed(error);
    }
  }

  #ready(): void {
    this.#startedOk = true;
    this.presence?.begin();
  }

  #onGap({ channel, since, dropped }: { readonly channel: string; readonly since?: number; readonly dropped?: number }): void {
    const { events } = this.hub;
    if (events.active) events.emit({ type: "pubsub.gap", at: this.hub.now(), topic: channel, ...(since === undefined ? {} : { since }), ...(dropped === undefined ? {} : { dropped }) });
    this.sequencer?.catchUp(channel === ANY_TOPIC ? undefined : channel);
    if (channel === CONTROL_TOPIC || channel === "*") this.presence?.ask();
  }

  #onRemote(message: SerializedMessage, announced: string | undefined): void {
    if (message?.origin === this.hub.id || typeof message?.topic !== "string") return;
    try {
      if (message.topic === CONTROL_TOPIC) return this.#onControl(message);
      const body = JSON.parse(typeof message.frame === "string" ? message.frame : new TextDecoder().decode(message.frame)) as { type: string; meta?: Record<string, unknown>; payload?: unknown };
      const offset = announced ?? body.meta?.["offset"];
      if (typeof offset === "string" && this.sequencer !== undefined && this.keepsHistory(message.topic)) this.sequencer.offer(message.topic, offset, body, message.exclude);
      else fanOut(this.hub, { topic: message.topic, type: body.type, meta: body.meta ?? {}, payload: body.payload, exclude: message.exclude });
    } catch (error) {
      this.hub.reportError(error, undefined, undefined, "ADAPTER_ERROR");
    }
  }

  /** The number of a message that was too long to come along. */
  #onTold(topic: string | undefined, offset: string | undefined): void {
    if (topic !== undefined && offset !== undefined && this.keepsHistory(topic)) this.sequencer?.offer(topic, offset, undefined, undefined);
  }

  #onControl(message: SerializedMessage): void {
    const body = JSON.parse(message.frame as string) as { identity?: string };
    if (message.type === CONTROL_TYPE.takeover && typeof body.identity === "string") this.hub.takeovers.replacedElsewhere(body.identity);
    else if (message.type === CONTROL_TYPE.presence) this.presence?.receive(message.origin, body as never);
  }

  /** Tells the other hubs; failures are reported, nobody waits. */
  tellHubs(type: string, body: unknown): void {
    const { bridge } = this;
    if (bridge?.shared !== true) return;
    const message = routed({ id: this.hub.options.random.uuid(), origin: this.hub.id, topic: CONTROL_TOPIC, type, frame: JSON.stringify(body) });
    const failed = (error: unknown): void => this.hub.reportError(error, undefined, undefined, "ADAPTER_ERROR");
    try {
      const work = chain(this.ready(), () => bridge.publish(CONTROL_TOPIC, message));
      if (isPromise(work)) work.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  announceTakeover(identity: string, _clientId: string): void {
    this.tellHubs(CONTROL_TYPE.takeover, { identity });
  }

  announcePresence(body: unknown): void {
    this.tellHubs(CONTROL_TYPE.presence, body);
  }

  // ------------------------------------------------------------------------------------------------ presence and history

  presenceOf(topic: string, connection: Connection | undefined): MaybePromise<PresenceMember[]> {
    const name = this.normalise(topic, connection);
    const { presence } = this;
    if (presence === undefined || !presence.covers(name)) throw new TopicError("UNSUPPORTED", "no presence is kept for this topic", { topic: name });
    return chain(this.authorise("presence", name, connection), () => presence.members(name));
  }

  track(topic: string, data: unknown, connection: Connection): MaybePromise<void> {
    const name = this.normalise(topic, connection);
    const { presence } = this;
    if (presence === undefined || !presence.covers(name) || !connection.topics.has(name)) throw new TopicError("UNSUPPORTED", "presence data goes with a subscription to a topic that keeps presence", { topic: name });
    presence.track(name, data, connection);
    return undefined;
  }

  /** What is kept after an offset; those who come back together read it together. */
  readShared(topic: string, after: string): MaybePromise<LogSlice> {
    return this.#reads.read(`${after} ${topic}`, () => this.history!.read(topic, after, this.policy.history!));
  }

  historyOf(topic: string, { after, limit }: { readonly after?: string; readonly limit?: number }, connection: Connection | undefined): MaybePromise<HistoryEntry[]> {
    const name = this.normalise(topic, connection);
    const { history, policy } = this;
    if (history === undefined || !this.keepsHistory(name)) throw new TopicError("UNSUPPORTED", "no history is kept for this topic", { topic: name });
    return flow(function* (this: HubTopics): Generator<unknown, HistoryEntry[], never> {
      yield this.authorise("history", name, connection);
      const slice = (yield history.read(name, after, policy.history!, limit)) as unknown as { entries: readonly { offset: string; body: string }[] };
      return slice.entries.map(({ offset, body }) => {
        const { type, payload, meta } = JSON.parse(body) as { type: string; payload: unknown; meta: Record<string, unknown> };
        return { offset, type, payload, meta: { ...meta, topic: name, offset } };
      });
    }.call(this));
  }

  /** Ends what runs on its own. */
  async close(): Promise<void> {
    this.presence?.close();
    this.sequencer?.close();
    this.#removeGap?.();
    try {
      if (this.#startedOk && this.bridge?.shared === true) await this.hub.within(this.bridge.disconnect(`hub:${this.hub.id}`, [CONTROL_TOPIC]), 1000);
      await this.#stop?.();
    } catch (error) {
      this.hub.reportError(error, undefined, undefined, "ADAPTER_ERROR");
    }
  }
}
