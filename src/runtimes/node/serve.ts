/** Listens for HTTP on Node, for a gateway or any application with `fetch`; closes gracefully. */

import { createServer, type Server, type ServerResponse, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { checkInteger, checkNonNegative } from "../../core/check.ts";
import { systemClock } from "../../core/clock.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { WEB_SOCKETS } from "../../core/web-socket-port.ts";
import { failed, refuse } from "../framing.ts";
import { checkListen, listening, type ListenOptions, type Listening, type Servable } from "../listening.ts";
import { InterimServerResponse } from "./interim-response.ts";
import { needsStreaming, sendStream } from "./send-stream.ts";
import { acceptUpgrades, webSocketsOf } from "./web-sockets.ts";

export interface ServeOptions extends ListenOptions {
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

export interface NodeServer extends Listening {}

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
  const answerRequest = (request: Request, env: unknown): MaybePromise<Response> => {
    const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
    if (incoming.rawHeaders.length / 2 > limits.maxHeaderFields) return refuse(431);
    if (!hasOneHost(incoming)) return refuse(400);
    const coding = incoming.headers["transfer-encoding"];
    // The parser takes any coding for the end of the connection (RFC 9112 6.3).
    if (coding !== undefined && coding.toLowerCase() !== "chunked") return refuse(501);
    try {
      const webSockets = webSocketsOf(incoming, outgoing);
      const response = fetch(request, webSockets === undefined ? env : { incoming, outgoing, [WEB_SOCKETS]: webSockets });
      return isPromise(response) ? response.then((ready) => answer(ready, outgoing), failed) : answer(response, outgoing);
    } catch (error) {
      return failed(error);
    }
  };
  const listener = getRequestListener(answerRequest, {
    overrideGlobalObjects: overrideGlobals,
    // A request without Host (HTTP/1.0) still needs an origin.
    hostname: hostname.includes(":") ? `[${hostname}]` : hostname,
    // A request that cannot be made into one: a bad Host, a target such as "*".
    errorHandler: (error: unknown) => ((error as { name?: unknown } | null)?.name === "RequestError" ? refuse(400) : failed(error)),
  });
  const server = createServer({
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes,
    // CL with TE, obs-fold, bare CR or LF: llhttp refuses them, and leniency must be asked for.
    insecureHTTPParser: false,
    ServerResponse: InterimServerResponse,
  }, listener);
  // Fields beyond the maximum would be dropped silently; one more than allowed is enough to refuse.
  server.maxHeadersCount = limits.maxHeaderFields + 1;
  const connections = trackConnections(server);
  acceptUpgrades(server);
  await listen(server, port, hostname);
  const address = server.address() as AddressInfo;
  return listening(app, { port: address.port, hostname }, options.signal, (graceMs) => shutDown(server, connections, graceMs));
}

function answer(response: Response, outgoing: ServerResponse): MaybePromise<Response> {
  return needsStreaming(response) ? sendStream(response, outgoing) : response;
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

function checkOptions(app: Servable, options: ServeOptions): Required<Omit<ServeOptions, "signal">> {
  return {
    ...checkListen(app, options),
    requestTimeoutMs: checkNonNegative("requestTimeoutMs", options.requestTimeoutMs ?? 300_000),
    headersTimeoutMs: checkNonNegative("headersTimeoutMs", options.headersTimeoutMs ?? 60_000),
    keepAliveTimeoutMs: checkNonNegative("keepAliveTimeoutMs", options.keepAliveTimeoutMs ?? 5000),
    maxHeaderBytes: checkInteger("maxHeaderBytes", options.maxHeaderBytes ?? 16_384, 1024),
    maxHeaderFields: checkInteger("maxHeaderFields", options.maxHeaderFields ?? 2000, 1, 100_000),
    overrideGlobals: options.overrideGlobals ?? true,
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

async function shutDown(server: Server, connections: Set<Socket>, graceMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => void server.close(() => resolve()));
  server.closeIdleConnections();
  // A connection that is busy now would be kept alive after its answer.
  const sweep = (): void => server.closeIdleConnections();
  server.on("request", (_request, response: ServerResponse) => void response.once("close", sweep));
  const deadline = systemClock.setTimeout(() => {
    for (const socket of connections) socket.destroy();
  }, graceMs);
  const sweeper = setInterval(sweep, 50);
  await ended;
  clearInterval(sweeper);
  systemClock.clearTimeout(deadline);
}
