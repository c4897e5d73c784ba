/** A caller of the combiner: one command, from the queue over the wire to its reply. */

import { OptionError, StoreError, stackless } from "../../core/errors.ts";
import type { Algorithm, Reply } from "../contracts/driver.ts";
import { Deadline, type Deadlines } from "../deadline.ts";
import type { KeyQueue } from "./key-queue.ts";

/** What a caller needs of its combiner. */
export interface CallEnd {
  readonly driver: { readonly name: string };
  readonly deadlines: Deadlines;
  /** Takes a waiter that is still queued out of its queue. */
  drop(waiter: Waiter): void;
}

/** Small on purpose: there is one per call. What only some calls ask for (deadline, signal, late reply) is in its {@link Watch}. @internal */
export class Waiter {
  readonly promise: Promise<Reply>;
  readonly algorithm: Algorithm;
  readonly command: unknown;
  readonly queuedAt: number;
  watch: Watch | undefined = undefined;
  /** Where it waits; `undefined` once it has left. */
  queue: KeyQueue | undefined = undefined;
  /** Neighbours in its queue. */
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  private readonly resolve: (reply: Reply) => void;
  private readonly reject: (error: unknown) => void;
  private settled = false;

  constructor(algorithm: Algorithm, command: unknown, queuedAt: number, promise: Promise<Reply>, resolve: (reply: Reply) => void, reject: (error: unknown) => void) {
    this.algorithm = algorithm;
    this.command = command;
    this.queuedAt = queuedAt;
    this.promise = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The reply of the driver; a caller who has gone may still give back what it was granted. */
  reply(reply: Reply): void {
    if (this.settled) {
      this.watch?.late(reply);
      return;
    }
    this.settled = true;
    this.watch?.end();
    this.resolve(reply);
  }

  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.watch?.end();
    this.reject(error);
  }
}

/** What ends a call before its reply, and who gets a reply that comes later. @internal */
export class Watch extends Deadline implements EventListenerObject {
  /** On the monotonic clock. */
  expiresAt: number = Infinity;
  private readonly owner: CallEnd;
  private readonly waiter: Waiter;
  private onLateReply: ((reply: Reply) => void) | undefined;
  private signal: AbortSignal | undefined = undefined;

  constructor(owner: CallEnd, waiter: Waiter, onLateReply: ((reply: Reply) => void) | undefined) {
    super();
    this.owner = owner;
    this.waiter = waiter;
    this.onLateReply = onLateReply;
  }

  listen(signal: AbortSignal): void {
    this.signal = signal;
    signal.addEventListener("abort", this);
  }

  endAfter(deadlineMs: number): void {
    this.expiresAt = this.waiter.queuedAt + deadlineMs;
    this.owner.deadlines.arm(this, deadlineMs, this.waiter.queuedAt);
  }

  override expire(): void {
    const sent = this.waiter.queue === undefined;
    const { name } = this.owner.driver;
    const text = sent ? `${name}: no answer within the deadline` : `${name}: the deadline passed before the command was sent`;
    this.leave(stackless(() => new StoreError("STORE_TIMEOUT", text, { outcome: sent ? "unknown" : "not-applied" })));
  }

  /** The caller's signal has aborted. */
  handleEvent(): void {
    this.leave(this.signal?.reason);
  }

  late(reply: Reply): void {
    const hook = this.onLateReply;
    this.onLateReply = undefined;
    try {
      hook?.(reply);
    } catch {
      // The hook works for a caller who has left: there is nobody to tell.
    }
  }

  end(): void {
    this.owner.deadlines.disarm(this);
    this.signal?.removeEventListener("abort", this);
  }

  private leave(error: unknown): void {
    this.owner.drop(this.waiter);
    this.waiter.fail(error);
  }
}

/** Why a call with such a `deadlineMs` is not made. */
export function pastDeadline(name: string, deadlineMs: number): Error {
  if (Number.isNaN(deadlineMs)) return new OptionError("deadlineMs", deadlineMs, "a number of milliseconds");
  return stackless(() => new StoreError("STORE_TIMEOUT", `${name}: the deadline passed before the call`, { outcome: "not-applied" }));
}

let resolveLast: (reply: Reply) => void;
let rejectLast: (error: unknown) => void;
// One executor for all callers: a closure per call would be the largest part of its cost.
function capture(resolve: (reply: Reply) => void, reject: (error: unknown) => void): void {
  resolveLast = resolve;
  rejectLast = reject;
}

export function newWaiter<State, Command, R>(algorithm: Algorithm<State, Command, R>, command: Command, queuedAt: number): Waiter {
  const promise = new Promise<Reply>(capture);
  return new Waiter(algorithm as unknown as Algorithm, command, queuedAt, promise, resolveLast, rejectLast);
}
