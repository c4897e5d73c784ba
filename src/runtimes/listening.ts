/** What serving has in common on every runtime that listens: what is served, where, and the handle of it. */

import { checkInteger, checkNonNegative } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";

/** What can be served: a gateway, a Hono application, anything with `fetch`. */
export interface Servable {
  readonly fetch: (request: Request, env?: never, ctx?: never) => MaybePromise<Response>;
}

/** Options of `serve` on every runtime. */
export interface ListenOptions {
  /** 0 takes a free one. @default 8787 */
  readonly port?: number;
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** Closes the server, as `close()` does, when it aborts. */
  readonly signal?: AbortSignal;
}

/** A server that listens. */
export interface Listening {
  readonly port: number;
  readonly hostname: string;
  /** `http://hostname:port`, with a host a client can use. */
  readonly url: string;
  /**
   * Stops accepting, finishes what is in flight, closes idle connections, and after `graceMs` (default 10000) the rest.
   * A gateway that was served is closed, too. Idempotent.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_GRACE_MS = 10_000;

export interface ListenAddress {
  readonly port: number;
  readonly hostname: string;
}

/** Throws an `OptionError` that names the option, and the reason of a `signal` that has aborted. */
export function checkListen(app: Servable, { port, hostname = "127.0.0.1", signal }: ListenOptions): ListenAddress {
  if (typeof app?.fetch !== "function") throw new OptionError("app", app, "a gateway, or an application with a fetch method");
  if (typeof hostname !== "string" || hostname === "") throw new OptionError("hostname", hostname, "a host name or address");
  if (signal !== undefined && typeof signal?.addEventListener !== "function") throw new OptionError("signal", signal, "an AbortSignal");
  signal?.throwIfAborted();
  return { port: checkInteger("port", port ?? 8787, 0, 65_535), hostname };
}

/** The handle of a server on `address`; `stop` ends it, and is called once. */
export function listening(app: Servable, address: ListenAddress, signal: AbortSignal | undefined, stop: (graceMs: number) => Promise<void>): Listening {
  const { port, hostname } = address;
  let closed: Promise<void> | undefined;
  const end = async (graceMs: number): Promise<void> => {
    signal?.removeEventListener("abort", onAbort);
    await Promise.all([stop(graceMs), closeGateway(app, graceMs)]);
  };
  const close = (graceMs: number): Promise<void> => (closed ??= end(graceMs));
  const onAbort = (): void => void close(DEFAULT_GRACE_MS).catch(() => {});
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    port,
    hostname,
    url: `http://${reachable(hostname)}:${port}`,
    close: (options) => close(checkNonNegative("graceMs", options?.graceMs ?? DEFAULT_GRACE_MS)),
    [Symbol.asyncDispose]: () => close(DEFAULT_GRACE_MS),
  };
}

/** A gateway ends with its server; another application is its owner's. */
async function closeGateway(app: Servable, graceMs: number): Promise<void> {
  const gateway = app as { _registry?: unknown; close?: (options: { graceMs: number }) => Promise<void> };
  if (gateway._registry !== undefined && typeof gateway.close === "function") await gateway.close({ graceMs });
}

/** An address to connect to: the unspecified ones are for listening only. */
export function reachable(hostname: string): string {
  if (hostname === "0.0.0.0") return "127.0.0.1";
  if (hostname === "::") return "[::1]";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
