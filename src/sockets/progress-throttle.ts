/** Progress at most once per window: the first at once, the last never lost. */

import type { Clock, TimerHandle } from "../core/clock.ts";
import { sendFailure } from "./send.ts";
import type { SendResult } from "./types.ts";

const SENT: Promise<SendResult> = /* @__PURE__ */ Promise.resolve(Object.freeze({ ok: true as const }));

export class ProgressThrottle {
  readonly #clock: Clock;
  readonly #send: (payload: unknown) => Promise<SendResult>;
  #timer: TimerHandle = undefined;
  #windowOpen = false;
  #pending: { readonly payload: unknown } | undefined;
  #stopped = false;

  constructor(clock: Clock, send: (payload: unknown) => Promise<SendResult>) {
    this.#clock = clock;
    this.#send = send;
  }

  offer(payload: unknown, windowMs: number): Promise<SendResult> {
    if (this.#stopped) return sendFailure("ABORTED");
    if (this.#windowOpen) {
      this.#pending = { payload };
      return SENT;
    }
    this.#open(windowMs);
    return this.#send(payload);
  }

  /** Sends what waits. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined && !this.#stopped) void this.#send(pending.payload);
  }

  stop(): void {
    this.#stopped = true;
    this.#pending = undefined;
    this.#clock.clearTimeout(this.#timer);
  }

  #open(windowMs: number): void {
    this.#windowOpen = true;
    this.#timer = this.#clock.setTimeout(() => {
      this.#windowOpen = false;
      if (this.#pending === undefined) return;
      this.#open(windowMs);
      this.flush();
    }, windowMs);
  }
}
