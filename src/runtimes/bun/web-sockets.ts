/** WebSockets of a gateway on Bun: its server's own framing, one handler object for all sockets. */

import { WEB_SOCKETS, WEB_SOCKET_LIMITS, type WebSocketPeer, type WebSocketRuntime } from "../../core/web-socket-port.ts";
import { connectWebSocket } from "../client-web-socket.ts";

/** What is used of a `ServerWebSocket`. */
interface BunSocket {
  readonly data: Link;
  readonly readyState: number;
  getBufferedAmount(): number;
  send(data: string | Uint8Array): number;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

interface BunServer {
  upgrade(request: Request, options: { readonly data: Link; readonly headers?: Record<string, string> }): boolean;
}

/** One socket, from before it is open. */
class Link implements WebSocketPeer {
  readonly protocol: string;
  #socket: BunSocket | undefined;
  #waiting: (() => void)[] = [];
  #drained: (() => void)[] = [];
  #early: (string | Uint8Array)[] = [];
  #end: { readonly code: number; readonly reason: string } | undefined;
  #onMessage: ((data: string | Uint8Array) => void) | undefined;
  #onClose: ((code: number, reason: string) => void) | undefined;

  constructor(protocol: string) {
    this.protocol = protocol;
  }

  opened(socket: BunSocket): void {
    this.#socket = socket;
    for (const act of this.#waiting.splice(0)) act();
  }

  got(data: string | Uint8Array): void {
    if (this.#onMessage === undefined) this.#early.push(data);
    else this.#onMessage(data);
  }

  drained(): void {
    for (const go of this.#drained.splice(0)) go();
  }

  closed(code: number, reason: string): void {
    this.drained();
    this.#end = { code, reason };
    this.#onClose?.(code, reason);
  }

  send(data: string | Uint8Array): void | Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) {
      this.#waiting.push(() => void this.send(data));
      return;
    }
    if (socket.readyState !== 1 || socket.send(data) > 0) return;
    const bytes = socket.getBufferedAmount();
    if (bytes > WEB_SOCKET_LIMITS.waiting) socket.close(1013, "Too slow");
    else if (bytes > WEB_SOCKET_LIMITS.highWater) return new Promise((resolve) => void this.#drained.push(resolve));
  }

  close(code?: number, reason?: string): void {
    if (this.#socket === undefined) this.#waiting.push(() => this.close(code, reason));
    else if (this.#socket.readyState === 1) this.#socket.close(code, reason);
  }

  terminate(): void {
    if (this.#socket === undefined) this.#waiting.push(() => this.terminate());
    else this.#socket.terminate();
  }

  listen(onMessage: (data: string | Uint8Array) => void, onClose: (code: number, reason: string) => void): void {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
    for (const data of this.#early.splice(0)) onMessage(data);
    if (this.#end !== undefined) onClose(this.#end.code, this.#end.reason);
  }
}

/** `websocket` of `Bun.serve`. Bun pings a silent peer by itself and closes one that does not answer. */
export const socketHandler: object = {
  // The proxied peer's own limit counts; Bun's default is the same.
  maxPayloadLength: WEB_SOCKET_LIMITS.message,
  backpressureLimit: 2 * WEB_SOCKET_LIMITS.waiting,
  open: (socket: BunSocket) => socket.data.opened(socket),
  message: (socket: BunSocket, data: string | Uint8Array) => socket.data.got(typeof data === "string" ? data : new Uint8Array(data)),
  drain: (socket: BunSocket) => socket.data.drained(),
  close: (socket: BunSocket, code: number, reason: string) => socket.data.closed(code, reason),
};

/** `env` for a request that asks for a WebSocket, with the port; `taken` is told when the application accepts: Bun then wants no answer. */
export function withWebSockets(env: object, server: unknown, request: Request, taken: () => void): object {
  const runtime: WebSocketRuntime = {
    connect: connectWebSocket,
    accept: async (_request, protocol) => {
      const peer = new Link(protocol);
      if (!(server as BunServer).upgrade(request, { data: peer, ...(protocol === "" ? undefined : { headers: { "sec-websocket-protocol": protocol } }) })) throw new Error("the client has left");
      taken();
      return { peer, response: new Response(null) };
    },
  };
  return Object.create(env, { [WEB_SOCKETS]: { value: runtime } }) as object;
}
