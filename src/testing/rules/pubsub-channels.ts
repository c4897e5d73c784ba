/** Rules on a `PubSub`: channels with handlers. */

import { expect, expectEqual, failureOf, optional, sameValue, show, skipRule, type Rule } from "../report.ts";
import { DELIVERY_MS, listen, type PubSubContext } from "./pubsub-context.ts";

export const pubSubChannelRules: readonly Rule<PubSubContext>[] = [
  {
    rule: "delivery/after-subscribe",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const inbox = await listen(c, a, channel);
      await b.publish(channel, { n: 1 });
      await inbox.have(1, "published by the other client once subscribe had resolved");
      expectEqual(inbox.messages, [{ n: 1 }], "what was delivered");
    },
  },
  {
    rule: "delivery/to-the-publisher-too",
    async run(c) {
      const pubsub = await c.store();
      const channel = c.key();
      const inbox = await listen(c, pubsub, channel);
      await pubsub.publish(channel, "own");
      await inbox.have(1, "published through the object that subscribed");
    },
  },
  {
    rule: "delivery/nothing-from-before",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      await b.publish(channel, "before");
      await listen(c, b, channel).then((other) => other.remove());
      const inbox = await listen(c, a, channel);
      await b.publish(channel, "after");
      await inbox.have(1, "published after a late subscribe");
      expectEqual(inbox.messages, ["after"], "what was delivered to a late subscriber");
    },
  },
  {
    rule: "delivery/once",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const inboxes = [await listen(c, a, channel), await listen(c, a, channel), await listen(c, b, channel)];
      for (let i = 0; i < 5; i++) await b.publish(channel, i);
      for (const inbox of inboxes) {
        await inbox.have(5, "delivered to each of three handlers");
        expectEqual(inbox.messages, [0, 1, 2, 3, 4], "what was delivered");
      }
      await c.time.settle();
      expectEqual(inboxes.map(({ messages }) => messages.length), [5, 5, 5], "messages of three handlers, a little later");
    },
  },
  {
    rule: "delivery/order",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const inbox = await listen(c, a, channel);
      await Promise.all(Array.from({ length: 300 }, (_, i) => b.publish(channel, i)));
      await inbox.have(300, "published by one publisher without waiting");
      expectEqual(inbox.messages, Array.from({ length: 300 }, (_, i) => i), "the order of 300 messages of one publisher");
    },
  },
  {
    rule: "delivery/values",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const inbox = await listen(c, a, channel);
      const values: unknown[] = ["", "text", "7", "null", 0, -1.5, true, null, [], {}, { a: [null, { b: "ü😀\u0000\u2028" }] }, JSON.parse('{"__proto__":1}'), "x".repeat(1_000_000)];
      for (const [i, value] of values.entries()) {
        await b.publish(channel, value);
        await inbox.have(i + 1, `delivery of ${show(value)}`);
        expect(sameValue(inbox.messages[i], value), `delivery of ${show(value)}: got ${show(inbox.messages[i])}`);
      }
      expect(Object.hasOwn(inbox.messages[11] as object, "__proto__"), "an own property named __proto__ did not arrive as one");
    },
  },
  {
    rule: "delivery/copies",
    async run(c) {
      const pubsub = await c.store();
      const channel = c.key();
      const seen: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        const remove = await pubsub.subscribe(channel, (message) => {
          seen.push(structuredClone(message));
          (message as { list: number[] }).list.push(9);
        });
        c.after(() => remove());
      }
      const original = { list: [1] };
      await pubsub.publish(channel, original);
      await c.time.until("delivery to two handlers", DELIVERY_MS, () => seen.length === 2);
      expectEqual(seen, [{ list: [1] }, { list: [1] }], "what two handlers were given, each of which changes it");
      expectEqual(original, { list: [1] }, "the publisher's object afterwards");
    },
  },
  {
    rule: "channels/isolated",
    async run(c) {
      const [a, b] = await c.clients();
      const stem = c.key();
      const names = ["", "x", "*", "?", "[a-z]", ">", ".", ".x", ":x", "%", " ", "\u0000", "ü", "u\u0308", "😀", "X", "'; --", "{x}", "/", "x".repeat(200), `${"x".repeat(200)}y`].map((tail) => stem + tail);
      const inboxes = await Promise.all(names.map((name) => listen(c, a, name)));
      for (const [i, name] of names.entries()) await b.publish(name, i);
      for (const [i, inbox] of inboxes.entries()) {
        await inbox.have(1, `delivery on the channel ${show((names[i] as string).slice(stem.length))}`);
        expectEqual(inbox.messages, [i], `what was delivered on the channel ${show((names[i] as string).slice(stem.length))}`);
      }
      await c.time.settle();
      expect(inboxes.every(({ messages }) => messages.length === 1), "a message came on a channel that is not its own");
    },
  },
  {
    rule: "channels/object-names",
    async run(c) {
      const pubsub = await c.store();
      const token = c.key();
      for (const name of ["__proto__", "constructor", "toString"]) {
        const inbox = await listen(c, pubsub, name);
        await pubsub.publish(name, token);
        // Another run may publish on the same name: only the own message counts.
        await c.time.until(`delivery on the channel ${name}`, DELIVERY_MS, () => inbox.messages.includes(token));
        await inbox.remove();
      }
    },
  },
  {
    rule: "handlers/throwing-is-isolated",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      let calls = 0;
      for (const bad of [
        () => {
          calls++;
          throw new Error("a handler that throws");
        },
        async () => {
          calls++;
          throw new Error("a handler that rejects");
        },
      ]) {
        const remove = await a.subscribe(channel, bad);
        c.after(() => remove());
      }
      const inbox = await listen(c, a, channel);
      for (let i = 0; i < 3; i++) await b.publish(channel, i);
      await inbox.have(3, "delivered beside handlers that throw");
      await c.time.until("handlers that throw go on being called", DELIVERY_MS, () => calls === 6);
    },
  },
  {
    rule: "handlers/slow-is-isolated",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const remove = await a.subscribe(channel, () => new Promise<void>(() => undefined));
      c.after(() => remove());
      const inbox = await listen(c, a, channel);
      for (let i = 0; i < 3; i++) await b.publish(channel, i);
      await inbox.have(3, "delivered beside a handler that never settles");
    },
  },
  {
    rule: "remover/its-own-handler-only",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const [first, second] = [await listen(c, a, channel), await listen(c, a, channel)];
      await first.remove();
      await b.publish(channel, "x");
      await second.have(1, "delivered to the handler that was not removed");
      expectEqual(first.messages, [], "what was delivered to the handler that was removed");
    },
  },
  {
    rule: "remover/twice",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const first = await listen(c, a, channel);
      await first.remove();
      const [second, third] = [await listen(c, a, channel), await listen(c, a, channel)];
      await first.remove();
      await b.publish(channel, "x");
      await second.have(1, "delivered to a handler added after a remover ran, which ran again");
      await third.have(1, "delivered to the other one");
    },
  },
  {
    rule: "unsubscribe/all-handlers",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      const inboxes = [await listen(c, a, channel), await listen(c, a, channel)];
      const other = await listen(c, a, `${channel}x`);
      await a.unsubscribe(channel);
      await b.publish(channel, "x");
      await b.publish(`${channel}x`, "fence");
      await other.have(1, "delivered on another channel after unsubscribe");
      const again = await listen(c, a, channel);
      await b.publish(channel, "fence");
      await again.have(1, "delivered to a handler added after unsubscribe");
      expectEqual(inboxes.map(({ messages }) => messages), [[], []], "what was delivered to two handlers after unsubscribe");
    },
  },
  {
    rule: "unsubscribe/unknown-channel",
    async run(c) {
      const pubsub = await c.store();
      const channel = c.key();
      await pubsub.unsubscribe(channel);
      const inbox = await listen(c, pubsub, channel);
      await pubsub.unsubscribe(channel);
      await pubsub.unsubscribe(channel);
      await inbox.remove();
    },
  },
  {
    rule: "unsubscribe/races-with-subscribe",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      for (let round = 0; round < 10; round++) {
        const old = await listen(c, a, channel);
        // The last handler goes while the next one comes: the backend's subscription must survive the crossing.
        const early = round % 2 === 0 ? old.remove() : undefined;
        const coming = listen(c, a, channel);
        const late = round % 2 === 0 ? undefined : old.remove();
        const inbox = await coming;
        await Promise.all([early, late]);
        await b.publish(channel, round);
        await inbox.have(1, "delivered to a handler that was added while the last one was removed");
        await inbox.remove();
        expectEqual(old.messages, [], "what was delivered to the handler that was removed");
      }
    },
  },
  {
    rule: "unsubscribe/inside-a-handler",
    async run(c) {
      const [a, b] = await c.clients();
      const channel = c.key();
      let calls = 0;
      const own: { remove?: () => Promise<void> } = {};
      own.remove = await a.subscribe(channel, async () => {
        calls++;
        await own.remove?.();
      });
      const inbox = await listen(c, a, channel);
      for (let i = 0; i < 3; i++) {
        await b.publish(channel, i);
        await inbox.have(i + 1, "delivered beside a handler that removes itself");
      }
      expectEqual(calls, 1, "calls of a handler that removes itself");
    },
  },
  {
    rule: "unsubscribe/leaves-nothing",
    async run(c) {
      const idle = optional(c.options.idle, "way to look inside (option idle)");
      const [a, b] = await c.clients();
      for (let i = 0; i < 1000; i++) {
        const channel = c.key();
        const remove = await a.subscribe(channel, () => undefined);
        if (i % 100 === 0) await b.publish(channel, i);
        await (i % 2 === 0 ? remove() : a.unsubscribe(channel));
      }
      await c.time.until("nothing is held after the last unsubscribe", DELIVERY_MS, () => idle(a));
    },
  },
  {
    rule: "domain/unserialisable",
    async run(c) {
      const pubsub = await c.store();
      const channel = c.key();
      const inbox = await listen(c, pubsub, channel);
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      for (const value of [1n, () => 1, cycle, undefined]) await failureOf(() => pubsub.publish(channel, value), `publish of ${show(value)}`);
      await pubsub.publish(channel, "fence");
      await inbox.have(1, "delivered after messages that cannot travel");
    },
  },
  {
    rule: "lifecycle/close-twice",
    async run(c) {
      const pubsub = await c.another();
      optional(pubsub.close, "close");
      await pubsub.subscribe(c.key(), () => undefined);
      await Promise.all([pubsub.close?.(), pubsub.close?.()]);
      await pubsub.close?.();
    },
  },
  {
    rule: "lifecycle/close-ends-delivery",
    async run(c) {
      const pubsub = await c.another();
      optional(pubsub.close, "close");
      const channel = c.key();
      const messages: unknown[] = [];
      await pubsub.subscribe(channel, (message) => void messages.push(message));
      await pubsub.close?.();
      await failureOf(() => pubsub.publish(channel, "late"), "publish after close");
      await failureOf(() => pubsub.subscribe(channel, () => undefined), "subscribe after close");
      await c.time.settle();
      expectEqual(messages, [], "what was delivered after close");
    },
  },
  {
    rule: "lifecycle/close-leaves-the-others",
    async run(c) {
      const [a, b] = await c.clients();
      if (!(await c.shared())) return skipRule("the object shares nothing");
      optional(b.close, "close");
      const channel = c.key();
      const inbox = await listen(c, a, channel);
      await b.close?.();
      await a.publish(channel, "x");
      await inbox.have(1, "delivered after the other client was closed");
    },
  },
];
