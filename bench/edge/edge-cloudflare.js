/** Durable Objects in workerd on this machine: one hot key, what a decision costs, and what a Worker weighs. */
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { bundle, gzipKb } from "../../scripts/bundle.js";
import { GATEWAY_WORKER as GATEWAY } from "../../scripts/bundle-sizes.js";

const inside = fileURLToPath(new URL("inside/worker.js", import.meta.url));

async function start(code) {
  const miniflare = new Miniflare({
    cf: false, host: "127.0.0.1", port: 0, compatibilityDate: "2026-04-01",
    modules: [{ type: "ESModule", path: "worker.mjs", contents: await bundle(`export * from ${JSON.stringify(inside)}; export { default } from ${JSON.stringify(inside)};`) }],
    durableObjects: { FLOOR: { className: "WriteEachHit", useSQLite: true }, LIMITER: { className: "RateLimiterDO", useSQLite: true }, STATE: { className: "StateDO", useSQLite: true } },
    ...(code === undefined ? {} : { unsafeEvalBinding: "UNSAFE", serviceBindings: { CODE: () => new Response(code) } }),
  });
  return { miniflare, url: (await miniflare.ready).href };
}

const call = async (url, query) => {
  const response = await fetch(`${url}?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(await response.text());
  return response;
};

function cell(name) {
  return {
    name,
    async setup() {
      const { miniflare, url } = await start();
      return { run: async (n) => void (await (await call(url, { cell: name, n })).text()), teardown: () => miniflare.dispose() };
    },
  };
}

const HONO = `import { Hono } from "hono"; const app = new Hono(); app.get("/", (c) => c.text("ok")); export default app;`;

/** Compiling and evaluating a module inside workerd, in ms, seen from outside: its clocks stand still meanwhile. */
async function evaluation(source) {
  const { miniflare, url } = await start(await bundle(source, { minify: true, format: "iife" }));
  const time = async (evaluate) => {
    const began = performance.now();
    await (await call(url, { evaluate, salt: String(Math.random()) })).text();
    return performance.now() - began;
  };
  await time(5);
  const samples = [];
  for (let i = 0; i < 9; i++) samples.push(((await time(25)) - (await time(0))) / 25);
  await miniflare.dispose();
  return samples.sort((a, b) => a - b)[4];
}

export default {
  description: "decisions on one Durable Object by 64 callers of one isolate, local workerd",
  cells: Object.entries({ floor: "a request and a write per decision", held: "sluice, held in memory", leased: "sluice, leased" }).map(([, name]) => cell(name)),
  ratios: [
    { name: "held in memory against a write per decision", of: "sluice, held in memory", to: "a request and a write per decision", atLeast: 5 },
    { name: "leased (100) against a write per decision", of: "sluice, leased", to: "a request and a write per decision", atLeast: 50 },
  ],
  async extra() {
    const figures = [];
    const { miniflare, url } = await start();
    await (await call(url, { cell: "sluice, held in memory", n: 640 })).text();
    let before = await (await call(url, { cell: "sluice, held in memory", n: 64 })).json();
    let after = await (await call(url, { cell: "sluice, held in memory", n: 6400 })).json();
    const one = (after.requests - before.requests) / (after.commands - before.commands);
    figures.push({ name: "requests per decision, 64 callers in one request", text: one.toFixed(3), required: "at most 0.2", ok: one <= 0.2, far: one > 0.4 });
    before = after;
    let left = 3000;
    await Promise.all(Array.from({ length: 64 }, async () => {
      while (left-- > 0) await (await call(url, { cell: "sluice, held in memory", n: 1, callers: 1 })).text();
    }));
    after = await (await call(url, { cell: "sluice, held in memory", n: 1 })).json();
    const many = (after.requests - before.requests) / (after.commands - before.commands);
    figures.push({ name: "requests per decision, 64 requests at a time", text: many.toFixed(3), required: "at most 0.2", ok: many <= 0.2, far: many > 0.4 });
    await miniflare.dispose();
    const kb = await gzipKb(GATEWAY, "worker");
    figures.push({ name: "Worker with gateway, rateLimit, cache, object store: minified, gzip", text: `${kb.toFixed(1)} kB`, required: "at most 45 kB", ok: kb <= 45, far: kb > 120 });
    const [own, empty] = [await evaluation(GATEWAY), await evaluation(HONO)];
    figures.push({ name: "module evaluation in workerd", text: `${own.toFixed(2)} ms, ${(own / empty).toFixed(1)} x an empty Hono Worker`, required: "at most 5 ms", ok: own <= 5, far: own > 10 });
    return figures;
  },
};
