import { expect, it } from "vitest";
import { type PubSubWire, backendPubSub } from "./backend-pub-sub.ts";

it("asks the backend anew for a name that it could not be told to forget, and hears what comes once", async () => {
  const heard: ((text: string) => void)[] = [];
  let away = false;
  const wire: PubSubWire = {
    name: "test", maxMessageBytes: 1024, bus: "bus", physical: (channel) => channel,
    publish: async (_physical, text) => heard.forEach((receive) => receive(text)),
    subscribe: async (_physical, receive) => void heard.push(receive),
    // As a connection that breaks at this moment: nobody knows whether the backend has forgotten it.
    unsubscribe: async () => {
      if (away) throw new Error("away");
    },
    onChange: () => undefined,
    close: async () => undefined,
  };
  const pubsub = backendPubSub(wire);
  const texts: unknown[] = [];
  const stop = await pubsub.subscribe("orders", (text) => void texts.push(text));
  away = true;
  await stop().catch(() => undefined);
  away = false;
  await pubsub.subscribe("orders", (text) => void texts.push(text));
  expect(heard).toHaveLength(2);
  await pubsub.publish("orders", "one");
  expect(texts).toEqual(["one"]);
  await pubsub.close();
});
