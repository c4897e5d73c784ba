/** Listens for HTTP on Node, for a gateway or any application with `fetch`; closes gracefully. */

import type { Server, ServerResponse, IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { checkInteger, checkNonNegative } from "../../core/check.ts";
import { systemClock } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { WEB_SOCKETS } from "../../core/web-socket-port.ts";
import { needsStreaming, sendStream } from "./send-stream.ts";
import { acceptUpgrades, webSocketsOf } from "./web-sockets.ts";

/** What can be served: a gateway, a Hono application, anything with `fetch`. */
export interface Servable {
  readonly fetch: (request: Request, env?: never, ctx?: never) => MaybePromise<Response>;
}

export interface ServeOptions {
  /** 0 takes a free one. @default 8787 */
  readonly port?: number;
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** Longest wait for a whole request, header and body; then 408 and the connection closes. 0 is none. @default 300000 */
  readonly requestTimeoutMs?: number;
  /** Longest wait for the header of a request; 0 is none. @default 60000 */
  readonly headersTimeoutMs?: number;
  /** How long an idle connection is kept. @default 5000 */
  readonly keepAliveTimeoutMs?: number;
  /** Longest request header; a longer one is answered with 431. @default 16384 */
  readonly maxHeaderBytes?: number;
  /** Most header fields of one request; more are answered with 431. @default 2000 */
  readonly maxHeaderFields?: number;
  /**
   * Installs the light `Request` and `Response` classes of `@hono/node-server` as globals while the process lives. They
   * make an answer several times cheaper and behave alike; `false` leaves the globals alone. @default true
   */
  readonly overrideGlobals?: boolean;
}

export interface NodeServer {
  readonly port: number;
  readonly hostname: string;
  /** `http://hostname:port`, with a host a client can use. */
  readonly url: string;
  /**
   * Stops accepting, finishes what is in flight, closes idle connections, and after `graceMs` (default 10000) the rest.
   * A gateway that was served is closed first. Idempotent.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_GRACE_MS = 10_000;

/**
 * Serves `app` on a port. Rejects with the system's error (`EADDRINUSE`, `EACCES`) when it cannot listen, and with an
 * `OptionError` for a bad option.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * console.log(server.url);
 * await server.close();
 * ```
 */
export async function serve(app: Servable, options: ServeOptions = {}): Promise<NodeServer> {
  const { port, hostname, overrideGlobals, ...limits } = checkOptions(app, options);
  const fetch = app.fetch as (request: Request, env: unknown) => MaybePromise<Response>;
  const server = createAdaptorServer({
    overrideGlobalObjects: overrideGlobals,
    // A request without Host (HTTP/1.0) still needs an origin.
    hostname: hostname.includes(":") ? `[${hostname}]` : hostname,
    serverOptions: {
      requestTimeout: limits.requestTimeoutMs,
      headersTimeout: limits.headersTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
      // CL with TE, obs-fold, bare CR or LF: llhttp refuses them, and leniency must be asked for.
      insecureHTTPParser: false,
    },
    fetch: (request: Request, env: unknown) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      if (incoming.rawHeaders.length / 2 > limits.maxHeaderFields) return refuse(431);
      if (!hasOneHost(incoming)) return refuse(400);
      const webSockets = webSocketsOf(incoming, outgoing);
      const response = fetch(request, webSockets === undefined ? env : { incoming, outgoing, [WEB_SOCKETS]: webSockets });
      return isPromise(response) ? response.then((ready) => answer(ready, outgoing)) : answer(response, outgoing);
    },
  }) as Server;
  // Fields beyond the maximum would be dropped silently; one more than allowed is enough to refuse.
  server.maxHeadersCount = limits.maxHeaderFields + 1;
  const connections = trackConnections(server);
  acceptUpgrades(server);
  await listen(server, port, hostname);
  const address = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (graceMs: number): Promise<void> => (closed ??= shutDown(app, server, connections, graceMs));
  return {
    port: address.port,
    hostname,
    url: `http://${reachable(hostname)}:${address.port}`,
    close: (closeOptions) => close(checkNonNegative("graceMs", closeOptions?.graceMs ?? DEFAULT_GRACE_MS)),
    [Symbol.asyncDispose]: () => close(DEFAULT_GRACE_MS),
  };
}

function answer(response: Response, outgoing: ServerResponse): MaybePromise<Response> {
  return needsStreaming(response) ? sendStream(response, outgoing) : response;
}

function refuse(status: number): Response {
  return new Response(null, { status, headers: { connection: "close" } });
}

/**
 * RFC 9112 3.2: two `Host` fields are an error, and beside an absolute request target the field is ignored. Whoever
 * reads the field (an upstream) and whoever reads the URL (a cache key) must see one host.
 */
function hasOneHost(incoming: IncomingMessage): boolean {
  const { rawHeaders, url = "" } = incoming;
  let at = -1;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (at !== -1) return false;
    at = i;
  }
  if (at !== -1 && url.charCodeAt(0) !== 47) {
    const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
    if (authority !== undefined) incoming.headers.host = rawHeaders[at + 1] = authority;
  }
  return true;
}

function checkOptions(app: Servable, options: ServeOptions): Required<ServeOptions> {
  if (typeof app?.fetch !== "function") throw new OptionError("app", app, "a gateway, or an application with a fetch method");
  const { hostname = "127.0.0.1", overrideGlobals = true } = options;
  if (typeof hostname !== "string" || hostname === "") throw new OptionError("hostname", hostname, "a host name or address");
  return {
    port: checkInteger("port", options.port ?? 8787, 0, 65_535),
    hostname,
    requestTimeoutMs: checkNonNegative("requestTimeoutMs", options.requestTimeoutMs ?? 300_000),
    headersTimeoutMs: checkNonNegative("headersTimeoutMs", options.headersTimeoutMs ?? 60_000),
    keepAliveTimeoutMs: checkNonNegative("keepAliveTimeoutMs", options.keepAliveTimeoutMs ?? 5000),
    maxHeaderBytes: checkInteger("maxHeaderBytes", options.maxHeaderBytes ?? 16_384, 1024),
    maxHeaderFields: checkInteger("maxHeaderFields", options.maxHeaderFields ?? 2000, 1, 100_000),
    overrideGlobals,
  };
}

function listen(server: Server, port: number, hostname: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function trackConnections(server: Server): Set<Socket> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return open;
}

/** An address to connect to: the unspecified ones are for listening only. */
function reachable(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

async function shutDown(app: Servable, server: Server, connections: Set<Socket>, graceMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => void server.close(() => resolve()));
  server.closeIdleConnections();
  // A connection that is busy now would be kept alive after its answer.
  const sweep = (): void => server.closeIdleConnections();
  server.on("request", (_request, response: ServerResponse) => void response.once("close", sweep));
  const deadline = systemClock.setTimeout(() => {
    for (const socket of connections) socket.destroy();
  }, graceMs);
  const gateway = app as { _registry?: unknown; close?: (options: { graceMs: number }) => Promise<void> };
  const finished = gateway._registry !== undefined && typeof gateway.close === "function" ? gateway.close({ graceMs }) : undefined;
  const sweeper = setInterval(sweep, 50);
  await Promise.all([ended, finished]);
  clearInterval(sweeper);
  systemClock.clearTimeout(deadline);
}
