/** Tells when the body of an answer has ended or broken. Costs nothing unless somebody asked. */

import type { Context } from "hono";

export interface BodyEnd {
  readonly bytes: number;
  /** It did not reach its end. */
  readonly aborted: boolean;
}

/**
 * The WebSocket that a request has become: its close is the end of the answer, whatever a runtime takes for the answer to
 * a handshake (nothing, an empty body, a 101).
 */
export class SocketEnd {
  /** Ends the connection without a closing handshake. */
  readonly terminate: () => void;
  private end: BodyEnd | undefined;
  private done: ((end: BodyEnd) => void) | undefined;

  constructor(terminate: () => void) {
    this.terminate = terminate;
    this.end = undefined;
    this.done = undefined;
  }

  /** Calls `done` once when it has closed. */
  watch(done: (end: BodyEnd) => void): void {
    if (this.end === undefined) this.done = done;
    else done(this.end);
  }

  closed(end: BodyEnd): void {
    this.end = end;
    this.done?.(end);
  }
}

/** The outgoing message of Node's server, as `@hono/node-server` hands it to the application. */
interface Outgoing {
  readonly writableFinished: boolean;
  readonly destroyed: boolean;
  once(event: "close", listener: () => void): void;
  write(chunk: unknown, ...rest: unknown[]): boolean;
  end(chunk?: unknown, ...rest: unknown[]): unknown;
}

/** Calls `done` once when the body of `response` has ended; gives the response to send instead. */
export function watchBodyEnd(c: Context, response: Response, done: (end: BodyEnd) => void): Response {
  const outgoing = (c.env as { outgoing?: Outgoing } | undefined)?.outgoing;
  if (outgoing !== undefined && typeof outgoing.once === "function") {
    watchOutgoing(outgoing, done);
    return response;
  }
  const body = response.body;
  if (body === null || c.req.method === "HEAD") {
    done({ bytes: 0, aborted: false });
    return response;
  }
  return new Response(count(body, done), { status: response.status, statusText: response.statusText, headers: response.headers });
}

function watchOutgoing(outgoing: Outgoing, done: (end: BodyEnd) => void): void {
  let bytes = 0;
  const { write, end } = outgoing;
  outgoing.write = (chunk, ...rest) => {
    bytes += byteSize(chunk);
    return write.call(outgoing, chunk, ...rest);
  };
  outgoing.end = (chunk, ...rest) => {
    bytes += byteSize(chunk);
    return end.call(outgoing, chunk, ...rest);
  };
  const finish = (): void => done({ bytes, aborted: !outgoing.writableFinished });
  if (outgoing.destroyed) finish();
  else outgoing.once("close", finish);
}

/** Bytes of a chunk as it is sent; 0 of anything else. */
export function byteSize(chunk: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  return typeof chunk === "string" ? utf8Length(chunk) : 0;
}

function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** Passes the bytes through, one read at a time, so that backpressure and cancellation reach the source. */
function count(body: ReadableStream<Uint8Array>, done: (end: BodyEnd) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  let ended = false;
  const finish = (aborted: boolean): void => {
    if (ended) return;
    ended = true;
    done({ bytes, aborted });
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await reader.read();
          if (chunk.done) {
            finish(false);
            controller.close();
            return;
          }
          bytes += chunk.value.byteLength;
          controller.enqueue(chunk.value);
        } catch (error) {
          finish(true);
          controller.error(error);
        }
      },
      cancel(reason) {
        finish(true);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
