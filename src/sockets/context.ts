/** Contexts: objects that share a prototype, so that a message costs no closures. */

import { CLOSE, checkCloseCode, cutReason } from "./close-codes.ts";
import type { Connection } from "./connection.ts";
import type { ErrorOptions } from "./errors.ts";
import type { Job } from "./job.ts";
import type { AnyEvent } from "./message.ts";
import { sendEvent } from "./send.ts";
import type { PublishOptions, PublishResult } from "./topics/publish-result.ts";
import { publishFrom } from "./topics/publish.ts";
import type { TopicSet } from "./topics/topic-set.ts";
import type { SendExtras, SendResult, SocketRequest, UniformSocket } from "./types.ts";

type Options<Extras> = Extras & { readonly meta?: Readonly<Record<string, unknown>> };

/** In every context; see `BaseContext`. */
export class ContextBase {
  /** @internal */ readonly _connection: Connection;

  constructor(connection: Connection) {
    this._connection = connection;
  }

  get clientId(): string {
    return this._connection.clientId;
  }

  get data(): Record<string, unknown> {
    return this._connection.data;
  }

  get request(): SocketRequest {
    return this._connection.request;
  }

  get ws(): UniformSocket {
    return this._connection.socket;
  }

  get topics(): TopicSet {
    return this._connection.topics;
  }

  assignData(partial: object): void {
    this._connection.assignData(partial);
  }

  send(descriptor: AnyEvent, payload?: unknown, options?: Options<SendExtras>): Promise<SendResult> {
    return sendEvent(this._connection, descriptor, payload, options, undefined);
  }

  publish(topic: string, descriptor: AnyEvent, payload?: unknown, options?: Options<PublishOptions>): Promise<PublishResult> {
    return publishFrom(this._connection, topic, descriptor, payload, options);
  }

  close(code: number = CLOSE.normal, reason = ""): void {
    this._connection.close(checkCloseCode("code", code), cutReason(reason));
  }
}

/** What the handler of a message, and middleware around `onOpen`, is given. */
export class MessageContextBase extends ContextBase {
  /** @internal */ readonly _job: Job;
  payload: unknown;
  meta: Readonly<Record<string, unknown>>;

  constructor(job: Job, payload: unknown, meta: Readonly<Record<string, unknown>>) {
    super(job.connection);
    this._job = job;
    this.payload = payload;
    this.meta = meta;
  }

  get type(): string {
    return this._job.type;
  }

  get kind(): "event" | "rpc" | "lifecycle" {
    return this._job.kind;
  }

  get receivedAt(): number {
    return this._job.receivedAt;
  }

  get signal(): AbortSignal {
    return this._job.signal;
  }

  get deadline(): number {
    return this._job.deadlineAt;
  }

  timeRemaining(): number {
    return this._job.timeRemaining();
  }

  onCancel(callback: () => void): void {
    this._job.onCancel(callback);
  }

  error(code: string, message?: string, details?: unknown, options?: ErrorOptions): void {
    this._job.error(code, message, details, options);
  }

  override send(descriptor: AnyEvent, payload?: unknown, options?: Options<SendExtras>): Promise<SendResult> {
    return sendEvent(this._connection, descriptor, payload, options, this._job);
  }
}

export class RpcContextBase extends MessageContextBase {
  reply(payload?: unknown, options?: Options<SendExtras>): Promise<SendResult> {
    return this._job.reply(payload, options);
  }

  progress(payload: unknown, options?: { readonly throttleMs?: number }): Promise<SendResult> {
    return this._job.progress(payload, options);
  }
}

export class CloseContextBase extends ContextBase {
  readonly code: number;
  readonly reason: string;

  constructor(connection: Connection, code: number, reason: string) {
    super(connection);
    this.code = code;
    this.reason = reason;
  }
}

export class AuthContextBase extends ContextBase {
  readonly cause: "connect" | "refresh";

  constructor(connection: Connection, cause: "connect" | "refresh") {
    super(connection);
    this.cause = cause;
  }
}

/** The contexts of one router: with the members of its plugins on their prototypes. */
export interface Contexts {
  readonly Event: typeof MessageContextBase;
  readonly Rpc: typeof RpcContextBase;
}

export function contextsWith(members: ReadonlyMap<string, (ctx: MessageContextBase) => unknown>): Contexts {
  if (members.size === 0) return { Event: MessageContextBase, Rpc: RpcContextBase };
  class Event extends MessageContextBase {}
  class Rpc extends RpcContextBase {}
  for (const [name, read] of members) {
    const member: PropertyDescriptor & ThisType<MessageContextBase> = {
      configurable: true,
      get() {
        return read(this);
      },
      set(value: unknown) {
        Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
      },
    };
    Object.defineProperty(Event.prototype, name, member);
    Object.defineProperty(Rpc.prototype, name, member);
  }
  return { Event, Rpc };
}
