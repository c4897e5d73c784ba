/** The client inside every runtime: the same cases in Node, Bun, Deno, workerd and a browser, and a fleet on Durable Objects. */

import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve, type NodeServer } from "../../src/node.ts";
import { adapterContractHandler } from "../../src/testing.ts";
import { type PackedProject, packedProject } from "../servers/package.ts";
import { serverBinary } from "../servers/process.ts";
import { startRuntime, type ProcessRuntime } from "../servers/runtime.ts";
import { type Workerd, startWorkerd } from "../servers/workerd.ts";
import type { CaseResult } from "./client-inside/cases.ts";

const inside = (name: string): string => fileURLToPath(new URL(`client-inside/${name}.ts`, import.meta.url));
const COPIES = 4;

let upstream: NodeServer;
beforeAll(async () => {
  upstream = await serve({ fetch: adapterContractHandler }, { port: 0, hostname: "127.0.0.1" });
});
afterAll(() => upstream.close());

function expectCases(runtime: string, results: readonly CaseResult[]): void {
  console.log(`the client on ${runtime}\n${results.map(({ name, failed }) => `  ${failed === undefined ? "ok" : "FAILED"} ${name}`).join("\n")}`);
  expect(results.filter(({ failed }) => failed !== undefined)).toEqual([]);
  expect(results.length).toBeGreaterThanOrEqual(9);
}

describe("the client, packed", () => {
  let project: PackedProject;
  let file: string;
  beforeAll(async () => {
    project = packedProject();
    file = await project.bundle(inside("process"));
  });
  afterAll(() => project.remove());

  it.each<ProcessRuntime>(["node", "bun", "deno"])("inside %s", async (runtime) => {
    const process = startRuntime(runtime, project.folder, file, upstream.url);
    // A suite that ran somewhere else has proven nothing.
    expect((await process.next<{ name: string }>("runtime")).name).toBe(runtime);
    expectCases(runtime, await process.next<CaseResult[]>("cases"));
    await process.stop();
  });
});

