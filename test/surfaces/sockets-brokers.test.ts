import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startNats } from "../servers/nats.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

async function member(kind: string, url: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("sockets-broker-process.js", import.meta.url)), kind, url], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the process on ${kind} ended with ${code} before it listened`)));
  });
  return { child, url: await listening };
}

async function join(url: string, name: string, ...topics: string[]) {
  const socket = new WebSocket(`${url}?name=${name}`);
  const heard: string[] = [];
  const waiting = new Map<string, (payload: any) => void>();
  socket.on("message", (data) => {
    const { type, meta, payload } = JSON.parse(String(data));
    if (type === "SAY") heard.push(payload);
    else waiting.get(meta?.correlationId)?.(payload);
  });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  let calls = 0;
  const call = (type: string, payload: unknown = null): Promise<any> => new Promise((resolve) => {
    const id = String(calls++);
    waiting.set(id, resolve);
    socket.send(JSON.stringify({ type, meta: { correlationId: id }, payload }));
  });
  for (const topic of topics) await call("JOIN", topic);
  return { socket, heard, call, say: (topic: string, text: string) => call("PUBLISH", { topic, text }) };
}

const until = async (test: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 20));
};

const brokers = {
  redis: async () => { const server = await startRedis(); return { url: server.url, server }; },
  postgres: async () => { const server = await startPostgres(); return { url: server.url, server }; },
  nats: async () => { const server = await startNats(); return { url: server.url, server }; },
} as const;

describe("two processes on one broker", () => {
  it.each(["redis", "postgres", "nats"] as const)("%s: by interest, in order, once; after a restart by themselves, and the loss is told", async (kind) => {
    const { url, server } = await brokers[kind]();
    try {
      const [here, there] = await Promise.all([member(kind, url), member(kind, url)]);
      const one = await join(here.url, "one", "a", "people");
      const two = await join(there.url, "two", "a", "people");
      await expect(one.say("a", "1")).resolves.toEqual({ ok: true, matched: 0 });
      for (let i = 2; i <= 20; i++) void one.say("a", String(i));
      await two.say("a", "from two");
      await until(() => two.heard.length === 20 && one.heard.length === 1);
      expect(two.heard).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 1)));
      // Nobody there wants this topic: it listens to the topics it has, and to what routers tell each other.
      await one.call("JOIN", "only-here");
      expect((await two.call("STATE")).channels).toBe(3);
      await until(async () => (await two.call("STATE")).people.length === 2);
      await server.restart();
      await until(async () => (await two.call("STATE")).gaps.includes("a"));
      let sent = 0;
      await until(async () => {
        await one.say("a", `after ${sent++}`);
        return two.heard.length > 20;
      });
      const after = two.heard.slice(20);
      expect(new Set(after).size).toBe(after.length);
      expect(two.heard.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 1)));
      // A process that dies leaves nobody behind.
      here.child.kill("SIGKILL");
      await until(async () => (await two.call("STATE")).people.join() === "two");
      two.socket.terminate();
      there.child.stdin!.end();
    } finally {
      await server.stop();
    }
  });
});
