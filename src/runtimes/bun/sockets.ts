/** Sockets on Bun: its own server and framing. */

import { checkNonNegative } from "../../core/check.ts";
import { SluiceError } from "../../core/errors.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import {
  type Admission, type Connection, type ConnectionData, DEFAULT_DRAIN_MS, type Frame, type Hub, type Refusal, type RouterOf, SERVE_OPTIONS, type ServerOptions, type SocketServeOptions,
  type SocketServer, type Transport, abandon, coreOf, handshake, notAnUpgrade, refusalResponse, resolveListen, resolveServer, socketUrl, wireCode,
} from "../../sockets/adapter.ts";

/** What is used of a `ServerWebSocket`. */
interface BunSocket {
  readonly data: { readonly admission: Admission; connection?: Connection };
  readonly readyState: number;
  getBufferedAmount(): number;
  send(data: string | Uint8Array): number;
  ping(): number;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

/** What is used of the server of `Bun.serve`. */
interface BunServer {
  readonly port: number;
  upgrade(request: Request, options: { readonly data: unknown; readonly headers?: Record<string, string> }): boolean;
  requestIP(request: Request): { readonly address: string } | null;
  stop(closeActive?: boolean): Promise<void>;
}

/** Options of `createBunHandler`: those of `serve` without what `Bun.serve` itself is told. */
export interface BunSocketOptions<Data = ConnectionData> extends ServerOptions<Data>, Pick<SocketServeOptions<Data>, "compression" | "fetch"> {}

/** For `Bun.serve({ fetch, websocket })`. */
export interface BunSocketHandler {
  readonly fetch: (request: Request, server: object) => Promise<Response | undefined> | Response | undefined;
  readonly websocket: object;
  /** Connections that are open. */
  readonly connections: number;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/** Bun's own cap of `maxPayloadLength`, an unsigned 32-bit number. */
const MAX_LENGTH = 4_294_967_295;

class BunTransport implements Transport {
  readonly raw: BunSocket;
  readonly signalsDrain = true;

  constructor(raw: BunSocket) {
    this.raw = raw;
  }

  get readyState(): number {
    return this.raw.readyState;
  }

  get bufferedAmount(): number {
    return this.raw.readyState === 1 ? this.raw.getBufferedAmount() : 0;
  }

  // Bun collects what a turn writes to a socket and sends it in one piece; -1 is "accepted, waits".
  send(frame: Frame): void {
    if (this.raw.readyState === 1) this.raw.send(frame.data);
  }

  close(code: number, reason: string): void {
    this.raw.close(code, reason);
  }

  terminate(): void {
    this.raw.terminate();
  }