describe("the client inside workerd", () => {
  let workerd: Workerd;
  let server: Server;
  const state = { at: [] as number[], tokens: 0, lanes: 0, peak: 0 };
  let paths: (path: string) => boolean;

  beforeAll(async () => {
    paths = (path) => ["/paced", "/token", "/guarded", "/lane"].includes(path);
    server = createServer((request, response) => {
      request.resume();
      const json = (value: unknown, status = 200): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      const path = new URL(request.url as string, "http://x").pathname;
      if (!paths(path)) return void response.writeHead(307, { location: `${upstream.url}${request.url as string}` }).end();
      if (path === "/paced") {
        state.at.push(performance.now());
        return json(1);
      }
      if (path === "/token") {
        state.tokens++;
        return void setTimeout(() => json({ access_token: "token-1", token_type: "Bearer", expires_in: 3600 }), 50);
      }
      if (path === "/lane") {
        state.peak = Math.max(state.peak, ++state.lanes);
        return void setTimeout(() => {
          state.lanes--;
          json(1);
        }, 40);
      }
      return json(1, request.headers.authorization === "Bearer token-1" ? 200 : 401);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    workerd = await startWorkerd({ entry: inside("worker"), copies: COPIES, worker: { bindings: { UPSTREAM: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, durableObjects: { STATE: { className: "StateDO", useSQLite: true } } } });
  });
  afterAll(async () => {
    await workerd.stop();
    server.closeAllConnections();
    server.close();
  });
  const everywhere = <T>(path: string): Promise<T[]> => Promise.all(Array.from({ length: COPIES }, (_, copy) => workerd.json<T>(path, undefined, copy)));

  it("keeps the cases", async () => {
    const own = await startWorkerd({ entry: inside("worker"), worker: { bindings: { UPSTREAM: upstream.url }, durableObjects: { STATE: { className: "StateDO", useSQLite: true } } } });
    try {
      const { runtime, cases } = await own.json<{ runtime: { name: string }; cases: CaseResult[] }>("/cases");
      expect(runtime.name).toBe("workerd");
      expectCases("workerd", cases);
    } finally {
      await own.stop();
    }
  });

  it("a fleet of isolates paces as one", async () => {
    await everywhere("/paced?calls=2");
    state.at.length = 0;
    const calls = 25;
    await everywhere(`/paced?calls=${calls}`);
    const at = state.at.sort((a, b) => a - b);
    expect(at.length).toBe(COPIES * calls);
    const seconds = ((at.at(-1) as number) - (at[0] as number)) / 1000;
    console.log(`${COPIES} isolates on a Durable Object: ${at.length} calls at 50/s in ${seconds.toFixed(2)} s`);
    // 99 spacings of 20 ms; what arrives late may come closer to the next.
    expect(seconds).toBeGreaterThan(0.95 * 1.98);
  });

  it("one token for all, and places on the wire counted over all", async () => {
    expect((await everywhere<string[]>("/guarded")).flat()).toEqual(Array.from({ length: 3 * COPIES }, () => "ok"));
    expect(state.tokens).toBe(1);
    await everywhere("/lanes");
    expect(state.peak).toBe(2);
  });
});

describe("the client in a browser", () => {
  it("asks, tries again, streams, caches and refuses what it cannot keep", async () => {
    const source = `export * from ${JSON.stringify(fileURLToPath(new URL("../../dist/client.js", import.meta.url)))};`;
    const bundle = await rolldown({ input: "entry", platform: "browser", plugins: [{ name: "entry", resolveId: (id) => (id === "entry" ? id : undefined), load: (id) => (id === "entry" ? source : undefined) }], logLevel: "silent" });
    const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false });
    const code = output.find((part) => part.type === "chunk")?.code as string;
    // No module of Node and no polyfill of one.
    expect(code).not.toMatch(/from\s*"node:|import\("node:|require\("node:/);
    let flaky = 0;
    const page = await serve({ async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/client.js") return new Response(code, { headers: { "content-type": "text/javascript" } });
      if (pathname === "/") return new Response('<script type="module">import * as client from "/client.js"; globalThis.client = client;</script>', { headers: { "content-type": "text/html" } });
      if (pathname === "/flaky") return ++flaky < 3 ? new Response("no", { status: 503 }) : Response.json({ tries: flaky });
      if (pathname === "/cached") return Response.json({ at: Math.random() }, { headers: { "cache-control": "no-cache" } });
      if (pathname === "/sse") return new Response('id: 1\ndata: {"n":1}\n\ndata: {"n":2}\n\n', { headers: { "content-type": "text/event-stream" } });
      return adapterContractHandler(request);
    } }, { port: 0, hostname: "127.0.0.1" });
    const browser = await chromium.launch({ executablePath: serverBinary("chromium", "chromium"), args: ["--no-sandbox"] });
    try {
      const tab = await browser.newPage();
      await tab.goto(page.url);
      await tab.waitForFunction("globalThis.client !== undefined");
      const seen = await tab.evaluate(`(async () => {
        const { stitch, seam, bearer, aesGcm, isStitchError } = client;
        const base = location.origin;
        const out = {};
        out.flaky = await stitch({ url: base + "/flaky", retry: { attempts: 3, baseDelayMs: 1, budget: false }, timeout: 20000 })();
        const cached = stitch({ url: base + "/cached", cache: 60000 });
        out.cached = JSON.stringify(await cached()) === JSON.stringify((await new Promise((resolve) => setTimeout(resolve, 20)), await cached()));
        out.sse = await stitch({ url: base + "/sse", kind: "sse" })();
        out.echo = (await stitch({ method: "POST", url: base + "/echo", auth: bearer("abc") })({ body: { a: 1 } }));
        out.timeout = (await stitch({ url: base + "/hang", timeout: 200 })().safe()).error.code;
        out.moved = await stitch({ url: base + "/redirect", response: "text" })();
        out.kept = (await stitch({ url: base + "/redirect", redirect: { crossOrigin: "refuse" } })().safe()).error.code;
        out.paced = await Promise.all([1, 2].map(() => stitch({ url: base + "/status/200", throttle: "50/s", circuit: true })()));
        out.sealed = new TextDecoder().decode(await aesGcm("a secret of some length").decrypt(await aesGcm("a secret of some length").encrypt(new TextEncoder().encode("x"), new Uint8Array(1)), new Uint8Array(1)));
        return out;
      })()`) as Record<string, unknown>;
      expect(seen).toMatchObject({ flaky: { tries: 3 }, cached: true, sse: [{ n: 1 }, { n: 2 }], timeout: "TIMEOUT", moved: "status 200", kept: "NETWORK", paced: ["status 200", "status 200"], sealed: "x" });
      expect(seen["echo"]).toMatchObject({ body: '{"a":1}', headers: { authorization: "Bearer abc" } });
    } finally {
      await browser.close();
      await page.close();
    }
  });
});
