/** The handlers of a process by channel: each gets its messages in order, and none can delay or hurt another. */

import { checkFunction, checkInteger } from "../../core/check.ts";
import { type EventSource, type Events, createEvents } from "../../core/events.ts";
import { isPromise } from "../../core/maybe-promise.ts";

/** Messages did not reach a handler: it is too slow, or the connection to the backend was lost for a while. */
export interface PubSubGap {
  readonly type: "pubsub.gap";
  readonly channel: string;
  /** How many messages a slow handler lost since the last event about it; absent when nobody can know. */
  readonly dropped?: number;
  /** When the connection was seen to be lost, epoch ms; absent for a slow handler. */
  readonly since?: number;
}

export interface ChannelHandlersOptions {
  /** Messages that wait for one slow handler; above it the oldest is dropped, and a gap is raised. @default 1024 */
  readonly maxQueued?: number;
  /** Told what a handler throws or rejects with; nothing else stops. @default nobody */
  readonly onError?: (error: unknown, channel: string) => void;
}

export type MessageHandler = (message: unknown) => void | Promise<void>;

export interface ChannelHandler {
  readonly channel: string;
  readonly handler: MessageHandler;
  readonly queue: unknown[];
  /** A message is being handled. */
  busy: boolean;
  ended: boolean;
  /** Since the handler last came back. */
  dropped: number;
}

export class ChannelHandlers {
  readonly #gaps: Events<PubSubGap> = createEvents<PubSubGap>();
  readonly #maxQueued: number;
  readonly #onError: (error: unknown, channel: string) => void;
  /** Lists are replaced, never changed: one that is being walked stays as it was. */
  readonly #channels = new Map<string, readonly ChannelHandler[]>();

  constructor(options: ChannelHandlersOptions) {
    this.#maxQueued = checkInteger("maxQueued", options.maxQueued ?? 1024, 1);
    this.#onError = options.onError === undefined ? () => undefined : checkFunction("onError", options.onError);
  }

  get gaps(): EventSource<PubSubGap> {
    return this.#gaps;
  }

  /** Channels with a handler. */
  get size(): number {
    return this.#channels.size;
  }

  channels(): string[] {
    return [...this.#channels.keys()];
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  add(channel: string, handler: MessageHandler): ChannelHandler {
    const added: ChannelHandler = { channel, handler, queue: [], busy: false, ended: false, dropped: 0 };
    this.#channels.set(channel, [...(this.#channels.get(channel) ?? []), added]);
    return added;
  }

  /** False when it was removed before. */
  remove(handler: ChannelHandler): boolean {
    if (handler.ended) return false;
    end(handler);
    const left = (this.#channels.get(handler.channel) ?? []).filter((other) => other !== handler);
    if (left.length > 0) this.#channels.set(handler.channel, left);
    else this.#channels.delete(handler.channel);
    return true;
  }

  removeAll(channel: string): void {
    for (const handler of this.#channels.get(channel) ?? []) end(handler);
    this.#channels.delete(channel);
  }

  clear(): void {
    for (const channel of this.channels()) this.removeAll(channel);
  }

  /** Hands a message to each handler of the channel. `copy` is asked once for each, so that none sees what another does to it. */
  deliver(channel: string, copy: () => unknown): void {
    for (const handler of this.#channels.get(channel) ?? []) this.#deliver(handler, copy());
  }

  /** One gap for every channel, or for one. */
  lost(since: number, channels: readonly string[] = this.channels()): void {
    for (const channel of channels) this.#gaps.emit({ type: "pubsub.gap", channel, since });
  }

  /** Calls a handler; a promise when it has to be waited for. It never throws and never rejects. */
  call(handler: () => void | Promise<void>, channel: string): Promise<void> | undefined {
    try {
      const result = handler();
      return isPromise(result) ? Promise.resolve(result).catch((error: unknown) => this.report(error, channel)) : undefined;
    } catch (error) {
      this.report(error, channel);
      return undefined;
    }
  }

  report(error: unknown, channel: string): void {
    try {
      this.#onError(error, channel);
    } catch {
      // Whoever is told about errors cannot stop the messages either.
    }
  }

  #deliver(handler: ChannelHandler, message: unknown): void {
    if (handler.ended) return;
    if (!handler.busy) {
      this.#drain(handler, message);
      return;
    }
    handler.queue.push(message);
    if (handler.queue.length <= this.#maxQueued) return;
    handler.queue.shift();
    handler.dropped++;
    // One event per overflow: more of them while the handler stands still would say nothing new.
    if (handler.dropped === 1) this.#gaps.emit({ type: "pubsub.gap", channel: handler.channel, dropped: 1 });
  }

  /** Hands over a message and what queued up behind it, until a handler's promise has to be waited for. */
  #drain(handler: ChannelHandler, first: unknown): void {
    handler.busy = true;
    let message = first;
    for (;;) {
      const pending = this.call(() => handler.handler(message), handler.channel);
      if (pending !== undefined) {
        void pending.then(() => this.#next(handler));
        return;
      }
      if (handler.ended || handler.queue.length === 0) break;
      message = handler.queue.shift();
    }
    handler.busy = false;
  }

  #next(handler: ChannelHandler): void {
    if (handler.dropped > 1) this.#gaps.emit({ type: "pubsub.gap", channel: handler.channel, dropped: handler.dropped - 1 });
    handler.dropped = 0;
    if (handler.ended || handler.queue.length === 0) handler.busy = false;
    else this.#drain(handler, handler.queue.shift());
  }
}

function end(handler: ChannelHandler): void {
  handler.ended = true;
  handler.queue.length = 0;
}
