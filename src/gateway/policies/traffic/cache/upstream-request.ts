/** What is sent to the upstream to check or replace a stored response. */

import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import { storedField } from "./serve.ts";

/**
 * The request with the validators of what is stored in place of the client's own conditions; `undefined` when there are
 * none. Without `keepSignal` it is cut loose from the client.
 */
export function conditionalRequest(raw: Request, record: CacheRecord, keepSignal = true): Request | undefined {
  const etag = storedField(record, "etag");
  const lastModified = storedField(record, "last-modified");
  if (etag === undefined && lastModified === undefined) return undefined;
  const headers = unconditional(raw);
  if (etag !== undefined) headers.set("if-none-match", etag);
  if (lastModified !== undefined) headers.set("if-modified-since", lastModified);
  return keepSignal ? new Request(raw, { headers }) : new Request(raw.url, { method: "GET", headers });
}

/** The same without conditions, cut loose from the client. */
export function plainRequest(raw: Request): Request {
  return new Request(raw.url, { method: "GET", headers: unconditional(raw) });
}

function unconditional(raw: Request): Headers {
  const headers = new Headers(raw.headers);
  for (const name of ["if-none-match", "if-modified-since", "range", "if-range"]) headers.delete(name);
  return headers;
}

/** The length a response declares for its body. */
export function declaredLength(headers: Headers): number | undefined {
  const field = headers.get("content-length");
  return field === null || !/^\d{1,15}$/.test(field) ? undefined : Number(field);
}
