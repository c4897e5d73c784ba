/** Sockets on Node: what a message and a delivery cost the server beside plain `ws`. Clients are raw TCP in a process of their own. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { z } from "zod";

const { createRouter, message } = await import("../../dist/sockets.js");
const { serve } = await import("../../dist/node.js");

const Echo = message("ECHO", { text: z.string() });
const Join = message("JOIN", { topic: z.string() });
const Say = message("SAY", { text: z.string() });
const CONNECTIONS = 64;
const SUBSCRIBERS = 1000;
const TEXT = "x".repeat(120);

async function load(port, count, mode, size) {
  const child = fork(fileURLToPath(new URL("../sockets-load.js", import.meta.url)), [String(port), String(count), mode, String(size)], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(child, "message");
  return { child, ask: async (order) => { child.send(order); await once(child, "message"); } };
}

const limits = { connectionRate: false, maxConnections: Infinity };

async function rawServer(onMessage) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => socket.on("message", (data) => onMessage(socket, data)));
  await once(server, "listening");
  return server;
}

const schema = z.object({ text: z.string() });
const envelope = (payload) => JSON.stringify({ type: "ECHO", meta: { timestamp: Date.now() }, payload });
/** A text frame of a server, with its header. */
const framed = (text) => text.length + (text.length < 126 ? 2 : 4);

const echoCell = (name, start) => ({
  name,
  batch: 4096,
  async setup() {
    const port = await start();
    const { child, ask } = await load(port, CONNECTIONS, "echo", framed(envelope({ text: "x".repeat(66) })));
    return { run: (n) => ask({ messages: n }), teardown: () => child.kill() };
  },
});

/** `publishes` at once; an operation is one delivery. */
const fanCell = (name, publishes, start) => ({
  name,
  batch: publishes * SUBSCRIBERS,
  async setup() {
    const { port, joined, publish, bytes } = await start();
    const { child } = await load(port, SUBSCRIBERS, "fan-out");
    while (joined() < SUBSCRIBERS) await new Promise((resolve) => setTimeout(resolve, 5));
    const times = [];
    return {
      async run(n) {
        for (let sent = 0; sent < n; sent += publishes * SUBSCRIBERS) {
          child.send({ bytes: publishes * SUBSCRIBERS * bytes });
          // The order is there before the frames are: both ways are one machine.
          await new Promise((resolve) => setTimeout(resolve, 1));
          const began = performance.now();
          const done = once(child, "message");
          for (let i = 0; i < publishes; i++) publish();
          await done;
          times.push(performance.now() - began);
        }
      },
      latencies: () => times,
      teardown: () => child.kill(),
    };
  },
});

const sayText = JSON.stringify({ type: "SAY", meta: { timestamp: Date.now(), topic: "t" }, payload: { text: TEXT } });

async function wsFan() {
  const members = new Set();
  const server = await rawServer((socket) => members.add(socket));
  return { port: server.address().port, joined: () => members.size, bytes: framed(sayText), publish: () => { for (const member of members) member.send(sayText); } };
}

async function ownFan() {
  const router = createRouter({ limits, logger: false }).on(Join, (ctx) => void ctx.topics.subscribe(ctx.payload.topic));
  const server = await serve(router, { port: 0, anonymous: true });
  return { port: server.port, joined: () => router.topics.count("t"), bytes: framed(sayText), publish: () => void router.publish("t", Say, { text: TEXT }) };
}

export default {
  name: "sockets",
  description: `echo of a validated 100-byte message over ${CONNECTIONS} connections; fan-out to ${SUBSCRIBERS} subscribers`,
  budgetMs: 800,
  cells: [
    echoCell("echo: ws with JSON and the same schema", async () => (await rawServer((socket, data) => {
      const { payload } = JSON.parse(data.toString());
      socket.send(envelope(schema.parse(payload)));
    })).address().port),
    echoCell("echo: sluice", async () => (await serve(createRouter({ limits, logger: false }).on(Echo, (ctx) => void ctx.send(Echo, ctx.payload)), { port: 0, anonymous: true })).port),
    fanCell("fan-out, 16 in flight: ws send loop", 16, wsFan),
    fanCell("fan-out, 16 in flight: sluice", 16, ownFan),
    fanCell("fan-out, one at a time: ws send loop", 1, wsFan),
    fanCell("fan-out, one at a time: sluice", 1, ownFan),
  ],
  ratios: [
    { name: "echo, messages/s against ws", of: "echo: sluice", to: "echo: ws with JSON and the same schema", atLeast: 0.8 },
    { name: "fan-out, CPU per delivery against a ws send loop (10 x the deliveries per CPU-second)", metric: "cpu", of: "fan-out, 16 in flight: sluice", to: "fan-out, 16 in flight: ws send loop", atMost: 0.1 },
    { name: "one publish at a time, CPU per delivery against a ws send loop", metric: "cpu", of: "fan-out, one at a time: sluice", to: "fan-out, one at a time: ws send loop", atMost: 1 },
  ],
};
