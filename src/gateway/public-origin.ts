/** The origin by which a client knows the gateway. */

import type { RequestState } from "./context.ts";
import { clientHost, clientScheme, peerIsTrusted } from "./peer-trust.ts";

/** Scheme and host of the request; where the connected peer is trusted, what it says they were. A value that is no host does not count. */
export function publicOrigin(state: RequestState): string {
  const own = originOf(state.original.url);
  if (!peerIsTrusted(state)) return own;
  const host = clientHost(state);
  if (!/^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.test(host)) return own;
  const text = `${clientScheme(state)}://${host}`;
  return URL.canParse(text) ? new URL(text).origin : own;
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
