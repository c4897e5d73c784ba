/** What the rules on pub/sub are given. */

import type { PubSub, PubSubAdapter, SerializedMessage } from "../../state/contracts/pub-sub.ts";
import { routed } from "../../state/pubsub/message.ts";
import { expectEqual, skipRule, type ContractOptions, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export interface PubSubContractOptions extends ContractOptions {
  /** Whether the object holds nothing: no channel, client, listener. Without it: no rule on what is left behind. */
  readonly idle?: (pubsub: PubSub) => boolean | Promise<boolean>;
}

export interface PubSubContext extends RuleBase, Subjects<PubSub> {
  readonly options: PubSubContractOptions;
}

/** How long a delivery may take. */
export const DELIVERY_MS = 5000;

export interface Inbox {
  readonly messages: unknown[];
  /** Waits until `count` messages are there. */
  have(count: number, what: string): Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function listen(c: PubSubContext, pubsub: PubSub, channel: string): Promise<Inbox> {
  const messages: unknown[] = [];
  const remove = await pubsub.subscribe(channel, (message) => void messages.push(message));
  c.after(() => remove());
  return {
    messages,
    remove,
    async have(count, what) {
      if (messages.length < count) await c.time.until(`${what} (${count} messages)`, DELIVERY_MS, () => messages.length >= count);
      expectEqual(messages.length, count, `${what}: messages`);
    },
  };
}

/** Both contracts in one object: then the adapter's half is checked too. */
export async function adapters(c: PubSubContext): Promise<[PubSubAdapter, PubSubAdapter]> {
  const pair = await c.clients();
  if (typeof (pair[0] as { list?: unknown }).list !== "function") skipRule("the object is no PubSubAdapter (it has no list)");
  return pair as unknown as [PubSubAdapter, PubSubAdapter];
}

export function messageFor(c: PubSubContext, topic: string, changes: Partial<SerializedMessage> = {}): SerializedMessage {
  return routed({ id: c.key("id"), origin: c.key("origin"), topic, type: "test", frame: '{"a":"ü😀"}', ...changes });
}
