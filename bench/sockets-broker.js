/**
 * Fan-out between two processes over Redis: one publishes and holds the subscribers' sockets, the other serves them. Prints the p50 and p99
 * until the last of them has the message, in ms, as JSON. `node bench/sockets-broker.js sluice|bare` ("bare": a plain client of Redis, handed on by `ws`)
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";

const { createRouter, message } = await import("../dist/sockets.js");
const { serve } = await import("../dist/node.js");
const { redisPubSub } = await import("../dist/redis.js");

const SUBSCRIBERS = 100;
const MESSAGES = 1500;
const EVERY_MS = 3;
const [mode, redisPort] = process.argv.slice(2);
const Say = message("SAY", { n: z.number(), text: z.string() });
const Join = message("JOIN");
const limits = { connectionRate: false, maxConnections: Infinity };
const TEXT = "x".repeat(120);

const own = (port) => createRouter({ logger: false, limits, pubsub: redisPubSub(new Redis(port)) }).on(Join, (ctx) => ctx.topics.subscribe("t"));

if (redisPort !== undefined) await serveSubscribers(Number(redisPort));
else await measure();

async function serveSubscribers(port) {
  if (mode === "sluice") {
    const { port: served } = await serve(own(port), { port: 0, anonymous: true });
    return process.send(served);
  }
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const redis = new Redis(port);
  await redis.subscribe("t");
  redis.on("message", (_channel, text) => {
    const { payload } = JSON.parse(text);
    const frame = JSON.stringify({ type: "SAY", meta: { timestamp: Date.now(), topic: "t" }, payload });
    for (const client of server.clients) client.send(frame);
  });
  process.send(server.address().port);
}

async function measure() {
  const { startRedis } = await import("./redis-server.js");
  const redis = await startRedis();
  const child = fork(fileURLToPath(import.meta.url), [mode, String(redis.port)], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const [port] = await once(child, "message");
  const left = new Uint32Array(MESSAGES).fill(SUBSCRIBERS);
  const began = new Float64Array(MESSAGES);
  const took = [];
  let warm = 0;
  const sockets = await Promise.all(Array.from({ length: SUBSCRIBERS }, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    socket.on("message", (data) => {
      const { payload } = JSON.parse(data.toString());
      if (payload?.n === -1) warm++;
      else if (payload?.n >= 0 && --left[payload.n] === 0) took.push(performance.now() - began[payload.n]);
    });
    await once(socket, "open");
    if (mode === "sluice") socket.send('{"type":"JOIN"}');
    return socket;
  }));
  const publisher = mode === "sluice" ? own(redis.port) : new Redis(redis.port);
  const say = (n) => (mode === "sluice" ? publisher.publish("t", Say, { n, text: TEXT }) : publisher.publish("t", JSON.stringify({ type: "SAY", payload: { n, text: TEXT } })));
  // Until every subscriber is there and the code is warm.
  while (warm < 300 * SUBSCRIBERS) {
    await say(-1);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (let n = 0; n < MESSAGES; n++) {
    began[n] = performance.now();
    void say(n);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  while (took.length < MESSAGES) await new Promise((resolve) => setTimeout(resolve, 5));
  took.sort((a, b) => a - b);
  console.log(JSON.stringify({ p50: took[MESSAGES >> 1], p99: took[Math.floor(MESSAGES * 0.99)] }));
  for (const socket of sockets) socket.terminate();
  child.kill();
  redis.stop();
  process.exit(0);
}
