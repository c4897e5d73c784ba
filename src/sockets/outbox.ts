/** What leaves a connection: in call order, bounded, and closed after everything before the close. */

import type { Frame } from "./frame.ts";
import type { ResolvedLimits, SlowConsumerPolicy } from "./options.ts";
import type { Transport } from "./transport.ts";

/** What became of a frame: accepted, given up by policy, or the connection is being closed for it. */
export type Accepted = "accepted" | "dropped" | "closed";

/** A place in the order, taken before it is known what goes there. */
export interface Slot {
  frame: Frame | undefined;
  ready: boolean;
  close: { readonly code: number; readonly reason: string } | undefined;
  /** The topic whose message will go there: what has an earlier number in it goes in front. */
  topic?: string;
}

/** Who has an outbox. */
export interface OutboxOwner {
  readonly transport: Transport;
  /** `dropped` frames were lost; `overflow` when the connection has to go. */
  onDropped(frames: number, buffered: number): void;
  onOverflow(buffered: number): void;
  /** The runtime's buffer is above the low mark: look again until it is not. */
  onCongested(): void;
}

/** Above it frames wait here, where they can still be dropped or replaced. */
const LOW_MARK = 65_536;
/** The queue of those who have none. */
const NOTHING: Frame[] = [];

export class Outbox {
  readonly #owner: OutboxOwner;
  readonly #limits: ResolvedLimits["backpressure"];
  readonly #low: number;
  #slots: Slot[] | undefined;
  #queue: Frame[] = NOTHING;
  #queuedBytes = 0;
  #closed = false;
  #waiters: (() => void)[] | undefined;

  constructor(owner: OutboxOwner, limits: ResolvedLimits["backpressure"]) {
    this.#owner = owner;
    this.#limits = limits;
    this.#low = Math.min(LOW_MARK, limits.maxBufferedBytes / 2);
  }

