/** What `serve` does beside answering: listening, closing, refusing. The same on every runtime that listens. */

import { createGateway, type GatewayInstance } from "sluice/gateway";

interface Listening {
  readonly port: number;
  readonly url: string;
  close(options?: { graceMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
export type Serve = (app: { fetch: never }, options?: { port?: number; hostname?: string; signal?: AbortSignal }) => Promise<Listening>;

export interface CaseResult {
  readonly name: string;
  readonly failed?: string;
}

function assert(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function slowGateway(ms: number): GatewayInstance {
  return createGateway({
    routes: [
      { path: "/fast", pipeline: { upstream: { type: "handler", handler: () => new Response("fast") } } },
      { path: "/slow", pipeline: { upstream: { type: "handler", handler: async () => (await wait(ms), new Response("slow")) } } },
    ],
  });
}

const reached = async (url: string): Promise<string> => fetch(url, { keepalive: false }).then(async (answer) => `${answer.status} ${await answer.text()}`, () => "nobody");

const cases = (serve: Serve): Readonly<Record<string, () => Promise<void>>> => ({
  async "close() finishes what is in flight, refuses what is new, and is idempotent"() {
    const server = await serve(slowGateway(250) as never, { port: 0 });
    const pending = reached(`${server.url}/slow`);
    await wait(80);
    const closing = server.close();
    await wait(50);
    const late = await reached(`${server.url}/fast`);
    assert(late === "nobody" || late.startsWith("503"), `a late request got ${late}`);
    assert((await pending) === "200 slow", `what was in flight got ${await pending}`);
    await Promise.all([closing, server.close(), server[Symbol.asyncDispose]()]);
    assert((await reached(`${server.url}/fast`)) === "nobody", "somebody still listens");
  },
  async "close() ends at its grace, whatever does not"() {
    const server = await serve(slowGateway(60_000) as never, { port: 0 });
    const pending = reached(`${server.url}/slow`);
    await wait(80);
    await server.close({ graceMs: 150 });
    const got = await pending;
    assert(got === "nobody" || got.startsWith("503"), `what did not end got ${got}`);
  },
  async "an application that is no gateway is cut at the grace as well, and not closed"() {
    let closed = 0;
    const server = await serve({ fetch: () => new Promise<Response>(() => {}), close: async () => void closed++ } as never, { port: 0 });
    const pending = reached(`${server.url}/never`);
    await wait(80);
    await server.close({ graceMs: 150 });
    const got = await pending;
    assert(got === "nobody" || got.startsWith("503"), `what did not end got ${got}`);
    assert(closed === 0, "somebody else's application was closed");
  },
  async "no grace cuts at once"() {
    const server = await serve(slowGateway(60_000) as never, { port: 0 });
    const pending = reached(`${server.url}/slow`);
    await wait(80);
    await server.close({ graceMs: 0 });
    const got = await pending;
    assert(got === "nobody" || got.startsWith("503"), `what was cut got ${got}`);
  },
  async "a signal closes, and one that has aborted is refused"() {
    const controller = new AbortController();
    const server = await serve(slowGateway(1) as never, { port: 0, signal: controller.signal });
    assert((await reached(`${server.url}/fast`)) === "200 fast", "it does not serve");
    controller.abort();
    await server.close();
    assert((await reached(`${server.url}/fast`)) === "nobody", "somebody still listens");
    const refused = await serve(slowGateway(1) as never, { port: 0, signal: AbortSignal.abort(new Error("before")) }).then(() => "served", (error: Error) => error.message);
    assert(refused === "before", `a signal that has aborted: ${refused}`);
  },
  async "a port in use is the system's error"() {
    const first = await serve(slowGateway(1) as never, { port: 0 });
    const code = await serve(slowGateway(1) as never, { port: first.port }).then(() => "served", (error: { code?: string }) => error.code);
    await first.close();
    assert(code === "EADDRINUSE", `got ${code}`);
  },
  async "bad options are refused by name"() {
    for (const [options, name] of [[{ port: -1 }, "port"], [{ port: 70_000 }, "port"], [{ port: 1.5 }, "port"], [{ hostname: "" }, "hostname"], [{ signal: {} }, "signal"]] as const) {
      const message = await serve(slowGateway(1) as never, options as never).then(() => "served", (error: Error) => `${error.name}: ${error.message}`);
      assert(message.startsWith("OptionError: ") && message.includes(name), `${JSON.stringify(options)}: ${message}`);
    }
    const message = await serve({} as never, { port: 0 }).then(() => "served", (error: Error) => error.message);
    assert(message.startsWith("app must be a gateway"), message);
  },
  async "an application that throws is a 500 that tells nothing, and the server goes on"() {
    const { error } = console;
    const logged: unknown[] = [];
    console.error = (...values: unknown[]) => void logged.push(...values);
    try {
      const server = await serve({ fetch: (request: Request) => { if (request.url.endsWith("/sync")) throw new Error("secret"); return request.url.endsWith("/late") ? Promise.reject(new Error("secret")) : new Response("fine"); } } as never, { port: 0 });
      for (const path of ["/sync", "/late"]) {
        const got = await reached(server.url + path);
        assert(got.startsWith("500") && !got.includes("secret"), `${path}: ${got}`);
      }
      assert((await reached(`${server.url}/x`)) === "200 fine", "the server does not go on");
      assert(logged.length > 0, "nobody was told");
      await server.close();
    } finally {
      console.error = error;
    }
  },
});

export async function servingCases(serve: Serve): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [name, run] of Object.entries(cases(serve))) {
    try {
      await run();
      results.push({ name });
    } catch (error) {
      results.push({ name, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  return results;
}
