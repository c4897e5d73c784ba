/** One `serve` for everything that can be served on Bun: a gateway, an application with `fetch`, a router of sockets. */

import { type ConnectionData, type RouterOf, type SocketServeOptions, type SocketServer, isRouter } from "../../sockets/adapter.ts";
import type { Listening, Servable } from "../listening.ts";
import { type BunServeOptions, serve as serveHttp } from "./serve.ts";
import { serveSockets } from "./sockets.ts";

/**
 * Serves on a port. Rejects with the system's error (`EADDRINUSE`, `EADDRNOTAVAIL`) when it cannot listen, and with an `OptionError`
 * for a bad option. `env` of an application is Bun's server, so `requestIP` is where Bun users look for it.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * const sockets = await serve(router, { port: 0, authenticate: (request) => userOf(request) });
 * ```
 */
export function serve<Data = ConnectionData>(router: RouterOf<Data>, options?: SocketServeOptions<Data>): Promise<SocketServer>;
export function serve(app: Servable, options?: BunServeOptions): Promise<Listening>;
export async function serve(app: unknown, options: object = {}): Promise<Listening & SocketServer> {
  return (isRouter(app) ? serveSockets(app as RouterOf, options) : serveHttp(app as Servable, options)) as Promise<Listening & SocketServer>;
}
