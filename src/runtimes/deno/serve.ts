/** Listens for HTTP on Deno, for a gateway or any application with `fetch`; closes gracefully. */

import { systemClock } from "../../core/clock.ts";
import { SluiceError } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { failed, isHost, refusalOf, refuse } from "../framing.ts";
import { withWebSockets } from "./web-sockets.ts";
import { checkListen, listening, type ListenOptions, type Listening, type Servable } from "../listening.ts";

/** Options of `serve` on Deno. Limits of a request's header are the runtime's own: 100 fields, 64 KiB or so. */
export interface DenoServeOptions extends ListenOptions {}

/** What of the `Deno` global is used. */
interface DenoServer {
  readonly addr: { readonly port: number };
  readonly finished: Promise<void>;
  shutdown(): Promise<void>;
  unref(): void;
}
interface DenoGlobal {
  serve(
    options: { port: number; hostname: string; signal: AbortSignal; onListen: () => void; onError: (error: unknown) => Response },
    handler: (request: Request, info: unknown) => MaybePromise<Response>,
  ): DenoServer;
}

/**
 * Serves `app` on a port. `env` of the application is the `info` of `Deno.serve`, so `remoteAddr` is where Deno users look
 * for it. Rejects with the system's error (`EADDRINUSE`, `EADDRNOTAVAIL`) when it cannot listen, and with an `OptionError`
 * for a bad option.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * console.log(server.url);
 * await server.close();
 * ```
 */
export async function serve(app: Servable, options: DenoServeOptions = {}): Promise<Listening> {
  const { port, hostname } = checkListen(app, options);
  const { Deno: deno } = globalThis as { Deno?: DenoGlobal };
  if (typeof deno?.serve !== "function") throw new SluiceError("RUNTIME_UNSUPPORTED", 'serve of "sluice/deno" runs on Deno; import it from "sluice/node" or "sluice/bun" there');
  const fetch = app.fetch as (request: Request, env: unknown) => MaybePromise<Response>;
  const pending = new Set<(response: Response) => void>();
  const force = new AbortController();
  const server = deno.serve(
    // Errors of a body are seen by the client as a connection that breaks, and are not its to read.
    { port, hostname, signal: force.signal, onListen: () => {}, onError: () => new Response(null, { status: 500 }) },
    (request, info) => {
      const refused = refusalOf(request);
      if (refused !== undefined) return refuse(refused);
      try {
        const proper = withOneHost(request);
        if (proper === undefined) return refuse(400);
        if (proper.headers.get("upgrade")?.toLowerCase() === "websocket") return acceptingSockets(fetch, proper, request, info);
        const answer = fetch(proper, info);
        return isPromise(answer) ? untilGraceEnds(answer, pending) : answer;
      } catch (error) {
        return failed(error);
      }
    },
  );
  return listening(app, { port: server.addr.port, hostname }, options.signal, (graceMs) => shutDown(server, force, pending, graceMs));
}

/** A handshake that the application accepts is completed by Deno's own answer; what it answers otherwise goes out as it is. */
async function acceptingSockets(fetch: (request: Request, env: unknown) => MaybePromise<Response>, proper: Request, request: Request, info: unknown): Promise<Response> {
  let handshake: Response | undefined;
  try {
    const answer = await fetch(proper, withWebSockets(info, request, (response) => void (handshake = response)));
    return handshake ?? answer;
  } catch (error) {
    return handshake ?? failed(error);
  }
}

/**
 * Deno leaves an absolute request target in `url` and the field in `headers`. The target counts (RFC 9112 3.2.2), and who
 * reads the field must see the same host. `undefined` for a target that is no host of http.
 */
function withOneHost(request: Request): Request | undefined {
  const { url, headers } = request;
  const at = url.indexOf("://") + 3;
  const host = headers.get("host");
  if (host === null || host === "") return request;
  const next = url.charCodeAt(at + host.length);
  // "/", "?", "#" or the end.
  if (url.startsWith(host, at) && (next === 47 || next === 63 || next === 35 || Number.isNaN(next))) return request;
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  if (authority === undefined || !isHost(authority)) return undefined;
  const own = new Headers(headers);
  own.set("host", authority);
  return new Request(request, { headers: own });
}

/** Once a graceful shutdown has begun, Deno cuts nothing any more: what does not answer by itself is answered for. */
function untilGraceEnds(answer: Promise<Response>, pending: Set<(response: Response) => void>): Promise<Response> {
  return new Promise((resolve) => {
    pending.add(resolve);
    const settle = (response: Response): void => {
      pending.delete(resolve);
      resolve(response);
    };
    answer.then(settle, (error: unknown) => settle(failed(error)));
  });
}

async function shutDown(server: DenoServer, force: AbortController, pending: Set<(response: Response) => void>, graceMs: number): Promise<void> {
  if (graceMs === 0) {
    force.abort();
    await server.finished;
    return;
  }
  let over = (): void => {};
  const deadline = systemClock.setTimeout(() => {
    for (const settle of pending) settle(new Response(null, { status: 503, headers: { connection: "close" } }));
    server.unref();
    over();
  }, graceMs, true);
  await Promise.race([server.shutdown(), new Promise<void>((resolve) => (over = resolve))]);
  systemClock.clearTimeout(deadline);
}
