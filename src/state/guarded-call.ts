/** A guarded call that waits for its store: ends by the reply, the deadline or the caller's abort, whichever is first. */

import { StoreError } from "../core/errors.ts";
import { Deadline, type Deadlines } from "./deadline.ts";

/** What the end of a call says about the store. `none`: the store was not asked, or nobody waited for the answer. */
export type Verdict = "ok" | "failure" | "none";

/** What a call needs of its guard. */
export interface CallOwner {
  readonly name: string;
  readonly deadlines: Deadlines;
  /** Says what an error means, counts it, and gives the error the caller sees. */
  ended(error: unknown, epoch: number, operation: string, signal?: AbortSignal): unknown;
  timedOut(epoch: number, operation: string, timeoutMs: number): StoreError;
  /** The store's promise has settled, in time or not. */
  settled(epoch: number): void;
  report(verdict: Verdict, epoch: number): void;
}

export function malformed(name: string, operation: string): StoreError {
  return new StoreError("STORE_CORRUPT", `${name}: ${operation} gave a malformed reply`, { outcome: "unknown" });
}

export function isValid<T>(validate: ((value: T) => boolean) | undefined, value: T): boolean {
  if (validate === undefined) return true;
  try {
    return validate(value);
  } catch {
    return false;
  }
}

interface CallOptions<T> {
  readonly signal?: AbortSignal;
  readonly validate?: (value: T) => boolean;
}

export class GuardedCall<T> extends Deadline implements EventListenerObject {
  private readonly guard: CallOwner;
  private readonly epoch: number;
  private readonly operation: string;
  private readonly options: CallOptions<T> | undefined;
  private readonly controller: AbortController | undefined;
  private readonly resolve: (value: T) => void;
  private readonly reject: (error: unknown) => void;
  private timeoutMs = 0;
  private ended = false;

  constructor(
    guard: CallOwner, epoch: number, operation: string, options: CallOptions<T> | undefined, controller: AbortController | undefined,
    resolve: (value: T) => void, reject: (error: unknown) => void,
  ) {
    super();
    this.guard = guard;
    this.epoch = epoch;
    this.operation = operation;
    this.options = options;
    this.controller = controller;
    this.resolve = resolve;
    this.reject = reject;
  }

  wait(value: Promise<T>, timeoutMs: number): void {
    this.timeoutMs = timeoutMs;
    this.guard.deadlines.arm(this, timeoutMs);
    this.options?.signal?.addEventListener("abort", this);
    value.then(this.onValue, this.onError);
  }

  override expire(): void {
    if (!this.end()) return;
    const error = this.guard.timedOut(this.epoch, this.operation, this.timeoutMs);
    this.controller?.abort(error);
    this.reject(error);
  }

  /** The caller's signal has aborted. */
  handleEvent(): void {
    if (!this.end()) return;
    this.guard.report("none", this.epoch);
    const reason: unknown = this.options?.signal?.reason;
    this.controller?.abort(reason);
    this.reject(reason);
  }

  private readonly onValue = (value: T): void => {
    this.guard.settled(this.epoch);
    if (!this.end()) return;
    if (!isValid(this.options?.validate, value)) {
      this.reject(this.guard.ended(malformed(this.guard.name, this.operation), this.epoch, this.operation));
      return;
    }
    this.guard.report("ok", this.epoch);
    this.resolve(value);
  };

  private readonly onError = (error: unknown): void => {
    this.guard.settled(this.epoch);
    if (!this.end()) return;
    this.reject(this.guard.ended(error, this.epoch, this.operation, this.options?.signal));
  };

  /** False when the call has ended before: its result is nobody's. */
  private end(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.guard.deadlines.disarm(this);
    this.options?.signal?.removeEventListener("abort", this);
    return true;
  }
}
