/** History over a fleet: who comes back gets what it missed, once and in order, from whichever process it comes to, or is told. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type AddressInfo, type Socket, connect as tcp, createServer as tcpServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { message, rpc } from "../../src/sockets.ts";
import { createClient } from "../../src/sockets-client.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

const children = new Set<ChildProcess>();
const ends: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of ends.splice(0)) await end();
  for (const child of children) child.kill("SIGKILL");
});

async function member(kind: string, url: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("sockets-history-process.js", import.meta.url)), kind, url], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the process on ${kind} ended with ${code} before it listened`)));
  });
  return { child, url: await listening };
}

/** A wire that can be cut, to a server that can be another one. */
async function wire(first: string) {
  const open = new Set<Socket>();
  let port = Number(new URL(first).port);
  let up = true;
  const server = tcpServer((client) => {
    if (!up) return void client.destroy();
    const upstream = tcp(port, "127.0.0.1");
    for (const [one, two] of [[client, upstream], [upstream, client]] as const) {
      open.add(one);
      one.on("error", () => undefined).on("close", () => (open.delete(one), two.destroy())).pipe(two);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  ends.push(() => server.close());
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() { up = false; for (const socket of open) socket.destroy(); },
    mend(to?: string) { if (to !== undefined) port = Number(new URL(to).port); up = true; },
  };
}

const Say = message("SAY", z.string());
const Join = rpc("JOIN", z.string(), "JOINED", z.array(z.string()));
const Publish = rpc("PUBLISH", z.object({ topic: z.string(), text: z.string(), excludeSelf: z.boolean().optional() }), "PUBLISHED", z.object({ ok: z.boolean(), offset: z.string().optional(), matched: z.number(), error: z.string().optional() }));
const State = rpc("STATE", undefined, "STATE_IS", z.object({ gaps: z.array(z.string()), people: z.array(z.string()) }));

async function join(url: string, name: string, ...topics: string[]) {
  const client = createClient({ url: `${url}/?name=${name}`, wsFactory: (to, protocols) => new WebSocket(to, [...protocols]) as never, reconnect: { initialDelayMs: 5, maxDelayMs: 20 } });
  const heard: string[] = [];
  const offsets: string[] = [];
  const gaps: string[] = [];
  client.on(Say, ({ payload, meta }) => void (heard.push(payload), offsets.push(String(meta["offset"]))));
  client.on("gap", ({ topic }) => void gaps.push(topic));
  await client.connect();
  ends.push(() => client.close());
  for (const topic of topics) await client.request(Join, topic);
  return { client, heard, offsets, gaps, say: (topic: string, text: string, excludeSelf = false) => client.request(Publish, { topic, text, excludeSelf }) };
}

type Member = Awaited<ReturnType<typeof join>>;

const until = async (test: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Numbers of one epoch that rise by one. */
function isWhole(offsets: readonly string[]): boolean {
  return offsets.every((offset, i) => i === 0 || (offset.split(":")[0] === offsets[i - 1]!.split(":")[0] && Number(offset.split(":")[1]) === Number(offsets[i - 1]!.split(":")[1]) + 1));
}

/** Publishes from everybody until told to stop; gives what was accepted. */
function chatter(topic: string, speakers: readonly Member[]) {
  let going = true;
  onTestFinished(() => void (going = false));
  const accepted: string[] = [];
  const work = speakers.map(async ({ say }, who) => {
    for (let i = 0; going; i++) {
      const text = `${who}-${i}`;
      const said = await say(topic, text).catch(() => undefined);
      if (said?.ok === true) accepted.push(text);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  return { accepted, stop: async () => ((going = false), await Promise.all(work), accepted) };
}

const brokers = {
  redis: async () => { const server = await startRedis(); return { url: server.url, restart: () => server.restart({ empty: false }), stop: () => server.stop() }; },
  postgres: async () => { const server = await startPostgres(); return { url: server.url, restart: () => server.restart(), stop: () => server.stop() }; },
} as const;

describe.each(["redis", "postgres"] as const)("topics with history on %s, two processes", (kind) => {
  const fleet = (async () => {
    const server = await brokers[kind]();
    const [here, there] = await Promise.all([member(kind, server.url), member(kind, server.url)]);
    return { server, here, there };
  })();
  fleet.catch(() => undefined);
  afterAll(async () => {
    const { server, here, there } = await fleet;
    for (const { child } of [here, there]) child.kill("SIGKILL");
    await server.stop();
  });

  it("are delivered by number: everybody sees one order, whoever publishes where", async () => {
    const { here, there } = await fleet;
    const all = await Promise.all([join(here.url, "a", "log:order"), join(there.url, "b", "log:order"), join(there.url, "c", "log:order")]);
    const talk = chatter("log:order", all);
    await until(() => talk.accepted.length >= 150);
    const accepted = await talk.stop();
    await until(() => all.every(({ heard }) => heard.length >= accepted.length));
    for (const { heard, offsets, gaps } of all) {
      expect(heard).toEqual(all[0]!.heard);
      expect([...heard].sort()).toEqual([...accepted].sort());
      expect(isWhole(offsets)).toBe(true);
      expect(gaps).toEqual([]);
    }
  });

  it("resume what was missed, once and in order, also at another process, while others go on publishing", async () => {
    const { here, there } = await fleet;
    const line = await wire(here.url);
    const listener = await join(line.url, "l", "log:cut");
    const speakers = [await join(here.url, "s1"), await join(there.url, "s2", "log:cut")];
    const talk = chatter("log:cut", speakers);
    for (const to of [there.url, here.url, there.url]) {
      const before = talk.accepted.length;
      await until(() => talk.accepted.length >= before + 20);
      line.cut();
      await until(() => talk.accepted.length >= before + 50);
      line.mend(to);
      await until(() => listener.client.state === "open");
    }
    const accepted = await talk.stop();
    await until(() => listener.heard.length >= accepted.length);
    expect([...listener.heard].sort()).toEqual([...accepted].sort());
    expect(isWhole(listener.offsets)).toBe(true);
    expect(listener.heard).toEqual(speakers[1]!.heard);
    expect(listener.gaps).toEqual([]);
  });

  it("long messages and messages one did not want back leave no hole", async () => {
    const { here, there } = await fleet;
    const [one, two] = await Promise.all([join(here.url, "a", "log:long"), join(there.url, "b", "log:long")]);
    const long = "é".repeat(30_000);
    await one.say("log:long", long);
    await one.say("log:long", "mine", true);
    await two.say("log:long", "last");
    await until(() => one.heard.length === 2 && two.heard.length === 3);
    expect(two.heard).toEqual([long, "mine", "last"]);
    expect(one.heard).toEqual([long, "last"]);
    expect([one.gaps, two.gaps]).toEqual([[], []]);
  });

  it("go on after the broker was away: what was accepted arrives once, and a new epoch is told", async () => {
    const { server, here, there } = await fleet;
    const line = await wire(there.url);
    const listeners = await Promise.all([join(here.url, "a", "log:restart"), join(line.url, "b", "log:restart")]);
    const talk = chatter("log:restart", [await join(here.url, "s1"), await join(there.url, "s2")]);
    await until(() => talk.accepted.length >= 40);
    line.cut();
    await server.restart();
    line.mend();
    const before = talk.accepted.length;
    await until(() => talk.accepted.length >= before + 40);
    const accepted = await talk.stop();
    await until(() => listeners.every(({ heard }) => heard.at(-1) !== undefined && accepted.slice(-2).every((text) => heard.includes(text))));
    const epochs = new Set(listeners[0]!.offsets.map((offset) => offset.split(":")[0]));
    for (const { heard, offsets, gaps } of listeners) {
      expect(new Set(heard).size).toBe(heard.length);
      expect(new Set(offsets).size).toBe(offsets.length);
      const missed = accepted.filter((text) => !heard.includes(text));
      // Whatever is missing has been told of; nothing is missing in a history that went on.
      if (missed.length > 0 || epochs.size > 1) expect(gaps).toContain("log:restart");
      if (kind === "postgres") expect([missed, epochs.size, gaps]).toEqual([[], 1, []]);
    }
  });

  it("a process that is killed leaves nobody behind, and its clients resume at the other", async () => {
    const { server, here, there } = await fleet;
    const doomed = await member(kind, server.url);
    const line = await wire(doomed.url);
    const [ann, bob] = await Promise.all([join(line.url, "ann", "people", "log:killed"), join(there.url, "bob", "people", "log:killed")]);
    const people = async (): Promise<string> => (await bob.client.request(State)).people.join();
    await bob.say("log:killed", "1");
    await until(async () => ann.heard.length === 1 && (await people()) === "ann,bob");
    line.cut();
    doomed.child.kill("SIGKILL");
    await bob.say("log:killed", "2");
    await until(async () => (await people()) === "bob");
    line.mend(here.url);
    await until(() => ann.heard.length === 2);
    expect([ann.heard, ann.gaps]).toEqual([["1", "2"], []]);
  });
});
