/** Changes the request that inner policies and the upstream see. */

import type { Context } from "hono";
import { nominatedFields } from "../core/transport.ts";
import { keptBytes } from "./collect-body.ts";
import type { BoundEntry } from "./internals.ts";

/** Applies `edit` to the request's fields: in place, or to a copy where a runtime gives requests that cannot be changed. */
export function editRequestFields(c: Context, edit: (headers: Headers) => void): void {
  const { raw } = c.req;
  if (isMutable(raw.headers)) {
    edit(raw.headers);
    return;
  }
  const headers = new Headers(raw.headers);
  edit(headers);
  c.req.raw = raw.bodyUsed ? requestOver(c, raw.url, headers) : new Request(raw, { headers });
}

const PROBE = "x-sluice-probe";

function isMutable(headers: Headers): boolean {
  try {
    headers.delete(PROBE);
    return true;
  } catch {
    return false;
  }
}

/** Removes fields, if there are any of them. */
export function dropRequestFields(c: Context, names: readonly string[]): void {
  const present = names.filter((name) => c.req.raw.headers.has(name));
  if (present.length === 0) return;
  editRequestFields(c, (headers) => {
    for (const name of present) headers.delete(name);
  });
}

/** Removing these would change what the request means or who sends it; `upgrade` is a part of handshakes. */
const NOT_NOMINABLE: ReadonlySet<string> = new Set(["host", "authorization", "cookie", "content-length", "upgrade", "via"]);

/** Removes what `Connection` names (RFC 9110 7.6.1), before this gateway adds fields of its own under such a name. */
export function dropNominatedFields(c: Context): void {
  const connection = c.req.raw.headers.get("connection");
  if (connection === null) return;
  const names = nominatedFields(connection).filter((name) => !NOT_NOMINABLE.has(name));
  if (names.length > 0) dropRequestFields(c, names);
}

/** Removes the client's copies of fields that only policies of this chain may set. */
export function dropOwnedFields(c: Context, policies: readonly BoundEntry[]): void {
  for (const { owned } of policies) if (owned !== undefined) dropRequestFields(c, owned);
}

/** Gives the request another URL, over the same fields and body. */
export function replaceRequestUrl(c: Context, url: string): void {
  c.req.raw = requestOver(c, url, c.req.raw.headers);
}

function requestOver(c: Context, url: string, headers: Headers): Request {
  const { raw } = c.req;
  return new Request(url, { method: raw.method, headers, body: raw.bodyUsed ? bodyReadBefore(c) : raw.body, signal: raw.signal, duplex: "half" } as RequestInit);
}

/** A body that somebody has read through Hono, which keeps it. */
function bodyReadBefore(c: Context): ReadableStream<Uint8Array> {
  const kept = keptBytes(c);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await kept;
        if (bytes.byteLength > 0) controller.enqueue(bytes);
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Gives the request another body; what somebody has read of the old one is forgotten. `null` is no body. */
export function replaceRequestBody(c: Context, body: Uint8Array | string | null): void {
  const { raw } = c.req;
  const headers = new Headers(raw.headers);
  // Lengths and digests of the old bytes are false of the new ones.
  for (const name of ["content-length", "transfer-encoding", "content-digest", "repr-digest", "content-md5"]) headers.delete(name);
  c.req.bodyCache = {};
  c.req.raw = new Request(raw.url, { method: raw.method, headers, body: body as BodyInit | null, signal: raw.signal });
}
