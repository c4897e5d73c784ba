/** One write per socket and turn of the event loop, and one buffer for all sockets that get the same frames. */

import type { Frame } from "../../sockets/adapter.ts";
import type { NodeTransport } from "./sockets-transport.ts";

/** The bytes of a frame on the wire. */
function wireOf(frame: Frame): Buffer {
  if (frame.wire !== undefined) return frame.wire as Buffer;
  const { data } = frame;
  const length = frame.bytes;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const buffer = Buffer.allocUnsafe(head + length);
  // FIN, and text or binary.
  buffer[0] = frame.codec.binary ? 0x82 : 0x81;
  if (head === 2) buffer[1] = length;
  else if (head === 4) {
    buffer[1] = 126;
    buffer.writeUInt16BE(length, 2);
  } else {
    buffer[1] = 127;
    buffer.writeUInt32BE(Math.floor(length / 4_294_967_296), 2);
    buffer.writeUInt32BE(length % 4_294_967_296, 6);
  }
  if (typeof data === "string") buffer.write(data, head, "utf8");
  else buffer.set(data, head);
  return (frame.wire = buffer);
}

/**
 * A sequence of frames, as a node of a tree: sockets with the same frames in the same order are at the same node, whose
 * bytes are put together once.
 */
export class Pending {
  readonly bytes: number;
  readonly #before: Pending | undefined;
  readonly #frame: Frame;
  #lastFrame: Frame | undefined;
  #last: Pending | undefined;
  #buffer: Buffer | undefined;

  constructor(before: Pending | undefined, frame: Frame) {
    this.#before = before;
    this.#frame = frame;
    this.bytes = (before?.bytes ?? 0) + wireOf(frame).length;
  }

  /** This sequence and one more frame. */
  and(frame: Frame): Pending {
    if (this.#lastFrame === frame) return this.#last as Pending;
    this.#lastFrame = frame;
    return (this.#last = new Pending(this, frame));
  }

  buffer(): Buffer {
    if (this.#buffer !== undefined) return this.#buffer;
    if (this.#before === undefined) return (this.#buffer = wireOf(this.#frame));
    const parts: Buffer[] = [wireOf(this.#frame)];
    for (let node: Pending | undefined = this.#before; node !== undefined; node = node.#before) parts.push(wireOf(node.#frame));
    return (this.#buffer = Buffer.concat(parts.reverse(), this.bytes));
  }
}

export class TurnWriter {
  /** Sockets with frames that leave as soon as the running code is done. */
  #soon: NodeTransport[] = [];
  /** Sockets with frames of topics that wait for the end of the turn. */
  #later: NodeTransport[] = [];
  #soonAsked = false;
  #turnAsked = false;
  /** A fan-out has left in this turn already: more of them are put together. */
  #busy = false;
  #firstFrame: Frame | undefined;
  #first: Pending | undefined;

  /** A frame for one socket: leaves after the running code, never a turn later. */
  soon(transport: NodeTransport, frame: Frame): void {
    // What waits for the end of the turn goes first, and with it.
    if (transport.pending !== undefined && this.#later.length > 0) this.#soon.push(transport);
    this.#append(transport, frame, this.#soon);
    this.#askSoon();
  }

  /** A frame for many: at once when nothing else is on its way, else with others at the end of the turn. */
  withOthers(transport: NodeTransport, frame: Frame): void {
    if (!this.#busy) {
      this.#append(transport, frame, this.#soon);
      this.#askSoon();
      return;
    }
    this.#append(transport, frame, this.#later);
    this.#askTurn();
  }

  #append(transport: NodeTransport, frame: Frame, list: NodeTransport[]): void {
    if (transport.pending !== undefined) {
      transport.pending = transport.pending.and(frame);
      return;
    }
    if (this.#firstFrame !== frame) {
      this.#firstFrame = frame;
      this.#first = new Pending(undefined, frame);
    }
    transport.pending = this.#first;
    list.push(transport);
  }

  #askSoon(): void {
    if (this.#soonAsked) return;
    this.#soonAsked = true;
    queueMicrotask(() => {
      this.#soonAsked = false;
      const list = this.#soon;
      this.#soon = [];
      this.#forget();
      for (const transport of list) transport.flush();
      if (list.length > 1) {
        this.#busy = true;
        this.#askTurn();
      }
    });
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    setImmediate(() => {
      this.#turnAsked = false;
      const list = this.#later;
      this.#later = [];
      this.#forget();
      for (const transport of list) transport.flush();
      this.#busy = list.length > 0;
      if (this.#busy) this.#askTurn();
    });
  }

  /** Buffers live as long as somebody has to send them. */
  #forget(): void {
    this.#firstFrame = this.#first = undefined;
  }
}
