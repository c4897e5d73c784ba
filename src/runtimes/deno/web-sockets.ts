/** WebSockets of a gateway on Deno. */

import { type StandardWebSocket, standardPeer } from "../../core/standard-web-socket.ts";
import { WEB_SOCKETS, type WebSocketRuntime } from "../../core/web-socket-port.ts";
import { connectWebSocket } from "../client-web-socket.ts";
import { withSpacedProtocols } from "./spaced-protocols.ts";

interface Upgrade {
  readonly socket: StandardWebSocket;
  readonly response: Response;
}

type UpgradeWebSocket = (request: Request, options: { readonly protocol?: string; readonly idleTimeout: number }) => Upgrade;

/** Seconds after which a silent peer is pinged, and closed when it does not answer. */
const IDLE_SECONDS = 30;

/**
 * What an application gets as `env` for a request that asks for a WebSocket: the `info` of `Deno.serve`, and the port. `taken` gets
 * Deno's own answer when the application accepts: that object alone completes the handshake.
 */
export function withWebSockets(info: unknown, request: Request, taken: (response: Response) => void): unknown {
  const { upgradeWebSocket } = (globalThis as unknown as { Deno: { upgradeWebSocket: UpgradeWebSocket } }).Deno;
  const runtime: WebSocketRuntime = {
    connect: connectWebSocket,
    accept: (_request, protocol) =>
      new Promise((resolve, reject) => {
        const { socket, response } = upgradeWebSocket(withSpacedProtocols(request), { idleTimeout: IDLE_SECONDS, ...(protocol === "" ? undefined : { protocol }) });
        taken(response);
        const peer = standardPeer(socket, protocol);
        // The handshake ends when Deno gets its answer back: what is sent before that waits.
        resolve({ peer: patient(peer, socket), response: new Response(null) });
        socket.addEventListener("error", () => reject(new Error("the client has left")));
      }),
  };
  // Deno's own getters refuse to be called on anything but its own object.
  const own = info as { readonly remoteAddr?: unknown; readonly completed?: unknown };
  return { get remoteAddr() { return own.remoteAddr; }, get completed() { return own.completed; }, [WEB_SOCKETS]: runtime };
}

type Peer = ReturnType<typeof standardPeer>;

/** Keeps what is sent, and a close, until the socket is open. */
function patient(peer: Peer, socket: StandardWebSocket): Peer {
  let waiting: (() => void)[] | undefined = [];
  socket.addEventListener("open", () => {
    const acts = waiting ?? [];
    waiting = undefined;
    for (const act of acts) act();
  });
  return {
    ...peer,
    send: (data) => (waiting === undefined ? peer.send(data) : void waiting.push(() => void peer.send(data))),
    close: (code, reason) => (waiting === undefined ? peer.close(code, reason) : void waiting.push(() => peer.close(code, reason))),
  };
}
