/** One `serve` for everything that can be served: a gateway, an application with `fetch`, a router of sockets. */

import { type ConnectionData, type RouterOf, type SocketServeOptions, type SocketServer, isRouter } from "../sockets/adapter.ts";
import type { Servable } from "./listening.ts";

/** `SocketExtra`: options for sockets of that runtime alone. */
export interface ServeAny<Options, Server, SocketExtra = object> {
  <Data = ConnectionData>(router: RouterOf<Data>, options?: SocketServeOptions<Data> & SocketExtra): Promise<SocketServer>;
  (app: Servable, options?: Options): Promise<Server>;
}

export function serveAny<Options, Server, SocketExtra = object>(
  serveHttp: (app: Servable, options: Options) => Promise<Server>,
  serveSockets: (router: RouterOf<never>, options: never) => Promise<SocketServer>,
): ServeAny<Options, Server, SocketExtra> {
  const serve = async (app: unknown, options: object = {}): Promise<Server | SocketServer> =>
    isRouter(app) ? serveSockets(app as RouterOf<never>, options as never) : serveHttp(app as Servable, options as Options);
  return serve as ServeAny<Options, Server, SocketExtra>;
}
