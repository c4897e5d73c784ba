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
  /** Of frames in places, which wait for one before them. */
  #placedBytes = 0;
  #closed = false;
  #waiters: (() => void)[] | undefined;

  constructor(owner: OutboxOwner, limits: ResolvedLimits["backpressure"]) {
    this.#owner = owner;
    this.#limits = limits;
    this.#low = Math.min(LOW_MARK, limits.maxBufferedBytes / 2);
  }

  /** Bytes in the runtime's buffer and here, in the queue and in places. */
  get buffered(): number {
    return (this.#owner.transport.bufferedAmount ?? 0) + this.#queuedBytes + this.#placedBytes;
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
    slot.ready = true;
    const slots = this.#slots;
    if (slots === undefined || this.#closed) return;
    if (frame !== undefined && (slots[0] === slot || this.#mayWait(frame) === "accepted")) {
      slot.frame = frame;
      this.#placedBytes += frame.bytes;
    }
    while (!this.#closed && slots[0]?.ready === true) {
      const { frame: next, close } = slots.shift() as Slot;
      if (slots.length === 0) this.#slots = undefined;
      this.#placedBytes -= next?.bytes ?? 0;
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
      const behind = this.#slots[at];
      const outcome = this.#mayWait(frame);
      if (outcome !== "accepted") return outcome;
      this.#slots.splice(behind === undefined ? this.#slots.length : this.#slots.indexOf(behind), 0, { frame, ready: true, close: undefined });
      this.#placedBytes += frame.bytes;
      return outcome;
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
    this.#forget();
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
    this.#forget();
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
    const policy = frame.policy ?? this.#limits.policy;
    if (inRuntime + this.#queuedBytes + this.#placedBytes + frame.bytes > this.#limits.maxBufferedBytes) return this.#overflow(frame, policy);
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

  /** Bytes above the mark with this frame. */
  #excess(frame: Frame): number {
    return this.buffered + frame.bytes - this.#limits.maxBufferedBytes;
  }

  #overflow(frame: Frame, policy: SlowConsumerPolicy): Accepted {
    if (policy === "coalesce" && frame.coalesceKey !== undefined) {
      const replaced = this.#replace(frame);
      if (replaced > 0) {
        this.#drop(replaced);
        return "accepted";
      }
    }
    const outcome = this.#makeRoom(frame, policy);
    if (outcome === "accepted") this.#enqueue(frame);
    return outcome;
  }

  /** Whether a frame may wait in a place, behind another. One of any size may where nothing else waits, as one may leave then. */
  #mayWait(frame: Frame): Accepted {
    if (this.#excess(frame) <= 0 || this.buffered === 0) return "accepted";
    return this.#makeRoom(frame, frame.policy ?? this.#limits.policy, this.#slots);
  }

  /** Room below the mark, as the policy says: at the cost of older frames of the queue, then of `places`. */
  #makeRoom(frame: Frame, policy: SlowConsumerPolicy, places: Slot[] = []): Accepted {
    if (policy === "close") return this.#giveUp();
    if (policy === "drop-newest" && frame.droppable) return this.#drop(1);
    const placed = (bytes: number, key?: string): number => {
      const taken = evict(places, bytes, (place) => (key === undefined || place.frame?.coalesceKey === key ? place.frame : undefined));
      this.#placedBytes -= taken.bytes;
      return taken.frames;
    };
    let evicted = policy === "coalesce" && frame.coalesceKey !== undefined ? placed(Infinity, frame.coalesceKey) : 0;
    const queued = evict(this.#queue, this.#excess(frame), (waiting) => waiting);
    this.#queuedBytes -= queued.bytes;
    evicted += queued.frames + placed(this.#excess(frame));
    if (evicted > 0) this.#drop(evicted);
    if (this.#excess(frame) <= 0) return "accepted";
    return frame.droppable ? this.#drop(1) : this.#giveUp();
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

  #drop(frames: number): Accepted {
    this.#owner.onDropped(frames, this.buffered);
    return "dropped";
  }

  #giveUp(): Accepted {
    const { buffered } = this;
    // One that was asked for already keeps its code.
    const close = this.#slots?.find((slot) => slot.close !== undefined)?.close;
    this.#forget();
    if (close === undefined) this.#owner.onOverflow(buffered);
    else this.#end(close.code, close.reason);
    return "closed";
  }

  #forget(): void {
    this.#queue = NOTHING;
    this.#queuedBytes = 0;
    this.#slots = undefined;
    this.#placedBytes = 0;
  }
}

/** Takes frames that may be dropped out of a list, oldest first, until `bytes` are free. */
function evict<T>(list: T[], bytes: number, frameOf: (item: T) => Frame | undefined): { readonly frames: number; readonly bytes: number } {
  let frames = 0;
  let freed = 0;
  for (let at = 0; at < list.length && freed < bytes; ) {
    const frame = frameOf(list[at] as T);
    if (frame?.droppable !== true) {
      at++;
      continue;
    }
    list.splice(at, 1);
    freed += frame.bytes;
    frames++;
  }
  return { frames, bytes: freed };
}

function send(transport: Transport, frame: Frame): void {
  if (frame.droppable && transport.fanOut !== undefined) transport.fanOut(frame);
  else transport.send(frame);
}
