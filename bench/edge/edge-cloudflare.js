/** Durable Objects in workerd on this machine: one hot key, what a decision costs, and what a Worker weighs. */
import { readFileSync, readdirSync } from "node:fs";
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

/** The workerd processes of this process, oldest first. */
function workerdPids() {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workerd")).sort((a, b) => a - b);
}

/** CPU time that process has used, in ms, as the scheduler counts it. */
function cpuMsOf(pid) {
  return () => readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]), 0) / 1e6;
}

const call = async (url, query) => {
  const response = await fetch(`${url}?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(await response.text());
  return response;
};

/** `batch`: decisions per request to workerd, so that the request itself weighs nothing beside them, on a busy machine too. */
function cell(name, batch) {
  return {
    name,
    batch,
    // Compiled by the engine first.
    warmup: 10 * batch,
    async setup() {
      const { miniflare, url } = await start();
      return { serverPid: workerdPids()[0], run: async (n) => void (await (await call(url, { cell: name, n })).text()), teardown: () => miniflare.dispose() };
    },
  };
}

const HONO = `import { Hono } from "hono"; const app = new Hono(); app.get("/", (c) => c.text("ok")); export default app;`;

/**
 * Compiling and evaluating modules inside workerd, in ms of its CPU: its own clocks stand still meanwhile, and time on a wall
 * counts what else the machine does. workerd has started and warmed up before; what a call costs that evaluates nothing is
 * taken off. The sources take turns, and each evaluation compiles anew.
 */
async function evaluations(sources, rounds) {
  const each = 20;
  const cells = [];
  for (const source of sources) {
    const { miniflare, url } = await start(await bundle(source, { minify: true, format: "iife" }));
    cells.push({ miniflare, url, cpuMs: cpuMsOf(workerdPids().at(-1)), samples: [] });
  }
  const time = async ({ url, cpuMs }, evaluate) => {
    const began = cpuMs();
    await (await call(url, { evaluate, salt: String(Math.random()) })).text();
    return cpuMs() - began;
  };
  for (const cell of cells) await time(cell, 5);
  for (let round = 0; round < rounds; round++) for (const cell of cells) cell.samples.push(((await time(cell, each)) - (await time(cell, 0))) / each);
  for (const { miniflare } of cells) await miniflare.dispose();
  return cells.map(({ samples }) => samples.sort((a, b) => a - b)[rounds >> 1]);
}

export default {
  description: "decisions on one Durable Object by 64 callers of one isolate, local workerd",
  cells: [cell("a request and a write per decision", 256), cell("sluice, held in memory", 4096), cell("sluice, leased", 16_384)],
  ratios: [
    { name: "held in memory against a write per decision, decisions per CPU second of workerd", of: "sluice, held in memory", to: "a request and a write per decision", metric: "per-server-cpu", atLeast: 5 },
    { name: "leased (100) against a write per decision, decisions per CPU second of workerd", of: "sluice, leased", to: "a request and a write per decision", metric: "per-server-cpu", atLeast: 50 },
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
    const [own, empty] = await evaluations([GATEWAY, HONO], 11);
    figures.push({ name: "module evaluation in workerd, CPU", text: `${own.toFixed(1)} ms, ${(own / empty).toFixed(1)} x an empty Hono Worker`, required: "at most 5 ms", ok: own <= 5, far: own > 10 });
    return figures;
  },
};
