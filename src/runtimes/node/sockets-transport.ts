/** A connection on Node: frames are written to the TCP socket in one piece, made once for all receivers. */

import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Connection, Frame, Transport } from "../../sockets/adapter.ts";
import type { TurnWriter, Pending } from "./turn-writer.ts";

/**
 * Without compression a frame to a client is a header and the payload (RFC 6455, section 5.2: server frames are not masked), the same
 * bytes for everybody. They go straight to the socket, between the control frames of `ws`, which are written whole, too.
 */
export class NodeTransport implements Transport {
  readonly raw: WebSocket;
  readonly signalsDrain = true;
  readonly #socket: Duplex;
  readonly #writer: TurnWriter;
  readonly #compressed: boolean;
  /** What waits for the end of this turn. */
  pending: Pending | undefined = undefined;
  /** Somebody waits for room. A socket that takes everything at once has nothing to drain, and says nothing. */
  wantsRoom = false;
  connection: Connection | undefined = undefined;

  constructor(raw: WebSocket, socket: Duplex, writer: TurnWriter, compressed: boolean) {
    this.raw = raw;
    this.#socket = socket;
    this.#writer = writer;
    this.#compressed = compressed;
  }

  get readyState(): number {
    return this.raw.readyState;
  }

  get bufferedAmount(): number {
    if (this.#compressed) return this.raw.bufferedAmount;
    return this.#socket.writableLength + (this.pending?.bytes ?? 0);
  }

  send(frame: Frame): void {
    if (this.raw.readyState !== 1) return;
    if (this.#compressed) this.raw.send(frame.data, { binary: frame.codec.binary });
    else this.#writer.soon(this, frame);
  }

  fanOut(frame: Frame): void {
    if (this.raw.readyState !== 1) return;
    if (this.#compressed) this.raw.send(frame.data, { binary: frame.codec.binary });
    else this.#writer.withOthers(this, frame);
  }

  /** Hands what waits to the socket. */
  flush(): void {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    if (!this.#socket.writable || !this.#socket.write(pending.buffer()) || !this.wantsRoom) return;
    this.wantsRoom = false;
    this.connection?.outbox.drained();
  }

  close(code: number, reason: string): void {
    this.flush();
    this.raw.close(code, reason);
  }

  terminate(): void {
    this.raw.terminate();
  }

  ping(): void {
    if (this.raw.readyState !== 1) return;
    this.flush();
    this.raw.ping();
  }
}
