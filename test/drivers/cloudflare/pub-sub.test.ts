/** Pub/sub between Durable Objects inside workerd: the contract, sleep on both ends, losses that are told. */

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ContractReport, describeReport } from "../../../src/testing.ts";
import { type Workerd, startWorkerd } from "../../servers/workerd.ts";

let workerd: Workerd;
beforeAll(async () => {
  workerd = await startWorkerd({
    entry: fileURLToPath(new URL("pub-sub-worker.ts", import.meta.url)),
    worker: { durableObjects: { BROKER: { className: "Broker", useSQLite: true }, PLAIN_BROKER: { className: "PlainBroker" }, ROOM: { className: "Room", useSQLite: true } } },
  });
});
afterAll(() => workerd.stop());

const run = <T>(name: string): Promise<T> => workerd.json<T>(`/?run=${encodeURIComponent(name)}`);

it.each(["suite in a Worker", "suite in an object"])("%s", async (name) => {
  const report = await run<ContractReport>(name);
  console.log(`cloudflarePubSub, ${name}: ${describeReport(report)}`);
  expect(report.violations).toEqual([]);
  expect(report.skipped.filter(({ reason }) => !/driven by hand|option exclusive/.test(reason))).toEqual([]);
  expect(report.passed.length).toBeGreaterThan(20);
});

it("goes from object to object in the publisher's order, and from Workers", async () => {
  const { atA, same, afterwards } = await run<{ atA: unknown[]; same: boolean; afterwards: number[] }>("between objects");
  expect(atA).toEqual([...Array.from({ length: 300 }, (_, i) => i), "from the Worker"]);
  expect({ same, afterwards }).toEqual({ same: true, afterwards: [301, 302] });
});

it("wakes an object that was evicted, and waits until it listens again", async () => {
  expect(await run("an evicted object")).toEqual({ heard: ["up"], constructed: 2 });
});

it("tells an object that subscribed too late what it missed, once, and nobody else", async () => {
  expect(await run("an object that wakes too slowly")).toEqual({ heard: ["gap:late", "in time", "as ever"], constructed: 2 });
});

it("keeps the news of a loss for an object that has not subscribed again", async () => {
  expect(await run("an object told of losses while it wakes")).toEqual({ heard: ["gap:drowsy"], constructed: 2 });
});

it("outlives the broker: objects stay listed, sessions come back with a gap", async () => {
  expect(await run("an evicted broker")).toEqual({ room: ["after"], seen: ["after"], gaps: ["kept"] });
});

it("tells an object that could not be reached what it missed, once", async () => {
  expect(await run("an object that fails")).toEqual({ heard: ["gap:deaf", "heard"], constructed: 1, missed: 1, left: 0 });
});

it("forgets an object that does not want a name any more", async () => {
  expect(await run("an object that forgot")).toEqual({ before: 1, after: 0, heard: [], constructed: 2 });
});

it("takes nothing from requests", async () => {
  expect(await run("from outside")).toEqual([404, 404, 404, 404]);
});

it("names what is missing", async () => {
  const answers = await run<{ name: string; code: string; message: string }[]>("what is missing");
  expect(answers.map(({ code, message }) => [code, message])).toEqual([
    ["CONFIG_INVALID", expect.stringMatching(/^namespace must be a Durable Object namespace: export PubSubDO/)],
    ["CONFIG_INVALID", expect.stringMatching(/^shards must be/)],
    ["CONFIG_INVALID", expect.stringMatching(/^state must be the state of a Durable Object/)],
    ["STORE_CAPABILITY", expect.stringContaining("new_sqlite_classes")],
    ["STORE_CAPABILITY", expect.stringContaining("is not PubSubDO")],
    ["CONFIG_INVALID", expect.stringMatching(/^state must be/)],
    ["STORE_CAPABILITY", expect.stringContaining("no binding of the Worker that holds PubSubDO")],
    ["PAYLOAD_TOO_LARGE", expect.stringContaining("4194304")],
  ]);
});
