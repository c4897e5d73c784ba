/** `serve` on Node. */

import { type ServeAny, serveAny } from "../serve-any.ts";
import { type NodeServer, type ServeOptions, serve as serveHttp } from "./serve.ts";
import { serveSockets } from "./sockets.ts";

/**
 * Serves on a port. Rejects with the system's error (`EADDRINUSE`, `EACCES`) when it cannot listen, and with an `OptionError` for a bad
 * option.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * const sockets = await serve(router, { port: 0, authenticate: (request) => userOf(request) });
 * ```
 */
export const serve: ServeAny<ServeOptions, NodeServer, { readonly ws?: object }> = /* @__PURE__ */ serveAny(serveHttp, serveSockets);
