/** Publishing: validated and allowed, delivered here before the call returns, then handed to the broker. Never rejects. */

import { isPromise } from "../../core/maybe-promise.ts";
import type { PublishReport, SerializedMessage } from "../../state/contracts/pub-sub.ts";
import { routed } from "../../state/pubsub/message.ts";
import { type Codec, jsonCodec } from "../codec.ts";
import type { Connection } from "../connection.ts";
import { TopicError } from "../errors.ts";
import { type Frame, encodeFrame } from "../frame.ts";
import type { Hub } from "../hub.ts";
import { type AnyEvent, compiledOf, isMessage } from "../message.ts";
import { OutboundError, checkOutgoing } from "../send.ts";
import type { Slot } from "../outbox.ts";
import { traceOf } from "../envelope.ts";
import type { Validated } from "../validate.ts";
import { isTooLarge } from "./bridge.ts";
import { type FannedOut, type Message, checkWritable, fanOut, topicFrame } from "./fan-out.ts";
import { flow } from "./flow.ts";
import { type PublishOptions, type PublishResult, publishFailure } from "./publish-result.ts";

type Options = PublishOptions & { readonly meta?: Readonly<Record<string, unknown>> };

/** `ctx.publish`. */
export function publishFrom(connection: Connection, topic: string, descriptor: AnyEvent, payload: unknown, options: Options | undefined): Promise<PublishResult> {
  if (connection.isGone && !connection.inCloseHooks) return Promise.resolve(publishFailure("CONNECTION_CLOSED"));
  return publish(connection.hub, connection, topic, descriptor, payload, options);
}

/** Where a publish stands: what it holds in its publisher's order, and whether everybody here has it. */
class Progress {
  own: Slot | undefined = undefined;
  /** Set when its messages are numbered. */
  topic: string | undefined = undefined;
  local: boolean = false;
  onLocal: (() => void) | undefined = undefined;
}

interface Lane {
  publishTail?: Promise<void> | undefined;
}

/** Publishes for a connection, or for the server. Publishes of one publisher keep their order. */
export function publish(hub: Hub, publisher: Connection | undefined, topic: string, descriptor: AnyEvent, payload: unknown, options: Options = {}): Promise<PublishResult> {
  const lane: Lane = publisher ?? hub;
  const progress = new Progress();
  const run = (): PublishResult | Promise<PublishResult> => {
    try {
      const result = flow(steps(hub, publisher, topic, descriptor, payload, options, progress));
      return isPromise(result) ? result.catch((error: unknown) => failure(hub, publisher, descriptor, error)) : result;
    } catch (error) {
      return failure(hub, publisher, descriptor, error);
    }
  };
  const before = lane.publishTail;
  if (before === undefined) {
    const result = run();
    if (!isPromise(result)) return Promise.resolve(result);
    if (isLocal(progress)) return result;
    return queued(lane, publisher, progress, () => result);
  }
  return queued(lane, publisher, progress, () => before.then(run));
}

function isAborted({ signal }: Options): boolean {
  return signal?.aborted === true;
}

function isLocal(progress: Progress): boolean {
  return progress.local;
}

/** Keeps the place of a publish that has to wait: in the lane of its publisher, and among what the publisher itself is sent. */
function queued(lane: Lane, publisher: Connection | undefined, progress: Progress, start: () => Promise<PublishResult>): Promise<PublishResult> {
  if (publisher !== undefined && !publisher.isClosing) {
    progress.own = publisher.outbox.hold();
    if (progress.topic !== undefined) progress.own.topic = progress.topic;
  }
  const tail = new Promise<void>((resolve) => {
    progress.onLocal = () => {
      if (progress.own?.ready === false) publisher?.outbox.settle(progress.own, undefined);
      if (lane.publishTail === tail) lane.publishTail = undefined;
      resolve();
    };
  });
  lane.publishTail = tail;
  const result = start();
  void result.then(progress.onLocal);
  return result;
}

