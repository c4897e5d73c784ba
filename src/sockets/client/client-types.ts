/** What a client is made of and what it tells. */

import type { AnyEvent, AnyRpc, PayloadOutput, ProgressOutput, ResponseOf } from "../message.ts";
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { DatedToken } from "./token.ts";
import type { SendArgs } from "../types.ts";

/** The socket of a platform or a library. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly protocol?: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface ClientOptions {
  /** Called for each attempt when it is a function. */
  readonly url: string | (() => string | Promise<string>);
  readonly protocols?: readonly string[];
  /** Makes sockets; `headers` is there with `auth.attach: "header"`. @default the platform's `WebSocket` */
  readonly wsFactory?: (url: string, protocols: readonly string[], headers: Readonly<Record<string, string>> | undefined) => WebSocketLike;
  readonly reconnect?: {
    readonly enabled?: boolean;
    readonly maxAttempts?: number;
    readonly initialDelayMs?: number;
    readonly maxDelayMs?: number;
    readonly jitter?: "full" | "none";
  };
  /** What happens to messages while there is no connection. @default "drop-newest" */
  readonly queue?: "drop-newest" | "drop-oldest" | "off";
  /** @default 1000 */
  readonly queueSize?: number;
  /** Of a request, in ms. @default 30000 */
  readonly timeoutMs?: number;
  /** @default 1000 */
  readonly pendingRequestsLimit?: number;
  readonly auth?: {
    /** Asked for each attempt, and before the token ends: by its `expiresAt` (epoch ms), or by the `exp` of a JWT. */
    readonly getToken: () => string | DatedToken | undefined | Promise<string | DatedToken | undefined>;
    /** @default "query" */
    readonly attach?: "query" | "protocol" | "header";
    /** @default "access_token" */
    readonly queryParam?: string;
    /** @default "bearer." */
    readonly protocolPrefix?: string;
    /** How long before its end a token is replaced on the live connection, in ms; the server needs `reauthenticate`. @default 30000 */
    readonly refreshBeforeMs?: number;
  };
  /** `false` turns it off. @default { intervalMs: 25000, timeoutMs: 5000 } */
  readonly heartbeat?: false | { readonly intervalMs?: number; readonly timeoutMs?: number };
  /** Connects with the first message. @default false */
  readonly autoConnect?: boolean;
  /** Asks for what was missed of topics with history. @default true */
  readonly resume?: boolean;
  /** @default 10000 */
  readonly connectTimeoutMs?: number;
  /** @default by close code: 1000, 1008, 1009, 4403 and 4409 are final */
  readonly shouldReconnect?: (event: { readonly code: number; readonly reason: string }) => boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}

export type ClientState = "closed" | "connecting" | "open" | "reconnecting" | "closing";

export interface ClientEvents {
  connected: { readonly resumed: boolean; readonly attempt: number };
  disconnected: { readonly code: number; readonly reason: string };
  reconnecting: { readonly attempt: number; readonly delayMs: number };
  closed: { readonly code: number; readonly reason: string; readonly final: boolean };
  error: { readonly error: unknown };
  /** A message nobody listens to. */
  unhandled: { readonly type: string; readonly payload: unknown };
  /** Something of a topic was missed and cannot be had any more. */
  gap: { readonly topic: string };
  state: { readonly state: ClientState };
  auth: { readonly error: unknown };
}

/** What a handler of the client is given. */
export interface Incoming<D> {
  readonly type: string;
  readonly payload: PayloadOutput<D>;
  readonly meta: Readonly<Record<string, unknown>>;
}

export type ClientSendResult = { readonly ok: true } | { readonly ok: false; readonly error: "CLOSED" | "QUEUE_FULL" | "VALIDATION" };

export interface RequestExtras {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly correlationId?: string;
  /** Sent again, with the same id, after a lost connection. @default what the descriptor says */
  readonly idempotent?: boolean;
}

/** An answer to come. */
export interface PendingCall<Answer, Progress> extends Promise<Answer> {
  readonly correlationId: string;
  /** Items before the answer. */
  progress(): AsyncIterable<Progress>;
  cancel(): void;
}

export interface SocketClient {
  /** Always the truth: `closed` means no socket, no timer and no token on its way. */
  readonly state: ClientState;
  /** One attempt; when it fails the promise rejects, and the client goes on by itself if it may. */
  connect(): Promise<void>;
  /** Wins over everything; resolves when closed. */
  close(code?: number, reason?: string): Promise<void>;
  /** Handles messages of a type; several may. The function returned removes it. */
  on<D extends AnyEvent>(descriptor: D, handler: (message: Incoming<D>) => void): () => void;
  on<K extends keyof ClientEvents>(name: K, listener: (event: ClientEvents[K]) => void): () => void;
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D, object>): ClientSendResult;
  request<D extends AnyRpc>(descriptor: D, ...args: SendArgs<D, RequestExtras>): PendingCall<PayloadOutput<ResponseOf<D>>, ProgressOutput<D>>;
  request<D extends AnyEvent, A extends AnyEvent>(descriptor: D, payload: unknown, answer: A, options?: RequestExtras): PendingCall<PayloadOutput<A>, never>;
}
