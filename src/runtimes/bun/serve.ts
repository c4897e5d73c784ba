/** Listens for HTTP on Bun, for a gateway or any application with `fetch`; closes gracefully. */

import { checkNonNegative } from "../../core/check.ts";
import { systemClock } from "../../core/clock.ts";
import { OptionError, SluiceError } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { failed, refusalOf, refuse } from "../framing.ts";
import { socketHandler, withWebSockets } from "./web-sockets.ts";
import { checkListen, listening, reachable, type ListenOptions, type Listening, type Servable } from "../listening.ts";

export interface BunServeOptions extends ListenOptions {
  /**
   * How long a silent connection is kept, in ms; at most 255000, 0 is for ever. Waiting for the application is no silence,
   * and event streams may be silent for ever. @default 60000
   */
  readonly idleTimeoutMs?: number;
}

/** What of the `Bun` global is used. */
interface BunServer {
  readonly port: number;
  readonly pendingRequests: number;
  stop(closeActive: boolean): Promise<void>;
  timeout(request: Request, seconds: number): void;
}
interface BunGlobal {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    maxRequestBodySize: number;
    reusePort: false;
    development: false;
    websocket: object;
    fetch: (request: Request, server: BunServer) => MaybePromise<Response>;
    error: (error: unknown) => Response;
  }): BunServer;
}

/** Bun's own maximum, in seconds. */
const MAX_IDLE_SECONDS = 255;

/** How often a server that closes looks for requests, and after how many empty looks nothing is in flight. */
const LOOK_MS = 25;
const QUIET_LOOKS = 8;

/**
 * Serves `app` on a port. `env` of the application is Bun's server, so `requestIP` is where Bun users look for it. Rejects
 * with the system's error (`EADDRINUSE`, `EADDRNOTAVAIL`) when it cannot listen, and with an `OptionError` for a bad option.
 *
 * ```ts
 * const server = await serve(gateway, { port: 8787 });
 * console.log(server.url);
 * await server.close();
 * ```
 */
export async function serve(app: Servable, options: BunServeOptions = {}): Promise<Listening> {
  const { port, hostname } = checkListen(app, options);
  const idleSeconds = Math.ceil(checkNonNegative("idleTimeoutMs", options.idleTimeoutMs ?? 60_000) / 1000);
  if (idleSeconds > MAX_IDLE_SECONDS) throw new OptionError("idleTimeoutMs", options.idleTimeoutMs, `at most ${MAX_IDLE_SECONDS * 1000}`);
  const { Bun: bun } = globalThis as { Bun?: BunGlobal };
  if (typeof bun?.serve !== "function") throw new SluiceError("RUNTIME_UNSUPPORTED", 'serve of "sluice/bun" runs on Bun; import it from "sluice/node" or "sluice/deno" there');
  const fetch = app.fetch as (request: Request, env: unknown) => MaybePromise<Response>;

  const answered = (request: Request, server: BunServer, response: Response): Response => {
    if (!isEventStream(response)) server.timeout(request, idleSeconds);
    return response;
  };
  const server = bun.serve({
    port,
    hostname,
    idleTimeout: idleSeconds,
    // Bodies stream, so their size is the application's business. Bun's default is 128 MiB.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Without it, a port that is taken would be shared.
    reusePort: false,
    // Its error pages show the source.
    development: false,
    websocket: socketHandler,
    fetch(request, self) {
      const refused = refusalOf(request);
      if (refused !== undefined) return refuse(refused);
      // Without a host (HTTP/1.0) the URL is a bare path.
      const absolute = request.url.startsWith("/");
      if (!absolute && request.headers.get("upgrade")?.toLowerCase() === "websocket") return acceptingSockets(fetch, request, self) as Promise<Response>;
      const response = absolute ? fetch(withOrigin(request, hostname, self.port), addressOf(request, self)) : fetch(request, self);
      if (!isPromise(response)) {
        if (isEventStream(response)) self.timeout(request, 0);
        return response;
      }
      // The timeout counts while the application works, and stays with the connection.
      self.timeout(request, 0);
      return response.then((ready) => answered(request, self, ready));
    },
    error: failed,
  });
  return listening(app, { port: server.port, hostname }, options.signal, (graceMs) => shutDown(server, graceMs));
}

/** Bun answers a handshake that the application accepts by itself. */
async function acceptingSockets(fetch: (request: Request, env: unknown) => MaybePromise<Response>, request: Request, server: BunServer): Promise<Response | undefined> {
  let taken = false;
  try {
    const answer = await fetch(request, withWebSockets(addressOf(request, server), server, request, () => void (taken = true)));
    return taken ? undefined : answer;
  } catch (error) {
    return taken ? undefined : failed(error);
  }
}

function isEventStream(response: Response): boolean {
  return response.headers?.get("content-type")?.startsWith("text/event-stream") === true;
}

function withOrigin(request: Request, hostname: string, port: number): Request {
  return new Request(`http://${reachable(hostname)}:${port}${request.url}`, request);
}

/** Bun knows the address of its own request objects only. */
function addressOf(request: Request, server: BunServer): BunServer {
  const known = (server as unknown as { requestIP(request: Request): unknown }).requestIP(request);
  return Object.create(server, { requestIP: { value: () => known } }) as BunServer;
}

/**
 * Bun waits for every connection, also for one whose request never comes. With nothing in flight for a while, those that
 * are left are cut.
 */
async function shutDown(server: BunServer, graceMs: number): Promise<void> {
  const stopped = server.stop(graceMs === 0);
  const deadline = systemClock.monotonic() + graceMs;
  let done = false;
  void stopped.then(() => (done = true), () => (done = true));
  for (let quiet = 0; !done && quiet < QUIET_LOOKS && systemClock.monotonic() < deadline; ) {
    await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, LOOK_MS, true));
    quiet = server.pendingRequests === 0 ? quiet + 1 : 0;
  }
  if (!done) await server.stop(true);
}
