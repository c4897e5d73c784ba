/** Whether a request comes from this machine, for pages that show themselves to nobody else. */

/**
 * Sent by a program of this machine, straight, to a name of this machine. A proxy here that adds no field and sends its own Host, as
 * nginx does by default, cannot be told from one: what this lets in must say so where it is documented.
 */
export function isFromThisMachine(peer: string | undefined, headers: Headers, url: string): boolean {
  return isLoopback(peer) && !isProxied(headers) && isLocalName(new URL(url).hostname);
}

/** An address of this machine: 127.0.0.0/8 or ::1. */
export function isLoopback(address: string | undefined): boolean {
  return address === "::1" || (address !== undefined && /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address));
}

/** A name that only means this machine: a page of another site could point its own name here. */
function isLocalName(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || isLoopback(hostname);
}

/** A proxy on this machine would make everybody local. */
function isProxied(headers: Headers): boolean {
  return headers.has("x-forwarded-for") || headers.has("forwarded") || headers.has("via") || headers.has("x-real-ip");
}
