/**
 * The request with the list of protocols as Deno reads it: split at comma and blank. That the blank may be missing
 * (RFC 9110 5.6.1) it does not know, and browsers and `ws` differ in it.
 */
export function withSpacedProtocols(request: Request): Request {
  const offered = request.headers.get("sec-websocket-protocol");
  if (offered === null) return request;
  const headers = new Headers(request.headers);
  headers.set("sec-websocket-protocol", offered.split(",").map((name) => name.trim()).join(", "));
  // Only the request that Deno has made can be upgraded, and its fields cannot be changed.
  return Object.defineProperty(request, "headers", { value: headers });
}
