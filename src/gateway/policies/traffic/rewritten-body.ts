/** Fields of an answer whose body a policy has changed. */

/**
 * Takes out of an answer's fields what described the old bytes: length, digests, ranges, the strong validator. In place, because an
 * answer that takes another's place inherits its fields.
 */
export function describeRewritten(headers: Headers): Headers {
  for (const name of ["content-length", "content-digest", "repr-digest", "content-md5", "accept-ranges", "content-encoding", "transfer-encoding"]) headers.delete(name);
  weakenTag(headers);
  return headers;
}

/** Equal in meaning still, but no longer in bytes (RFC 9110 8.8.1). */
export function weakenTag(headers: Headers): void {
  const tag = headers.get("etag");
  if (tag !== null && !tag.startsWith("W/")) headers.set("etag", `W/${tag}`);
}
