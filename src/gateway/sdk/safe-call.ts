/** Calls something that may fail or hang, and goes on without it. */

import { systemClock } from "../../core/clock.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import type { DebugLogger } from "../types.ts";

export interface SafeCallOptions {
  /** Longest wait, in ms; `Infinity` waits for ever. @default 1000 */
  readonly timeoutMs?: number;
  /** Gives up as soon as it aborts. */
  readonly signal?: AbortSignal;
}

/**
 * The result of `fn`, or `fallback` when it throws, rejects or has not answered within the deadline. Never rejects.
 * What goes wrong is told to `debug` with `label`; results that come too late are dropped.
 *
 * ```ts
 * const count = await safeCall(() => store.increment(key), 0, debug, "counterStore.increment()");
 * ```
 */
export function safeCall<T>(
  fn: () => MaybePromise<T>,
  fallback: T,
  debug?: DebugLogger,
  label = "safeCall",
  options: SafeCallOptions = {},
): Promise<T> {
  const { timeoutMs = 1000, signal } = options;
  const failed = (error: unknown): T => {
    tell(debug, label, error);
    return fallback;
  };
  if (signal?.aborted) return Promise.resolve(failed(signal.reason));
  let result: MaybePromise<T>;
  try {
    result = fn();
  } catch (error) {
    return Promise.resolve(failed(error));
  }
  if (!isPromise(result)) return Promise.resolve(result);
  const pending = result;
  return new Promise<T>((resolve) => {
    let settled = false;
    const settle = (value: () => T): void => {
      if (settled) return;
      settled = true;
      if (timer !== undefined) systemClock.clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(value());
    };
    const onAbort = (): void => settle(() => failed(signal?.reason));
    const timer = timeoutMs === Infinity
      ? undefined
      : systemClock.setTimeout(() => settle(() => failed(new Error(`no answer within ${timeoutMs} ms`))), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    pending.then(
      (value) => settle(() => value),
      (error: unknown) => settle(() => failed(error)),
    );
  });
}

function tell(debug: DebugLogger | undefined, label: string, error: unknown): void {
  try {
    debug?.("%s failed: %s", label, error instanceof Error ? error.message : String(error));
  } catch {
    // A logger that fails must not turn a degraded call into a failed one.
  }
}
