/** Pub/sub between Durable Objects: a broker object per topic knows which objects listen, and hands messages on. */

import { checkInteger, checkString } from "../../../core/check.ts";
import { type Clock, systemClock } from "../../../core/clock.ts";
import { OptionError } from "../../../core/errors.ts";
import { type BackendPubSub, type BackendPubSubOptions, backendPubSub } from "../../../state/pubsub/backend-pub-sub.ts";
import { checkNamespace } from "../bindings.ts";
import type { DurableObjectNamespaceLike } from "../types.ts";
import { type PubSubObjectState, homeOf } from "./home.ts";
import { ObjectWire } from "./object-wire.ts";
import type { PubSubDelivery, PubSubReceipt } from "./protocol.ts";

export interface CloudflarePubSubOptions extends BackendPubSubOptions {
  /** Broker objects over which the topics are spread by `topicToDoName`. Changing it moves topics. @default 16 */
  readonly shards?: number;
  /** Names the broker objects: `<name>-<shard>`. @default "pubsub" */
  readonly name?: string;
  /** In front of every topic: pub/subs of different prefixes do not hear each other. @default "sluice:" */
  readonly prefix?: string;
  /**
   * The state of the Durable Object this is in. With it brokers wake the object for a message, by its method `deliverPubSub`.
   * Without it they hand messages to a call that the caller keeps open: good for as long as its request or object lives.
   */
  readonly state?: PubSubObjectState;
}

export interface CloudflarePubSub extends BackendPubSub {
  readonly name: string;
  /** Takes what a broker hands to the object: forward `deliverPubSub` to it. */
  receive(delivery: PubSubDelivery): Promise<PubSubReceipt>;
  /** The same pub/sub for the object with that state. For one that was made outside an object, such as that of a router of a module. */
  inObject(state: PubSubObjectState): CloudflarePubSub;
}

/**
 * Pub/sub on objects of the class `PubSubDO`, for objects that hold sockets, and for Workers that publish to them. A publish
 * resolves when every object that listens has the message, or is marked as having missed it: it is told then, as a gap, as soon
 * as it can be reached. Handlers in the publisher's own object are called without asking anybody.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * export class Room extends DurableObject {
 *   #pubsub = cloudflarePubSub(this.env.PUBSUB, { state: this.ctx });
 *   deliverPubSub(delivery) { return this.#pubsub.receive(delivery); }
 * }
 */
export function cloudflarePubSub(namespace: DurableObjectNamespaceLike, options: CloudflarePubSubOptions = {}): CloudflarePubSub {
  const { shards, name, prefix, state, ...rest } = options;
  if (state !== undefined && typeof state?.id !== "object") throw new OptionError("state", state, "the state of a Durable Object");
  const clock: Clock = rest.clock ?? systemClock;
  const wire = new ObjectWire({
    namespace: checkNamespace("namespace", namespace, "PubSubDO"),
    shards: checkInteger("shards", shards ?? 16, 1, 65_536),
    name: checkString("name", name ?? "pubsub"),
    prefix: typeof prefix === "string" && prefix === "" ? prefix : checkString("prefix", prefix ?? "sluice:"),
    home: state === undefined ? undefined : homeOf(state, clock),
    clock,
  });
  const made = backendPubSub(wire, rest) as CloudflarePubSub & { name: string };
  made.name = "cloudflare";
  made.receive = (delivery) => wire.home.deliver(delivery);
  made.inObject = (other) => (other === state ? made : cloudflarePubSub(namespace, { ...options, state: other }));
  return made;
}
