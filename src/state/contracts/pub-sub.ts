/** Messages between processes. */

import type { MaybePromise } from "../../core/maybe-promise.ts";

export interface PubSub {
  publish(channel: string, message: unknown): Promise<void>;
  /** Resolves once the backend has confirmed; the function it gives removes this handler only. */
  subscribe(channel: string, handler: (message: unknown) => void | Promise<void>): Promise<() => Promise<void>>;
  /** Removes all handlers of the channel. */
  unsubscribe(channel: string): Promise<void>;
  close?(): Promise<void>;
}

export interface SerializedMessage {
  readonly id: string;
  readonly origin: string;
  readonly topic: string;
  readonly type: string;
  readonly frame: string | Uint8Array;
  readonly exclude?: string;
}

export interface PublishReport {
  readonly matched: number;
  readonly capability: "exact" | "prefix" | "regex";
  readonly reach?: "cluster";
}

/** The same report under the name that adapters of one's own know it by; what `ctx.publish` answers is the `PublishResult` of `sluice/sockets`. */
export type PublishResult = PublishReport;

export interface PubSubAdapter {
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport>;
  list(clientId: string): MaybePromise<string[]>;
  disconnect?(clientId: string): MaybePromise<void>;
  start?(onRemote: (message: SerializedMessage) => void): MaybePromise<() => MaybePromise<void>>;
  close?(): MaybePromise<void>;
}