  /** Bytes in the runtime's buffer and here. */
  get buffered(): number {
    return (this.#owner.transport.bufferedAmount ?? 0) + this.#queuedBytes;
  }

  get congested(): boolean {
    return this.#queue.length > 0 || (this.#owner.transport.bufferedAmount ?? 0) > this.#low;
  }

  /** Takes a place for a frame that is not ready. Everything later waits behind it. */
  hold(): Slot {
    const slot: Slot = { frame: undefined, ready: false, close: undefined };
    (this.#slots ??= []).push(slot);
    return slot;
  }

  /** Fills a place; without a frame it is given up. */
  settle(slot: Slot, frame: Frame | undefined): void {
    slot.frame = frame;
    slot.ready = true;
    const slots = this.#slots;
    if (slots === undefined) return;
    while (slots[0]?.ready === true) {
      const { frame: next, close } = slots.shift() as Slot;
      if (slots.length === 0) this.#slots = undefined;
      if (next !== undefined) this.#push(next);
      else if (close !== undefined) this.#end(close.code, close.reason);
    }
  }

  /** `numberedIn`: a message of a topic whose messages are numbered. */
  write(frame: Frame, numberedIn?: string): Accepted {
    if (this.#closed) return "closed";
    if (this.#slots !== undefined) {
      const at = numberedIn === undefined ? -1 : this.#slots.findIndex(({ ready, topic }) => !ready && topic === numberedIn);
      if (at === 0) return this.#push(frame);
      if (at > 0) {
        this.#slots.splice(at, 0, { frame, ready: true, close: undefined });
        return "accepted";
      }
      this.#slots.push({ frame, ready: true, close: undefined });
      return "accepted";
    }
    return this.#push(frame);
  }

  /** Closes after everything that was written or has a place. */
  close(code: number, reason: string): void {
    if (this.#slots !== undefined) this.#slots.push({ frame: undefined, ready: true, close: { code, reason } });
    else this.#end(code, reason);
  }

  /** Throws away what waits here. */
  discard(): void {
    this.#closed = true;
    this.#queue = NOTHING;
    this.#queuedBytes = 0;
    this.#slots = undefined;
    this.#wake();
  }

  /** The runtime's buffer has room again. */
  drained(): void {
    const { transport } = this.#owner;
    while (this.#queue.length > 0 && (transport.bufferedAmount ?? 0) <= this.#low) {
      const frame = this.#queue.shift() as Frame;
      this.#queuedBytes -= frame.bytes;
      transport.send(frame);
    }
    if (!this.congested) this.#wake();
    else this.#owner.onCongested();
  }

  /** Resolves when there is room, or nobody left to send to. */
  room(): Promise<void> | undefined {
    if (this.#closed || !this.congested) return undefined;
    this.#owner.onCongested();
    return new Promise((resolve) => void (this.#waiters ??= []).push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (const wake of waiters ?? []) wake();
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return;
    const { transport } = this.#owner;
    for (const frame of this.#queue) transport.send(frame);
    this.#queue = NOTHING;
    this.#queuedBytes = 0;
    this.#closed = true;
    this.#wake();
    transport.close(code, reason);
  }

  #push(frame: Frame): Accepted {
    if (this.#closed) return "closed";
    const { transport } = this.#owner;
    const inRuntime = transport.bufferedAmount;
    if (inRuntime === undefined || (inRuntime === 0 && this.#queue.length === 0)) {
      send(transport, frame);
      return "accepted";
    }
    const { maxBufferedBytes, policy: ownPolicy } = this.#limits;
    const policy = frame.policy ?? ownPolicy;
    const buffered = inRuntime + this.#queuedBytes;
    if (buffered + frame.bytes > maxBufferedBytes) return this.#overflow(frame, policy, inRuntime);
    if (this.#queue.length === 0 && (policy === "close" || inRuntime <= this.#low)) send(transport, frame);
    else this.#enqueue(frame);
    return "accepted";
  }

  #enqueue(frame: Frame): void {
    if (this.#queue === NOTHING) this.#queue = [];
    this.#queue.push(frame);
    this.#queuedBytes += frame.bytes;
    this.#owner.onCongested();
  }

  #overflow(frame: Frame, policy: SlowConsumerPolicy, inRuntime: number): Accepted {
    const { maxBufferedBytes } = this.#limits;
    if (policy === "close") return this.#giveUp(inRuntime);
    if (policy === "drop-newest" && frame.droppable) return this.#drop(1, inRuntime);
    if (policy === "coalesce" && frame.coalesceKey !== undefined) {
      const replaced = this.#replace(frame);
      if (replaced > 0) {
        this.#drop(replaced, inRuntime);
        return "accepted";
      }
    }
    let evicted = 0;
    for (let at = 0; at < this.#queue.length && inRuntime + this.#queuedBytes + frame.bytes > maxBufferedBytes; ) {
      const waiting = this.#queue[at] as Frame;
      if (!waiting.droppable) {
        at++;
        continue;
      }
      this.#queue.splice(at, 1);
      this.#queuedBytes -= waiting.bytes;
      evicted++;
    }
    if (evicted > 0) this.#drop(evicted, inRuntime);
    if (inRuntime + this.#queuedBytes + frame.bytes <= maxBufferedBytes) {
      this.#enqueue(frame);
      return "accepted";
    }
    return frame.droppable ? this.#drop(1, inRuntime) : this.#giveUp(inRuntime);
  }

  /** Puts the frame where the last waiting one of its key is, and takes older ones of the key away: none comes after it. */
  #replace(frame: Frame): number {
    const last = this.#queue.findLastIndex(({ coalesceKey }) => coalesceKey === frame.coalesceKey);
    if (last < 0) return 0;
    const before = this.#queue.length;
    this.#queue[last] = frame;
    this.#queue = this.#queue.filter((waiting) => waiting === frame || waiting.coalesceKey !== frame.coalesceKey);
    this.#queuedBytes = this.#queue.reduce((sum, { bytes }) => sum + bytes, 0);
    return before - this.#queue.length + 1;
  }

  #drop(frames: number, inRuntime: number): Accepted {
    this.#owner.onDropped(frames, inRuntime + this.#queuedBytes);
    return "dropped";
  }

  #giveUp(inRuntime: number): Accepted {
    const buffered = inRuntime + this.#queuedBytes;
    this.#queue = NOTHING;
    this.#queuedBytes = 0;
    this.#owner.onOverflow(buffered);
    return "closed";
  }
}

function send(transport: Transport, frame: Frame): void {
  if (frame.droppable && transport.fanOut !== undefined) transport.fanOut(frame);
  else transport.send(frame);
}
