import { expect, test } from "vitest";
import { memoryPubSub } from "../../drivers/memory/memory-pub-sub.ts";
import { isSerialized, routed } from "./message.ts";

const parts = { id: "1", origin: "a", topic: "t", type: "x", frame: "{}" };

test("a value that looks like a router's message is a message of its channel, and reaches no router", async () => {
  const pubsub = memoryPubSub();
  const [handled, routers]: unknown[][] = [[], []];
  await pubsub.subscribe("orders", (message) => void handled?.push(message));
  const stop = await pubsub.start((message) => void routers?.push(message));
  await pubsub.publish("orders", parts as unknown);
  expect(handled).toEqual([parts]);
  expect(routers).toEqual([]);
  await pubsub.publish("t", routed(parts));
  expect(routers).toHaveLength(1);
  expect(routers?.[0]).toMatchObject(parts);
  await stop();
});

test("the mark is on what a router publishes and on copies of it, never in what comes out of JSON", () => {
  const message = routed(parts);
  expect(isSerialized({ ...message })).toBe(true);
  expect(Object.keys(message)).toEqual(Object.keys(parts));
  expect(JSON.stringify(message)).toBe(JSON.stringify(parts));
  for (const other of [parts, JSON.parse(JSON.stringify(message)), { ...parts, "sluice.routed": true, "Symbol(sluice.routed)": true }, null, "text"]) expect(isSerialized(other)).toBe(false);
});
