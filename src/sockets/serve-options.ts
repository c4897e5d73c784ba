/** Serving a router: options and handle that Node, Bun and Deno share. */

import { OptionError } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { checkInteger } from "./check.ts";
import type { ServerOptions } from "./server-options.ts";
import type { ConnectionData } from "./types.ts";

export interface SocketTls {
  readonly key: string | Uint8Array;
  readonly cert: string | Uint8Array;
}

export interface SocketServeOptions<Data = ConnectionData> extends ServerOptions<Data> {
  /** 0 takes a free one. @default 8787 */
  readonly port?: number;
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  readonly tls?: SocketTls;
  /** Permessage-deflate. The limit of a message counts inflated bytes. @default false */
  readonly compression?: boolean;
  /** Answers requests that are no upgrade; it is told the peer's address where the runtime knows it. @default 426 */
  readonly fetch?: (request: Request, peer: { readonly ip: string | undefined }) => MaybePromise<Response>;
  /** Aborting it closes the server. */
  readonly signal?: AbortSignal;
}

export interface SocketCapabilities {
  readonly runtime: "node" | "bun" | "deno" | "workerd";
  /** Whether the runtime says how much it has not sent. */
  readonly backpressure: boolean;
  readonly compression: boolean;
  readonly ping: boolean;
}

/** A running server of a router. */
export interface SocketServer {
  readonly port: number;
  readonly hostname: string;
  /** `ws://hostname:port`, with a host a client can use. */
  readonly url: string;
  /** Connections that are open. */
  readonly connections: number;
  readonly capabilities: SocketCapabilities;
  /** Refuses newcomers, lets handlers finish, closes with 1012; after `drainMs` (default 10000) waits for nobody. Idempotent. */
  close(options?: { readonly drainMs?: number }): Promise<void>;
  /** The same without closing the port: newcomers get 503. */
  drain(options?: { readonly drainMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const SERVE_OPTIONS: readonly string[] = ["port", "hostname", "tls", "compression", "fetch", "signal"];
export const DEFAULT_DRAIN_MS = 10_000;

export interface ListenOptions {
  readonly port: number;
  readonly hostname: string;
  readonly tls: SocketTls | undefined;
  readonly compression: boolean;
  readonly fetch: SocketServeOptions["fetch"];
}

export function resolveListen(options: SocketServeOptions<never>): ListenOptions {
  const { hostname = "127.0.0.1", tls, compression = false, fetch } = options;
  if (typeof hostname !== "string" || hostname === "") throw new OptionError("hostname", hostname, "a host name or address");
  if (typeof compression !== "boolean") throw new OptionError("compression", compression, "true or false");
  if (fetch !== undefined && typeof fetch !== "function") throw new OptionError("fetch", fetch, "a function");
  if (tls !== undefined && (typeof tls !== "object" || tls === null || tls.key === undefined || tls.cert === undefined)) throw new OptionError("tls", "what was given", "an object with key and cert");
  return { port: checkInteger("port", options.port ?? 8787, 0, 65_535), hostname, tls, compression, fetch };
}

/** An address to connect to: the unspecified ones are for listening only. */
export function socketUrl(hostname: string, port: number, secure: boolean): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "[::1]" : hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${secure ? "wss" : "ws"}://${host}:${port}`;
}
