import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import * as ws from "ws";
import { systemClock } from "../../core/clock.ts";
import { createRouter } from "../../sockets.ts";
import { createNodeHandler } from "./sockets.ts";

/** A copy of `ws` whose sockets are no sockets that can be used, as long as `broken` says so. */
function copyOfWs(state: { broken: boolean }): object {
  class Server extends ws.WebSocketServer {
    override handleUpgrade(...[request, socket, head, done]: Parameters<ws.WebSocketServer["handleUpgrade"]>): void {
      super.handleUpgrade(request, socket, head, (raw, from) => done(state.broken ? Object.defineProperty(raw, "extensions", { value: undefined }) : raw, from));
    }
  }
  return { ...ws, WebSocketServer: Server };
}

it.each(["before it is in the books of the hub", "after that"])("a socket of which no connection can be made gives its place back: %s", async (when) => {
  const state = { broken: true };
  const early = when.startsWith("before");
  const errors: unknown[] = [];
  const clock = early ? systemClock : { ...systemClock, setTimeout: (...timer: Parameters<typeof systemClock.setTimeout>) => {
    if (state.broken) throw new Error("no timer");
    return systemClock.setTimeout(...timer);
  } };
  const router = createRouter({ logger: false, clock, limits: { maxConnections: 1, connectionRate: false } }).onError((error) => void errors.push(error));
  const server = createServer();
  await using handler = createNodeHandler(router, { anonymous: true, ...(early ? { ws: copyOfWs(state) } : {}) });
  server.on("upgrade", handler.upgrade);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  for (let i = 0; i < 3; i++) {
    const client = new ws.WebSocket(url);
    // It was upgraded: an answer of HTTP, which is no frame, would be an error here.
    expect((await once(client, "close"))[0]).toBe(1006);
  }
  expect([errors.length, handler.connections]).toEqual([3, 0]);
  state.broken = false;
  const client = new ws.WebSocket(url);
  await once(client, "open");
  expect(handler.connections).toBe(1);
  client.terminate();
  server.close();
});
