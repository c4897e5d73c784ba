/** Sockets on Node: `ws` does the framing of what comes in, an `http.Server` of ours or of the caller's the rest. */

import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type * as ws from "ws";
import { checkNonNegative } from "../../core/check.ts";
import { systemClock } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import {
  type Admission, type Connection, type ConnectionData, DEFAULT_DRAIN_MS, type Hub, type Refusal, type RouterOf, SERVE_OPTIONS, type ServerOptions, type SocketServeOptions, type SocketServer,
  abandon, coreOf, handshake, notAnUpgrade, refusal, refusalBody, resolveListen, resolveServer, socketUrl, wireCode,
} from "../../sockets/adapter.ts";
import { RawFields, toRequest, writeResponse } from "./sockets-http.ts";
import { NodeTransport } from "./sockets-transport.ts";
import { TurnWriter } from "./turn-writer.ts";

type WsModule = typeof ws;
type WsServer = InstanceType<WsModule["WebSocketServer"]>;

export interface NodeSocketOptions<Data = ConnectionData> extends ServerOptions<Data> {
  /** Permessage-deflate. @default false */
  readonly compression?: boolean;
  /** Another copy of the module `ws`, 8.16 or later. @default the one this package depends on, imported when the first client comes */
  readonly ws?: object;
}

/**
 * Newcomers the system keeps until they are accepted; it takes at most its own limit (Linux: `net.core.somaxconn`, 4096).
 * After a restart everybody comes at once, and whom the queue has no room for tries again after seconds, up to a minute.
 */
const BACKLOG = 65_535;

/** A router on an `http.Server` of the caller's. */
export interface NodeSocketHandler {
  /** For `server.on("upgrade", handler.upgrade)`. Paths that are not the router's are left to others. */
  readonly upgrade: (request: object, socket: object, head: Uint8Array) => void;
  /** Connections that are open. */
  readonly connections: number;
  /** Drains; the server stays the caller's and open. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Attaches a router to an `http.Server`.
 *
 * ```ts
 * const handler = createNodeHandler(router, { anonymous: true, path: "/ws" });
 * server.on("upgrade", handler.upgrade);
 * ```
 */
export function createNodeHandler<Data = ConnectionData>(router: RouterOf<Data>, options: NodeSocketOptions<Data> = {}): NodeSocketHandler {
  const { hub, upgrade } = attach(router, options, false);
  const close = (drainMs: number): Promise<void> => hub.drain(checkNonNegative("drainMs", drainMs));
  return {
    upgrade: upgrade as NodeSocketHandler["upgrade"],
    get connections() {
      return hub.connections.size;
    },
    close: (closeOptions) => close(closeOptions?.drainMs ?? DEFAULT_DRAIN_MS),
    [Symbol.asyncDispose]: () => close(DEFAULT_DRAIN_MS),
  };
}

function attach<Data>(router: RouterOf<Data>, options: NodeSocketOptions<Data>, owned: boolean, onAccepted?: (socket: Duplex) => void): { readonly hub: Hub; readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void } {
  const core = coreOf(router);
  const { compression = false, ws: given } = options;
  const server = resolveServer(options, ["compression", "ws"]);
  if (typeof compression !== "boolean") throw new OptionError("compression", compression, "true or false");
  core.serverHooks(options);
  const hub = core.hub(server);
  const writer = new TurnWriter();
  /** Whom an upgrade is being answered for: that is one synchronous step. */
  let admitted: Admission | undefined;
  let wsServer: WsServer | undefined;
  let loading: Promise<WsServer> | undefined;
  const load = async (): Promise<WsServer> => {
    const module = (given ?? (await import("ws"))) as WsModule;
    const { maxPayloadBytes, transportPayloadBytes } = hub.options.limits;
    const max = Math.max(maxPayloadBytes, transportPayloadBytes);
    wsServer = new module.WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: max === Infinity ? 0 : max,
      perMessageDeflate: compression ? { threshold: 1024, serverNoContextTakeover: true, clientNoContextTakeover: true, concurrencyLimit: 4 } : false,
      // The subprotocol is the handshake's to choose.
      handleProtocols: () => admitted?.protocol ?? false,
    });
    wsServer.on("headers", (headers: string[]) => {
      for (const [name, value] of Object.entries(admitted?.headers ?? {})) headers.push(`${name}: ${value}`);
    });
    return wsServer;
  };
  const accept = (wss: WsServer, request: IncomingMessage, socket: Duplex, head: Uint8Array, admission: Admission): void => {
    if (socket.destroyed) return abandon(hub, admission);
    admitted = admission;
    try {
      wss.handleUpgrade(request, socket, Buffer.from(head), (raw) => {
        admitted = undefined;
        // From here on `ws` hears of errors, and the hub of the end.
        socket.removeListener("error", ignore);
        onAccepted?.(socket);
        try {
          connectionOf(hub, writer, admission, raw, socket);
        } catch (error) {
          // It is upgraded: nothing that could be said of it is HTTP any more.
          abandon(hub, admission);
          raw.terminate();
          hub.reportError(error, undefined, "upgrade");
        }
      });
    } finally {
      // Still here: `ws` has refused it.
      if (admitted !== undefined) abandon(hub, admission);
      admitted = undefined;
    }
  };
  const decide = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    socket.on("error", ignore);
    if (request.method !== "GET" || request.headers.upgrade?.toLowerCase() !== "websocket") return refuse(socket, refusal(400, "BAD_UPGRADE", "not a WebSocket upgrade"));
    const size = request.rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
    if (size > hub.options.limits.maxHeaderBytes) return refuse(socket, refusal(431, "HEADER_TOO_LARGE", "the header is too large"));
    const decision = handshake(hub, { url: absoluteUrl(request), headers: new RawFields(request.rawHeaders), peer: (socket as Socket).remoteAddress });
    const failed = (error: unknown): void => {
      hub.reportError(error, undefined, "upgrade");
      refuse(socket, refusal(500, "UPGRADE_FAILED", "the upgrade failed"));
    };
    const settle = (result: Admission | Refusal): void => {
      if (result.refused === true) return refuse(socket, result);
      if (wsServer !== undefined) {
        try {
          return accept(wsServer, request, socket, head, result);
        } catch (error) {
          return failed(error);
        }
      }
      (loading ??= load()).then(
        (wss) => accept(wss, request, socket, head, result),
        (error: unknown) => {
          abandon(hub, result);
          throw error;
        },
      ).catch(failed);
    };
    if (isPromise(decision)) void decision.then(settle);
    else settle(decision);
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    // Others may serve other paths of a server that is not ours.
    if (!owned && server.path !== undefined && pathOf(request) !== server.path) return;
    decide(request, socket, head);
  };
  return { hub, upgrade };
}

