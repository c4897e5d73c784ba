/** Sockets on Deno: `Deno.serve` and `Deno.upgradeWebSocket`. */

import { checkNonNegative } from "../../core/check.ts";
import { OptionError, SluiceError } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import {
  type Admission, type ConnectionData, DEFAULT_DRAIN_MS, type Frame, type Hub, type Refusal, type RouterOf, SERVE_OPTIONS, type ServerOptions, type SocketServeOptions, type SocketServer,
  type Transport, abandon, coreOf, handshake, notAnUpgrade, refusalResponse, resolveListen, resolveServer, socketUrl, wireCode,
} from "../../sockets/adapter.ts";
import { withSpacedProtocols } from "./spaced-protocols.ts";

interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}

interface DenoNamespace {
  serve(options: object, handler: (request: Request, info: { readonly remoteAddr: { readonly hostname?: string } }) => MaybePromise<Response>): DenoServer;
  upgradeWebSocket(request: Request, options: { readonly protocol?: string; readonly idleTimeout: number; readonly headers?: Record<string, string> }): { readonly socket: WebSocket; readonly response: Response };
}

/** Options of `createDenoHandler`: those of `serve` without what `Deno.serve` itself is told. */
export interface DenoSocketOptions<Data = ConnectionData> extends ServerOptions<Data>, Pick<SocketServeOptions<Data>, "fetch"> {}

/** For `Deno.serve(handler.fetch)`. */
export interface DenoSocketHandler {
  readonly fetch: (request: Request, info?: object) => MaybePromise<Response>;
  /** Connections that are open. */
  readonly connections: number;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

class DenoTransport implements Transport {
  readonly raw: WebSocket;
  readonly #gone: () => void;

  constructor(raw: WebSocket, gone: () => void) {
    this.raw = raw;
    this.#gone = gone;
  }

  get readyState(): number {
    return this.raw.readyState;
  }

  get bufferedAmount(): number {
    return this.raw.bufferedAmount;
  }

  send(frame: Frame): void {
    if (this.raw.readyState !== 1) return;
    try {
      this.raw.send(frame.data as string);
    } catch {
      // Its close event tells the rest.
    }
  }

  close(code: number, reason: string): void {
    try {
      this.raw.close(code, reason);
    } catch {
      // The standard refuses codes below 3000 but 1000; Deno sends them all, and what it does not is a plain close.
      this.raw.close();
    }
  }

  /** There is no way to reset the socket: it is closed, and nobody waits for the answer. */
  terminate(): void {
    this.raw.close();
    this.#gone();
  }
}

/** A router as a handler of `Deno.serve`. */
export function createDenoHandler<Data = ConnectionData>(router: RouterOf<Data>, options: DenoSocketOptions<Data> = {}): DenoSocketHandler {
  const { hub, fetch } = parts(router, options);
  return {
    fetch: fetch as DenoSocketHandler["fetch"],
    get connections() {
      return hub.connections.size;
    },
    close: (closeOptions) => hub.drain(checkNonNegative("drainMs", closeOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

function parts<Data>(router: RouterOf<Data>, options: DenoSocketOptions<Data>): { readonly hub: Hub; readonly fetch: (request: Request, info?: { readonly remoteAddr?: { readonly hostname?: string } }) => MaybePromise<Response> } {
  const deno = denoOf("createDenoHandler");
  const core = coreOf(router);
  const server = resolveServer(options, ["fetch"]);
  const { fetch: fallback } = resolveListen({ fetch: options.fetch });
  core.serverHooks(options);
  const hub = core.hub(server);
  const { heartbeat, limits } = hub.options;
  const accept = (request: Request, result: Admission | Refusal): Response => {
    if (result.refused === true) return refusalResponse(result);
    let upgraded: { readonly socket: WebSocket; readonly response: Response };
    try {
      upgraded = deno.upgradeWebSocket(withSpacedProtocols(request), { ...(result.protocol === undefined ? {} : { protocol: result.protocol }), idleTimeout: heartbeat === undefined ? 0 : Math.max(1, Math.ceil((heartbeat.intervalMs + heartbeat.timeoutMs) / 1000)), headers: { ...result.headers } });
    } catch {
      abandon(hub, result);
      return refusalResponse(notAnUpgrade(request.headers));
    }
    const { socket, response } = upgraded;
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => {
      opened = true;
      let failure = "";
      const connection = hub.open(result, new DenoTransport(socket, () => void connection.closed(1006, "")));
      socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => connection.receive(typeof data === "string" ? data : new Uint8Array(data));
      socket.onerror = (event) => {
        failure = String((event as ErrorEvent).message ?? "");
        if (failure.includes("too large")) connection.transportTooBig(limits.transportPayloadBytes);
      };
      // After an error the close says 0: there was no frame on the wire.
      socket.onclose = ({ code, reason }) => void connection.closed(wireCode(code), reason);
    };
    socket.onerror = () => undefined;
    socket.onclose = () => {
      if (!opened) abandon(hub, result);
    };
    return response;
  };
  return {
    hub,
    fetch(request, info) {
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return fallback?.(request, { ip: info?.remoteAddr?.hostname }) ?? refusalResponse(notAnUpgrade(request.headers));
      const result = handshake(hub, { url: request.url, headers: request.headers, peer: info?.remoteAddr?.hostname, request });
      return isPromise(result) ? result.then((settled) => accept(request, settled)) : accept(request, result);
    },
  };
}

function denoOf(name: string): DenoNamespace {
  const { Deno: deno } = globalThis as { Deno?: DenoNamespace };
  if (typeof deno?.serve !== "function") throw new SluiceError("RUNTIME_UNSUPPORTED", `${name} of "sluice/deno" runs on Deno; import it from "sluice/node" or "sluice/bun" there`);
  return deno;
}

/** Serves a router on a port. */
export async function serveSockets<Data = ConnectionData>(router: RouterOf<Data>, options: SocketServeOptions<Data> = {}): Promise<SocketServer> {
  const { port, hostname, tls, compression } = resolveListen(options as SocketServeOptions<never>);
  if (compression) throw new OptionError("compression", compression, "false: Deno has no permessage-deflate");
  const { signal } = options;
  if (signal?.aborted === true) throw signal.reason;
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !SERVE_OPTIONS.includes(name) || name === "fetch")) as SocketServeOptions<Data>;
  const { hub, fetch } = parts(router, rest);
  const deno = denoOf("serve");
  let server: DenoServer;
  try {
    server = deno.serve({ port, hostname, ...(tls === undefined ? {} : { key: tls.key, cert: tls.cert }), onListen: () => undefined }, fetch);
  } catch (error) {
    await hub.drain(0);
    throw error;
  }
  let closed: Promise<void> | undefined;
  const close = (drainMs: number): Promise<void> =>
    (closed ??= (async () => {
      signal?.removeEventListener("abort", onAbort);
      await hub.drain(drainMs);
      await server.shutdown();
    })());
  const onAbort = (): void => void close(DEFAULT_DRAIN_MS);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port: server.addr.port,
    hostname,
    url: socketUrl(hostname, server.addr.port, tls !== undefined),
    get connections() {
      return hub.connections.size;
    },
    capabilities: { runtime: "deno", backpressure: true, compression: false, ping: false },
    close: (closeOptions) => close(checkNonNegative("drainMs", closeOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    drain: (drainOptions) => hub.drain(checkNonNegative("drainMs", drainOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    [Symbol.asyncDispose]: () => close(DEFAULT_DRAIN_MS),
  };
}
