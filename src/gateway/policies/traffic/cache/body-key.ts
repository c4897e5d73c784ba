/** The body of a request as part of a key (RFC 10008 does so for `QUERY`). */

import type { Context } from "hono";
import { readBody } from "./capture.ts";

/**
 * Digest and media type of the body, or `undefined` when it is longer than `maxBytes`: such a request is not cached.
 * The body stays readable for the upstream.
 */
export async function bodyKey(c: Context, maxBytes: number): Promise<string | undefined> {
  const { raw } = c.req;
  const type = raw.headers.get("content-type") ?? "";
  const declared = raw.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) return undefined;
  const bytes = raw.bodyUsed ? new Uint8Array(await c.req.arrayBuffer()) : await copyOf(raw, maxBytes);
  if (bytes === undefined || bytes.byteLength > maxBytes) return undefined;
  return `${hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource)))}${type.length}.${type}`;
}

async function copyOf(raw: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  const captured = await readBody(raw.clone().body, maxBytes, undefined);
  return captured instanceof Uint8Array ? captured : undefined;
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte >> 4).toString(16) + (byte & 15).toString(16);
  return text;
}
