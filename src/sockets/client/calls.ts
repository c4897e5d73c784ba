/** Requests that wait for their answer. */

import type { Clock, TimerHandle } from "../../core/clock.ts";
import { abortError, disconnectedError, timeoutError } from "../client-errors.ts";
import type { PendingCall } from "./client-types.ts";

/** One request: a promise with an id, progress and a way to give it up. */
export class Call {
  readonly id: string;
  readonly promise: PendingCall<unknown, unknown>;
  readonly idempotent: boolean;
  /** Validates an answer or an item; throws what is wrong. */
  readonly check: (payload: unknown, progress: boolean) => unknown;
  readonly endsAt: number;
  sent = false;
  ended = false;
  readonly #clock: Clock;
  readonly #timer: TimerHandle;
  readonly #onEnd: (call: Call, tellServer: boolean) => void;
  readonly #removeAbort: () => void;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;
  #items: unknown[] = [];
  #wake: (() => void) | undefined;
  #failed: unknown;

  constructor(id: string, timeoutMs: number, idempotent: boolean, signal: AbortSignal | undefined, clock: Clock, check: Call["check"], onEnd: Call["onEnd"]) {
    this.id = id;
    this.idempotent = idempotent;
    this.check = check;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.endsAt = clock.monotonic() + timeoutMs;
    const promise = new Promise<unknown>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise = Object.assign(promise, { correlationId: id, progress: () => this.#progress(), cancel: () => this.cancel() });
    this.#timer = clock.setTimeout(() => this.fail(timeoutError(timeoutMs, this.sent), true), timeoutMs);
    const onAbort = (): void => this.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#removeAbort = () => signal?.removeEventListener("abort", onAbort);
  }

  get onEnd(): (call: Call, tellServer: boolean) => void {
    return this.#onEnd;
  }

  cancel(): void {
    this.fail(abortError(this.sent), true);
  }

  disconnected(): void {
    this.fail(disconnectedError(this.sent), false);
  }

  item(payload: unknown): void {
    this.#items.push(payload);
    this.#wake?.();
  }

  answer(value: unknown): void {
    if (!this.#end(false)) return;
    this.#resolve(value);
  }

  fail(error: unknown, tellServer: boolean): void {
    if (!this.#end(tellServer)) return;
    this.#failed = error;
    this.#reject(error);
  }

  #end(tellServer: boolean): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.#clock.clearTimeout(this.#timer);
    this.#removeAbort();
    this.#onEnd(this, tellServer);
    this.#wake?.();
    return true;
  }

  async *#progress(): AsyncGenerator<unknown, void, void> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift();
      if (this.ended) {
        if (this.#failed !== undefined) throw this.#failed;
        return;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
