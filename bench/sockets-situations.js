/** Whole situations of sockets on Node; prints one line of JSON. `node --expose-gc bench/sockets-situations.js idle-sluice|idle-ws|stalled|restart [clients]` */
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";

const { createRouter, message, rpc } = await import("../dist/sockets.js");
const { createClient } = await import("../dist/sockets-client.js");
const { serve } = await import("../dist/node.js");

const limits = { connectionRate: false, maxConnections: Infinity };
const Say = message("SAY", { text: z.string() });
const Join = message("JOIN", { topic: z.string() });
const load = async (port, count, mode) => {
  const child = fork(fileURLToPath(new URL("sockets-load.js", import.meta.url)), [String(port), String(count), mode], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(child, "message");
  return child;
};
const settled = async () => {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { rss, heapUsed } = process.memoryUsage();
  return rss + heapUsed;
};

/** What 5,000 connections that say nothing take. */
async function idle(port) {
  const COUNT = 5000;
  const warm = await load(port, 50, "idle");
  const before = await settled();
  const child = await load(port, COUNT, "idle");
  const bytes = Math.round(((await settled()) - before) / COUNT);
  for (const one of [warm, child]) one.kill();
  return { bytes };
}

/** 1,000 subscribers under full load, with and without one that does not read. */
async function stalled() {
  const SUBSCRIBERS = 999;
  const mark = 1_048_576;
  let most = 0;
  const rate = async (withStalled) => {
    const router = createRouter({ limits: { ...limits, backpressure: { maxBufferedBytes: mark, policy: "drop-oldest" } }, logger: false }).on(Join, (ctx) => void ctx.topics.subscribe(ctx.payload.topic));
    const server = await serve(router, { port: 0, anonymous: true });
    const child = await load(server.port, SUBSCRIBERS, "fan-out");
    let sleeper;
    if (withStalled) {
      sleeper = connect(server.port, "127.0.0.1").on("error", () => undefined);
      await once(sleeper, "connect");
      sleeper.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n\r\n`);
      await once(sleeper, "data");
      sleeper.pause();
      // Masked frames with a mask of zeros: the load, and a topic of its own that fills what the system buffers for it.
      for (const topic of ["t", "own"]) {
        const text = Buffer.from(JSON.stringify({ type: "JOIN", payload: { topic } }));
        sleeper.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
      }
      while (router.topics.count("own") === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      for (let i = 0; i < 1000; i++) {
        await router.publish("own", Say, { text: "x".repeat(16_000) });
        if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    while (router.topics.count("t") < SUBSCRIBERS + (withStalled ? 1 : 0)) await new Promise((resolve) => setTimeout(resolve, 5));
    const text = "x".repeat(1000);
    const frame = JSON.stringify({ type: "SAY", meta: { timestamp: Date.now(), topic: "t" }, payload: { text } }).length + 4;
    const ROUNDS = 40;
    let began = 0;
    for (let round = -10; round < ROUNDS; round++) {
      if (round === 0) began = performance.now();
      child.send({ bytes: 8 * SUBSCRIBERS * frame });
      await new Promise((resolve) => setTimeout(resolve, 1));
      const done = once(child, "message");
      for (let i = 0; i < 8; i++) void router.publish("t", Say, { text });
      await done;
      if (withStalled) most = Math.max(most, ...router.connections().map(({ bufferedBytes }) => bufferedBytes));
    }
    const perSecond = (ROUNDS * 8) / (performance.now() - began);
    child.kill();
    sleeper?.destroy();
    await server.close({ drainMs: 0 });
    return perSecond;
  };
  const rates = { with: [], without: [] };
  for (let i = 0; i < 3; i++) {
    rates.without.push(await rate(false));
    rates.with.push(await rate(true));
  }
  const middle = (list) => list.toSorted((a, b) => a - b)[1];
  return { ratio: middle(rates.with) / middle(rates.without), buffered: most, mark: mark + 17_000 };
}

/** Clients of a server that is restarted, on a broker that keeps the history: all come back, resume, and miss nothing. */
async function restart() {
  const CLIENTS = Number(process.argv[3] ?? 5000);
  const { startRedis } = await import("./redis-server.js");
  const { Redis } = await import("ioredis");
  const { redisPubSub } = await import("../dist/redis.js");
  const redis = await startRedis();
  const Watch = rpc("WATCH", undefined, "WATCHING");
  const start = async (port) => {
    const connection = new Redis(redis.port);
    const router = createRouter({ logger: false, limits, pubsub: redisPubSub(connection, { timeoutMs: 60_000 }), topics: { history: { size: 1000 } } }).rpc(Watch, async (ctx) => void (await ctx.topics.subscribe("t")));
    const server = await serve(router, { port, anonymous: true });
    return { router, server, end: async () => (await server.close({ drainMs: 2000 }), connection.disconnect()) };
  };
  const first = await start(0);
  const { port } = first.server;
  const counts = new Uint32Array(CLIENTS);
  const sums = new Uint32Array(CLIENTS);
  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    const client = createClient({ url: `ws://127.0.0.1:${port}`, heartbeat: false, reconnect: { initialDelayMs: 200, maxDelayMs: 2000 }, connectTimeoutMs: 60_000, timeoutMs: 120_000, wsFactory: (url, protocols) => new WebSocket(url, [...protocols], { perMessageDeflate: false }) });
    client.on(Say, ({ payload }) => {
      counts[i]++;
      sums[i] += Number(payload.text);
    });
    return client;
  });
  for (let i = 0; i < CLIENTS; i += 200) await Promise.all(clients.slice(i, i + 200).map((client) => client.connect().then(() => client.request(Watch))));
  let sent = 0;
  let total = 0;
  const say = async (router) => {
    const result = await router.publish("t", Say, { text: String(++sent) });
    if (!result.ok) throw new Error(`a publish failed: ${result.error}`);
    total += sent;
  };
  const all = async () => {
    while (counts.some((count) => count < sent)) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  for (let i = 0; i < 3; i++) await say(first.router);
  await all();
  const began = performance.now();
  await first.end();
  const second = await start(port);
  // Published while the clients are on their way back.
  for (let i = 0; i < 5; i++) {
    await say(second.router);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  while (clients.some(({ state }) => state !== "open")) await new Promise((resolve) => setTimeout(resolve, 10));
  await all();
  const ms = Math.round(performance.now() - began);
  const lost = counts.reduce((sum, count) => sum + Math.max(0, sent - count), 0);
  const doubled = counts.reduce((sum, count, i) => sum + Math.max(0, count - sent) + (count === sent && sums[i] !== total ? 1 : 0), 0);
  redis.stop();
  return { clients: CLIENTS, lost, doubled, ms };
}

const situations = {
  "idle-sluice": async () => idle((await serve(createRouter({ limits, logger: false }).on(Join, () => undefined), { port: 0, anonymous: true })).port),
  "idle-ws": async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket) => socket.on("message", () => undefined));
    await once(server, "listening");
    return idle(server.address().port);
  },
  stalled,
  restart,
};
console.log(JSON.stringify(await situations[process.argv[2]]()));
process.exit(0);
