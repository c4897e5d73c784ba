/** A request body kept, so that it can be sent more than once. */

import type { Context } from "hono";

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
  const reader = (raw.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
    if (size > limit) {
      c.req.raw = withBody(raw, continued(chunks, reader));
      return undefined;
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  const rewind = (): void => void (c.req.raw = withBody(raw, bytes));
  rewind();
  return { rewind };
}

function withBody(raw: Request, body: Uint8Array | ReadableStream<Uint8Array>): Request {
  return new Request(raw, { body, duplex: "half" } as RequestInit);
}

/** What was read already, then the rest as it comes. */
function continued(head: Uint8Array[], reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const first = head.shift();
        if (first !== undefined) {
          controller.enqueue(first);
          return;
        }
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
