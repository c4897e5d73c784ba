/** Sockets on Node: what a message and a delivery cost the server beside plain `ws`. Clients are raw TCP in a process of their own. */
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createServer } from "node:http";
import { Server as SocketIoServer } from "socket.io";
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

const echoCell = (name, start, mode = "echo", bytes = framed(envelope({ text: "x".repeat(66) }))) => ({
  name,
  batch: 4096,
  async setup() {
    const port = await start();
    const { child, ask } = await load(port, CONNECTIONS, mode, bytes);
    return { run: (n) => ask({ messages: n }), teardown: () => child.kill() };
  },
});

/** `publishes` at once; an operation is one delivery. */
const fanCell = (name, publishes, start, mode = "fan-out") => ({
  name,
  batch: publishes * SUBSCRIBERS,
  async setup() {
    const { port, joined, publish, bytes } = await start();
    const { child } = await load(port, SUBSCRIBERS, mode);
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

async function socketIo(onConnection) {
  const http = createServer();
  const io = new SocketIoServer(http, { transports: ["websocket"], pingInterval: 300_000 });
  io.on("connection", (socket) => onConnection(socket, io));
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { io, port: http.address().port };
}

const ioEcho = `42${JSON.stringify(["ECHO", { text: "x".repeat(66) }])}`;
const ioSay = `42${JSON.stringify(["SAY", { text: TEXT }])}`;

async function ioFan() {
  let joined = 0;
  const { io, port } = await socketIo((socket) => socket.on("JOIN", async () => (await socket.join("t"), joined++)));
  return { port, joined: () => joined, bytes: framed(ioSay), publish: () => io.to("t").emit("SAY", { text: TEXT }) };
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
  cellLimitMs: 120_000,
  cells: [
    echoCell("echo: ws with JSON and the same schema", async () => (await rawServer((socket, data) => {
      const { payload } = JSON.parse(data.toString());
      socket.send(envelope(schema.parse(payload)));
    })).address().port),
    echoCell("echo: sluice", async () => (await serve(createRouter({ limits, logger: false }).on(Echo, (ctx) => void ctx.send(Echo, ctx.payload)), { port: 0, anonymous: true })).port),
    echoCell("echo: socket.io with the same schema", async () => (await socketIo((socket) => socket.on("ECHO", (payload) => socket.emit("ECHO", schema.parse(payload))))).port, "echo-io", framed(ioEcho)),
    fanCell("fan-out, 16 in flight: socket.io", 16, ioFan, "fan-out-io"),
    fanCell("fan-out, 16 in flight: ws send loop", 16, wsFan),
    fanCell("fan-out, 16 in flight: sluice", 16, ownFan),
    fanCell("fan-out, one at a time: ws send loop", 1, wsFan),
    fanCell("fan-out, one at a time: sluice", 1, ownFan),
  ],
  ratios: [
    { name: "echo, messages/s against ws", of: "echo: sluice", to: "echo: ws with JSON and the same schema", atLeast: 0.6 },
    { name: "echo, messages/s against socket.io", of: "echo: sluice", to: "echo: socket.io with the same schema", atLeast: 2 },
    { name: "fan-out, CPU per delivery against socket.io (10 x the deliveries per CPU-second)", metric: "cpu", of: "fan-out, 16 in flight: sluice", to: "fan-out, 16 in flight: socket.io", atMost: 0.1 },
    { name: "fan-out, CPU per delivery against a ws send loop (10 x the deliveries per CPU-second)", metric: "cpu", of: "fan-out, 16 in flight: sluice", to: "fan-out, 16 in flight: ws send loop", atMost: 0.1 },
    { name: "one publish at a time, CPU per delivery against a ws send loop", metric: "cpu", of: "fan-out, one at a time: sluice", to: "fan-out, one at a time: ws send loop", atMost: 1 },
    { name: "one publish at a time, p99 against a ws send loop", metric: "p99", of: "fan-out, one at a time: sluice", to: "fan-out, one at a time: ws send loop", atMost: 1 },
  ],
  /** Whole situations, each in a process of its own that prints one line. */
  async extra() {
    const run = (script, what) => JSON.parse(execFileSync(process.execPath, ["--expose-gc", fileURLToPath(new URL(script, import.meta.url)), what], { encoding: "utf8", timeout: 180_000, killSignal: "SIGKILL" }));
    const figures = (what) => run("../sockets-situations.js", what);
    const row = (name, text, required, ok, far = false) => ({ name, text, required, ok, far });
    const [own, raw] = [figures("idle-sluice"), figures("idle-ws")];
    const stalled = figures("stalled");
    const [broker, bare] = [run("../sockets-broker.js", "sluice"), run("../sockets-broker.js", "bare")];
    const back = figures("restart");
    return [
      row("memory per idle connection at 5,000, heap and RSS, against ws", `${(own.bytes / raw.bytes).toFixed(2)} x (${own.bytes} B to ${raw.bytes} B)`, "at most 1.3 x", own.bytes / raw.bytes <= 1.3),
      row("Redis between two processes, to 100 sockets: p99 against bare pub/sub handed on by ws", `${(broker.p99 / bare.p99).toFixed(2)} x (${broker.p99.toFixed(1)} to ${bare.p99.toFixed(1)} ms)`, "at most 1.5 x", broker.p99 / bare.p99 <= 1.5),
      row("one stalled subscriber among 1,000: rate of the others", `${stalled.ratio.toFixed(2)} x`, "at least 0.95 x", stalled.ratio >= 0.95),
      row("the same: bytes held for it", `${stalled.buffered} B`, `at most ${stalled.mark} B`, stalled.buffered <= stalled.mark),
      row(`${back.clients} clients back and resumed after a restart: messages lost, doubled`, `${back.lost}, ${back.doubled} in ${back.ms} ms`, "0, 0", back.lost + back.doubled === 0),
    ];
  },
};
