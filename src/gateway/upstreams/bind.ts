/** Upstreams by type: how each is called, and its name in keys and logs. */

import { configError } from "../errors.ts";
import type { BoundUpstream } from "../internals.ts";
import type { UpstreamConfig, UrlUpstream } from "../types.ts";
import { bindBalanced } from "./balanced.ts";
import type { UpstreamPlace } from "./place.ts";
import { bindServiceBinding } from "./service-binding.ts";
import { bindUrlUpstream } from "./url.ts";

export function bindUpstream(upstream: UpstreamConfig, place: UpstreamPlace): BoundUpstream {
  switch (upstream.type) {
    case "handler":
      return upstream.handler;
    case "service-binding":
      return bindServiceBinding(upstream, place.where);
    case "balanced":
      return bindBalanced(upstream, place);
    case "url":
      return upstream.canary === undefined ? bindUrlUpstream(upstream, place.where) : bindWithCanary(upstream, place);
  }
}

/** A URL with a canary is a balanced upstream of one target. */
function bindWithCanary({ type: _, target, allowOrigins, ...options }: UrlUpstream, place: UpstreamPlace): BoundUpstream {
  if (typeof target !== "string") throw configError(`"canary" of the upstream of ${place.where}`, options.canary, "absent when the target is a function");
  if (allowOrigins !== undefined) throw configError(`"allowOrigins" of the upstream of ${place.where}`, allowOrigins, "absent when the target is fixed");
  return bindBalanced({ ...options, type: "balanced", targets: [{ url: target }], ejection: false }, place);
}

/** A word for keys, logs and the registry: no path, no credentials. */
export function upstreamLabel(upstream: UpstreamConfig): string {
  switch (upstream.type) {
    case "handler":
      return "handler";
    case "service-binding":
      return `service-binding ${upstream.service}`;
    case "balanced":
      return `balanced ${upstream.targets.map(({ url }) => new URL(url).origin).join(" ")}`;
    case "url":
      return typeof upstream.target === "string" ? `url ${new URL(upstream.target).origin}` : "url (dynamic)";
  }
}
