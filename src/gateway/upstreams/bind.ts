/** Upstreams by type: how each is called, and its name in keys and logs. */

import type { BoundUpstream } from "../internals.ts";
import type { UpstreamConfig } from "../types.ts";
import { bindUrlUpstream } from "./url.ts";

/** `where` names the route in messages about wrong options. */
export function bindUpstream(upstream: UpstreamConfig, where: string): BoundUpstream {
  return upstream.type === "handler" ? upstream.handler : bindUrlUpstream(upstream, where);
}

/** A word for keys, logs and the registry: no path, no credentials. */
export function upstreamLabel(upstream: UpstreamConfig): string {
  if (upstream.type !== "url") return upstream.type;
  return typeof upstream.target === "string" ? `url ${new URL(upstream.target).origin}` : "url (dynamic)";
}
