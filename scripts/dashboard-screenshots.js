/**
 * Screenshots of the dashboard under load, light and dark, wide and narrow:
 * `node scripts/dashboard-screenshots.js [folder]`, after a build. Needs Debian's chromium.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { cache, circuitBreaker, createGateway, rateLimit } from "../dist/gateway.js";
import { memoryAdapter } from "../dist/memory.js";
import { serve } from "../dist/node.js";

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
try {
  mkdirSync(folder, { recursive: true });
  const shots = [["light-wide", "light", 1600, 1000], ["dark-wide", "dark", 1600, 1000], ["light-narrow", "light", 400, 900], ["dark-narrow", "dark", 400, 900]];
  const pages = await Promise.all(shots.map(async ([name, colorScheme, width, height]) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height } });
    page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
    page.on("console", (message) => message.type() === "error" && console.error(`${name}: ${message.text()}`));
    await page.goto(`${server.url.replace("127.0.0.1", "localhost")}/___gateway/`);
    return [name, page];
  }));
  const paths = ["/products/1", "/products/2", "/products/3", "/orders/7", "/flaky", "/search", "/nowhere"];
  const until = performance.now() + SECONDS * 1000;
  for (let i = 0; performance.now() < until; i++) {
    await Promise.all(Array.from({ length: 3 + Math.round(3 * Math.sin(i / 40) ** 2) }, (_, k) => fetch(server.url + paths[(i * 3 + k * k) % paths.length]).then((response) => response.text())));
    await new Promise((resolve) => setTimeout(resolve, 45));
  }
  for (const [name, page] of pages) await page.screenshot({ path: join(folder, `dashboard-${name}.png`), fullPage: true });
} finally {
  await browser.close();
  await server.close({ graceMs: 0 });
  await origin.close({ graceMs: 0 });
}
