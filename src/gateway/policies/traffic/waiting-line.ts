/** Places for callers, and a line of those who wait for one: first come, first served, and whoever leaves is forgotten. */

import type { Clock } from "../../../core/clock.ts";

export interface WaitingLineOptions {
  readonly clock: Clock;
  /** Places, asked anew whenever one could be given. */
  readonly limit: () => number;
  /** Most callers that wait. */
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
}

interface Waiter {
  readonly grant: () => void;
  gone: boolean;
}

export interface WaitingLine {
  /** True once there is a place; false when the line is full, or the wait was too long, or `signal` aborted. */
  enter(signal: () => AbortSignal): boolean | Promise<boolean>;
  /** Gives a place back. */
  leave(): void;
  readonly inFlight: number;
  readonly waiting: number;
}

export function createWaitingLine(options: WaitingLineOptions): WaitingLine {
  const { clock, limit, maxQueue, queueTimeoutMs } = options;
  const line: Waiter[] = [];
  let inFlight = 0;
  let waiting = 0;
  const serve = (): void => {
    while (inFlight < limit()) {
      const first = line.shift();
      if (first === undefined) return;
      if (first.gone) continue;
      inFlight++;
      first.grant();
    }
  };
  return {
    enter(signal) {
      if (inFlight < limit() && waiting === 0) {
        inFlight++;
        return true;
      }
      if (waiting >= maxQueue) return false;
      const abort = signal();
      if (abort.aborted) return false;
      waiting++;
      return new Promise<boolean>((resolve) => {
        const settle = (granted: boolean): void => {
          waiter.gone = true;
          waiting--;
          clock.clearTimeout(timer);
          abort.removeEventListener("abort", onAbort);
          const at = line.indexOf(waiter);
          if (at !== -1) line.splice(at, 1);
          resolve(granted);
        };
        const waiter: Waiter = { gone: false, grant: () => settle(true) };
        const onAbort = (): void => settle(false);
        const timer = clock.setTimeout(() => settle(false), queueTimeoutMs);
        abort.addEventListener("abort", onAbort, { once: true });
        line.push(waiter);
      });
    },
    leave() {
      inFlight--;
      serve();
    },
    get inFlight() {
      return inFlight;
    },
    get waiting() {
      return waiting;
    },
  };
}
