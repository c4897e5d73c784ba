/** How long a piece of work may take and who can end it: a deadline and a cancellation without an `AbortSignal` per call. */

import type { Clock } from "../core/clock.ts";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { Deadline, type Deadlines } from "../state/deadline.ts";

/**
 * Ends by its time, by its parent, or by hand. Listeners are told once, in order. A platform signal is made only where somebody
 * asks for one: it costs more than the rest of a call's bookkeeping.
 */
export class Scope extends Deadline {
  /** Why it was ended, wrapped so that any reason can be told from none. */
  cancelled: { readonly reason: unknown } | undefined;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #onExpire: () => unknown;
  #listeners: ((reason: unknown) => void)[] | undefined;
  #controller: AbortController | undefined;
  #leaveParent: (() => void) | undefined;

  constructor(deadlines: Deadlines, clock: Clock, onExpire: () => unknown, parent?: Scope) {
    super();
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#onExpire = onExpire;
    if (parent !== undefined) this.#leaveParent = parent.onCancel((reason) => this.cancel(reason));
  }

  /** Sets when it ends by itself, in ms from now. */
  limit(ms: number): void {
    this.#deadlines.arm(this, ms);
  }

  /** Takes the limit away. */
  unlimit(): void {
    this.#deadlines.disarm(this);
  }

  get remainingMs(): number {
    return this.slot < 0 ? Infinity : Math.max(0, this.dueAt - this.#clock.monotonic());
  }

  override expire(): void {
    this.cancel(this.#onExpire());
  }

  /** Ends it now. Only the first time counts. */
  cancel(reason: unknown): void {
    if (this.cancelled !== undefined) return;
    this.cancelled = { reason };
    this.#deadlines.disarm(this);
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(reason);
    this.#controller?.abort(reason);
  }

  /** The work is done: no timer and no listener is left. */
  end(): void {
    this.#deadlines.disarm(this);
    this.#leaveParent?.();
    this.#leaveParent = undefined;
    this.#listeners = undefined;
  }

  /** Calls `listener` when it is ended, at once if it was; the function returned forgets it. */
  onCancel(listener: (reason: unknown) => void): () => void {
    if (this.cancelled !== undefined) {
      listener(this.cancelled.reason);
      return nothing;
    }
    const listeners = (this.#listeners ??= []);
    listeners.push(listener);
    return () => {
      const at = listeners.indexOf(listener);
      if (at >= 0) listeners.splice(at, 1);
    };
  }

  /** For code that wants the platform's. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.cancelled !== undefined) this.#controller.abort(this.cancelled.reason);
    }
    return this.#controller.signal;
  }

  throwIfCancelled(): void {
    if (this.cancelled !== undefined) throw this.cancelled.reason;
  }

  /** The value, or the reason this ended, whichever is first. What the loser does goes unheard. */
  bound<T>(value: MaybePromise<T>): MaybePromise<T> {
    if (!isPromise(value)) return value;
    return new Promise<T>((resolve, reject) => {
      const forget = this.onCancel(reject);
      value.then(
        (done) => {
          forget();
          resolve(done);
        },
        (error: unknown) => {
          forget();
          reject(error);
        },
      );
    });
  }

  /** Waits, or throws the reason this ended. Somebody waits for it, so it keeps the process alive. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let forget = nothing;
      const timer = this.#clock.setTimeout(() => {
        forget();
        resolve();
      }, ms, true);
      forget = this.onCancel((reason) => {
        this.#clock.clearTimeout(timer);
        reject(reason);
      });
    });
  }
}

function nothing(): void {}
