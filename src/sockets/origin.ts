/** Where a request comes from: the client's address behind proxies, and whether a browser's origin is our own. */

import type { HeaderFields } from "./captured-request.ts";
import type { TrustProxy } from "./server-options.ts";

/** The client's address: the peer's, or by `trustProxy` what proxies say. */
export function clientAddress(trust: TrustProxy, peer: string | undefined, headers: HeaderFields): string | undefined {
  const own = normalise(peer);
  if (!trustsPeer(trust, own)) return own;
  const hops = (headers.get("x-forwarded-for") ?? "").split(",").map((hop) => normalise(hop.trim())).filter((hop) => hop !== undefined);
  if (hops.length === 0) return own;
  if (trust === true) return hops[0];
  if (typeof trust === "number") return hops[Math.max(0, hops.length - trust)];
  for (let i = hops.length - 1; i >= 0; i--) if (!(trust as (address: string) => boolean)(hops[i] as string)) return hops[i];
  return hops[0];
}

function trustsPeer(trust: TrustProxy, peer: string | undefined): boolean {
  if (trust === false || trust === 0) return false;
  return typeof trust !== "function" || (peer !== undefined && trust(peer));
}

/** IPv4 in IPv6 is IPv4; a port and brackets go. */
function normalise(address: string | undefined): string | undefined {
  if (address === undefined || address === "") return undefined;
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? (/^\d+\.\d+\.\d+\.\d+:\d+$/.test(address) ? address.slice(0, address.lastIndexOf(":")) : address);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  return mapped ?? bare.toLowerCase();
}

export function hostOf(headers: HeaderFields, url: URL): string {
  return headers.get("host") ?? url.host;
}

/** Scheme, host and port agree. */
export function isSameOrigin(origin: string, host: string, trust: TrustProxy, peer: string | undefined, headers: HeaderFields, url: URL): boolean {
  const forwarded = trustsPeer(trust, normalise(peer)) ? headers.get("x-forwarded-proto")?.split(",")[0]?.trim() : undefined;
  const scheme = forwarded ?? (url.protocol === "wss:" || url.protocol === "https:" ? "https" : "http");
  try {
    return new URL(origin).origin === new URL(`${scheme}://${host}`).origin;
  } catch {
    return false;
  }
}
