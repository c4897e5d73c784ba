/** Writes a streaming response to Node's outgoing message, so that a broken body is seen as broken by the client. */

import type { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { lightBody } from "../../gateway/light-response.ts";

/**
 * Whether the body is a stream that has to be written chunk by chunk. Bodies in memory are left to the server, but bytes
 * without a content type: it would call them text.
 */
export function needsStreaming(response: Response): boolean {
  const light = lightBody(response);
  if (light === undefined) return response.body !== null;
  if (light === null || typeof light === "string") return false;
  return light instanceof ReadableStream || !response.headers.has("content-type");
}

/**
 * Sends `response` and resolves with what tells the server that it is done. A body that errors destroys the connection:
 * a client must never take the part it got for the whole, and the error is not its to read.
 */
export async function sendStream(response: Response, outgoing: ServerResponse): Promise<Response> {
  const body = response.body as ReadableStream<Uint8Array>;
  const reader = body.getReader();
  if (outgoing.destroyed) {
    reader.cancel().catch(() => {});
    return RESPONSE_ALREADY_SENT;
  }
  const gone = (): void => void reader.cancel().catch(() => {});
  outgoing.once("close", gone);
  try {
    const fields = outgoingFields(response.headers);
    let next = reader.read();
    if (fields["content-length"] === undefined && fields["transfer-encoding"] === undefined) {
      const whole = await shortBody(reader, next);
      if ("bytes" in whole) {
        outgoing.removeListener("close", gone);
        outgoing.writeHead(response.status, { ...fields, "content-length": whole.bytes.byteLength });
        outgoing.end(whole.bytes);
        return RESPONSE_ALREADY_SENT;
      }
      outgoing.writeHead(response.status, fields);
      if (whole.first !== undefined) outgoing.write(whole.first);
      next = whole.next;
    } else outgoing.writeHead(response.status, fields);
    outgoing.flushHeaders();
    for (;;) {
      const { done, value } = await next;
      if (done || outgoing.destroyed) break;
      if (!outgoing.write(value)) await drained(outgoing);
      next = reader.read();
    }
    outgoing.removeListener("close", gone);
    outgoing.end();
  } catch {
    outgoing.destroy();
  }
  return RESPONSE_ALREADY_SENT;
}

type Read = Promise<ReadableStreamReadResult<Uint8Array>>;

const PENDING = Symbol("pending");

/** A body that is over after at most one chunk, without waiting for it, is sent with its length. */
async function shortBody(reader: ReadableStreamDefaultReader<Uint8Array>, read: Read): Promise<{ bytes: Uint8Array } | { first: Uint8Array | undefined; next: Read }> {
  const soon = (): Promise<typeof PENDING> => new Promise((resolve) => void setImmediate(resolve, PENDING));
  const first = await Promise.race([read, soon()]);
  if (first === PENDING) return { first: undefined, next: read };
  if (first.done) return { bytes: new Uint8Array(0) };
  const next = reader.read();
  const second = await Promise.race([next, soon()]);
  return second !== PENDING && second.done ? { bytes: first.value } : { first: first.value, next };
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const ready = (): void => {
      outgoing.removeListener("drain", ready);
      outgoing.removeListener("close", ready);
      resolve();
    };
    outgoing.once("drain", ready);
    outgoing.once("close", ready);
  });
}

function outgoingFields(headers: Headers): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  headers.forEach((value, name) => {
    if (name !== "set-cookie") fields[name] = value;
  });
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) fields["set-cookie"] = cookies;
  return fields;
}
