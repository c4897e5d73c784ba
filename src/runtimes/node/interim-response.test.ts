import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createGateway } from "../../gateway/create-gateway.ts";
import { retry } from "../../gateway/policies/resilience/retry.ts";
import { cache } from "../../gateway/policies/traffic/cache.ts";
import type { Policy, UrlUpstream } from "../../gateway/types.ts";
import { serve } from "./serve.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const FINAL = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=60\r\n\r\nok";

/** An upstream that answers its n-th request with the n-th text, bytes as they stand; the last one again and again. */
async function upstream(...answers: string[]): Promise<{ target: string; hits: () => number }> {
  const open = new Set<Socket>();
  let hits = 0;
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => void socket.write(answers[Math.min(hits++, answers.length - 1)] as string));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hits: () => hits };
}

/** What a client reads in answer to each of `requests`, each on a connection of its own. */
async function asked(options: Partial<UrlUpstream> & { target: string }, policies: Policy[], ...requests: string[]): Promise<string[]> {
  const gateway = createGateway({ routes: [{ path: "/*", pipeline: { policies, upstream: { type: "url", via: false, ...options } } }] });
  const server = await serve(gateway, { port: 0, overrideGlobals: false });
  cleanups.push(() => server.close({ graceMs: 0 }));
  const texts: string[] = [];
  for (const request of requests) {
    texts.push(await new Promise<string>((resolve, reject) => {
      let text = "";
      const socket = connect(server.port, "127.0.0.1", () => socket.write(request));
      socket.on("data", (chunk) => void (text += chunk.toString("latin1")));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    }));
  }
  return texts;
}

const GET = "GET /page HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";

describe("interim responses", () => {
  test("pass in order with their fields, and the answer follows", async () => {
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\nX-My: one\r\n\r\n";
    const { target } = await upstream(`HTTP/1.1 102 Processing\r\n\r\n${hints}HTTP/1.1 104 Upload Resumption Supported\r\n\r\n${FINAL}`);
    const [text = ""] = await asked({ target }, [], GET);
    const [first, second, third, answer = "", body] = text.split("\r\n\r\n");
    expect(first).toBe("HTTP/1.1 102 Processing");
    expect(second).toBe("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\nx-my: one");
    expect(third).toBe("HTTP/1.1 104 ");
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).not.toMatch(/x-my|link/);
    expect(body).toBe("ok");
  });

  test("carry no field of the connection, no length and no cookie", async () => {
    const { target } = await upstream(`HTTP/1.1 103 Early Hints\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nX-End: 2\r\n\r\n${FINAL}`);
    const [text = ""] = await asked({ target }, [], GET);
    expect(text.split("\r\n\r\n")[0]).toBe("HTTP/1.1 103 Early Hints\r\nx-end: 2");
  });

  test("are bounded in number", async () => {
    const { target } = await upstream("HTTP/1.1 103 Early Hints\r\nx-n: 1\r\n\r\n".repeat(100) + FINAL);
    const [text = ""] = await asked({ target }, [], GET);
    expect(text.match(/^HTTP\/1\.1 103/gm)).toHaveLength(16);
    expect(text).toMatch(/\r\n\r\nok$/);
  });

  test("a client of HTTP/1.0 gets none, nor does one of an upstream that keeps them", async () => {
    const { target } = await upstream(`HTTP/1.1 103 Early Hints\r\nx-n: 1\r\n\r\n${FINAL}`);
    const [old = ""] = await asked({ target }, [], "GET /page HTTP/1.0\r\n\r\n");
    expect(old).toMatch(/^HTTP\/1\.[01] 200 OK\r\n[^]*ok$/);
    const [kept = ""] = await asked({ target, interimResponses: false }, [], GET);
    expect(kept).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(() => createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "url", target, interimResponses: 1 as never } } }] })).toThrow(/"interimResponses".*1/);
  });

  test("of each attempt pass, and a stored answer has none", async () => {
    const failing = "HTTP/1.1 103 Early Hints\r\nx-try: 1\r\n\r\nHTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n";
    const { target, hits } = await upstream(failing, `HTTP/1.1 103 Early Hints\r\nx-try: 2\r\n\r\n${FINAL}`);
    const [text = "", again = ""] = await asked({ target }, [cache(), retry({ baseDelayMs: 1 })], GET, GET);
    expect(text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nx-try: 1\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nx-try: 2\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    expect(again).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*x-cache: HIT/);
    expect(again).not.toMatch(/x-try/);
    expect(hits()).toBe(2);
  });
});
