/** The gateway on Node as it grows and as its store dies: many routes against few, a dead store against none, and what construction costs. */
import { load } from "../http.js";

const json = { items: ["a", "b", "c"], total: 3 };
const handler = (c) => c.json(json);
const limits = { max: 1_000_000_000, windowSeconds: 60 };

async function cell(configOf) {
  const [gateway, { memoryAdapter }, { serve }] = await Promise.all([import("../../dist/gateway.js"), import("../../dist/memory.js"), import("../../dist/node.js")]);
  const made = gateway.createGateway(configOf(gateway, memoryAdapter));
  const server = await serve(made, { port: 0, hostname: "127.0.0.1" });
  const loader = await load(`http://127.0.0.1:${server.port}/bench/7/items`);
  return { run: loader.run, latencies: loader.latencies, teardown: async () => (loader.stop(), server.close({ graceMs: 0 })) };
}

const bench = (policies = []) => ({ path: "/bench/:id/items", methods: ["GET"], pipeline: { policies, upstream: { type: "handler", handler } } });
/** The route that is asked for stands last. */
const routes = (count) => [...Array.from({ length: count - 1 }, (_, i) => ({ path: `/service-${i}/:id/items`, methods: ["GET"], pipeline: { upstream: { type: "handler", handler } } })), bench()];
const dead = { check: () => Promise.reject(new Error("away")), increment: () => Promise.reject(new Error("away")) };

export default {
  name: "gateway-scale",
  description: "requests per second and CPU of the server, 64 connections",
  warmup: 60_000,
  budgetMs: 2500,
  cells: [
    { name: "10 routes", setup: () => cell(() => ({ routes: routes(10) })) },
    { name: "1,000 routes", setup: () => cell(() => ({ routes: routes(1000) })) },
    { name: "rateLimit, in-process store", setup: () => cell(({ rateLimit }, memoryAdapter) => ({ adapter: memoryAdapter(), routes: [bench([rateLimit(limits)])] })) },
    { name: "rateLimit, dead store", setup: () => cell(({ rateLimit }) => ({ adapter: { rateLimitStore: dead }, routes: [bench([rateLimit(limits)])] })) },
  ],
  ratios: [
    { name: "1,000 routes over 10, requests/s", of: "1,000 routes", to: "10 routes", atLeast: 0.8 },
    { name: "dead store over none, requests/s", of: "rateLimit, dead store", to: "rateLimit, in-process store", atLeast: 0.95 },
  ],
  extra: construction,
};

/** A gateway of 1,000 routes against one of 20: 50 times the routes, in less than 50 times the time. */
async function construction() {
  const { createGateway } = await import("../../dist/gateway.js");
  const least = async (count) => {
    const times = [];
    for (let i = 0; i < 15; i++) {
      const config = { routes: routes(count) };
      const began = process.hrtime.bigint();
      const gateway = createGateway(config);
      times.push(Number(process.hrtime.bigint() - began) / 1e6);
      await gateway.close();
    }
    return Math.min(...times);
  };
  // Once without counting: what is measured is construction, not compilation.
  for (const count of [20, 1000]) await least(count);
  const [few, many] = [await least(20), await least(1000)];
  return [{ name: "construction of 1,000 routes over that of 20, time", text: `${(many / few).toFixed(1)} (${many.toFixed(1)} ms over ${few.toFixed(2)} ms)`, required: "below 50", ok: many / few < 50, far: many / few > 100 }];
}
