/** Deadlines: one signal for a piece of work that ends with its time, or with whoever asked for it. */

import { checkPositive } from "../core/check.ts";
import { MAX_TIMER_MS, systemClock, type Clock, type TimerHandle } from "../core/clock.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";

export interface DeadlineOptions {
  /** Ends the work as well, with its own reason. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** The reason of an expired deadline. @default a `TimeoutError` DOMException */
  readonly reason?: () => unknown;
}

export interface Deadline {
  /** Aborts when the time is up or the parent aborts. */
  readonly signal: AbortSignal;
  /** True once the time was up before the work ended: tells an expiry from an abort of the parent. */
  readonly expired: boolean;
  /** Milliseconds left, 0 when it is over. */
  readonly remainingMs: number;
  /** Ends it: no timer and no listener is left. The signal does not abort. Idempotent. */
  clear(): void;
}

/**
 * Starts a deadline of `timeoutMs`. Whoever starts one clears it. Times beyond what a platform timer takes are waited for in
 * pieces; `Infinity` only follows the parent.
 *
 * ```ts
 * const deadline = createDeadline(1000, { signal: request.signal });
 * try {
 *   return await work(deadline.signal);
 * } finally {
 *   deadline.clear();
 * }
 * ```
 *
 * @throws OptionError for a `timeoutMs` that is not above 0.
 */
export function createDeadline(timeoutMs: number, options: DeadlineOptions = {}): Deadline {
  if (timeoutMs !== Infinity) checkPositive("timeoutMs", timeoutMs);
  return new Running(timeoutMs, options);
}

class Running implements Deadline {
  expired = false;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #endsAt: number;
  readonly #reason: (() => unknown) | undefined;
  readonly #onAbort: (() => void) | undefined;
  #timer: TimerHandle;
  #over = false;

  constructor(timeoutMs: number, { signal, clock = systemClock, reason }: DeadlineOptions) {
    this.#clock = clock;
    this.#parent = signal;
    this.#reason = reason;
    this.#endsAt = clock.monotonic() + timeoutMs;
    if (signal?.aborted === true) {
      this.#over = true;
      this.#controller.abort(signal.reason);
      return;
    }
    if (signal !== undefined) {
      this.#onAbort = () => {
        this.clear();
        this.#controller.abort(signal.reason);
      };
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
    this.#wait();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#over ? 0 : Math.max(0, this.#endsAt - this.#clock.monotonic());
  }

  clear(): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#onAbort !== undefined) this.#parent?.removeEventListener("abort", this.#onAbort);
  }

  #wait(): void {
    const left = this.#endsAt - this.#clock.monotonic();
    if (left === Infinity) return;
    this.#timer = this.#clock.setTimeout(() => {
      // A timer may fire up to a millisecond early, and a long time comes in pieces.
      if (this.#endsAt - this.#clock.monotonic() >= 1) {
        this.#wait();
        return;
      }
      this.expired = true;
      this.clear();
      this.#controller.abort(this.#reason === undefined ? timeoutError() : this.#reason());
    }, Math.min(Math.max(0, left), MAX_TIMER_MS));
  }
}

/** What `AbortSignal.timeout` aborts with, in words of our own. */
export function timeoutError(message = "the deadline of the operation passed"): DOMException {
  return new DOMException(message, "TimeoutError");
}

/**
 * Runs `fn` under a deadline, and settles no later than it: with the result, or by throwing the signal's reason. What `fn` does
 * after that goes unheard, so it should heed its signal.
 */
export async function withTimeout<T>(fn: (signal: AbortSignal) => MaybePromise<T>, timeoutMs: number, options: DeadlineOptions = {}): Promise<T> {
  const deadline = createDeadline(timeoutMs, options);
  const { signal } = deadline;
  let onAbort: (() => void) | undefined;
  try {
    signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        Promise.resolve(fn(signal)).then(resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
    deadline.clear();
  }
}
