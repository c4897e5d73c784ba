/** The origin by which a client knows the gateway. */

import type { AddressTrust } from "./internals.ts";

/**
 * Scheme and host of the request; where the connected peer is trusted, what it says in `X-Forwarded-Proto` and
 * `X-Forwarded-Host` (the entry nearest to it). A value that is no host or scheme does not count.
 */
export function publicOrigin(trust: AddressTrust, request: Request, peer: string | undefined): string {
  const { url, headers } = request;
  const own = originOf(url);
  if (trust === undefined || !trust(peer, 0)) return own;
  const host = last(headers.get("x-forwarded-host"));
  const proto = last(headers.get("x-forwarded-proto"))?.toLowerCase();
  if (host === undefined && proto === undefined) return own;
  const split = own.indexOf("://");
  const text = `${proto === "http" || proto === "https" ? proto : own.slice(0, split)}://${host !== undefined && isHost(host) ? host : own.slice(split + 3)}`;
  try {
    return new URL(text).origin;
  } catch {
    return own;
  }
}

function last(list: string | null): string | undefined {
  const entry = list?.slice(list.lastIndexOf(",") + 1).trim();
  return entry === "" ? undefined : entry;
}

function isHost(text: string): boolean {
  return /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(text);
}

/** Scheme and authority of an absolute URL, without parsing it: the request came in as one. */
export function originOf(url: string): string {
  const authority = url.indexOf("//") + 2;
  let at = authority;
  while (at < url.length) {
    const code = url.charCodeAt(at);
    // "/", "?", "#"
    if (code === 0x2f || code === 0x3f || code === 0x23) break;
    at++;
  }
  return url.slice(0, at).toLowerCase();
}
