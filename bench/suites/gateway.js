/**
 * The gateway on Node, CPU of the server process per request. The load and the upstream are processes of their own.
 * Peers: bare Hono, a `fetch` proxy, @fastify/http-proxy, nginx (`apt-get install nginx-light`), and @homegrower-club/stoma with the same policies.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { load, upstream } from "../http.js";
import { startNginx } from "../nginx.js";

const json = { items: ["a", "b", "c"], total: 3 };
const limits = { max: 1_000_000_000, windowSeconds: 60 };

/** A server in this process and the load on it. `path` may be a function of nothing: the load cycles query strings. */
async function cell(start, { path = "/bench", keys = 0 } = {}) {
  const { port, stop, subjectPid } = await start();
  const loader = await load(`http://127.0.0.1:${port}${path}`, { keys });
  return { run: loader.run, latencies: loader.latencies, subjectPid, teardown: async () => (loader.stop(), stop?.()) };
}

async function bareHono() {
  const [{ Hono }, { serve }] = await Promise.all([import("hono"), import("@hono/node-server")]);
  const app = new Hono();
  app.get("/bench", (c) => c.json(json));
  return listenWith(serve, app.fetch);
}

function listenWith(serve, fetch) {
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve({ port, stop: () => server.close() }));
  });
}

/** A gateway of ours; `policies` gets the module. */
const sluice = (policies, { target } = {}) => async () => {
  const [gateway, { memoryAdapter }, { serve }] = await Promise.all([import("../../dist/gateway.js"), import("../../dist/memory.js"), import("../../dist/node.js")]);
  const made = gateway.createGateway({
    adapter: memoryAdapter(),
    routes: [{ path: "/bench", methods: ["GET"], pipeline: { policies: policies(gateway), upstream: target === undefined ? { type: "handler", handler: (c) => c.json(json) } : { type: "url", target } } }],
  });
  const server = await serve(made, { port: 0, hostname: "127.0.0.1" });
  return { port: server.port, stop: () => server.close() };
};

/** stoma's published modules import without extensions, so Node loads them only bundled. */
async function stoma() {
  const { rolldown } = await import("rolldown");
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const dist = new URL("../../node_modules/@homegrower-club/stoma/dist/", import.meta.url).pathname;
  writeFileSync(join(folder, "entry.js"), `export * from ${JSON.stringify(`${dist}index.js`)};\nexport { memoryAdapter } from ${JSON.stringify(`${dist}adapters/memory.js`)};\n`);
  const bundle = await rolldown({ input: join(folder, "entry.js"), platform: "node", logLevel: "silent" });
  await bundle.write({ file: join(folder, "stoma.mjs"), format: "esm", codeSplitting: false });
  const { createGateway, rateLimit, circuitBreaker, cache, memoryAdapter } = await import(pathToFileURL(join(folder, "stoma.mjs")).href);
  rmSync(folder, { recursive: true });
  const gateway = createGateway({
    adapter: memoryAdapter(),
    routes: [{ path: "/bench", methods: ["GET"], pipeline: { policies: [rateLimit(limits), circuitBreaker(), cache({ ttlSeconds: 300 })], upstream: { type: "handler", handler: (c) => c.json(json) } } }],
  });
  const { serve } = await import("@hono/node-server");
  return listenWith(serve, gateway.app.fetch);
}

/** Gives the starter the origin of an upstream in another process. */
const withUpstream = (start) => async () => {
  const { origin, stop: stopUpstream } = await upstream();
  const { stop, ...server } = await start(origin);
  return { ...server, stop: () => (stop?.(), stopUpstream()) };
};

const fetchProxy = withUpstream(async (origin) => {
  const [{ Hono }, { serve }] = await Promise.all([import("hono"), import("@hono/node-server")]);
  const app = new Hono();
  app.all("*", async (c) => {
    const { pathname, search } = new URL(c.req.url);
    const answer = await fetch(origin + pathname + search, { headers: c.req.raw.headers, redirect: "manual" });
    return new Response(answer.body, answer);
  });
  return listenWith(serve, app.fetch);
});

const fastifyProxy = withUpstream(async (origin) => {
  const [{ default: fastify }, { default: proxy }] = await Promise.all([import("fastify"), import("@fastify/http-proxy")]);
  const app = fastify();
  await app.register(proxy, { upstream: origin });
  await app.listen({ port: 0, host: "127.0.0.1" });
  return { port: app.server.address().port, stop: () => app.close() };
});

/** nginx as one process, with connections to the upstream kept: what a gateway server in C costs for the same work. */
const nginxProxy = withUpstream(startNginx);

const guards = ({ rateLimit, circuitBreaker, timeout }) => [rateLimit(limits), circuitBreaker(), timeout({ timeoutMs: 5000 })];
const three = ({ rateLimit, circuitBreaker, cache }) => [rateLimit(limits), circuitBreaker(), cache({ ttlSeconds: 300 })];

