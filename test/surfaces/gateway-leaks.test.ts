/** Faults on both sides, many times: what is left afterwards. */

import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGateway, type GatewayInstance } from "../../src/gateway.ts";
import { serve, type NodeServer } from "../../src/node.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const handles = (): number => (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles().length;

let upstream: Server;
let gateway: GatewayInstance;
let server: NodeServer;
let before: number;

beforeAll(async () => {
  before = handles();
  upstream = createServer((request, response) => {
    request.on("error", () => {});
    if (request.url === "/reset") {
      response.write("part");
      setTimeout(() => response.socket?.resetAndDestroy(), 1);
    } else if (request.url === "/endless") {
      const timer = setInterval(() => void response.write("x".repeat(1000)), 1);
      response.once("close", () => clearInterval(timer));
    } else if (request.url === "/hang") request.resume();
    else request.resume().on("end", () => response.end("ok"));
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  gateway = createGateway({
    routes: [
      { path: "/throw", pipeline: { upstream: { type: "handler", handler: () => { throw new Error("x"); } } } },
      { path: "/nothing", pipeline: { upstream: { type: "handler", handler: () => undefined as never } } },
      { path: "/*", pipeline: { upstream: { type: "url", target: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, headersTimeoutMs: 100, idleBodyTimeoutMs: 100 } } },
    ],
  });
  server = await serve(gateway, { port: 0, overrideGlobals: false });
});

afterAll(() => void upstream.close());

/** Sends `bytes`; hangs up after `leaveMs`, or when the server does. */
function exchange(bytes: string, leaveMs?: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write(bytes);
      if (leaveMs !== undefined) setTimeout(() => socket.destroy(), leaveMs);
    });
    socket.on("data", () => {});
    socket.on("error", () => {});
    socket.on("close", () => resolve());
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n`;
const stalled = "POST /x HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 100\r\n\r\nabc";

async function round(): Promise<void> {
  await Promise.all([
    exchange(get("/throw")), exchange(get("/nothing")), exchange(get("/%zz")), exchange(get("/fine")), exchange(get("/reset")), exchange(get("/hang")),
    exchange(get("/hang"), 5), exchange(get("/endless"), 10), exchange(stalled), exchange(stalled, 5), exchange("GET / HT", 1), exchange(get("/x").repeat(3)),
  ]);
}

test("faults leave no heap, and closing leaves no handle", async () => {
  const heapAfter = async (rounds: number): Promise<number> => {
    for (let i = 0; i < rounds; i++) await Promise.all(Array.from({ length: 10 }, round));
    await new Promise((resolve) => setTimeout(resolve, 50));
    collect();
    return process.memoryUsage().heapUsed;
  };
  await heapAfter(3);
  const warm = await heapAfter(1);
  const later = await heapAfter(6);
  // 720 faulty exchanges; one that stays behind with its buffers holds tens of kilobytes.
  expect(later - warm).toBeLessThan(3_000_000);
  expect(await (await fetch(`${server.url}/fine`)).text()).toBe("ok");
  await server.close();
  await expect(fetch(`${server.url}/fine`)).rejects.toThrow();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
  await expect.poll(handles, { timeout: 6000, interval: 50 }).toBeLessThanOrEqual(before + 1);
});
