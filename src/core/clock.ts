/** Time as an argument: the only file that reads the platform's clocks and timers. */

export type TimerHandle = unknown;

/** A source of time. `testing` has one that is driven by hand. */
export interface Clock {
  /** Epoch milliseconds, possibly with a fraction. May step when somebody sets the machine's clock. */
  now(): number;
  /** Milliseconds from an arbitrary origin that never go back. For lifetimes and deadlines. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`. The timer keeps a process alive only with `keepAlive`. */
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}

/** Longest delay a platform timer takes; longer ones would fire at once (WHATWG HTML 8.6, Node `timers`). */
export const MAX_TIMER_MS = 2_147_483_647;

/** The machine's own clock. */
export const systemClock: Clock = Object.freeze({
  now: (): number => Date.now(),
  monotonic: (): number => performance.now(),
  setTimeout(callback: () => void, delayMs: number, keepAlive = false): TimerHandle {
    const handle: unknown = globalThis.setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS));
    if (!keepAlive) (handle as { unref?: () => void }).unref?.();
    return handle;
  },
  clearTimeout(handle: TimerHandle): void {
    globalThis.clearTimeout(handle as number);
  },
});

/**
 * Epoch milliseconds that never step: the wall clock is read once, and the monotonic clock counts from there. Stores
 * in this process use it, so setting the machine's clock changes no window.
 */
export function steadyNow(clock: Clock = systemClock): () => number {
  if (clock !== systemClock) return () => clock.now();
  const anchor = clock.now() - clock.monotonic();
  // Held, because looking the global up costs a seventh of the reading, and every decision reads it.
  const { performance } = globalThis;
  return () => anchor + performance.now();
}

/**
 * Waits `delayMs`, or rejects with the reason of `signal` as soon as it aborts. Leaves no timer and no listener. Somebody
 * waits for it, so it keeps the process alive, unlike a deadline.
 */
export function sleep(delayMs: number, clock: Clock = systemClock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clock.clearTimeout(handle);
      reject(signal?.reason);
    };
    const handle = clock.setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs, true);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
