/** A request body kept, so that it can be sent more than once. */

import type { Context } from "hono";
import { collectBody, isKept, keptBytes } from "../../../collect-body.ts";

export interface Replay {
  /** Puts the body back into `c.req.raw` for the next attempt. */
  rewind(): void;
}

/**
 * Reads the body if it is at most `limit` bytes; `undefined` when it is longer. `c.req.raw` holds a fresh body either
 * way: the longer one still streams, and can be sent once.
 */
export async function keepBody(c: Context, limit: number): Promise<Replay | undefined> {
  const { raw } = c.req;
  const declared = Number(raw.headers.get("content-length") ?? Number.NaN);
  if (declared > limit) return undefined;
  if (raw.bodyUsed && !isKept(c)) return undefined;
  // Whoever has read it through Hono has left it there.
  const bytes = raw.bodyUsed ? await keptBytes(c) : await collectBody(raw.body as ReadableStream<Uint8Array>, limit);
  if (!(bytes instanceof Uint8Array)) {
    c.req.raw = withBody(raw, bytes);
    return undefined;
  }
  if (bytes.byteLength > limit) return undefined;
  const rewind = (): void => {
    // What was read of it may since have been another one's.
    c.req.bodyCache = {};
    c.req.raw = withBody(raw, bytes);
  };
  rewind();
  return { rewind };
}

function withBody(raw: Request, body: Uint8Array | ReadableStream<Uint8Array>): Request {
  return new Request(raw, { body, duplex: "half" } as RequestInit);
}