function* steps(
  hub: Hub, publisher: Connection | undefined, rawTopic: string, descriptor: AnyEvent, payload: unknown, options: Options, progress: Progress,
): Generator<unknown, PublishResult, never> {
  const { topics } = hub;
  if (!isMessage(descriptor) || descriptor.kind !== "event") throw new TypeError("publish takes a descriptor made by message()");
  const compiled = compiledOf(descriptor);
  const topic = topics.normalise(rawTopic, publisher, true);
  if (isAborted(options)) return publishFailure("STATE", { cause: options.signal?.reason });
  try {
    yield topics.authorise("publish", topic, publisher);
  } catch (cause) {
    return publishFailure("ACL_PUBLISH", { cause });
  }
  if (hub.options.validateOutgoing) {
    const checked = (yield checkOutgoing(compiled, payload, options.meta)) as Validated;
    if (checked.issues !== undefined) throw new OutboundError(compiled.type, "VALIDATION", checked);
  }
  if (isAborted(options)) return publishFailure("STATE", { cause: options.signal?.reason });
  const excludeSelf = publisher !== undefined && (options.excludeSelf ?? topics.policy.excludeSelfDefault);
  const exclude = excludeSelf ? publisher.clientId : undefined;
  const meta = options.meta ?? {};
  const { bridge } = topics;
  const kept = topics.keepsHistory(topic);
  // Written before anybody gets it, and before it is kept: what cannot be written is refused whole.
  const written = kept ? undefined : encodeOnce(hub, compiled.type, { topic, type: compiled.type, meta, payload, exclude });
  let offset: string | undefined;
  let announced = false;
  if (kept) {
    progress.topic = topic;
    if (progress.own !== undefined) progress.own.topic = topic;
    const body = writing(compiled.type, () => encodeFrame(jsonCodec, compiled.type, meta, payload)).data as string;
    // An announcement is written before anything is kept; without one that has to be seen to.
    if (bridge === undefined) writing(compiled.type, () => checkWritable(hub, firstCodec(hub), { topic, type: compiled.type, meta, payload, exclude }));
    try {
      yield topics.ready();
      const announcement = bridge?.announcement(topics.carrier(topic), outgoing(hub, { topic, type: compiled.type, meta, payload, exclude }));
      const appending = topics.history!.append(topic, body, topics.policy.history!, announcement);
      offset = (yield topics.sequencer === undefined ? appending : topics.sequencer.append(topic, appending)) as string;
      announced = announcement !== undefined;
    } catch (cause) {
      if (cause instanceof OutboundError) throw cause;
      return publishFailure(isTooLarge(cause) ? "PAYLOAD_TOO_LARGE" : "ADAPTER_ERROR", { cause, ...(bridge === undefined ? {} : { adapter: bridge.name }) });
    }
  }
  const message: Message = { topic, type: compiled.type, meta, payload, offset, exclude };
  const frame = written ?? encodeOnce(hub, compiled.type, message);
  const { own } = progress;
  const local = topics.sequencer !== undefined && offset !== undefined
    ? ((yield topics.sequencer.deliver({ ...message, offset, frame }, publisher, own)) as FannedOut)
    : fanOut(hub, { ...message, frame }, publisher, own);
  progress.local = true;
  progress.onLocal?.();
  published(hub, publisher, message, local);
  const result: PublishResult = { ok: true, matched: local.matched, capability: local.byPattern ? "prefix" : "exact", reach: "local", dropped: local.dropped, ...(offset === undefined ? {} : { offset }) };
  if (bridge === undefined || announced) return result;
  try {
    yield topics.ready();
    const report = (yield bridge.publish(topics.carrier(topic), outgoing(hub, message, frame))) as PublishReport | undefined;
    if (report?.reach !== "cluster" || topics.policy.wildcards) return result;
    // Its own count is the truth about this hub; what the broker knows of others comes on top.
    return { ...result, reach: "cluster", matched: local.matched + Math.max(0, report.matched - topics.index.count(topic)) };
  } catch (cause) {
    return publishFailure(isTooLarge(cause) ? "PAYLOAD_TOO_LARGE" : "ADAPTER_ERROR", { cause, matched: local.matched, adapter: bridge.name });
  }
}

/** A message as other processes get it. */
function outgoing(hub: Hub, message: Message, frame?: Frame): SerializedMessage {
  const { topic, type, exclude } = message;
  const text = (frame?.codec === jsonCodec ? frame : encodeIn(hub, jsonCodec, type, message)).data as string;
  return routed({ id: hub.options.random.uuid(), origin: hub.id, topic, type, frame: text, ...(exclude === undefined ? {} : { exclude }) });
}

function encodeOnce(hub: Hub, type: string, message: Message): Frame {
  return encodeIn(hub, firstCodec(hub), type, message);
}

function encodeIn(hub: Hub, codec: Codec, type: string, message: Message): Frame {
  return writing(type, () => topicFrame(hub, codec, message));
}

function firstCodec(hub: Hub): Codec {
  return hub.options.codecs[0] ?? jsonCodec;
}

/** @throws OutboundError for whatever `write` throws */
function writing<T>(type: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw new OutboundError(type, "SERIALIZATION", error);
  }
}

function published(hub: Hub, publisher: Connection | undefined, { topic, type, meta }: Message, { matched, dropped }: FannedOut): void {
  if (hub.events.active) hub.events.emit({ type: "topic.publish", at: hub.now(), topic, messageType: type, matched, dropped, clientId: publisher?.clientId, ...traceOf(meta) });
  if (hub.program.hooks.onPublish.length > 0) void hub.runHooks("onPublish", { topic, type, matched, dropped, clientId: publisher?.clientId }, publisher, type);
}

function failure(hub: Hub, publisher: Connection | undefined, descriptor: AnyEvent, error: unknown): PublishResult {
  if (error instanceof TopicError) {
    if (error.code === "INVALID_TOPIC") return publishFailure("INVALID_TOPIC", { details: error.details });
    return publishFailure(error.code === "CONNECTION_CLOSED" ? "CONNECTION_CLOSED" : error.code === "ACL_SUBSCRIBE" ? "ACL_PUBLISH" : "ADAPTER_ERROR", { cause: error });
  }
  if (error instanceof OutboundError || error instanceof TypeError) {
    hub.reportError(error, publisher, descriptor?.type, "OUTBOUND_VALIDATION");
    return publishFailure("VALIDATION", { cause: error, ...(error instanceof OutboundError && error.issues !== undefined ? { details: { issues: error.issues } } : {}) });
  }
  hub.reportError(error, publisher, descriptor?.type);
  return publishFailure("STATE", { cause: error });
}
