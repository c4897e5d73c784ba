/** The router: what handles which message. It is served by any number of hubs. */

import type { EventSink } from "../core/events.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { AsyncApiDocument, AsyncApiInfo } from "./async-api.ts";
import type { SocketEvent } from "./events.ts";
import type { PublishInfo, RouterHooks, PresenceChange } from "./hooks.ts";
import type { AnyEvent, AnyMessage, AnyRpc, MessageDescriptor } from "./message.ts";
import type { RouterOptions } from "./options.ts";
import type { Plugin } from "./plugin.ts";
import { RouterCore } from "./router-core.ts";
import type { PublishOptions, PublishResult } from "./topics/publish-result.ts";
import type { PresenceMember } from "./topics/presence.ts";
import type { HistoryEntry } from "./topics/hub-topics.ts";
import type { AuthContext, BaseContext, CloseContext, ConnectionData, ErrorContext, Handler, MiddlewareContext, Next, RpcHandler, SendArgs } from "./types.ts";

export interface OnOptions {
  /** Handlers of one connection run one after the other; `false` lets this one overlap. @default true */
  readonly ordered?: boolean;
}

export interface OnRpcOptions extends OnOptions {
  /** Deadline of these calls, in ms. @default the descriptor's, else `rpc.timeoutMs` */
  readonly timeoutMs?: number;
}

export interface UseOptions {
  /** `raw` runs before validation, with the payload as it came. @default "validated" */
  readonly stage?: "raw" | "validated";
}

/** Middleware of a router: it sees what earlier middleware and plugins added. */
export interface MiddlewareFor<Data, Ext, Adds extends object> {
  (ctx: MiddlewareContext<Data> & Ext & Partial<Adds>, next: Next): MaybePromise<unknown>;
  readonly "~adds"?: Adds;
}

/** A chain for one message. */
export interface RouteBuilder<D extends AnyMessage, Data, Ext> {
  use<Adds extends object = object>(middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): RouteBuilder<D, Data, Ext & Adds>;
  on(handler: D extends AnyEvent ? Handler<D, Data, Ext> : never, options?: OnOptions): Router<Data, Ext>;
  rpc(handler: D extends AnyRpc ? RpcHandler<D, Data, Ext> : never, options?: OnRpcOptions): Router<Data, Ext>;
}

/** A connection as the server sees it from outside of handlers. */
export interface ConnectionInfo {
  readonly clientId: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly ip: string | undefined;
  readonly topics: readonly string[];
  /** Messages received and not finished. */
  readonly pending: number;
  /** Bytes that wait to be sent. */
  readonly bufferedBytes: number;
  close(code?: number, reason?: string): void;
}

export interface RouteInfo {
  readonly type: string;
  readonly kind: "event" | "rpc";
  readonly response?: string;
}

export interface RouterTopics {
  /** Topics somebody here listens to. */
  list(): string[];
  /** Subscribers here, by exact name. */
  count(topic: string): number;
  history(topic: string, options?: { readonly after?: string; readonly limit?: number }): Promise<HistoryEntry[]>;
}

/** Descriptors under a prefix, for clients of a mounted router: call it with one, or look one up by its type. */
export interface PrefixedMessages {
  <D extends AnyMessage>(descriptor: D): D;
  readonly [type: string]: MessageDescriptor;
}

/** What servers take: a router of any contexts. */
export interface RouterOf<Data = unknown> {
  /** Types only. */
  readonly "~data"?: Data;
  routes(): RouteInfo[];
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

export interface Router<Data = ConnectionData, Ext = unknown> extends RouterOf<Data> {
  /** Handles an event. One handler per type. */
  on<D extends AnyEvent>(event: D, handler: Handler<D, Data, Ext>, options?: OnOptions): Router<Data, Ext>;
  /** Handles a call: by what it returns, by `ctx.reply`, or as an async generator of progress. */
  rpc<D extends AnyRpc>(descriptor: D, handler: RpcHandler<D, Data, Ext>, options?: OnRpcOptions): Router<Data, Ext>;
  use<Adds extends object = object>(middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): Router<Data, Ext & Adds>;
  use<Adds extends object = object>(descriptor: AnyMessage, middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): Router<Data, Ext>;
  route<D extends AnyMessage>(descriptor: D): RouteBuilder<D, Data, Ext>;
  /** Brings everything of another router. */
  merge(other: RouterOf<Data>, options?: { readonly onConflict?: "error" | "skip" | "replace" }): Router<Data, Ext>;
  /** The same with a prefix before every type. */
  mount(prefix: string, other: RouterOf<Data>, options?: { readonly onConflict?: "error" | "skip" | "replace" }): Router<Data, Ext>;
  /** The descriptors as a client of the mounted router sends them. */
  prefixed(prefix: string): PrefixedMessages;
  plugin<Adds extends object = object>(plugin: Plugin<Adds>): Router<Data, Ext & Adds>;
  onOpen(hook: (ctx: BaseContext<Data> & Ext) => MaybePromise<unknown>): Router<Data, Ext>;
  onClose(hook: (ctx: CloseContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onError(hook: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onAuth(hook: (ctx: AuthContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onPublish(hook: (info: PublishInfo) => MaybePromise<unknown>): Router<Data, Ext>;
  onJoin(hook: (change: PresenceChange) => MaybePromise<unknown>): Router<Data, Ext>;
  onLeave(hook: (change: PresenceChange) => MaybePromise<unknown>): Router<Data, Ext>;
  onLimitExceeded(hook: NonNullable<RouterHooks<Data>["onLimitExceeded"]>): Router<Data, Ext>;
  /** Adds a sink of events; the function returned removes it. */
  observe(sink: EventSink<SocketEvent>): () => void;
  /** Publishes as the server. Never rejects. */
  publish<D extends AnyEvent>(topic: string, descriptor: D, ...args: SendArgs<D, PublishOptions>): Promise<PublishResult>;
  readonly topics: RouterTopics;
  presence(topic: string): Promise<PresenceMember[]>;
  connections(): ConnectionInfo[];
  routes(): RouteInfo[];
  toAsyncAPI(info: AsyncApiInfo): AsyncApiDocument;
  /** Drains every server of this router. Idempotent. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/**
 * Makes a router.
 *
 * ```ts
 * const Ping = message("PING", { text: z.string() });
 * const Pong = message("PONG", { reply: z.string() });
 * const router = createRouter().on(Ping, (ctx) => void ctx.send(Pong, { reply: ctx.payload.text }));
 * ```
 *
 * @throws OptionError for an option that is unknown or out of its domain, with its path and value.
 */
export function createRouter<Data = ConnectionData>(options: RouterOptions<Data> = {}): Router<Data> {
  return new RouterCore(options as RouterOptions<never>) as unknown as Router<Data>;
}
