/** What the connected peer may say about the request, under the gateway's `trustProxy`. */

import { onWorkers } from "./client-ip.ts";
import type { RequestState } from "./context.ts";

/** Whether forwarded fields of this request count. */
export function peerIsTrusted(state: RequestState): boolean {
  return state.snapshot.trust !== undefined && state.snapshot.trust(state.peer, 0);
}

/** Whether a field the platform sets itself, such as `cf-ipcountry`, can be believed. */
export function platformSets(name: string): boolean {
  return name.toLowerCase().startsWith("cf-") && onWorkers();
}

/** Scheme the client used: that of the connection, or what a trusted proxy says it was. */
export function clientScheme(state: RequestState): "http" | "https" {
  const own = state.original.url.startsWith("https:") ? "https" : "http";
  if (!peerIsTrusted(state)) return own;
  const said = lastOf(state.c.req.raw.headers.get("x-forwarded-proto")) ?? forwardedParameter(state, "proto");
  return said === "https" || said === "http" ? said : own;
}

/** Host and port the client used, in lower case. */
export function clientHost(state: RequestState): string {
  const said = peerIsTrusted(state) ? (lastOf(state.c.req.raw.headers.get("x-forwarded-host")) ?? forwardedParameter(state, "host")) : undefined;
  return said ?? new URL(state.original.url).host;
}

/** The entry that the connected peer has added. */
function lastOf(list: string | null): string | undefined {
  const last = list?.split(",").at(-1)?.trim().toLowerCase();
  return last === undefined || last === "" ? undefined : last;
}

/** RFC 7239: a parameter of the last element. */
function forwardedParameter(state: RequestState, name: string): string | undefined {
  const last = state.c.req.raw.headers.get("forwarded")?.split(",").at(-1);
  for (const pair of last?.split(";") ?? []) {
    const [key, value] = pair.split("=", 2);
    if (key?.trim().toLowerCase() === name && value !== undefined) return value.trim().replace(/^"|"$/g, "").toLowerCase();
  }
  return undefined;
}
