/** The socket of a test connection: frames in a list, a buffer that can be made to fill. */

import { CLOSE } from "../close-codes.ts";
import type { Codec } from "../codec.ts";
import type { Connection } from "../connection.ts";
import type { Frame } from "../frame.ts";
import type { Transport } from "../transport.ts";
import type { TestFrame } from "./test-router.ts";

export class TestTransport implements Transport {
  readonly raw: unknown = undefined;
  readonly signalsDrain = true;
  readonly frames: Frame[] = [];
  connection!: Connection;
  readyState = 1;
  closed: { readonly code: number; readonly reason: string } | undefined;
  stalled = false;
  #buffer: Frame[] = [];
  #buffered = 0;
  #pendingClose: (() => void) | undefined;
  readonly #waiting: { readonly id: string; readonly codec: Codec; readonly take: (frame: TestFrame) => void; readonly fail: (error: unknown) => void }[] = [];

  get bufferedAmount(): number {
    return this.#buffered;
  }

  send(frame: Frame): void {
    if (this.readyState !== 1) return;
    if (this.stalled) {
      this.#buffer.push(frame);
      this.#buffered += frame.bytes;
    } else this.#arrived(frame);
  }

  #arrived(frame: Frame): void {
    this.frames.push(frame);
    for (const waiting of this.#waiting.slice()) {
      const decoded = waiting.codec.decode(frame.data) as TestFrame;
      if (decoded.meta?.["correlationId"] !== waiting.id || decoded.type === "$ws:rpc-progress") continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.take(decoded);
    }
  }

  answerTo(id: string, codec: Codec): Promise<TestFrame> {
    return new Promise((take, fail) => void this.#waiting.push({ id, codec, take, fail }));
  }

  resume(): void {
    this.stalled = false;
    for (const frame of this.#buffer.splice(0)) this.#arrived(frame);
    this.#buffered = 0;
    this.#pendingClose?.();
    this.connection.outbox.drained();
  }

  close(code: number, reason: string): void {
    if (this.readyState !== 1) return;
    this.readyState = 2;
    // The peer answers a close when it reads it.
    this.#pendingClose = () => this.#end(code, reason);
    if (!this.stalled) queueMicrotask(() => this.#pendingClose?.());
  }

  peerClosed(code: number, reason: string): void {
    this.#end(code, reason);
  }

  terminate(): void {
    this.#end(this.readyState === 3 ? 0 : CLOSE.abnormal, "");
  }

  #end(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#pendingClose = undefined;
    this.#buffer = [];
    this.#buffered = 0;
    this.closed = { code, reason };
    for (const { fail } of this.#waiting.splice(0)) fail(new Error(`the connection closed with ${code}`));
    void this.connection.closed(code, reason);
  }
}
