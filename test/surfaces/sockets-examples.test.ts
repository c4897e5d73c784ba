/** The examples of sockets, each as its own command; the one for Cloudflare in workerd. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startWorkerd } from "../servers/workerd.ts";

const run = promisify(execFile);
const file = (path: string): string => fileURLToPath(new URL(`../../examples/sockets/${path}`, import.meta.url));

async function output(name: string): Promise<any> {
  const { stdout, stderr } = await run(process.execPath, [file(name)]);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("examples of sockets", () => {
  it("chat: rooms and presence", async () => {
    expect(await output("chat.js")).toEqual({ people: ["ann", "bob"], seen: ["* ann came", "* bob came", "bob: hello", "* bob left"] });
  });

  it("cursors: a slow reader gets the newest, never an older one after it", async () => {
    expect(await output("cursors.js")).toEqual({ bobEndsAt: 3000, slowSawFewer: true, slowEndsAt: 3000, rising: true, buffered: true });
  });

  it("order book: whole after the line was cut", async () => {
    expect(await output("order-book.js")).toEqual({ changes: 51, whole: true, same: true, gaps: 0 });
  });

  it("progress: done, cancelled, out of time", async () => {
    expect(await output("progress.js")).toEqual({ pages: [1, 2, 3, 4], done: 4, cancelled: "AbortError", late: "TimeoutError", stopped: [100_000, 100_001] });
  });

  it("chat over Durable Objects: rooms apart, news for the whole house", async () => {
    await using workerd = await startWorkerd({
      entry: file("cloudflare-chat/worker.ts"),
      worker: { durableObjects: { ROUTER: { className: "Rooms", useSQLite: true }, PUBSUB: { className: "PubSubDO", useSQLite: true } } },
    });
    const url = workerd.url.replace("http", "ws");
    const guest = async (name: string, room: string) => {
      const socket = new WebSocket(`${url}/?name=${name}&room=${room}`);
      const heard: string[] = [];
      let object = "";
      socket.on("message", (data) => {
        const { type, payload } = JSON.parse(String(data));
        if (type === "SAID") heard.push(`${payload.from}: ${payload.text}`);
        else if (type === "ENTERED") object = payload.object;
        else heard.push(JSON.stringify(payload));
      });
      await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
      socket.send(JSON.stringify({ type: "ENTER", meta: { correlationId: "e" }, payload: { room } }));
      const until = async (test: () => boolean): Promise<void> => {
        while (!test()) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      await until(() => object !== "" || heard.length > 0);
      return { heard, object, until, send: (type: string, payload: unknown) => socket.send(JSON.stringify({ type, payload })), end: () => socket.terminate() };
    };
    // The names lie in different objects.
    const [ann, bob, eve] = [await guest("ann", "green"), await guest("bob", "green"), await guest("eve", "blue")];
    expect(ann.object).toBe(bob.object);
    expect(eve.object).not.toBe(ann.object);
    ann.send("SAY", { room: "green", text: "hello" });
    await bob.until(() => bob.heard.length === 1);
    ann.send("ANNOUNCE", { text: "last orders" });
    for (const { until, heard } of [ann, bob, eve]) await until(() => heard.includes("the house: last orders"));
    expect([ann.heard, bob.heard, eve.heard]).toEqual([["ann: hello", "the house: last orders"], ["ann: hello", "the house: last orders"], ["the house: last orders"]]);
    for (const { end } of [ann, bob, eve]) end();
  });
});