export default {
  name: "gateway",
  description: "requests per second and CPU of the server, 64 connections",
  warmup: 60_000,
  budgetMs: 2500,
  cells: [
    { name: "bare Hono", setup: () => cell(bareHono) },
    { name: "gateway, no policy", setup: () => cell(sluice(() => [])) },
    { name: "gateway, rateLimit + circuitBreaker", setup: () => cell(sluice(({ rateLimit, circuitBreaker }) => [rateLimit(limits), circuitBreaker()])) },
    { name: "gateway, cache hit", setup: () => cell(sluice(({ cache }) => [cache({ ttlSeconds: 300 })])) },
    { name: "gateway, three policies", setup: () => cell(sluice(three)) },
    { name: "stoma, three policies", setup: () => cell(stoma) },
    { name: "url upstream, no policy", setup: () => cell(withUpstream((target) => sluice(() => [], { target })())) },
    { name: "url upstream, limit + breaker + timeout", setup: () => cell(withUpstream((target) => sluice(guards, { target })())) },
    { name: "url upstream, three policies, hits", setup: () => cell(withUpstream((target) => sluice(three, { target })())) },
    { name: "url upstream, three policies, no-store", setup: () => cell(withUpstream((target) => sluice(three, { target })()), { path: "/bench?no-store" }) },
    { name: "url upstream, three policies, stored misses", setup: () => cell(withUpstream((target) => sluice(three, { target })()), { path: "/bench?n=", keys: -1 }) },
    { name: "@fastify/http-proxy, no policy", setup: () => cell(fastifyProxy) },
    { name: "nginx, one process", setup: () => cell(nginxProxy) },
    { name: "fetch proxy, no policy", setup: () => cell(fetchProxy) },
  ],
  ratios: [
    { name: "no policy over bare Hono, CPU", of: "gateway, no policy", to: "bare Hono", metric: "cpu", atMostMoreUs: 3 },
    { name: "rateLimit + circuitBreaker over no policy, CPU", of: "gateway, rateLimit + circuitBreaker", to: "gateway, no policy", metric: "cpu", atMostMoreUs: 6 },
    { name: "cache hit in all, CPU", of: "gateway, cache hit", metric: "cpu", atMost: 25 },
    { name: "three policies over stoma, requests/s", of: "gateway, three policies", to: "stoma, three policies", atLeast: 2.5 },
    { name: "proxy with limit, breaker and timeout over @fastify/http-proxy, CPU", of: "url upstream, limit + breaker + timeout", to: "@fastify/http-proxy, no policy", metric: "cpu", atMost: 0.85 },
    { name: "proxy with limit, breaker and timeout over nginx, CPU", of: "url upstream, limit + breaker + timeout", to: "nginx, one process", metric: "cpu", atMost: 3 },
    // What an answer costs depends on the cache: served from it, passed through, or stored. All three are shown.
    ...["hits", "no-store", "stored misses"].flatMap((kind) => [
      { name: `proxy with three policies (${kind}) over @fastify/http-proxy, CPU`, of: `url upstream, three policies, ${kind}`, to: "@fastify/http-proxy, no policy", metric: "cpu", atMost: 1 },
      { name: `proxy with three policies (${kind}) over a fetch proxy, CPU`, of: `url upstream, three policies, ${kind}`, to: "fetch proxy, no policy", metric: "cpu", atMost: 0.2 },
    ]),
  ],
  extra: heapGrowth,
};

/** Heap after many requests with as many distinct client keys: it follows the configured maximum, then stays. */
async function heapGrowth({ quick }) {
  const { createGateway, rateLimit } = await import("../../dist/gateway.js");
  const { memoryAdapter } = await import("../../dist/memory.js");
  const total = quick ? 200_000 : 1_000_000;
  const gateway = createGateway({
    adapter: memoryAdapter({ maxKeys: 20_000 }),
    routes: [{ path: "/bench", pipeline: { policies: [rateLimit({ max: 5, windowSeconds: 60, keyBy: (c) => c.req.header("x-key") })], upstream: { type: "handler", handler: () => new Response(null, { status: 204 }) } } }],
  });
  const heaps = [];
  for (let i = 0; i < total; i++) {
    await gateway.fetch(new Request("http://localhost/bench", { headers: { "x-key": `client-${i}` } }));
    if ((i + 1) % (total / 5) === 0) heaps.push(heapMiB());
  }
  await gateway.close();
  const growth = heaps.at(-1) - heaps[0];
  return [{ name: `heap after ${total.toLocaleString("en-US")} distinct keys, bound 20,000 (MiB at each fifth)`, text: heaps.map((h) => h.toFixed(1)).join(", "), required: "flat", ok: growth < 3, far: growth > 20 }];
}

function heapMiB() {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
