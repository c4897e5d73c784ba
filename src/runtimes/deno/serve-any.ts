/** `serve` on Deno. */

import type { Listening } from "../listening.ts";
import { type ServeAny, serveAny } from "../serve-any.ts";
import { type DenoServeOptions, serve as serveHttp } from "./serve.ts";
import { serveSockets } from "./sockets.ts";

/**
 * Serves on a port. Rejects with the system's error (`EADDRINUSE`, `EADDRNOTAVAIL`) when it cannot listen, and with an `OptionError`
 * for a bad option. `env` of an application is the `info` of `Deno.serve`, so `remoteAddr` is where Deno users look for it.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * const sockets = await serve(router, { port: 0, authenticate: (request) => userOf(request) });
 * ```
 */
export const serve: ServeAny<DenoServeOptions, Listening> = /* @__PURE__ */ serveAny(serveHttp, serveSockets);