/** The connection of a socket. Its listeners are the same functions for all: five closures each would be a good part of an idle connection. */
function connectionOf(hub: Hub, writer: TurnWriter, admission: Admission, raw: ws.WebSocket, socket: Duplex): void {
  raw.binaryType = "nodebuffer";
  const transport = new NodeTransport(raw, socket, writer, raw.extensions.includes("permessage-deflate"));
  transport.connection = (raw as Connected)[CONNECTION] = (socket as Connected)[CONNECTION] = hub.open(admission, transport);
  raw.on("message", onMessage).on("pong", onSign).on("ping", onSign).on("error", onError).on("close", onClose);
  socket.on("drain", onDrain);
}

const CONNECTION: unique symbol = Symbol("connection");
type Connected = { [CONNECTION]?: Connection };

function onMessage(this: unknown, data: Buffer, binary: boolean): void {
  (this as Connected)[CONNECTION]?.receive(binary ? data : data.toString("utf8"), data.length);
}

function onSign(this: unknown): void {
  (this as Connected)[CONNECTION]?.seen();
}

function onError(this: unknown, error: Error & { code?: string }): void {
  const connection = (this as Connected)[CONNECTION];
  if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") connection?.transportTooBig(connection.hub.options.limits.transportPayloadBytes);
}

function onClose(this: unknown, code: number, reason: Buffer): void {
  void (this as Connected)[CONNECTION]?.closed(wireCode(code), reason.toString("utf8"));
}

function onDrain(this: unknown): void {
  (this as Connected)[CONNECTION]?.outbox.drained();
}

function ignore(): void {
  // A socket that fails is closed, which is heard.
}

