/**
 * The port through which a gateway accepts a WebSocket and opens one to an upstream. A runtime that can do both puts a
 * {@link WebSocketRuntime} under {@link WEB_SOCKETS} into the `env` of its requests, or its adapter brings one; without
 * it an upgrade is answered with 501.
 */

/** One end of a WebSocket. */
export interface WebSocketPeer {
  /** The subprotocol agreed on; empty for none. */
  readonly protocol: string;
  /** Text as a string, binary as bytes. A promise when the other side should wait: it resolves once it may go on. */
  send(data: string | Uint8Array): void | Promise<void>;
  /** Begins the closing handshake; without a code the frame has none. Idempotent. */
  close(code?: number, reason?: string): void;
  /** Ends the connection without one. */
  terminate(): void;
  /** Stops and goes on reading, where the runtime can. */
  pause?(): void;
  resume?(): void;
  /** Called once, before anything is delivered. `onClose` is called exactly once; code 1005 is "none given", 1006 "connection lost". */
  listen(onMessage: (data: string | Uint8Array) => void, onClose: (code: number, reason: string) => void): void;
}

export interface WebSocketConnectOptions {
  readonly protocols: readonly string[];
  /** A flat list of names and values; handshake fields (`sec-websocket-*`, `upgrade`, `connection`) are the runtime's. */
  readonly headers: readonly string[];
  /** Longest wait for the handshake, in ms. 0 is none. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The upstream answered the handshake with something else. */
export class WebSocketRefused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the handshake was answered with status ${status}`);
    this.status = status;
  }
}

export interface WebSocketRuntime {
  /** Opens a socket to a `ws:` or `wss:` URL. Rejects with {@link WebSocketRefused} when an HTTP answer came instead. */
  connect(url: string, options: WebSocketConnectOptions): Promise<WebSocketPeer>;
  /** Completes the handshake of a request; `response` is what the application answers with, as the runtime wants it. */
  accept(request: Request, protocol: string): Promise<{ readonly peer: WebSocketPeer; readonly response: Response }>;
}

export const WEB_SOCKETS: unique symbol = /* @__PURE__ */ Symbol.for("sluice.web-sockets") as never;

/** What every runtime holds itself to, in bytes. */
export const WEB_SOCKET_LIMITS = {
  /** Waiting for the other side, above which a sender is asked to wait. */
  highWater: 1_048_576,
  /** Waiting for the other side, above which it is closed with 1013, where a runtime cannot stop reading. */
  waiting: 16_777_216,
  /** Longest message in either direction, where a runtime can refuse one; a longer one closes with 1009. */
  message: 16_777_216,
} as const;
