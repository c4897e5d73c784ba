/** What the gateway rows of the edge measure: bare Hono or a gateway, on the runtime this runs in. The packed package is beside it. */
import { Hono } from "hono";

const [runtime, kind] = process.argv.slice(2);
const json = { items: ["a", "b", "c"], total: 3 };

async function gateway(policies) {
  const { createGateway } = await import("sluice/gateway");
  const { memoryAdapter } = await import("sluice/memory");
  return createGateway({ adapter: memoryAdapter(), routes: [{ path: "/bench", methods: ["GET"], pipeline: { policies, upstream: { type: "handler", handler: (c) => c.json(json) } } }] });
}

/** Bare Hono listens as its users make it: no `serve` of ours in between. */
async function bare() {
  const app = new Hono();
  app.get("/bench", (c) => c.json(json));
  if (runtime === "bun") return globalThis.Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch }).port;
  if (runtime === "deno") return globalThis.Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, app.fetch).addr.port;
  const { serve } = await import("@hono/node-server");
  return new Promise((resolve) => serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve(port)));
}

async function served(policies) {
  const { serve } = await import(`sluice/${runtime}`);
  return (await serve(await gateway(policies), { port: 0 })).port;
}

async function three() {
  const { cors, rateLimit, circuitBreaker } = await import("sluice/gateway");
  return [cors(), rateLimit({ max: 1_000_000_000, windowSeconds: 60 }), circuitBreaker()];
}

const port = kind === "bare" ? await bare() : await served(kind === "policies" ? await three() : []);
console.log(`port ${port}`);
