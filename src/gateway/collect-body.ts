/** Bodies that a policy needs as bytes, up to a limit. */

import type { Context } from "hono";
import { concatBytes } from "../core/concat-bytes.ts";
import { GatewayError } from "./errors.ts";

/** All bytes of a body of at most `limit` bytes; else a stream of all of it: what was read, then the rest as it comes. */
export async function collectBody(body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
    if (size > limit) return continued(chunks, reader);
  }
  return concatBytes(chunks, size);
}

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

/** Bytes of request bodies that were read whole: several policies may ask, and the stream comes once. */
const read: WeakMap<Request, Uint8Array<ArrayBuffer>> = /* @__PURE__ */ new WeakMap();

/**
 * The request's body as bytes; `undefined` when it is longer than `limit`, in declared or in real bytes. Inner policies and
 * the upstream find it unread either way.
 */
export async function requestBytes(c: Context, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { raw } = c.req;
  const known = read.get(raw);
  if (known !== undefined) return known.byteLength > limit ? undefined : known;
  if (raw.bodyUsed) {
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    return bytes.byteLength > limit ? undefined : bytes;
  }
  if (Number(raw.headers.get("content-length") ?? 0) > limit) return undefined;
  if (raw.body === null) return new Uint8Array(0);
  const body = await collectBody(raw.body, limit);
  const whole = body instanceof Uint8Array;
  c.req.raw = new Request(raw, { body, duplex: "half" } as RequestInit);
  if (!whole) return undefined;
  read.set(c.req.raw, body as Uint8Array<ArrayBuffer>);
  return body as Uint8Array<ArrayBuffer>;
}

/** The same, or a 413 `body_too_large`. */
export async function boundedRequestBytes(c: Context, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await requestBytes(c, limit);
  if (bytes === undefined) throw bodyTooLarge(limit);
  return bytes;
}

export function bodyTooLarge(limit: number): GatewayError {
  return new GatewayError(413, "body_too_large", `The body of the request is longer than ${limit} bytes`);
}

/** Whether whoever has read the body did so through Hono, which keeps it. */
export function isKept(c: Context): boolean {
  return Object.keys(c.req.bodyCache).length > 0;
}

/** The bytes of a body that was read. @throws GatewayError when it was not kept */
export async function keptBytes(c: Context): Promise<Uint8Array<ArrayBuffer>> {
  if (!isKept(c)) throw bodyConsumed();
  return new Uint8Array(await c.req.arrayBuffer());
}

/** A policy has read the body past Hono, which so could not keep it. */
function bodyConsumed(): GatewayError {
  return new GatewayError(500, "internal_error", "The body of the request was consumed before it could be sent on");
}

/** The text of bytes in UTF-8, or `undefined` when they are not. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
