/** The way to other processes: any `PubSubAdapter`, or any `PubSub`, behind one face. */

import { OptionError, isSluiceError } from "../../core/errors.ts";
import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";
import type { PubSub, PubSubAdapter, PublishReport, SerializedMessage } from "../../state/contracts/pub-sub.ts";
import type { Announcement, TopicHistory } from "../../state/pubsub/topic-log.ts";

/** What a hub uses of a broker. */
export interface Bridge {
  readonly name: string;
  /** Others may publish, too. */
  readonly shared: boolean;
  readonly history: TopicHistory | undefined;
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  disconnect(clientId: string, topics: readonly string[]): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport | void>;
  /** What a history tells the others about a message, where it does that itself. */
  announcement(topic: string, message: SerializedMessage): Announcement | undefined;
  list(clientId: string): MaybePromise<string[]> | undefined;
  /** `offset` comes with messages that a history announced; one that is too long is told of by its topic and number only. */
  start(onRemote: (message: SerializedMessage | undefined, offset?: string, topic?: string) => void): MaybePromise<() => MaybePromise<void>>;
  /** Tells of connections to the broker that were lost and are back. */
  onGap(listener: (gap: { readonly channel: string; readonly since?: number; readonly dropped?: number }) => void): (() => void) | undefined;
}

/** Messages of a `PubSub` travel under names of their own. */
const CHANNEL = "topic:";

export function bridgeTo(pubsub: PubSub | PubSubAdapter): Bridge {
  const source = pubsub as Partial<PubSubAdapter & PubSub> & { events?: { on?(sink: (event: never) => void): () => void }; history?: TopicHistory; name?: string };
  for (const method of ["publish", "subscribe", "unsubscribe"] as const) {
    if (typeof source?.[method] !== "function") throw new OptionError("pubsub", pubsub, "a PubSub or a PubSubAdapter: an object with publish, subscribe and unsubscribe");
  }
  const common = {
    name: typeof source.name === "string" ? source.name : "pubsub",
    history: source.history,
    onGap: (listener: (gap: { channel: string; since?: number; dropped?: number }) => void) => source.events?.on?.(((gap: { channel: string }) => listener({ ...gap, channel: gap.channel.startsWith(CHANNEL) ? gap.channel.slice(CHANNEL.length) : gap.channel })) as never),
  };
  // A broker over a network says whether a process can listen to single channels: then it hears only what it has subscribers for.
  const byChannel = (source as { byChannel?: unknown }).byChannel === true;
  return typeof source.list === "function" && !byChannel ? adapterBridge(source as PubSubAdapter, common) : channelBridge(source as PubSub, common);
}

type Common = Pick<Bridge, "name" | "history" | "onGap">;

function adapterBridge(adapter: PubSubAdapter, common: Common): Bridge {
  return {
    ...common,
    shared: typeof adapter.start === "function",
    subscribe: (clientId, topic) => adapter.subscribe(clientId, topic),
    unsubscribe: (clientId, topic) => adapter.unsubscribe(clientId, topic),
    disconnect(clientId, topics) {
      if (typeof adapter.disconnect === "function") return adapter.disconnect(clientId);
      const work = topics.map((topic) => adapter.unsubscribe(clientId, topic)).filter(isPromise);
      return work.length > 0 ? Promise.all(work).then(() => undefined) : undefined;
    },
    publish: (topic, message) => adapter.publish(topic, message),
    announcement: () => undefined,
    list: (clientId) => adapter.list(clientId),
    start: (onRemote) => (typeof adapter.start === "function" ? adapter.start(onRemote) : () => undefined),
  };
}

/** A `PubSub` with only its three methods: a channel is listened to while somebody here wants the topic. */
function channelBridge(pubsub: PubSub, common: Common): Bridge {
  const wanted = new Map<string, { readonly clients: Set<string>; readonly stop: Promise<() => Promise<void>> }>();
  const receivers = new Set<Parameters<Bridge["start"]>[0]>();
  const leave = (clientId: string, topic: string): MaybePromise<void> => {
    const entry = wanted.get(topic);
    if (entry === undefined || !entry.clients.delete(clientId) || entry.clients.size > 0) return undefined;
    wanted.delete(topic);
    return entry.stop.then((stop) => stop());
  };
  return {
    ...common,
    shared: true,
    async subscribe(clientId, topic) {
      let entry = wanted.get(topic);
      if (entry === undefined) {
        const stop = pubsub.subscribe(CHANNEL + topic, (message) => {
          const { router, offset, topic: told } = message as { readonly router?: SerializedMessage; readonly offset?: string; readonly topic?: string };
          for (const receive of receivers) receive(router, offset, told);
        });
        entry = { clients: new Set(), stop };
        wanted.set(topic, entry);
      }
      entry.clients.add(clientId);
      try {
        await entry.stop;
      } catch (error) {
        if (wanted.get(topic) === entry) wanted.delete(topic);
        throw error;
      }
    },
    unsubscribe: leave,
    async disconnect(clientId, topics) {
      await Promise.all(topics.map((topic) => leave(clientId, topic)));
    },
    // Wrapped: for some brokers a bare message of a router means the other contract.
    publish: (topic, message) => pubsub.publish(CHANNEL + topic, { router: message }),
    announcement: (topic, message) => (common.history?.announces === true ? { channel: CHANNEL + topic, message: (offset) => ({ offset, router: message }) } : undefined),
    list: (clientId) => [...wanted].filter(([, { clients }]) => clients.has(clientId)).map(([topic]) => topic),
    start(onRemote) {
      receivers.add(onRemote);
      return () => void receivers.delete(onRemote);
    },
  };
}

/** Whether a broker refused for the size of a message. */
export function isTooLarge(error: unknown): boolean {
  return isSluiceError(error) && (error.code === "PAYLOAD_TOO_LARGE" || error.code === "STORE_VALUE_TOO_LARGE");
}
