/** WebSockets through a gateway on Node: the request phase first, then frames both ways. */

import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { definePolicy } from "../../src/gateway/define-policy.ts";
import { GatewayError } from "../../src/gateway/errors.ts";
import type { ReadableSpan } from "../../src/gateway/operation/spans.ts";
import { requestLog, type RequestLogEntry } from "../../src/gateway/policies/observability/request-log.ts";
import { adaptiveConcurrency } from "../../src/gateway/policies/traffic/adaptive-concurrency.ts";
import { bulkhead } from "../../src/gateway/policies/traffic/bulkhead.ts";
import { concurrencyLimit } from "../../src/gateway/policies/traffic/concurrency-limit.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { GatewayConfig, GatewayEvent, GatewayInstance, Policy } from "../../src/gateway/types.ts";
import { serve, type NodeServer } from "../../src/runtimes/node/serve.ts";
import { until } from "../servers/process.ts";

const owned: (() => unknown)[] = [];
afterEach(async () => {
  for (const free of owned.splice(0).reverse()) await free();
});

interface Setup {
  readonly gateway: GatewayInstance;
  readonly server: NodeServer;
  readonly url: string;
  readonly requests: IncomingMessage[];
  readonly sockets: WebSocket[];
}

/** An echo upstream that speaks "chat", behind a gateway. */
async function setup(policies: Policy[] = [], more: Partial<GatewayConfig> = {}): Promise<Setup> {
  const requests: IncomingMessage[] = [];
  const sockets: WebSocket[] = [];
  const upstream = createServer((_request, response) => response.end("plain"));
  const echo = new WebSocketServer({ server: upstream, handleProtocols: (offered) => (offered.has("chat") ? "chat" : false), verifyClient: ({ req }, done) => done(req.url !== "/ws/refused", 403, "secret reason") });
  echo.on("connection", (socket, request) => {
    requests.push(request);
    sockets.push(socket);
    socket.send("hello");
    socket.on("message", (data, binary) => {
      if (String(data) === "bye") socket.close(4001, "see you");
      else socket.send(data, { binary });
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  owned.push(() => { for (const socket of echo.clients) socket.terminate(); upstream.closeAllConnections(); upstream.close(); });
  const gateway = createGateway({
    ...more,
    policies,
    routes: [
      { path: "/ws/*", methods: ["GET"], pipeline: { upstream: { type: "url", target: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` } } },
      { path: "/dead", methods: ["GET"], pipeline: { upstream: { type: "url", target: "http://127.0.0.1:1" } } },
      { path: "/plain", pipeline: { upstream: { type: "handler", handler: (c) => c.text("plain") } } },
    ],
  });
  const server = await serve(gateway, { port: 0 });
  owned.push(() => server.close({ graceMs: 0 }));
  return { gateway, server, url: server.url.replace("http", "ws"), requests, sockets };
}

interface Client {
  readonly socket: WebSocket;
  next(): Promise<string>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

function open(url: string, protocols: string[] = [], headers: Record<string, string> = {}): Promise<Client> {
  const socket = new WebSocket(url, protocols, { headers });
  owned.push(() => socket.terminate());
  const waiting: ((text: string) => void)[] = [];
  const got: string[] = [];
  socket.on("message", (data, binary) => {
    const text = binary ? `bytes:${(data as Buffer).toString("hex")}` : String(data);
    const taker = waiting.shift();
    if (taker === undefined) got.push(text);
    else taker(text);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => socket.on("close", (code, reason) => resolve({ code, reason: String(reason) })));
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve({ socket, closed, next: () => new Promise((take) => { const ready = got.shift(); if (ready === undefined) waiting.push(take); else take(ready); }) }));
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += String(chunk)));
      response.on("end", () => reject(Object.assign(new Error(`status ${response.statusCode}`), { status: response.statusCode, body })));
    });
    socket.on("error", reject);
  });
}

const refusal = (url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> =>
  open(url, [], headers).then(() => Promise.reject(new Error("opened")), (error: unknown) => error as { status: number; body: string });

const guard = definePolicy({
  name: "guard", priority: 10, guard: true,
  handler: (c, next) => {
    if (c.req.header("authorization") !== "Bearer ok") throw new GatewayError(401, "unauthorized", "no", { "www-authenticate": "Bearer" });
    return next();
  },
});

describe("frames", () => {
  test("text and binary, subprotocol and close code pass both ways", async () => {
    const { url, requests } = await setup();
    const client = await open(`${url}/ws/a?x=1`, ["other", "chat"], { "x-forwarded-for": "6.6.6.6" });
    expect(client.socket.protocol).toBe("chat");
    expect(await client.next()).toBe("hello");
    client.socket.send("text");
    client.socket.send(Buffer.from([1, 2, 255]));
    expect([await client.next(), await client.next()]).toEqual(["text", "bytes:0102ff"]);
    client.socket.send("bye");
    expect(await client.closed).toEqual({ code: 4001, reason: "see you" });
    const { url: path, headers } = requests[0] as IncomingMessage;
    expect([path, headers["x-forwarded-for"], headers["via"]]).toEqual(["/ws/a?x=1", "127.0.0.1", "1.1 sluice"]);
  });

  test("the client's close reaches the upstream, and a lost one as 1011", async () => {
    const { url, sockets } = await setup();
    const first = await open(`${url}/ws/a`);
    const one = new Promise((resolve) => (sockets[0] as WebSocket).on("close", (code, reason) => resolve([code, String(reason)])));
    first.socket.close(3333, "done");
    expect(await one).toEqual([3333, "done"]);
    const second = await open(`${url}/ws/a`);
    const two = new Promise((resolve) => (sockets[1] as WebSocket).on("close", (code) => resolve(code)));
    second.socket.terminate();
    expect(await two).toBe(1011);
    const third = await open(`${url}/ws/a`);
    (sockets[2] as WebSocket).terminate();
    expect((await third.closed).code).toBe(1011);
  });

  test("a slow reader stops the sender; nothing is lost", async () => {
    const { url } = await setup();
    const client = await open(`${url}/ws/a`);
    await client.next();
    const chunk = "x".repeat(64 * 1024);
    const count = 200;
    for (let i = 0; i < count; i++) client.socket.send(chunk);
    for (let i = 0; i < count; i++) expect((await client.next()).length).toBe(chunk.length);
  });
});

describe("the request phase", () => {
  test("guards and limits refuse a handshake as they refuse a request", async () => {
    const { url, requests } = await setup([guard(), rateLimit({ max: 1, windowSeconds: 60 })]);
    const refused = await refusal(`${url}/ws/a`);
    expect([refused.status, JSON.parse(refused.body)]).toEqual([401, expect.objectContaining({ code: "unauthorized" })]);
    await open(`${url}/ws/a`, [], { authorization: "Bearer ok" });
    expect((await refusal(`${url}/ws/a`, { authorization: "Bearer ok" })).status).toBe(429);
    expect(requests).toHaveLength(1);
  });

  test("an upstream's refusal and absence have answers that say nothing of it", async () => {
    const { url } = await setup();
    const [refused, dead] = [await refusal(`${url}/ws/refused`), await refusal(`${url}/dead`)];
    expect([refused.status, dead.status]).toEqual([403, 502]);
    expect(refused.body + dead.body).not.toMatch(/secret|127\.0\.0\.1/);
  });

  test("unknown routes, plain requests and other protocols", async () => {
    const { url, server } = await setup();
    expect((await refusal(`${url}/nowhere`)).status).toBe(404);
    const raw = (text: string): Promise<string> => new Promise((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(text));
      let got = "";
      socket.on("data", (chunk) => (got += String(chunk)));
      socket.on("close", () => resolve(got));
      socket.on("error", () => resolve(got));
    });
    const h2c = await raw(`GET /plain HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n`);
    expect([h2c.split("\r\n")[0], h2c.endsWith("plain")]).toEqual(["HTTP/1.1 200 OK", true]);
    const withBody = await raw(`POST /plain HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\nabc`);
    expect(withBody).toMatch(/^HTTP\/1\.1 400 /);
    const broken = await raw(`GET /ws/a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 7\r\n\r\n`);
    expect(broken).toMatch(/^HTTP\/1\.1 426 /);
  });
});

describe("a socket is in flight until it has closed", () => {
  const status = async (url: string): Promise<number> => {
    const response = await fetch(url);
    await response.text();
    return response.status;
  };

  test.each([
    ["bulkhead", 503, () => bulkhead({ maxConcurrent: 1 })],
    ["concurrencyLimit", 429, () => concurrencyLimit({ max: 1 })],
    ["adaptiveConcurrency", 503, () => adaptiveConcurrency({ initial: 1, max: 1 })],
  ] as const)("%s holds its slot while the socket is open, and frees it at its close", async (_name, refused, policy) => {
    const { url, server } = await setup([policy()]);
    for (const leave of [(socket: WebSocket) => socket.close(), (socket: WebSocket) => socket.terminate(), (socket: WebSocket) => socket.send("bye")]) {
      const client = await open(`${url}/ws/a`);
      expect(await status(`${server.url}/ws/plain`)).toBe(refused);
      leave(client.socket);
      await until("the slot is free", async () => (await status(`${server.url}/ws/plain`)) === 200);
    }
  });

  test("what answers in the place of the handshake ends it", async () => {
    const late = definePolicy({ name: "late", handler: async (_c, next) => (await next(), Promise.reject(new GatewayError(403, "forbidden", "no"))) });
    const { url, server, sockets } = await setup([bulkhead({ maxConcurrent: 1 }), late()]);
    const client = await open(`${url}/ws/a`);
    await client.closed;
    await until("the slot is free", async () => (await status(`${server.url}/plain`)) === 403);
    await until("the upstream hears of it", () => (sockets[0] as WebSocket).readyState === WebSocket.CLOSED);
  });

  test("log, events and spans tell of it once, at its close", async () => {
    const entries: RequestLogEntry[] = [];
    const spans: { kind: string; status: unknown }[] = [];
    const exporter = { export: async (some: readonly ReadableSpan[]) => void spans.push(...some.map(({ kind, attributes }) => ({ kind, status: attributes["http.response.status_code"] }))) };
    const { url, gateway } = await setup([requestLog({ sink: (entry) => void entries.push(entry) })], { tracing: { exporter } });
    const ended = new Promise<GatewayEvent>((resolve) => gateway.events.on((event) => event.type === "request" && resolve(event), { detailed: true }));
    const client = await open(`${url}/ws/a`);
    expect(await client.next()).toBe("hello");
    expect([entries, spans.filter(({ kind }) => kind === "SERVER")]).toEqual([[], []]);
    client.socket.send("bye");
    expect(await ended).toMatchObject({ status: 101, bytes: 5, aborted: false });
    expect(entries).toMatchObject([{ statusCode: 101, bytes: 5, aborted: false }]);
    expect(spans.filter(({ kind }) => kind === "SERVER")).toEqual([{ kind: "SERVER", status: 101 }]);
    const second = await open(`${url}/ws/a`);
    second.socket.terminate();
    await until("it is logged", () => entries.length === 2);
    expect(entries[1]).toMatchObject({ statusCode: 101, aborted: true });
  });
});

test("without a runtime that takes upgrades: 501", async () => {
  const gateway = createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "url", target: "http://127.0.0.1:1" } } }] });
  const response = await gateway.app.request("/", { headers: { upgrade: "websocket", connection: "upgrade" } });
  expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([501, "upgrade_unsupported"]);
  await gateway.close();
});

test("update() leaves sockets open; close() closes them with 1001 and does not wait", async () => {
  const { gateway, url, server } = await setup();
  const client = await open(`${url}/ws/a`);
  await client.next();
  await gateway.update({ routes: [{ path: "/none", pipeline: { upstream: { type: "handler", handler: (c) => c.text("x") } } }] });
  client.socket.send("still");
  expect(await client.next()).toBe("still");
  const began = performance.now();
  await server.close({ graceMs: 30_000 });
  expect((await client.closed).code).toBe(1001);
  expect(performance.now() - began).toBeLessThan(20_000);
});