/** Serves a router on a port. Rejects with the system's error when it cannot listen. */
export async function serveSockets<Data = ConnectionData>(router: RouterOf<Data>, options: SocketServeOptions<Data> & Pick<NodeSocketOptions, "ws"> = {}): Promise<SocketServer> {
  const listening = resolveListen(options as SocketServeOptions<never>);
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !SERVE_OPTIONS.includes(name) || name === "compression")) as NodeSocketOptions<Data>;
  const { signal } = options;
  if (signal?.aborted === true) throw signal.reason;
  /** Those that are no connection of the hub, or not yet. */
  const sockets = new Set<Duplex>();
  const forget = function (this: Duplex): void {
    sockets.delete(this);
  };
  const { hub, upgrade } = attach(router, rest, true, (socket) => {
    sockets.delete(socket);
    socket.removeListener("close", forget);
  });
  const { handshakeTimeoutMs, maxHeaderBytes } = hub.options.limits;
  const answer = (request: IncomingMessage, response: ServerResponse): void => void respond(listening.fetch, request, response);
  const timeouts = { headersTimeout: handshakeTimeoutMs, requestTimeout: listening.fetch === undefined ? handshakeTimeoutMs : 300_000, connectionsCheckingInterval: Math.min(1000, handshakeTimeoutMs), maxHeaderSize: maxHeaderBytes };
  const http: Server = listening.tls === undefined ? createServer(timeouts, answer) : (createTlsServer({ ...timeouts, key: listening.tls.key as string, cert: listening.tls.cert as string }, answer) as unknown as Server);
  http.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", forget);
  });
  http.on("upgrade", upgrade);
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen({ port: listening.port, host: listening.hostname, backlog: BACKLOG }, () => {
      http.removeListener("error", reject);
      resolve();
    });
  }).catch((error: unknown) => {
    void hub.drain(0);
    throw error;
  });
  const { port } = http.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (drainMs: number): Promise<void> =>
    (closed ??= (async () => {
      signal?.removeEventListener("abort", onAbort);
      const ended = new Promise<void>((resolve) => void http.close(() => resolve()));
      http.closeIdleConnections();
      await hub.drain(drainMs);
      // Nothing of ours is open any more: what is left is somebody who talks without end.
      http.closeAllConnections();
      const last = systemClock.setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 200, true);
      await ended;
      systemClock.clearTimeout(last);
    })());
  const onAbort = (): void => void close(DEFAULT_DRAIN_MS);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port,
    hostname: listening.hostname,
    url: socketUrl(listening.hostname, port, listening.tls !== undefined),
    get connections() {
      return hub.connections.size;
    },
    capabilities: { runtime: "node", backpressure: true, compression: listening.compression, ping: true },
    close: (closeOptions) => close(checkNonNegative("drainMs", closeOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    drain: (drainOptions) => hub.drain(checkNonNegative("drainMs", drainOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    [Symbol.asyncDispose]: () => close(DEFAULT_DRAIN_MS),
  };
}

async function respond(fetch: SocketServeOptions["fetch"], request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    if (fetch !== undefined) return await writeResponse(await fetch(toRequest(request, absoluteUrl(request)), { ip: request.socket.remoteAddress }), response);
  } catch {
    if (!response.headersSent) return void response.writeHead(500).end();
    return void response.destroy();
  }
  const refused = notAnUpgrade(new RawFields(request.rawHeaders));
  response.writeHead(refused.status, { ...refused.headers, "content-type": "application/problem+json" }).end(refusalBody(refused));
}

function refuse(socket: Duplex, refused: Refusal): void {
  if (!socket.writable) return void socket.destroy();
  const body = Buffer.from(refusalBody(refused));
  const headers = { ...refused.headers, "content-type": "application/problem+json", "content-length": String(body.length), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${refused.status} ${refused.code}\r\n${lines}\r\n`), body]));
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] as string;
}

function absoluteUrl(request: IncomingMessage): string {
  const secure = (request.socket as { encrypted?: boolean }).encrypted === true;
  const target = request.url ?? "/";
  return target.startsWith("/") ? `${secure ? "https" : "http"}://${request.headers.host ?? "localhost"}${target}` : target;
}
