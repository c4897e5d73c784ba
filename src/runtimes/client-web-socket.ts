/** Opens a WebSocket with header fields by the runtime's own client: Bun's and Deno's take them, browsers do not. */

import { systemClock } from "../core/clock.ts";
import { type StandardWebSocket, standardPeer } from "../core/standard-web-socket.ts";
import type { WebSocketRuntime } from "../core/web-socket-port.ts";

type Client = new (url: string, options: { readonly headers: Record<string, string>; readonly protocols: readonly string[] }) => StandardWebSocket;

/** The client does not say what an upstream answered instead of the handshake, so a refusal is no more than a failure. */
export const connectWebSocket: WebSocketRuntime["connect"] = (url, { protocols, headers, timeoutMs, signal }) =>
  new Promise((resolve, reject) => {
    const fields: Record<string, string> = {};
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      // One line of cookies stays one; other lists are joined as HTTP joins them.
      fields[name] = fields[name] === undefined ? (headers[i + 1] as string) : `${fields[name]}${name === "cookie" ? "; " : ", "}${headers[i + 1]}`;
    }
    const { WebSocket } = globalThis as unknown as { WebSocket: Client };
    const socket = new WebSocket(url, { headers: fields, protocols: [...protocols] });
    const peer = standardPeer(socket);
    let timer: unknown;
    const settle = (act: () => void): void => {
      systemClock.clearTimeout(timer as never);
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const give = (error: unknown): void => settle(() => {
      peer.terminate();
      reject(error);
    });
    const onAbort = (): void => give(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (timeoutMs > 0) timer = systemClock.setTimeout(() => give(new Error("the WebSocket handshake timed out")), timeoutMs, true);
    socket.addEventListener("open", () => settle(() => resolve(Object.assign(Object.create(peer) as typeof peer, { protocol: socket.protocol ?? "" }))));
    for (const type of ["error", "close"]) socket.addEventListener(type, () => settle(() => reject(new Error("the WebSocket handshake failed"))));
  });
