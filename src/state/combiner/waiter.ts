/** A caller of the combiner: one command, from the queue over the wire to its reply. */

import { StoreError, stackless } from "../../core/errors.ts";
import type { Algorithm, Reply } from "../contracts.ts";
import { Deadline, type Deadlines } from "../deadlines.ts";
import type { KeyQueue } from "./key-queue.ts";

/** What a caller needs of its combiner. */
export interface CallEnd {
  readonly driver: { readonly name: string };
  readonly deadlines: Deadlines;
  /** Takes a waiter that is still queued out of its queue. */
  drop(waiter: Waiter): void;
}

/** @internal */
export class Waiter extends Deadline implements EventListenerObject {
  readonly promise: Promise<Reply>;
  readonly algorithm: Algorithm;
  readonly command: unknown;
  readonly queuedAt: number;
  /** Its deadline on the monotonic clock. */
  expiresAt: number = Infinity;
  /** Where it waits; `undefined` once it has left. */
  queue: KeyQueue | undefined = undefined;
  /** Neighbours in its queue, or in its batch. */
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  private readonly owner: CallEnd;
  private readonly resolve: (reply: Reply) => void;
  private readonly reject: (error: unknown) => void;
  private onLateReply: ((reply: Reply) => void) | undefined;
  private signal: AbortSignal | undefined = undefined;
  private settled = false;

  constructor(
    owner: CallEnd, algorithm: Algorithm, command: unknown, queuedAt: number, onLateReply: ((reply: Reply) => void) | undefined,
    promise: Promise<Reply>, resolve: (reply: Reply) => void, reject: (error: unknown) => void,
  ) {
    super();
    this.owner = owner;
    this.algorithm = algorithm;
    this.command = command;
    this.queuedAt = queuedAt;
    this.onLateReply = onLateReply;
    this.promise = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  listen(signal: AbortSignal): void {
    this.signal = signal;
    signal.addEventListener("abort", this);
  }

  /** The reply of the driver; a caller who has gone may still give back what it was granted. */
  reply(reply: Reply): void {
    if (this.end()) {
      this.resolve(reply);
      return;
    }
    const hook = this.onLateReply;
    this.onLateReply = undefined;
    try {
      hook?.(reply);
    } catch {
      // The hook works for a caller who has left: there is nobody to tell.
    }
  }

  fail(error: unknown): void {
    if (this.end()) this.reject(error);
  }

  override expire(): void {
    const sent = this.queue === undefined;
    const { name } = this.owner.driver;
    const text = sent ? `${name}: no answer within the deadline` : `${name}: the deadline passed before the command was sent`;
    this.leave(stackless(() => new StoreError("STORE_TIMEOUT", text, { outcome: sent ? "unknown" : "not-applied" })));
  }

  /** The caller's signal has aborted. */
  handleEvent(): void {
    this.leave(this.signal?.reason);
  }

  private leave(error: unknown): void {
    this.owner.drop(this);
    this.fail(error);
  }

  private end(): boolean {
    if (this.settled) return false;
    this.settled = true;
    this.owner.deadlines.disarm(this);
    this.signal?.removeEventListener("abort", this);
    return true;
  }
}

let resolveLast: (reply: Reply) => void;
let rejectLast: (error: unknown) => void;
// One executor for all callers: a closure per call would be the largest part of its cost.
function capture(resolve: (reply: Reply) => void, reject: (error: unknown) => void): void {
  resolveLast = resolve;
  rejectLast = reject;
}

export function newWaiter<State, Command, R>(
  owner: CallEnd, algorithm: Algorithm<State, Command, R>, command: Command, queuedAt: number, onLateReply: ((reply: Reply) => void) | undefined,
): Waiter {
  const promise = new Promise<Reply>(capture);
  return new Waiter(owner, algorithm as unknown as Algorithm, command, queuedAt, onLateReply, promise, resolveLast, rejectLast);
}
