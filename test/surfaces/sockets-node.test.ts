import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect as tcp } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { createNodeHandler, serve } from "../../src/node.ts";
import { createRouter, message, requireAuth } from "../../src/sockets.ts";
import { assertSocketsConformance, conformanceAuthenticate, conformanceRouter } from "../../src/testing.ts";

const Say = message("SAY", { text: z.string() });
const Join = message("JOIN", { topic: z.string() });

const open = async (url: string, ...rest: any[]): Promise<WebSocket> => {
  const socket = new WebSocket(url, ...rest);
  await once(socket, "open");
  return socket;
};
const refused = (url: string, options: object = {}): Promise<{ status: number | undefined; headers: any }> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options as any);
    socket.on("unexpected-response", (_request, response) => {
      resolve({ status: response.statusCode, headers: response.headers });
      response.resume();
      socket.terminate();
    });
    socket.on("open", () => reject(new Error("was accepted")));
    socket.on("error", () => undefined);
  });
const frames = (socket: WebSocket): any[] => {
  const list: any[] = [];
  socket.on("message", (data) => list.push(JSON.parse(String(data))));
  return list;
};
const until = async (test: () => boolean): Promise<void> => {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe("sockets on Node", () => {
  it("conform", async () => {
    await using server = await serve(conformanceRouter(), { port: 0, authenticate: conformanceAuthenticate });
    const report = await assertSocketsConformance({ url: server.url, runtime: "node", connect: (url) => new WebSocket(url) as never });
    expect(report.passed.length).toBeGreaterThan(25);
  });

  it("refuse before anything runs: path, origin, version, authentication, plain HTTP", async () => {
    let ran = 0;
    await using server = await serve(createRouter({ logger: false }).onOpen(() => void ran++), { port: 0, path: "/ws", authenticate: ({ headers }) => (headers.get("x-ok") === null ? undefined : {}), protocols: ["mine"] });
    const url = `${server.url}/ws`;
    const host = `127.0.0.1:${server.port}`;
    const ok = { "x-ok": "1" };
    await expect(refused(`${server.url}/other`, { headers: ok })).resolves.toMatchObject({ status: 404 });
    for (const origin of ["https://evil.example", "null", `http://${host}.evil.example`, "http://127.0.0.1:1", `https://${host}`]) {
      await expect(refused(url, { headers: { ...ok, origin } })).resolves.toMatchObject({ status: 403 });
    }
    await expect(refused(url)).resolves.toMatchObject({ status: 401, headers: { "content-type": "application/problem+json" } });
    expect(ran).toBe(0);
    expect(server.connections).toBe(0);
    const response = await fetch(`http://${host}/ws`);
    expect(response.status).toBe(426);
    const unknown = httpRequest({ port: server.port, path: "/ws", headers: { ...ok, connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol": "sluice.v9+json" } }).end();
    const [answer] = await once(unknown, "response");
    expect(answer.statusCode).toBe(400);
    answer.resume();
    const socket = await open(url, ["mine"], { headers: { ...ok, origin: `http://${host}` } });
    expect(socket.protocol).toBe("mine");
    socket.terminate();
    await expect(serve(createRouter(), {} as never)).rejects.toThrow(/authenticate/);
  });

  it("tell the id they gave, and never echo a bearer token", async () => {
    const seen: any[] = [];
    const router = createRouter({ logger: false }).onOpen((ctx) => void seen.push([ctx.clientId, ctx.request.url, ctx.request.headers.get("sec-websocket-protocol"), ctx.request.headers.get("authorization")]));
    await using server = await serve(router, { port: 0, authenticate: (_request, { token }) => (token === "s3cret" ? {} : undefined) });
    const socket = new WebSocket(`${server.url}/?access_token=x&a=1`, ["bearer.s3cret", "sluice.v1+json"]);
    let id: unknown;
    socket.on("upgrade", (response) => (id = response.headers["x-client-id"]));
    await once(socket, "open");
    expect(socket.protocol).toBe("sluice.v1+json");
    expect(seen).toEqual([[id, `${server.url.replace("ws", "http")}/?a=1`, "sluice.v1+json", null]]);
    socket.terminate();
  });

  it("attach to a server of the caller's, and leave other paths to others", async () => {
    const http = createServer((_request, response) => response.end("plain"));
    const handler = createNodeHandler(createRouter({ logger: false }).on(Say, (ctx) => void ctx.send(Say, ctx.payload)), { anonymous: true, path: "/ws" });
    http.on("upgrade", handler.upgrade);
    http.on("upgrade", (request, socket) => request.url === "/other" && socket.end("HTTP/1.1 418 other\r\n\r\n"));
    await once(http.listen(0, "127.0.0.1"), "listening");
    const { port } = http.address() as AddressInfo;
    await expect(refused(`ws://127.0.0.1:${port}/other`)).resolves.toMatchObject({ status: 418 });
    const socket = await open(`ws://127.0.0.1:${port}/ws`);
    const got = frames(socket);
    socket.send('{"type":"SAY","payload":{"text":"hi"}}');
    await until(() => got.length === 1);
    await handler.close({ drainMs: 100 });
    expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe("plain");
    http.close();
    http.closeAllConnections();
  });

  it("write the frames of a turn together, in order, to everybody", async () => {
    const router = createRouter({ logger: false }).on(Join, (ctx) => void ctx.topics.subscribe(ctx.payload.topic)).on(Say, (ctx) => void ctx.send(Say, ctx.payload));
    await using server = await serve(router, { port: 0, anonymous: true });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(server.url)));
    const got = sockets.map(frames);
    for (const socket of sockets) socket.send('{"type":"JOIN","payload":{"topic":"a"}}');
    await until(() => router.topics.count("a") === 20);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 16; i++) void router.publish("a", Say, { text: `${round}-${i}` });
      await new Promise((resolve) => setImmediate(resolve));
      void router.publish("a", Say, { text: `${round}-single-${"é".repeat(70_000)}` });
    }
    sockets[0]!.send('{"type":"SAY","payload":{"text":"mine"}}');
    await until(() => got.every((list) => list.filter(({ payload }) => payload.text !== "mine").length === 85) && got[0]!.some(({ payload }) => payload.text === "mine"));
    const order = got[1]!.map(({ payload }) => payload.text.slice(0, 12));
    expect(order).toEqual([0, 1, 2, 3, 4].flatMap((round) => [...Array.from({ length: 16 }, (_, i) => `${round}-${i}`), `${round}-single-${"é".repeat(3)}`]));
    for (const list of got) expect(list.filter(({ payload }) => payload.text !== "mine").map(({ payload }) => payload.text.slice(0, 12))).toEqual(order);
    for (const socket of sockets) socket.terminate();
  });

  it("close a subscriber that does not read, while others go on", async () => {
    const limits: any[] = [];
    const closed: number[] = [];
    const router = createRouter({ logger: false, limits: { backpressure: { maxBufferedBytes: 500_000 } }, hooks: { onLimitExceeded: ({ type, direction }) => void limits.push([type, direction]) } })
      .on(Join, (ctx) => void ctx.topics.subscribe(ctx.payload.topic)).onClose(({ code }) => void closed.push(code));
    await using server = await serve(router, { port: 0, anonymous: true });
    const [slow, fast] = [await open(server.url), await open(server.url)];
    const got = frames(fast);
    for (const socket of [slow, fast]) socket.send('{"type":"JOIN","payload":{"topic":"a"}}');
    await until(() => router.topics.count("a") === 2);
    slow.pause();
    const text = "x".repeat(50_000);
    let sent = 0;
    while (limits.length === 0) {
      await router.publish("a", Say, { text });
      sent++;
      await until(() => got.length === sent);
    }
    expect(limits).toEqual([["backpressure", "out"]]);
    expect(router.topics.count("a")).toBeLessThanOrEqual(2);
    await until(() => closed.length === 1);
    fast.terminate();
  });

  it("send on what waited in a turn that was longer than a socket takes, though nothing had to drain", async () => {
    for (const policy of ["drop-oldest", "coalesce", "drop-newest"] as const) {
      const router = createRouter({ logger: false, limits: { backpressure: { maxBufferedBytes: 64_000, policy, coalesceKey: (_topic, _type, payload) => String((payload as { text: string }).text.slice(0, 1)) } } })
        .on(Join, (ctx) => void ctx.topics.subscribe(ctx.payload.topic));
      const server = await serve(router, { port: 0, anonymous: true });
      const socket = await open(server.url);
      const got = frames(socket);
      socket.send('{"type":"JOIN","payload":{"topic":"t"}}');
      await until(() => router.topics.count("t") === 1);
      const sent = Array.from({ length: 60 }, (_, i) => `${i % 2}:${i} ${"x".repeat(4000)}`);
      for (const text of sent) await router.publish("t", Say, { text });
      void router.publish("t", Say, { text: "2:end" });
      for (let burst = 0; burst < 3; burst++) for (const text of sent) void router.publish("t", Say, { text: `${text}${burst}` });
      const last = sent.map((text) => `${text}2`).slice(-2);
      const heard = (): string[] => got.map(({ payload }) => payload.text);
      if (policy === "drop-newest") await until(() => router.connections()[0]!.bufferedBytes === 0 && got.length > 60);
      else await until(() => heard().at(-1) === last[1]);
      const numbers = (key: string): number[] => heard().filter((text) => text.startsWith(`${key}:`)).map((text) => Number(/ x+(\d)$/.exec(text)?.[1] ?? -1) * 100 + Number(/:(\d+)/.exec(text)![1]));
      // Of each key nothing older comes after something newer, and under coalesce the newest of each arrives.
      for (const key of ["0", "1"]) expect(numbers(key)).toEqual([...numbers(key)].sort((a, b) => a - b));
      if (policy === "coalesce") expect(heard().slice(-2).sort()).toEqual(last.sort());
      socket.terminate();
      await server.close({ drainMs: 100 });
    }
  });

  it("cut a handshake that comes too slowly, and a message that inflates too far", async () => {
    await using server = await serve(createRouter({ logger: false, limits: { handshakeTimeoutMs: 200, maxPayloadBytes: 10_000 } }), { port: 0, anonymous: true, compression: true });
    const slow = tcp(server.port, "127.0.0.1");
    slow.on("error", () => undefined).resume();
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
    await once(slow, "close");
    const socket = await open(server.url, { perMessageDeflate: true });
    expect(socket.extensions).toContain("permessage-deflate");
    socket.send("x".repeat(5_000_000));
    const [code] = await once(socket, "close");
    expect(code).toBe(1009);
  });

  it("drain: 503 for newcomers, goaway and 1012 for the others, and nothing is left", async () => {
    const router = createRouter({ logger: false }).use(requireAuth(() => true));
    const server = await serve(router, { port: 0, anonymous: true });
    const socket = await open(server.url);
    const got = frames(socket);
    const closing = server.close({ drainMs: 1000 });
    const [code, reason] = await once(socket, "close");
    await closing;
    expect([code, String(reason), got.map(({ type }) => type)]).toEqual([1012, "server restart", ["$ws:goaway"]]);
    expect(server.connections).toBe(0);
    await server.close();
  });
});
