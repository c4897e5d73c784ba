/** The two transports are one: the same exchanges, the same observable outcome. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTransport as createFetchTransport } from "../../src/core/fetch-transport.ts";
import type { OwnTransport, TransportRequest } from "../../src/core/transport.ts";
import { createTransport as createNodeTransport } from "../../src/runtimes/node/transport.ts";

let server: Server;
let origin: string;
const seen: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: string }[] = [];
const left: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
    request.on("error", () => {});
    response.on("close", () => void (response.writableFinished || left.push(request.url ?? "")));
    const path = request.url?.split("?")[0];
    if (path === "/hang") return;
    if (path === "/half") {
      response.writeHead(200, { "content-length": "100" });
      response.write("part");
      setTimeout(() => response.destroy(), 20);
      return;
    }
    if (path === "/silent") {
      response.write("part");
      return;
    }
    if (path === "/big") {
      response.end(Buffer.alloc(16_000_000));
      return;
    }
    if (path === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\n");
      setTimeout(() => response.end("data: 2\n\n"), 150);
      return;
    }
    request.on("end", () => {
      seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
      if (path === "/redirect") response.writeHead(302, { location: "/elsewhere" }).end();
      else if (path === "/empty") response.writeHead(204).end();
      else if (path === "/modified") response.writeHead(304, { etag: '"x"' }).end();
      else if (path === "/gzip") response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain" }).end(gzipSync("compressed"));
      else if (path === "/cookies") response.writeHead(200, { "set-cookie": ["a=1", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], "x-twice": ["1", "2"] }).end("c");
      else if (path === "/hop") response.writeHead(200, { connection: "x-inner", "x-inner": "1", "keep-alive": "timeout=9", trailer: "x-t", "x-outer": "1" }).end("h");
      else if (path === "/early") {
        response.writeEarlyHints({ link: "</x>; rel=preload" });
        response.writeHead(200).end("e");
      }
      else response.writeHead(200, { "content-type": "text/plain" }).end(`got ${body.length}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

type Outcome = Record<string, unknown>;

async function outcome(transport: OwnTransport, path: string, more: Partial<TransportRequest> = {}): Promise<Outcome> {
  const [pathname, search = ""] = path.split("?");
  try {
    const response = await transport.send({ url: { origin, pathname: pathname as string, search: search && `?${search}` }, method: "GET", headers: [], body: null, ...more });
    const fields = Object.fromEntries([...response.headers].filter(([name]) => !["date", "content-length", "content-encoding"].includes(name)));
    const encoding = response.headers.get("content-encoding");
    let body: string;
    try {
      const bytes = new Uint8Array(await response.arrayBuffer());
      body = encoding === "gzip" && more.method !== "HEAD" ? await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text() : new TextDecoder().decode(bytes);
    } catch (error) {
      body = `broken: ${(error as { code?: string }).code ?? (error as Error).message}`;
    }
    return { status: response.status, fields, cookies: response.headers.getSetCookie(), body };
  } catch (error) {
    return { rejected: (error as { code?: unknown }).code ?? (error as Error).message };
  }
}

/** Whether a body breaks before or after its response was made depends on what one read of the socket brings. */
const reason = ({ rejected, body }: Outcome): unknown => (typeof body === "string" && body.startsWith("broken: BODY_TOO_LONG") ? "BODY_TOO_LONG" : rejected);

const stream = (...chunks: string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({ start(controller) { for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk)); controller.close(); } });
const stalled = (): ReadableStream<Uint8Array> => new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(3)); } });

