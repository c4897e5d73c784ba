/**
 * What the gateway rows of the edge measure, on the runtime this runs in: bare Hono or a gateway, a bare `fetch` forward or a
 * gateway in front of the same upstream. The packed package is beside it.
 */
import { Hono } from "hono";

const [runtime, kind, target] = process.argv.slice(2);
const json = { items: ["a", "b", "c"], total: 3 };

/** Who is measured against listens as its users make it: no `serve` of ours in between. */
async function listen(fetch) {
  if (runtime === "bun") return globalThis.Bun.serve({ port: 0, hostname: "127.0.0.1", fetch }).port;
  if (runtime === "deno") return globalThis.Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, fetch).addr.port;
  const { serve } = await import("@hono/node-server");
  return new Promise((resolve) => serve({ fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve(port)));
}

async function gateway(policies, upstream) {
  const [{ createGateway }, { memoryAdapter }, { serve }] = await Promise.all([import("sluice/gateway"), import("sluice/memory"), import(`sluice/${runtime}`)]);
  const made = createGateway({ adapter: memoryAdapter(), routes: [{ path: "/bench", methods: ["GET"], pipeline: { policies, upstream } }] });
  return (await serve(made, { port: 0 })).port;
}

const { cors, rateLimit, circuitBreaker, timeout } = await import("sluice/gateway");
const limit = { max: 1_000_000_000, windowSeconds: 60 };
const handler = { type: "handler", handler: (c) => c.json(json) };

const kinds = {
  bare: () => listen(new Hono().get("/bench", (c) => c.json(json)).fetch),
  none: () => gateway([], handler),
  policies: () => gateway([cors(), rateLimit(limit), circuitBreaker()], handler),
  forward: () => listen((request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(target + pathname + search, { method: request.method, headers: request.headers, redirect: "manual" });
  }),
  proxy: () => gateway([rateLimit(limit), circuitBreaker(), timeout({ timeoutMs: 5000 })], { type: "url", target }),
};

console.log(`port ${await kinds[kind]()}`);
