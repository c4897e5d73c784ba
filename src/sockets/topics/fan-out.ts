/** One message to everybody who listens: encoded once per codec, handed to each socket, one failure harming nobody else. */

import { type Codec, jsonCodec } from "../codec.ts";
import type { Connection } from "../connection.ts";
import { type Frame, type OutMeta, encodeFrame, mergeMeta } from "../frame.ts";
import type { Hub } from "../hub.ts";
import type { SlowConsumerPolicy } from "../options.ts";
import type { Slot } from "../outbox.ts";
import { CONTROL } from "../names.ts";
import { matcher } from "./policy.ts";

export interface Message {
  readonly topic: string;
  readonly type: string;
  /** As the publisher gave it, or as it came from another process. */
  readonly meta: Readonly<Record<string, unknown>>;
  readonly payload: unknown;
  readonly offset?: string | undefined;
  /** Connection that does not get it. */
  readonly exclude?: string | undefined;
  /** The frame, where it has been written already. */
  readonly frame?: Frame;
}

export interface FannedOut {
  readonly matched: number;
  readonly dropped: number;
  readonly byPattern: boolean;
}

interface Rule {
  readonly policy: SlowConsumerPolicy;
  readonly key: ((topic: string, type: string, payload: unknown) => string) | undefined;
}

const rules = new WeakMap<Hub, { readonly matches: (topic: string) => boolean; readonly rule: Rule }[]>();

/** What happens to frames of a topic when a receiver is slow. */
function ruleOf(hub: Hub, topic: string): Rule {
  const { backpressure } = hub.options.limits;
  let list = rules.get(hub);
  if (list === undefined) {
    list = backpressure.topics.map(({ match, policy, coalesceKey }) => ({ matches: matcher("limits.backpressure.topics", match), rule: { policy, key: coalesceKey ?? backpressure.coalesceKey } }));
    rules.set(hub, list);
  }
  return list.find(({ matches }) => matches(topic))?.rule ?? { policy: backpressure.policy, key: backpressure.coalesceKey };
}

/** The frame of a topic's message in a codec. Throws what the codec throws. */
export function topicFrame(hub: Hub, codec: Codec, message: Message): Frame {
  const meta: OutMeta = { timestamp: hub.now(), topic: message.topic };
  const offset = offsetOf(message);
  if (offset !== undefined) meta.offset = offset;
  const frame = encodeFrame(codec, message.type, mergeMeta(meta, message.meta), message.payload);
  const rule = ruleOf(hub, message.topic);
  frame.droppable = true;
  frame.policy = rule.policy;
  frame.coalesceKey = coalesceKey(rule, message);
  return frame;
}

/** Throws what writing the message in a codec throws, once its payload is known to be JSON. */
export function checkWritable(hub: Hub, codec: Codec, message: Message): void {
  if (codec === jsonCodec) coalesceKey(ruleOf(hub, message.topic), message);
  else topicFrame(hub, codec, message);
}

/** What a newer frame may replace. Throws what the user's function throws. */
function coalesceKey({ policy, key }: Rule, { topic, type, payload }: Message): string | undefined {
  if (policy !== "coalesce") return undefined;
  return key === undefined ? `${topic}\n${type}` : key(topic, type, payload);
}

/** Delivers. `own` is the place the publisher's own frame has in its order. */
export function fanOut(hub: Hub, message: Message, publisher?: Connection, own?: Slot): FannedOut {
  const { index } = hub.topics;
  let byPattern = false;
  let connections = index.exact(message.topic);
  if (connections === undefined) ({ connections, byPattern } = index.match(message.topic));
  let matched = 0;
  let dropped = 0;
  let frame = message.frame;
  let others: Map<Codec, Frame> | undefined;
  for (const connection of connections) {
    if (connection.isClosing) continue;
    if (connection.clientId === message.exclude) {
      markExcluded(hub, connection, message);
      continue;
    }
    const { codec } = connection;
    let made: Frame;
    if (frame !== undefined && frame.codec === codec) made = frame;
    else if (frame === undefined) made = frame = topicFrame(hub, codec, message);
    else {
      made = (others ??= new Map()).get(codec) ?? topicFrame(hub, codec, message);
      others.set(codec, made);
    }
    const taken = connection.gate?.takes(message.topic, made, offsetOf(message)) === true;
    if (own !== undefined && connection === publisher) connection.outbox.settle(own, taken ? undefined : made);
    else if (!taken && connection.outbox.write(made, message.offset === undefined ? undefined : message.topic) !== "accepted") {
      dropped++;
      continue;
    }
    matched++;
  }
  return { matched, dropped, byPattern };
}

/** Who does not get a numbered message is told its number: else the next one looks as if something had been lost. */
function markExcluded(hub: Hub, connection: Connection, message: Message): void {
  const offset = offsetOf(message);
  if (offset !== undefined && connection.gate === undefined) connection.control(CONTROL.resumed, { topics: { [message.topic]: { status: "ok", offset } } });
}

function offsetOf({ offset, meta }: Message): string | undefined {
  const found = offset ?? meta["offset"];
  return typeof found === "string" ? found : undefined;
}
