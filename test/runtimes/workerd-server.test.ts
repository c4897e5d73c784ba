/** The helper itself: where the code runs, that the package resolves, and that copies share objects. */

import { expect, it } from "vitest";
import { bundleWorker, startWorkerd } from "../servers/workerd.ts";

const source = `
import { DurableObject } from "cloudflare:workers";
import { memoryStore } from "sluice/memory";

export class Counter extends DurableObject {
  #count = 0;
  next(): number {
    return ++this.#count;
  }
}

const isolate: string[] = [];

export default {
  async fetch(request: Request, env: { COUNTER: any; KV: any }): Promise<Response> {
    if (isolate.length === 0) isolate.push(crypto.randomUUID());
    const path = new URL(request.url).pathname;
    if (path === "/count") return Response.json({ count: await env.COUNTER.get(env.COUNTER.idFromName("a")).next(), isolate: isolate[0] });
    const store = memoryStore();
    await store.set("k", { a: 1 });
    return Response.json({ agent: navigator.userAgent, value: await store.get("k"), buffer: typeof (globalThis as any).Buffer });
  },
};
`;

it.each([false, true])("runs the built package in workerd, nodejs_compat %s", async (nodejsCompat) => {
  const bundle = await bundleWorker({ source });
  expect(bundle.imports).toEqual(["cloudflare:workers"]);
  await using workerd = await startWorkerd({ entry: bundle, nodejsCompat, worker: { durableObjects: { COUNTER: { className: "Counter", useSQLite: true } } } });
  expect(await workerd.json("/")).toEqual({ agent: "Cloudflare-Workers", value: { a: 1 }, buffer: nodejsCompat ? "function" : "undefined" });
});

it("copies are isolates of their own on the same objects", async () => {
  await using workerd = await startWorkerd({ entry: { source }, copies: 3, worker: { durableObjects: { COUNTER: { className: "Counter", useSQLite: true } } } });
  const answers = [];
  for (let copy = 0; copy < 3; copy++) answers.push(await workerd.json<{ count: number; isolate: string }>("/count", undefined, copy));
  expect(answers.map(({ count }) => count)).toEqual([1, 2, 3]);
  expect(new Set(answers.map(({ isolate }) => isolate)).size).toBe(3);
});
