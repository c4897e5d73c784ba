/** WebSockets of a gateway on Workers: a pair for the client, `fetch` for the upstream. */

import { systemClock } from "../../core/clock.ts";
import { type StandardWebSocket, standardPeer } from "../../core/standard-web-socket.ts";
import { WebSocketRefused, type WebSocketRuntime } from "../../core/web-socket-port.ts";

/** A socket of Workers, which says nothing before it is accepted. */
interface WorkerSocket extends StandardWebSocket {
  accept(): void;
}

type Pair = new () => { readonly 0: WorkerSocket; readonly 1: WorkerSocket };

export const workerWebSockets: WebSocketRuntime = {
  async connect(url, { protocols, headers, timeoutMs, signal }) {
    const fields = new Headers();
    for (let i = 0; i < headers.length; i += 2) fields.append(headers[i] as string, headers[i + 1] as string);
    fields.set("upgrade", "websocket");
    if (protocols.length > 0) fields.set("sec-websocket-protocol", protocols.join(", "));
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = timeoutMs > 0 ? systemClock.setTimeout(() => controller.abort(new Error("the WebSocket handshake timed out")), timeoutMs, true) : undefined;
    try {
      const response = (await fetch(url.replace(/^ws/, "http"), { headers: fields, redirect: "manual", signal: controller.signal })) as Response & { readonly webSocket?: WorkerSocket | null };
      const { webSocket } = response;
      if (webSocket === undefined || webSocket === null) {
        await response.body?.cancel();
        throw new WebSocketRefused(response.status);
      }
      const peer = standardPeer(webSocket, response.headers.get("sec-websocket-protocol") ?? "");
      webSocket.accept();
      return peer;
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      if (timer !== undefined) systemClock.clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  },

  async accept(_request, protocol) {
    const { WebSocketPair } = globalThis as unknown as { WebSocketPair: Pair };
    const { 0: client, 1: server } = new WebSocketPair();
    const peer = standardPeer(server, protocol);
    server.accept();
    const init = { status: 101, webSocket: client, ...(protocol === "" ? undefined : { headers: { "sec-websocket-protocol": protocol } }) };
    return { peer, response: new Response(null, init) };
  },
};

/** Only workerd has pairs: elsewhere a gateway serves no sockets through this adapter. */
export function hasWebSocketPairs(): boolean {
  return typeof (globalThis as { WebSocketPair?: unknown }).WebSocketPair === "function";
}