  ping(): void {
    if (this.raw.readyState === 1) this.raw.ping();
  }
}

/**
 * The two halves of `Bun.serve`, usable before the server exists.
 *
 * ```ts
 * Bun.serve({ port: 8787, ...createBunHandler(router, { anonymous: true }) });
 * ```
 */
export function createBunHandler<Data = ConnectionData>(router: RouterOf<Data>, options: BunSocketOptions<Data> = {}): BunSocketHandler {
  const { hub, fetch, websocket } = parts(router, options);
  return {
    fetch: fetch as BunSocketHandler["fetch"],
    websocket,
    get connections() {
      return hub.connections.size;
    },
    close: (closeOptions) => hub.drain(checkNonNegative("drainMs", closeOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
  };
}

function parts<Data>(router: RouterOf<Data>, options: BunSocketOptions<Data>): { readonly hub: Hub; readonly fetch: (request: Request, server: BunServer) => Promise<Response | undefined> | Response | undefined; readonly websocket: object } {
  const core = coreOf(router);
  const server = resolveServer(options, ["compression", "fetch"]);
  const { compression, fetch: fallback } = resolveListen({ compression: options.compression, fetch: options.fetch });
  core.serverHooks(options);
  const hub = core.hub(server);
  const { limits, heartbeat } = hub.options;
  const answer = (request: Request, bun: BunServer, result: Admission | Refusal): Response | undefined => {
    if (result.refused === true) return refusalResponse(result);
    const headers = { ...result.headers, ...(result.protocol === undefined ? {} : { "sec-websocket-protocol": result.protocol }) };
    if (bun.upgrade(request, { data: { admission: result }, headers })) return undefined;
    abandon(hub, result);
    return refusalResponse(notAnUpgrade(request.headers));
  };
  return {
    hub,
    fetch(request, bun) {
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return (fallback?.(request, { ip: bun.requestIP(request)?.address }) as Response | undefined) ?? refusalResponse(notAnUpgrade(request.headers));
      const result = handshake(hub, { url: request.url, headers: request.headers, peer: bun.requestIP(request)?.address, request });
      return isPromise(result) ? result.then((settled) => answer(request, bun, settled)) : answer(request, bun, result);
    },
    websocket: {
      perMessageDeflate: compression,
      maxPayloadLength: Math.min(limits.transportPayloadBytes, MAX_LENGTH),
      // Above our own mark, so that nothing is dropped that we did not see.
      backpressureLimit: limits.backpressure.maxBufferedBytes === Infinity ? 0 : Math.min(MAX_LENGTH, 2 * limits.backpressure.maxBufferedBytes + 16_777_216),
      closeOnBackpressureLimit: false,
      idleTimeout: heartbeat === undefined ? 0 : Math.min(960, Math.ceil((heartbeat.intervalMs + heartbeat.timeoutMs) / 1000) + 10),
      sendPings: false,
      open(socket: BunSocket) {
        socket.data.connection = hub.open(socket.data.admission, new BunTransport(socket));
      },
      message(socket: BunSocket, data: string | Uint8Array) {
        socket.data.connection?.receive(data);
      },
      drain(socket: BunSocket) {
        socket.data.connection?.outbox.drained();
      },
      ping: (socket: BunSocket) => socket.data.connection?.seen(),
      pong: (socket: BunSocket) => socket.data.connection?.seen(),
      close(socket: BunSocket, code: number, reason: string) {
        const { connection } = socket.data;
        // Bun says 1006 for what it closed with 1009 on the wire.
        const tooBig = code === 1006 && reason === "Received too big message";
        if (tooBig) connection?.transportTooBig(limits.transportPayloadBytes);
        void connection?.closed(tooBig ? 1009 : wireCode(code), tooBig ? "" : reason);
      },
    },
  };
}

/** Serves a router on a port. */
export async function serveSockets<Data = ConnectionData>(router: RouterOf<Data>, options: SocketServeOptions<Data> = {}): Promise<SocketServer> {
  const { port, hostname, tls, compression } = resolveListen(options as SocketServeOptions<never>);
  const { signal } = options;
  const { Bun: bun } = globalThis as { Bun?: { serve(options: object): BunServer } };
  if (typeof bun?.serve !== "function") throw new SluiceError("RUNTIME_UNSUPPORTED", 'serve of "sluice/bun" runs on Bun; import it from "sluice/node" or "sluice/deno" there');
  if (signal?.aborted === true) throw signal.reason;
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !SERVE_OPTIONS.includes(name) || name === "compression" || name === "fetch")) as SocketServeOptions<Data>;
  const { hub, fetch, websocket } = parts(router, rest);
  let server: BunServer;
  try {
    server = bun.serve({ port, hostname, ...(tls === undefined ? {} : { tls }), fetch, websocket });
  } catch (error) {
    await hub.drain(0);
    throw error;
  }
  let closed: Promise<void> | undefined;
  const close = (drainMs: number): Promise<void> =>
    (closed ??= (async () => {
      signal?.removeEventListener("abort", onAbort);
      await hub.drain(drainMs);
      await server.stop(true);
    })());
  const onAbort = (): void => void close(DEFAULT_DRAIN_MS);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port: server.port,
    hostname,
    url: socketUrl(hostname, server.port, tls !== undefined),
    get connections() {
      return hub.connections.size;
    },
    capabilities: { runtime: "bun", backpressure: true, compression, ping: true },
    close: (closeOptions) => close(checkNonNegative("drainMs", closeOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    drain: (drainOptions) => hub.drain(checkNonNegative("drainMs", drainOptions?.drainMs ?? DEFAULT_DRAIN_MS)),
    [Symbol.asyncDispose]: () => close(DEFAULT_DRAIN_MS),
  };
}
