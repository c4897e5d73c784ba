/**
 * Screenshots of the gateway's dashboard and of the sockets' devtools under load, light and dark, wide and narrow:
 * `node scripts/dashboard-screenshots.js [folder]`, after a build. Needs Debian's chromium.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { cache, circuitBreaker, createGateway, rateLimit } from "../dist/gateway.js";
import { memoryAdapter } from "../dist/memory.js";
import { serve } from "../dist/node.js";
import { createRouter, devtools, message } from "../dist/sockets.js";
import { createClient } from "../dist/sockets-client.js";
import { WebSocket } from "ws";
import { z } from "zod";

const folder = process.argv[2] ?? "docs/images";
const SECONDS = 20;

const origin = await serve({ fetch: (request) => new Response("up", { status: request.url.includes("flaky") && Math.random() < 0.5 ? 503 : 200, headers: { "cache-control": "max-age=5" } }) }, { port: 0 });
const url = (policies, target = origin.url) => ({ policies, upstream: { type: "url", target } });
const gateway = createGateway({
  name: "shop", adapter: memoryAdapter(), admin: true, policies: [rateLimit({ max: 900, windowSeconds: 10 })],
  routes: [
    { path: "/products/*", methods: ["GET"], pipeline: url([cache({ ttlSeconds: 5 })]) },
    { path: "/orders/:id", pipeline: url([rateLimit({ name: "orders", max: 60, windowSeconds: 10 })]) },
    { path: "/flaky", methods: ["GET"], pipeline: url([circuitBreaker({ failureThreshold: 5, resetTimeoutMs: 3000 })]) },
    { path: "/search", methods: ["GET"], pipeline: { upstream: { type: "balanced", targets: [{ url: origin.url }, { url: "http://127.0.0.1:1" }], ejection: { consecutiveFailures: 2 } } } },
  ],
});
const server = await serve(gateway, { port: 0 });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const SHOTS = [["light-wide", "light", 1600, 1000], ["dark-wide", "dark", 1600, 1000], ["light-narrow", "light", 400, 900], ["dark-narrow", "dark", 400, 900]];

/** Opens the page in every look, lets `load` run, and takes the pictures. */
async function shoot(prefix, address, load) {
  const pages = await Promise.all(SHOTS.map(async ([name, colorScheme, width, height]) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height } });
    page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
    page.on("console", (message) => message.type() === "error" && console.error(`${name}: ${message.text()}`));
    await page.goto(address);
    return [name, page];
  }));
  await load(performance.now() + SECONDS * 1000);
  for (const [name, page] of pages) {
    await page.screenshot({ path: join(folder, `${prefix}-${name}.png`), fullPage: true });
    await page.close();
  }
}

async function requests(until) {
  const paths = ["/products/1", "/products/2", "/products/3", "/orders/7", "/flaky", "/search", "/nowhere"];
  for (let i = 0; performance.now() < until; i++) {
    await Promise.all(Array.from({ length: 3 + Math.round(3 * Math.sin(i / 40) ** 2) }, (_, k) => fetch(server.url + paths[(i * 3 + k * k) % paths.length]).then((response) => response.text())));
    await new Promise((resolve) => setTimeout(resolve, 45));
  }
}

/** A chat with rooms, one member of which reads nothing. */
async function chat() {
  const Join = message("JOIN", { room: z.string() });
  const Say = message("SAY", { room: z.string(), text: z.string() });
  const router = createRouter({ logger: false, limits: { backpressure: { maxBufferedBytes: 400_000, policy: "drop-oldest" } } })
    .on(Join, (ctx) => void ctx.topics.subscribe(`room:${ctx.payload.room}`))
    .on(Say, (ctx) => {
      if (ctx.payload.text === "!") throw new Error("the room is closed");
      void ctx.publish(`room:${ctx.payload.room}`, Say, ctx.payload);
    });
  const tools = devtools(router);
  const sockets = await serve(router, { port: 0, anonymous: true, path: "/ws", fetch: tools.fetch });
  const raw = [];
  const join = async (room) => {
    const client = createClient({ url: `${sockets.url}/ws`, wsFactory: (url, protocols) => (raw.push(new WebSocket(url, [...protocols])), raw.at(-1)) });
    await client.connect();
    client.send(Join, { room });
    return client;
  };
  const clients = await Promise.all(Array.from({ length: 24 }, (_, i) => join(["lobby", "music", "films", "long-walks"][Math.floor(Math.sqrt(i))] ?? "lobby")));
  await shoot("sockets-devtools", `http://localhost:${sockets.port}/`, async (until) => {
    raw[5].pause();
    for (let i = 0; performance.now() < until; i++) {
      for (let k = 0; k < 3 + 3 * Math.sin(i / 30) ** 2; k++) clients[(i * 3 + k) % clients.length].send(Say, { room: ["lobby", "music", "films"][k % 3], text: i % 97 === 0 && k === 0 ? "!" : "x".repeat(k === 0 ? 30_000 : 300) });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  });
  for (const client of clients) void client.close();
  tools.close();
  await sockets.close({ drainMs: 0 });
}

try {
  mkdirSync(folder, { recursive: true });
  await shoot("dashboard", `${server.url.replace("127.0.0.1", "localhost")}/___gateway/`, requests);
  await chat();
} finally {
  await browser.close();
  await server.close({ graceMs: 0 });
  await origin.close({ graceMs: 0 });
}
