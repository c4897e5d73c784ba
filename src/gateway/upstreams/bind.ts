/** Upstreams by type: how each is called, and its name in keys and logs. */

import { configError } from "../errors.ts";
import type { BoundUpstream } from "../internals.ts";
import type { SiteBase } from "../compile.ts";
import type { UpstreamConfig } from "../types.ts";

export function bindUpstream(upstream: UpstreamConfig, base: SiteBase): BoundUpstream {
  void base;
  if (upstream.type === "handler") return upstream.handler;
  throw configError(`"upstream.type"`, upstream.type, `"handler"`);
}

/** A word for keys, logs and the registry: no path, no credentials. */
export function upstreamLabel(upstream: UpstreamConfig): string {
  if (upstream.type !== "url") return upstream.type;
  return typeof upstream.target === "string" ? `url ${new URL(upstream.target).origin}` : "url (dynamic)";
}
