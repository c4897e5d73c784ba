/** What handlers, hooks and middleware are given, and what sending and publishing answer. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { ErrorCode, ErrorOptions } from "./errors.ts";
import type { LimitKind } from "./events.ts";
import type { AnyEvent, AnyRpc, MetaInput, MetaOutput, PayloadInput, PayloadOutput, ProgressInput, ResponseOf } from "./message.ts";
import type { PublishOptions, PublishResult } from "./topics/publish-result.ts";
import type { TopicSet } from "./topics/topic-set.ts";

/** What every connection carries. Augment it, or give `createRouter` a type of its own. */
export interface ConnectionData {
  [key: string]: unknown;
}

/** The upgrade request, without tokens. */
export interface SocketRequest {
  readonly url: string;
  readonly headers: Headers;
  /** The peer's address; by `trustProxy` the client's behind a proxy. */
  readonly ip: string | undefined;
}

/** The same socket on every runtime. */
export interface UniformSocket {
  /** Sends a frame as it is, past validation. */
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes the runtime has not sent yet; `undefined` where it does not say. */
  readonly bufferedAmount: number | undefined;
  /** The runtime's own object. */
  readonly raw: unknown;
}

export type SendErrorCode = "VALIDATION" | "SERIALIZATION" | "CONNECTION_CLOSED" | "BACKPRESSURE" | "ABORTED";

/** The outcome of a send: a value, never a rejection. */
export type SendResult = { readonly ok: true } | { readonly ok: false; readonly error: SendErrorCode };

export interface SendExtras {
  /** Aborted before the frame is written, nothing is sent. */
  readonly signal?: AbortSignal;
  /** Echoes the correlation id of the message that is being handled. @default false */
  readonly inheritCorrelationId?: boolean;
}

type NeedsMeta<M> = M extends undefined ? false : {} extends M ? false : true;
export type WithMeta<M, Extras> = NeedsMeta<M> extends true ? Extras & { readonly meta: M } : Extras & { readonly meta?: M extends undefined ? Readonly<Record<string, unknown>> : M };

/** Arguments after a descriptor: no payload where there is none, options where meta is required. */
export type ArgsOf<P, M, Extras> = NeedsMeta<M> extends true
  ? [payload: P, options: WithMeta<M, Extras>]
  : undefined extends P
    ? [payload?: P, options?: WithMeta<M, Extras>]
    : [payload: P, options?: WithMeta<M, Extras>];
export type SendArgs<D, Extras = SendExtras> = ArgsOf<PayloadInput<D>, MetaInput<D>, Extras>;

/** Meta every message may carry. */
export interface KnownMeta {
  readonly timestamp?: number;
  readonly correlationId?: string;
  /** Budget left when the client sent it, in ms. */
  readonly timeoutMs?: number;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** In every context. */
export interface BaseContext<Data = ConnectionData> {
  /** One id per connection, from the server. */
  readonly clientId: string;
  readonly data: Data;
  /** Merges own keys into `data`, for every later handler of the connection. */
  assignData(partial: Partial<Data>): void;
  readonly request: SocketRequest;
  readonly ws: UniformSocket;
  readonly topics: TopicSet;
  /** Sends an event to this connection. Never rejects. */
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D>): Promise<SendResult>;
  /** Sends an event to everybody subscribed to the topic. Never rejects. */
  publish<D extends AnyEvent>(topic: string, descriptor: D, ...args: SendArgs<D, PublishOptions>): Promise<PublishResult>;
  /** Closes the connection after everything sent so far. */
  close(code?: number, reason?: string): void;
}

/** What middleware sees. */
export interface MiddlewareContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly type: string;
  readonly payload: unknown;
  readonly meta: KnownMeta & Readonly<Record<string, unknown>>;
  /** The server's clock when the message came, epoch ms. */
  readonly receivedAt: number;
  readonly kind: "event" | "rpc" | "lifecycle";
  /** Answers with an error. In a call it is the answer. */
  error(code: ErrorCode, message?: string, details?: unknown, options?: ErrorOptions): void;
  /** Aborts on disconnect, abort by the client, deadline, and the end of a drain. */
  readonly signal: AbortSignal;
  /** Epoch ms; Infinity where there is none. */
  readonly deadline: number;
  /** Ms until the deadline. */
  timeRemaining(): number;
  /** Called once when `signal` aborts, at once if it has. */
  onCancel(callback: () => void): void;
}

export interface EventContext<D extends AnyEvent | AnyRpc = AnyEvent, Data = ConnectionData> extends Omit<MiddlewareContext<Data>, "payload" | "meta" | "type"> {
  readonly type: D["type"];
  readonly payload: PayloadOutput<D>;
  readonly meta: MetaOutput<D> extends undefined ? KnownMeta : KnownMeta & Omit<MetaOutput<D>, never>;
}

export interface RpcContext<D extends AnyRpc = AnyRpc, Data = ConnectionData> extends EventContext<D, Data> {
  /** The one answer. A second is refused and reported. */
  reply(...args: SendArgs<ResponseOf<D>>): Promise<SendResult>;
  /** An item before the answer; throttled ones keep the last. */
  progress(payload: ProgressInput<D>, options?: { readonly throttleMs?: number }): Promise<SendResult>;
}

export type Handler<D extends AnyEvent, Data, Ext = unknown> = (ctx: EventContext<D, Data> & Ext) => MaybePromise<void>;
type Answer<D> = PayloadInput<ResponseOf<D>>;
export type RpcHandler<D extends AnyRpc, Data, Ext = unknown> = (
  ctx: RpcContext<D, Data> & Ext,
) => MaybePromise<Answer<D> | SendResult | void> | AsyncGenerator<ProgressInput<D>, Answer<D> | void, void>;

export type Next = () => MaybePromise<void>;
/** Runs around handlers. Not calling `next` stops the message. `Adds` are the members it puts on the context. */
export interface Middleware<Data = ConnectionData, Adds extends object = object> {
  (ctx: MiddlewareContext<Data> & Partial<Adds>, next: Next): MaybePromise<unknown>;
  /** Types only. */
  readonly "~adds"?: Adds;
}

export interface CloseContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly code: number;
  readonly reason: string;
}

export interface AuthContext<Data = ConnectionData> extends BaseContext<Data> {
  /** Whether the connection is new or its token was refreshed. */
  readonly cause: "connect" | "refresh";
}

/** What `onError` is told beside the error. */
export interface ErrorContext<Data = ConnectionData> {
  readonly clientId: string;
  readonly data: Data | undefined;
  /** Type of the message that was handled; `$ws:open` and `$ws:close` for hooks. */
  readonly type: string | undefined;
  readonly code: string;
}

/** What `onLimitExceeded` is told. */
export interface LimitInfo {
  readonly type: LimitKind;
  readonly clientId: string;
  /** Undefined before there is a socket. */
  readonly ws: UniformSocket | undefined;
  readonly observed: number;
  readonly limit: number;
  readonly retryAfterMs?: number | null;
  /** Which way the data went, for `backpressure`. */
  readonly direction?: "in" | "out";
}
