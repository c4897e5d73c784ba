/** WebSockets on Node, by `ws`: an `upgrade` becomes a request to the application, which may accept it. */

import { ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { WebSocket, WebSocketServer, type RawData } from "ws";
import { systemClock, type TimerHandle } from "../../core/clock.ts";
import { WEB_SOCKET_LIMITS, WebSocketRefused, type WebSocketPeer, type WebSocketRuntime } from "../../core/web-socket-port.ts";

/** A peer that answered no ping for as long is gone: a lost network closes no connection. */
const PING_MS = 30_000;

interface Upgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
}

const upgrades: WeakMap<IncomingMessage, Upgrade> = new WeakMap();

/** Feeds upgrade requests to the server's own request listener; other protocols than WebSocket are served as plain HTTP. */
export function acceptUpgrades(server: Server): void {
  server.on("upgrade", (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    outgoing.assignSocket(socket as Socket);
    socket.on("error", () => socket.destroy());
    outgoing.on("finish", () => {
      outgoing.detachSocket(socket as Socket);
      socket.end();
    });
    // The parser has left this connection, so a body could not be read.
    if (incoming.headers["transfer-encoding"] !== undefined || Number(incoming.headers["content-length"] ?? 0) > 0) {
      outgoing.writeHead(400, { "content-length": 0 });
      outgoing.end();
      return;
    }
    if (incoming.headers.upgrade?.toLowerCase() === "websocket") upgrades.set(incoming, { socket, head });
    server.emit("request", incoming, outgoing);
  });
}

/** The port for this request; `undefined` when it is no upgrade. */
export function webSocketsOf(incoming: IncomingMessage, outgoing: ServerResponse): WebSocketRuntime | undefined {
  const upgrade = upgrades.get(incoming);
  return upgrade === undefined ? undefined : { connect, accept: (_request, protocol) => accept(incoming, outgoing, upgrade, protocol) };
}

function accept(incoming: IncomingMessage, outgoing: ServerResponse, { socket, head }: Upgrade, protocol: string): Promise<{ peer: WebSocketPeer; response: Response }> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) {
      reject(new Error("the client has left"));
      return;
    }
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: WEB_SOCKET_LIMITS.message, perMessageDeflate: false, handleProtocols: () => (protocol === "" ? false : protocol) });
    server.once("wsClientError", (error) => {
      // The application's answer goes out in the place of the handshake.
      if (!socket.destroyed) outgoing.assignSocket(socket as Socket);
      reject(error);
    });
    outgoing.detachSocket(socket as Socket);
    server.handleUpgrade(incoming, socket, head, (client) => resolve({ peer: peerOf(client), response: RESPONSE_ALREADY_SENT }));
  });
}

const connect: WebSocketRuntime["connect"] = (url, { protocols, headers, timeoutMs, signal }) =>
  new Promise((resolve, reject) => {
    const fields: Record<string, string | string[]> = {};
    let host: string | undefined;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      const known = fields[name];
      if (name === "host") host = value;
      fields[name] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value];
    }
    const client = new WebSocket(url, [...protocols], {
      headers: fields,
      ...(host === undefined ? undefined : { host }),
      followRedirects: false,
      perMessageDeflate: false,
      maxPayload: WEB_SOCKET_LIMITS.message,
      ...(timeoutMs === 0 ? undefined : { handshakeTimeout: timeoutMs }),
    });
    const onAbort = (): void => {
      client.terminate();
      reject(signal.reason);
    };
    const done = (): void => signal.removeEventListener("abort", onAbort);
    signal.addEventListener("abort", onAbort, { once: true });
    // Frames may come with the handshake's answer: nothing is read before somebody listens.
    client.once("upgrade", () => client.pause());
    client.once("open", () => {
      done();
      client.pause();
      resolve(peerOf(client));
    });
    client.once("unexpected-response", (request, response) => {
      done();
      response.resume();
      request.destroy();
      reject(new WebSocketRefused(response.statusCode ?? 502));
    });
    client.on("error", (error) => {
      done();
      reject(error);
    });
  });

function peerOf(socket: WebSocket): WebSocketPeer {
  let alive = true;
  const watch = watchdog(() => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping();
  });
  socket.on("pong", () => (alive = true));
  socket.on("error", () => {});
  socket.on("close", watch);
  return {
    protocol: socket.protocol,
    send(data) {
      if (socket.readyState !== WebSocket.OPEN) return undefined;
      if (socket.bufferedAmount < WEB_SOCKET_LIMITS.highWater) {
        socket.send(data, ignore);
        return undefined;
      }
      return new Promise((resolve) => socket.send(data, () => resolve()));
    },
    close(code, reason) {
      if (socket.readyState === WebSocket.CLOSING || socket.readyState === WebSocket.CLOSED) return;
      // A paused socket would never read the other side's half of the handshake.
      socket.resume();
      socket.close(code, reason);
    },
    terminate: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    listen(onMessage, onClose) {
      socket.on("message", (data: RawData, binary: boolean) => {
        alive = true;
        onMessage(binary ? bytesOf(data) : bytesOf(data).toString("utf8"));
      });
      socket.on("close", (code, reason) => onClose(code, reason.toString("utf8")));
      if (socket.readyState === WebSocket.CLOSED) onClose(1006, "");
      else socket.resume();
    },
  };
}

const ignore = (): void => {};

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Calls `tick` every {@link PING_MS}; gives what stops it. */
function watchdog(tick: () => void): () => void {
  let timer: TimerHandle;
  const arm = (): void => {
    timer = systemClock.setTimeout(() => {
      tick();
      arm();
    }, PING_MS);
  };
  arm();
  return () => {
    systemClock.clearTimeout(timer);
    timer = undefined;
  };
}
