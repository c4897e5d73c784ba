/** Rules on a `PubSubAdapter`: who wants which topic, and messages between routers. */

import type { PubSubAdapter, SerializedMessage } from "../../state/contracts/pub-sub.ts";
import { expect, expectEqual, optional, skipRule, type Rule } from "../report.ts";
import { DELIVERY_MS, adapters, messageFor, type PubSubContext } from "./pubsub-context.ts";

interface Router {
  readonly seen: SerializedMessage[];
  stop(): Promise<void>;
}

async function start(c: PubSubContext, adapter: PubSubAdapter): Promise<Router> {
  const seen: SerializedMessage[] = [];
  const stop = await optional(adapter.start?.bind(adapter), "start")((message) => void seen.push(message));
  c.after(() => stop());
  return { seen, stop: async () => stop() };
}

async function matched(c: PubSubContext, adapter: PubSubAdapter, topic: string): Promise<number> {
  return (await adapter.publish(topic, messageFor(c, topic))).matched;
}

export const pubSubAdapterRules: readonly Rule<PubSubContext>[] = [
  {
    rule: "adapter/list",
    async run(c) {
      const [adapter] = await adapters(c);
      const [alice, bob] = [c.key("alice"), c.key("bob")];
      await adapter.subscribe(alice, "t1");
      await adapter.subscribe(alice, "t2");
      await adapter.subscribe(alice, "t2");
      await adapter.subscribe(bob, "t3");
      expectEqual([...(await adapter.list(alice))].sort(), ["t1", "t2"], "list of a client that subscribed to one topic twice");
      await adapter.unsubscribe(alice, "t2");
      await adapter.unsubscribe(alice, "t3");
      expectEqual([await adapter.list(alice), await adapter.list(bob), await adapter.list(c.key())], [["t1"], ["t3"], []], "list after unsubscribe, of another client, of a stranger");
      await adapter.unsubscribe(alice, "t1");
      await adapter.unsubscribe(bob, "t3");
    },
  },
  {
    rule: "adapter/matched",
    async run(c) {
      const [adapter] = await adapters(c);
      const topic = c.key("topic");
      const clients = [c.key("client"), c.key("client"), c.key("client")];
      expectEqual(await matched(c, adapter, topic), 0, "matched of a topic without subscribers");
      for (const client of clients) await adapter.subscribe(client, topic);
      await adapter.subscribe(clients[0] as string, topic);
      expectEqual(await matched(c, adapter, topic), 3, "matched of a topic with three clients, one of which subscribed twice");
      await adapter.unsubscribe(clients[0] as string, topic);
      expectEqual([await matched(c, adapter, topic), await matched(c, adapter, `${topic}x`)], [2, 0], "matched after one left, and of a longer topic");
      for (const client of clients) await adapter.unsubscribe(client, topic);
    },
  },
  {
    rule: "adapter/report",
    async run(c) {
      const [adapter] = await adapters(c);
      const topic = c.key("topic");
      const report = await adapter.publish(topic, messageFor(c, topic));
      expect(Number.isSafeInteger(report.matched) && ["exact", "prefix", "regex"].includes(report.capability), `what publish gives: expected matched and capability, got ${JSON.stringify(report)}`);
    },
  },
  {
    rule: "adapter/routers-hear-each-other",
    async run(c) {
      const [a, b] = await adapters(c);
      const router = await start(c, a);
      for (const frame of ['{"a":"ü😀\\u0000"}', "", Uint8Array.from({ length: 256 }, (_, i) => i), "x".repeat(1_000_000)]) {
        const topic = c.key("topic");
        const message = messageFor(c, topic, { frame, exclude: c.key("client") });
        await b.publish(topic, message);
        await c.time.until("a router hears what another one publishes", DELIVERY_MS, () => router.seen.some(({ id }) => id === message.id));
        const heard = router.seen.filter(({ id }) => id === message.id);
        expectEqual(heard.length, 1, "how often one message was heard");
        expectEqual({ ...heard[0] }, { ...message }, "the message");
      }
    },
  },
  {
    rule: "adapter/order",
    async run(c) {
      const [a, b] = await adapters(c);
      const router = await start(c, a);
      const topic = c.key("topic");
      const messages = Array.from({ length: 100 }, () => messageFor(c, topic));
      await Promise.all(messages.map((message) => b.publish(topic, message)));
      const own = (): string[] => router.seen.filter((message) => message.topic === topic).map(({ id }) => id);
      await c.time.until("a router hears 100 messages", DELIVERY_MS, () => own().length === 100);
      expectEqual(own(), messages.map(({ id }) => id), "the order of 100 messages of one publisher");
    },
  },
  {
    rule: "adapter/stop",
    async run(c) {
      const [a, b] = await adapters(c);
      const [stopped, fence] = [await start(c, a), await start(c, a)];
      await stopped.stop();
      await stopped.stop();
      const topic = c.key("topic");
      await b.publish(topic, messageFor(c, topic));
      await c.time.until("the router that was not stopped hears a message", DELIVERY_MS, () => fence.seen.some((message) => message.topic === topic));
      expectEqual(stopped.seen.filter((message) => message.topic === topic), [], "what the stopped router heard");
    },
  },
  {
    rule: "adapter/throwing-router",
    async run(c) {
      const [a, b] = await adapters(c);
      const stop = await optional(a.start?.bind(a), "start")(() => {
        throw new Error("a router that throws");
      });
      c.after(() => stop());
      const router = await start(c, a);
      const topic = c.key("topic");
      for (let i = 0; i < 2; i++) await b.publish(topic, messageFor(c, topic));
      await c.time.until("a router beside one that throws hears two messages", DELIVERY_MS, () => router.seen.filter((message) => message.topic === topic).length === 2);
    },
  },
  {
    rule: "adapter/disconnect",
    async run(c) {
      const [adapter] = await adapters(c);
      const disconnect = optional(adapter.disconnect?.bind(adapter), "disconnect");
      const [client, other, topic] = [c.key("client"), c.key("client"), c.key("topic")];
      for (const who of [client, other]) for (const name of [topic, `${topic}2`]) await adapter.subscribe(who, name);
      await disconnect(client);
      expectEqual(await adapter.list(client), [], "topics of a client that left");
      await disconnect(client);
      expectEqual([(await adapter.list(other)).length, await matched(c, adapter, topic)], [2, 1], "topics of a client that stayed, and matched");
      await disconnect(other);
    },
  },
  {
    rule: "adapter/handlers-and-clients-are-apart",
    async run(c) {
      const [adapter] = await adapters(c);
      const both = (await c.clients())[0];
      if (typeof both.subscribe !== "function") return skipRule("the object is no PubSub");
      const name = c.key();
      const messages: unknown[] = [];
      const remove = await both.subscribe(name, (message) => void messages.push(message));
      await adapter.subscribe(name, "topic");
      await both.unsubscribe(name);
      expectEqual(await adapter.list(name), ["topic"], "topics of a client after a channel of its name was unsubscribed");
      await adapter.unsubscribe(name, "topic");
      await remove();
    },
  },
  {
    rule: "adapter/1000-cycles-leave-nothing",
    async run(c) {
      const idle = optional(c.options.idle, "way to look inside (option idle)");
      const [adapter] = await adapters(c);
      for (let i = 0; i < 1000; i++) {
        const client = c.key("client");
        await adapter.subscribe(client, "shared topic");
        await adapter.subscribe(client, client);
        if (adapter.disconnect !== undefined && i % 2 === 0) await adapter.disconnect(client);
        else for (const topic of ["shared topic", client]) await adapter.unsubscribe(client, topic);
      }
      await c.time.until("nothing is held after 1000 clients came and left", DELIVERY_MS, async () => idle((await c.clients())[0]));
    },
  },
];
