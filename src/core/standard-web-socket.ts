/** A platform's own WebSocket, server or client side, as an end for the gateway's proxy. */

import { type Clock, systemClock } from "./clock.ts";
import { WEB_SOCKET_LIMITS, type WebSocketPeer } from "./web-socket-port.ts";

/** What is used of a WebSocket; runtimes differ in the rest. */
export interface StandardWebSocket {
  readonly protocol?: string;
  readonly readyState: number;
  /** Absent on some versions of workerd. */
  readonly bufferedAmount?: number;
  binaryType?: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Where a runtime can end a connection without the handshake. */
  terminate?(): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

const OPEN = 1;
const CLOSING = 2;
const LOOK_MS = 20;

/** `protocol`: what was agreed on, where the socket does not say. Messages that come before somebody listens are kept. */
export function standardPeer(socket: StandardWebSocket, protocol: string = socket.protocol ?? "", clock: Clock = systemClock): WebSocketPeer {
  let onMessage: ((data: string | Uint8Array) => void) | undefined;
  let onClose: ((code: number, reason: string) => void) | undefined;
  let early: (string | Uint8Array)[] = [];
  let end: { readonly code: number; readonly reason: string } | undefined;
  // workerd has blobs by default from some date on.
  try {
    socket.binaryType = "arraybuffer";
  } catch {
    // It has no choice, and gives bytes.
  }
  socket.addEventListener("message", ({ data }: { data: unknown }) => {
    const message = typeof data === "string" ? data : bytesOf(data);
    if (onMessage === undefined) early.push(message);
    else onMessage(message);
  });
  const ended = (code: number, reason: string): void => {
    if (end !== undefined) return;
    end = { code, reason };
    onClose?.(code, reason);
  };
  socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) => {
    // On workerd the other half of the handshake is for us to send.
    if (socket.readyState === CLOSING) closeQuietly(socket, code === 1005 ? undefined : code, reason);
    ended(code === 0 ? 1006 : code, reason);
  });
  socket.addEventListener("error", () => {
    // Mostly a close follows; where none does, this is all there is.
    void clock.setTimeout(() => ended(1006, ""), LOOK_MS, true);
  });
  const waiting = (): number => socket.bufferedAmount ?? 0;
  return {
    protocol,
    send(data) {
      if (socket.readyState !== OPEN) return undefined;
      socket.send(data);
      const bytes = waiting();
      if (bytes < WEB_SOCKET_LIMITS.highWater) return undefined;
      // A standard socket cannot stop reading, so whoever sends faster than the other side reads would fill memory.
      if (bytes > WEB_SOCKET_LIMITS.waiting) {
        closeQuietly(socket, 1013, "Too slow");
        return undefined;
      }
      return new Promise((resolve) => {
        const look = (): void => {
          if (socket.readyState !== OPEN || waiting() < WEB_SOCKET_LIMITS.highWater) resolve();
          else clock.setTimeout(look, LOOK_MS, true);
        };
        look();
      });
    },
    close(code, reason) {
      if (socket.readyState === OPEN) closeQuietly(socket, code, reason);
    },
    terminate() {
      if (socket.terminate !== undefined) socket.terminate();
      else closeQuietly(socket, 1011, "The connection was lost");
    },
    listen(message, close) {
      onMessage = message;
      onClose = close;
      for (const one of early) message(one);
      early = [];
      if (end !== undefined) close(end.code, end.reason);
    },
  };
}

/** Clients of the standard may send 1000 and 3000 to 4999 alone: where another code is refused, the close goes without it. */
function closeQuietly(socket: StandardWebSocket, code: number | undefined, reason: string | undefined): void {
  for (const words of code === undefined ? [[]] : [[code, reason], []]) {
    try {
      socket.close(...(words as [number?, string?]));
      return;
    } catch {
      // Closed already, or a code it may not send.
    }
  }
}

function bytesOf(data: unknown): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError("a WebSocket message must be text or bytes");
}