const cases: [string, string, () => Partial<TransportRequest>][] = [
  ["a query, as received", "/q?a=%20&b=1+2&a=2", () => ({})],
  ["a path, as received", "/a%2Fb/%C3%A9//c", () => ({})],
  ["HEAD", "/plain", () => ({ method: "HEAD" })],
  ["bytes", "/plain", () => ({ method: "POST", body: new TextEncoder().encode("hello") })],
  ["a stream", "/plain", () => ({ method: "PUT", body: stream("hello ", "world") })],
  ["an empty stream", "/plain", () => ({ method: "POST", body: stream() })],
  ["fields", "/plain", () => ({ headers: ["x-a", "1", "authorization", "Bearer t", "cookie", "a=1; b=2"] })],
  ["Headers", "/plain", () => ({ headers: new Headers({ "x-a": "1" }) })],
  ["a redirect is an answer", "/redirect", () => ({})],
  ["204", "/empty", () => ({})],
  ["304", "/modified", () => ({})],
  ["gzip", "/gzip", () => ({ headers: ["accept-encoding", "gzip"] })],
  ["cookies", "/cookies", () => ({})],
  ["connection fields", "/hop", () => ({})],
  ["an interim response", "/early", () => ({})],
  ["a body that breaks off", "/half", () => ({})],
  ["a body that falls silent", "/silent", () => ({ idleBodyTimeoutMs: 60 })],
  ["events may be silent", "/events", () => ({ idleBodyTimeoutMs: 60 })],
  ["no headers in time", "/hang", () => ({ headersTimeoutMs: 60 })],
  ["a request body that stalls", "/plain", () => ({ method: "POST", body: stalled(), idleBodyTimeoutMs: 60 })],
  ["too long by its length", "/half", () => ({ maxResponseBytes: 50 })],
  ["too long by its bytes", "/plain", () => ({ maxResponseBytes: 2 })],
  ["aborted before", "/plain", () => ({ signal: AbortSignal.abort(new Error("before")) })],
  ["aborted while waiting", "/hang", () => ({ signal: AbortSignal.timeout(30) })],
  ["aborted in the body", "/silent", () => { const controller = new AbortController(); setTimeout(() => controller.abort(new Error("in the body")), 60); return { signal: controller.signal }; }],
  ["cancelled without a signal", "/hang", () => ({ onCancel: (cancel) => { setTimeout(() => cancel(new Error("cancelled")), 30); return () => {}; } })],
  ["edited fields", "/plain", () => ({ editHeaders: (headers) => headers.append("via", "1.1 here") })],
];

describe("undici and fetch agree on", () => {
  const node = createNodeTransport();
  const fetched = createFetchTransport();
  afterAll(() => node.close());

  test.each(cases)("%s", async (_name, path, request) => {
    seen.length = 0;
    const first = await outcome(node, path, request());
    const atFirst = seen.splice(0);
    const second = await outcome(fetched, path, request());
    expect(reason(second) ?? second).toEqual(reason(first) ?? first);
    // `fetch` adds a few fields of its own on Node; what was asked for must be the same.
    const asked = (one: (typeof seen)[number]): unknown => ({ ...one, headers: Object.fromEntries(Object.entries(one.headers).filter(([name]) => ["x-a", "authorization", "cookie", "host", "content-length"].includes(name))) });
    expect(seen.map(asked)).toEqual(atFirst.map(asked));
  });

  test("nobody listening is CONNECT_FAILED", async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const nowhere = { url: { origin: `http://127.0.0.1:${(closed.address() as AddressInfo).port}`, pathname: "/", search: "" } };
    await new Promise((resolve) => closed.close(resolve));
    expect([await outcome(node, "/", nowhere), await outcome(fetched, "/", nowhere)]).toEqual([{ rejected: "CONNECT_FAILED" }, { rejected: "CONNECT_FAILED" }]);
  });

  test.each([["undici", node], ["fetch", fetched]] as const)("%s: a cancelled body ends the exchange", async (name, transport) => {
    left.length = 0;
    const response = await transport.send({ url: { origin, pathname: "/silent", search: `?${name}` }, method: "GET", headers: [], body: null });
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(() => left, { timeout: 2000, interval: 5 }).toContain(`/silent?${name}`);
  });

  test.each([["undici", node], ["fetch", fetched]] as const)("%s: a slow reader holds the peer back and is no silence", async (_name, transport) => {
    const response = await transport.send({ url: { origin, pathname: "/big", search: "" }, method: "GET", headers: [], body: null, idleBodyTimeoutMs: 30 });
    const reader = response.body!.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 150));
    let bytes = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.byteLength;
    expect(bytes).toBeGreaterThan(15_000_000);
  });
});
