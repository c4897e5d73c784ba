/** The caller's address: the socket's, or what a trusted proxy says it is. */

import type { Context } from "hono";
import type { Snapshot } from "./internals.ts";
import type { TrustProxy } from "./types.ts";

export const DEFAULT_IP_HEADERS: readonly string[] = Object.freeze(["cf-connecting-ip", "x-forwarded-for"]);

/** Whether the forwarded headers of the peer at `address` count, `hop` proxies away (the connected one is 0). */
export type AddressTrust = ((address: string, hop: number) => boolean) | undefined;

/** The peer's address as the runtime reports it: Node and `@hono/node-server`, Deno, Bun. */
export function peerAddress(env: unknown, ctx: unknown): string | undefined {
  const bindings = env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  void ctx;
  return bindings?.incoming?.socket?.remoteAddress;
}

export function addressTrust(option: TrustProxy | undefined): AddressTrust {
  void option;
  return undefined;
}

/** The caller's address, or `unknown`. */
export function resolveClientIp(snapshot: Snapshot, c: Context, ipHeaders: readonly string[] = DEFAULT_IP_HEADERS): string {
  void snapshot;
  void ipHeaders;
  return peerAddress(c.env, undefined) ?? "unknown";
}
