/** The example as its own configuration says it is deployed, and the code of the reference as a user writes it. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { type WorkerBundle, bundleWorker, startWorkerd } from "../servers/workerd.ts";

const folder = fileURLToPath(new URL("../../examples/cloudflare-worker/", import.meta.url));
interface WranglerConfig {
  readonly main: string;
  readonly compatibility_date: string;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly migrations: readonly { readonly new_sqlite_classes: readonly string[] }[];
  readonly kv_namespaces: readonly { readonly binding: string; readonly id: string }[];
}
const config = JSON.parse(readFileSync(`${folder}wrangler.json`, "utf8")) as WranglerConfig;
const sqlite = config.migrations.flatMap(({ new_sqlite_classes: classes }) => classes);

/** A deploy by Cloudflare's own tool, up to the upload. Nothing may leave this machine: whatever would is sent to a proxy that counts. */
async function deployDry(): Promise<{ readonly output: string; readonly code: string; readonly calls: number }> {
  const out = mkdtempSync(join(tmpdir(), "sluice-deploy-"));
  let calls = 0;
  const proxy = createServer((socket) => (calls++, socket.destroy()));
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as { port: number };
  const wrangler = fileURLToPath(new URL("../../node_modules/wrangler/bin/wrangler.js", import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [wrangler, "deploy", "--dry-run", "--minify", "--outdir", out, "--config", `${folder}wrangler.json`], {
      env: {
        PATH: process.env["PATH"], HOME: out, NO_COLOR: "1", CI: "1", HTTP_PROXY: `http://127.0.0.1:${port}`, HTTPS_PROXY: `http://127.0.0.1:${port}`,
        WRANGLER_SEND_METRICS: "false", WRANGLER_SEND_ERROR_REPORTS: "false", WRANGLER_HIDE_BANNER: "true",
      },
    });
    return { output: stdout, code: readFileSync(join(out, config.main.replace(/\.ts$/, ".js")), "utf8"), calls };
  } finally {
    proxy.close();
    rmSync(out, { recursive: true, force: true });
  }
}

it("wrangler deploys it, up to the upload, and what it made does the same", async () => {
  const { output, code, calls } = await deployDry();
  for (const { name, class_name: className } of config.durable_objects.bindings) expect(output).toMatch(new RegExp(`env\\.${name} \\(${className}\\)\\s+Durable Object`));
  for (const { binding, id } of config.kv_namespaces) expect(output).toMatch(new RegExp(`env\\.${binding} \\(${id}\\)\\s+KV Namespace`));
  expect(output).toContain("--dry-run: exiting now.");
  console.log(/Total Upload: .*/.exec(output)?.[0]);
  expect(code).not.toMatch(/["']node:/);
  expect(calls).toBe(0);
  await doesWhatItSays({ code, imports: [], bytes: 0, gzipBytes: 0 });
});

it("the Worker does what its README says, on the bindings of its configuration", async () => {
  const bundle = await bundleWorker(folder + config.main);
  expect(bundle.imports).toEqual(["cloudflare:workers"]);
  // Every class that is bound is migrated to SQLite, and no other.
  expect(config.durable_objects.bindings.map(({ class_name: name }) => name).sort()).toEqual([...sqlite].sort());
  await doesWhatItSays(bundle);
});

async function doesWhatItSays(bundle: WorkerBundle): Promise<void> {
  await using workerd = await startWorkerd({
    entry: bundle,
    compatibilityDate: config.compatibility_date,
    worker: {
      durableObjects: Object.fromEntries(config.durable_objects.bindings.map(({ name, class_name: className }) => [name, { className, useSQLite: sqlite.includes(className) }])),
      kvNamespaces: Object.fromEntries(config.kv_namespaces.map(({ binding, id }) => [binding, id])),
    },
  });
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await workerd.fetch("/limited")).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  const made = await workerd.json("/cached");
  const hit = await workerd.fetch("/cached");
  expect([made, await hit.json(), hit.headers.get("x-cache")]).toEqual([{ made: 1 }, { made: 1 }, "HIT"]);
  const answers: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) answers.push(((await (await workerd.fetch("/flaky")).json()) as { calls?: number }).calls);
  expect(answers).toEqual([1, 2, 3, undefined]);
  expect([await workerd.json("/visits/ann"), await workerd.json("/visits/ann"), await workerd.json("/visits/bob")]).toEqual([{ visits: 1 }, { visits: 2 }, { visits: 1 }]);
}

describe("a gateway made for every request", () => {
  const source = `
import { createGateway, rateLimit, circuitBreaker } from "sluice/gateway";
import { DurableObjectRateLimitStore, cloudflareAdapter } from "sluice/cloudflare";
// Re-export the DO class for the runtime
export { RateLimiterDO } from "sluice/cloudflare";
let failures = 0;
const upstream = { type: "handler", handler: (c: any) => c.text("ok") } as const;
export default {
  fetch(request: Request, env: any, ctx: any) {
    const store = new DurableObjectRateLimitStore(env.RATE_LIMITER);
    const byObject = cloudflareAdapter({ rateLimitDo: env.RATE_LIMITER, executionCtx: ctx, env });
    const byKv = cloudflareAdapter({ rateLimitKv: env.RATE_LIMIT_KV, executionCtx: ctx, env });
    const adapter = new URL(request.url).pathname.startsWith("/kv") ? byKv : new URL(request.url).pathname.startsWith("/memory") ? cloudflareAdapter({ executionCtx: ctx }) : byObject;
    const gateway = createGateway({
      name: new URL(request.url).searchParams.get("gateway") ?? "per-request",
      adapter,
      routes: [
        { path: "/api/*", pipeline: { policies: [rateLimit({ max: 3, store })], upstream } },
        { path: "/adapter/*", pipeline: { policies: [rateLimit({ max: 3, store: adapter.rateLimitStore })], upstream } },
        { path: "/kv", pipeline: { policies: [rateLimit({ max: 3, algorithm: "fixed-window" })], upstream } },
        { path: "/memory", pipeline: { policies: [rateLimit({ max: 3 })], upstream } },
        { path: "/circuit", pipeline: { policies: [circuitBreaker({ failureThreshold: 2 })], upstream: { type: "handler", handler: (c: any) => c.json({ failures: ++failures }, 503) } } },
      ],
    });
    return gateway.app.fetch(request, env, ctx);
  },
};`;

  it("limits by object, by KV and in memory, opens circuits, and keeps gateways of other names apart", async () => {
    await using workerd = await startWorkerd({
      entry: { source },
      worker: { durableObjects: { RATE_LIMITER: { className: "RateLimiterDO" } }, kvNamespaces: { RATE_LIMIT_KV: "limits" } },
    });
    const statuses = async (path: string): Promise<number[]> => {
      const seen: number[] = [];
      for (let i = 0; i < 4; i++) seen.push((await workerd.fetch(path)).status);
      return seen;
    };
    for (const path of ["/api/x", "/adapter/x", "/kv", "/memory", "/memory?gateway=other"]) expect([path, await statuses(path)]).toEqual([path, [200, 200, 200, 429]]);
    const circuit = [];
    for (let i = 0; i < 3; i++) circuit.push((await (await workerd.fetch("/circuit")).json() as { failures?: number }).failures);
    expect(circuit).toEqual([1, 2, undefined]);
  });
});
