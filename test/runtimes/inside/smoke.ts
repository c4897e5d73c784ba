/** The packed package inside a runtime: every entry that serves it is imported, and those with a job here do it. */

import type { RuntimeName } from "./runtime-name.ts";

export type Load = Readonly<Record<string, () => Promise<Record<string, never>>>>;

export interface SmokeResult {
  readonly entry: string;
  /** What was done, or why nothing was. */
  readonly did: string;
  readonly failed?: string;
}

/** Entries that are for some runtimes only, and why. */
const ONLY: Readonly<Record<string, { readonly on: readonly RuntimeName[]; readonly why: string }>> = {
  node: { on: ["node"], why: "listens with Node's own server" },
  cloudflare: { on: ["workerd"], why: "made of classes of that platform" },
};

/* eslint-disable typescript/no-explicit-any -- modules are looked at from outside, as a user's JavaScript does */
type Job = (module: any, name: RuntimeName) => Promise<string>;

async function equal(what: string, actual: unknown, expected: unknown): Promise<void> {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
}

const served: Job = async ({ serve }, name) => {
  const { createGateway } = (await import("sluice/gateway")) as any;
  const gateway = createGateway({ routes: [{ path: "/x", pipeline: { upstream: { type: "handler", handler: (c: any) => c.text("served") } } }] });
  const server = await serve(gateway, { port: 0 });
  await equal("an answer", await (await fetch(`${server.url}/x`)).text(), "served");
  await server.close({ graceMs: 100 });
  return `served a gateway on ${name}`;
};

/** `sluice/deno` on Bun and the like: importing is harmless, and serving says where to go. */
const elsewhere: Job = async ({ serve }) => {
  const error = await serve({ fetch: () => new Response() }, { port: 0 }).then(() => "served", (reason: { code?: string }) => reason.code);
  await equal("serving on another runtime", error, "RUNTIME_UNSUPPORTED");
  return "refused to serve here, by name";
};

const jobs: Readonly<Record<string, Job>> = {
  "gateway": async ({ createGateway, rateLimit }) => {
    const gateway = createGateway({ routes: [{ path: "/x", pipeline: { policies: [rateLimit({ max: 1, windowSeconds: 60 })], upstream: { type: "handler", handler: () => new Response("x") } } }] });
    const statuses = [];
    for (let i = 0; i < 2; i++) statuses.push((await gateway.fetch(new Request("http://gateway.test/x"))).status);
    await equal("statuses", statuses, [200, 429]);
    return "limited a request";
  },
  "gateway/sdk": async ({ createPolicyTestHarness }) => {
    const { rateLimit } = (await import("sluice/gateway")) as any;
    const { request } = createPolicyTestHarness(rateLimit({ max: 5, windowSeconds: 60 }));
    await equal("a status", (await request("/x")).status, 200);
    return "ran a policy";
  },
  "state": async ({ createStores }) => {
    const { memoryDriver } = (await import("sluice/memory")) as any;
    const stores = createStores(memoryDriver());
    await equal("a count", (await stores.rateLimitStore.increment("k", 60)).count, 1);
    return "counted";
  },
  "memory": async ({ memoryStore, memoryRateLimiter }) => {
    const store = memoryStore();
    await store.set("k", { a: 1 });
    await equal("a value", await store.get("k"), { a: 1 });
    await equal("a decision", await memoryRateLimiter({ capacity: 2, tokensPerSecond: 1 }).consume("k", 1), { allowed: true, remaining: 1 });
    return "kept a value and spent a token";
  },
  "testing": async ({ verifyStoreContract, manualClock }) => {
    const { memoryStore } = (await import("sluice/memory")) as any;
    const clock = manualClock();
    const report = await verifyStoreContract(() => memoryStore({ clock }), { clock });
    await equal("violations", report.violations, []);
    return `${report.passed.length} rules passed`;
  },
  "bun": (module, name) => (name === "bun" ? served(module, name) : elsewhere(module, name)),
  "deno": (module, name) => (name === "deno" ? served(module, name) : elsewhere(module, name)),
  "node": served,
};

export async function smoke(load: Load, name: RuntimeName): Promise<SmokeResult[]> {
  const results: SmokeResult[] = [];
  for (const [entry, importIt] of Object.entries(load)) {
    const only = ONLY[entry];
    if (only !== undefined && !only.on.includes(name)) {
      results.push({ entry, did: `not for ${name}: ${only.why}` });
      continue;
    }
    try {
      const module = await importIt();
      if (Object.keys(module).length === 0) throw new Error("it exports nothing");
      const job = jobs[entry];
      results.push({ entry, did: job === undefined ? `imported, ${Object.keys(module).length} exports` : await job(module, name) });
    } catch (error) {
      results.push({ entry, did: "failed", failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  return results;
}
