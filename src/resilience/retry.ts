/** Trying again: when, how often, and when not. Knows nothing of protocols; what an outcome means is the caller's to say. */

import { checkFunction, checkInteger, checkNonNegative } from "../core/check.ts";
import { sleep, systemClock, type Clock } from "../core/clock.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { backoffOptions, retryDelayMs, type BackoffOptions } from "./backoff.ts";
import type { RetryBudget } from "./retry-budget.ts";

export type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** Whether to try again, and what the other side asked for: a wait of at least `retryAfterMs`. */
export type RetryVerdict = boolean | { readonly retryAfterMs: number | undefined };

export interface RetryOptions<T> extends BackoffOptions {
  /** Tries beyond the first. @default 3 */
  readonly maxRetries?: number;
  /** @default every error, no value */
  readonly judge?: (attempt: Attempt<T>, tries: number) => RetryVerdict;
  /** Longest wait that the other side may ask for, ms; a longer one ends the tries. @default `maxDelayMs` */
  readonly maxRetryAfterMs?: number;
  /** Frees a value that another try replaces. What it throws is ignored. */
  readonly discard?: (value: T) => MaybePromise<void>;
  /** Told before each wait. What it throws is ignored. */
  readonly onRetry?: (info: { readonly retry: number; readonly delayMs: number; readonly attempt: Attempt<T> }) => void;
  readonly budget?: RetryBudget;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RetryCall {
  /** Ends waits and further tries; an attempt under way must heed it itself. */
  readonly signal?: AbortSignal;
  /** Time left for all of it, ms: a wait that would not end before is not begun. */
  readonly remainingMs?: () => number;
  /** In place of `signal`, for callers with a cancellation of their own: whether the work was given up, and a sleep that ends with it. */
  readonly left?: () => boolean;
  readonly sleep?: (delayMs: number) => Promise<void>;
}

/** Why there was no further try: the outcome was final, or which bound was met. */
export type RetryEnd = "final" | "attempts" | "budget" | "retry-after" | "deadline" | "aborted";

export interface RetryResult<T> {
  /** The last attempt's, and no other's. */
  readonly attempt: Attempt<T>;
  readonly tries: number;
  readonly end: RetryEnd;
  /** What the last attempt asked for, where it did. */
  readonly retryAfterMs?: number;
}

export interface Retry<T> {
  /** The value of the last try, or its error. */
  run(fn: (tries: number) => MaybePromise<T>, call?: RetryCall): Promise<T>;
  /** The same, and why it ended. Never rejects. */
  outcome(fn: (tries: number) => MaybePromise<T>, call?: RetryCall): Promise<RetryResult<T>>;
}

/**
 * Makes a retry policy.
 *
 * ```ts
 * const retry = createRetry<Response>({ judge: (attempt) => !attempt.ok || attempt.value.status === 503 });
 * const response = await retry.run(() => fetch(url));
 * ```
 *
 * @throws OptionError for an option outside its domain.
 */
export function createRetry<T>(options: RetryOptions<T> = {}): Retry<T> {
  const backoff = backoffOptions(options);
  const settings = {
    maxRetries: checkInteger("maxRetries", options.maxRetries ?? 3, 0),
    maxRetryAfterMs: checkNonNegative("maxRetryAfterMs", options.maxRetryAfterMs ?? backoff.maxDelayMs),
    judge: checkFunction("judge", options.judge ?? ((attempt: Attempt<T>): RetryVerdict => !attempt.ok)),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
  const outcome: Retry<T>["outcome"] = (fn, call = {}) => attemptAll(fn, call, options, { ...settings, backoff });
  return {
    outcome,
    async run(fn, call) {
      const { attempt } = await outcome(fn, call);
      if (attempt.ok) return attempt.value;
      throw attempt.error;
    },
  };
}

interface Settings<T> extends Required<Pick<RetryOptions<T>, "maxRetries" | "maxRetryAfterMs" | "judge" | "clock" | "random">> {
  readonly backoff: Required<BackoffOptions>;
}

async function attemptAll<T>(fn: (tries: number) => MaybePromise<T>, { signal, remainingMs, left: gone, sleep: rest }: RetryCall, options: RetryOptions<T>, settings: Settings<T>): Promise<RetryResult<T>> {
  const { budget, discard, onRetry } = options;
  const { backoff, clock, judge, maxRetries, maxRetryAfterMs, random } = settings;
  const left = (): boolean => signal?.aborted === true || gone?.() === true;
  if (left()) return { attempt: { ok: false, error: signal?.reason }, tries: 0, end: "aborted" };
  budget?.first();
  for (let tries = 1; ; tries++) {
    const attempt = await settled(fn, tries);
    const verdict = left() ? false : judged(judge, attempt, tries);
    const retryAfterMs = typeof verdict === "object" ? verdict.retryAfterMs : undefined;
    const result = (end: RetryEnd): RetryResult<T> => ({ attempt, tries, end, retryAfterMs });
    if (left()) return result("aborted");
    if (verdict === false) return result("final");
    if (tries > maxRetries) return result("attempts");
    if (retryAfterMs !== undefined && retryAfterMs > maxRetryAfterMs) return result("retry-after");
    const delayMs = waitMs(retryDelayMs(tries, backoff, random), retryAfterMs, maxRetryAfterMs, random);
    if (remainingMs !== undefined && delayMs >= remainingMs()) return result("deadline");
    if (budget !== undefined && !budget.take()) return result("budget");
    quietly(() => onRetry?.({ retry: tries, delayMs, attempt }));
    if (attempt.ok) quietly(() => discard?.(attempt.value));
    try {
      await (rest === undefined ? sleep(delayMs, clock, signal) : rest(delayMs));
    } catch (error) {
      // The value was given up already, so the abort is what there is to report.
      return { attempt: attempt.ok ? { ok: false, error } : attempt, tries, end: "aborted", retryAfterMs };
    }
  }
}

/** What was asked for and up to a tenth more, so that those who were told the same do not come back together. */
function waitMs(delayMs: number, retryAfterMs: number | undefined, maxMs: number, random: Random): number {
  if (retryAfterMs === undefined) return delayMs;
  return Math.max(delayMs, Math.min(retryAfterMs * (1 + random.next() / 10), Math.max(maxMs, retryAfterMs)));
}

async function settled<T>(fn: (tries: number) => MaybePromise<T>, tries: number): Promise<Attempt<T>> {
  try {
    return { ok: true, value: await fn(tries) };
  } catch (error) {
    return { ok: false, error };
  }
}

/** A judge that throws has not asked for another try; the caller gets the attempt's own outcome. */
function judged<T>(judge: (attempt: Attempt<T>, tries: number) => RetryVerdict, attempt: Attempt<T>, tries: number): RetryVerdict {
  try {
    return judge(attempt, tries);
  } catch {
    return false;
  }
}

/** Runs somebody's observer: neither what it throws nor what it rejects with reaches the call. */
function quietly(observer: () => unknown): void {
  try {
    const done = observer();
    if (done instanceof Promise) done.catch(() => undefined);
  } catch {
    // See above.
  }
}
