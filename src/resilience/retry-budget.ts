/** A bound on retries as a share of first tries, so that a failing upstream is not buried under its own retries. */

import { checkNonNegative, checkOneOf, checkWindowMs } from "../core/check.ts";
import { systemClock, type Clock } from "../core/clock.ts";

export interface RetryBudgetOptions {
  /** Retries allowed per first try. @default 0.2 */
  readonly ratio?: number;
  /** Retries allowed whatever the traffic, so that a quiet client can retry at all. @default 1 */
  readonly minPerSecond?: number;
  /** Whether the minimum comes on top of the share, or counts only where the share is less. @default "sum" */
  readonly combine?: "sum" | "max";
  /** Length of the rolling window, ms. @default 10000 */
  readonly windowMs?: number;
  readonly clock?: Clock;
}

export interface RetryBudget {
  /** A first try begins. */
  first(): void;
  /** Takes one retry, or says that there is none left. */
  take(): boolean;
}

const SLOTS = 11;

/**
 * In every rolling window: retries `<= ratio * first tries + minPerSecond * window`, or `<=` the greater of the two with `combine: "max"`.
 * First tries and retries are counted over the ten whole tenths of a window and the current one. Integers and one ring, no timer.
 *
 * @throws OptionError for an option outside its domain.
 */
export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const ratio = checkNonNegative("ratio", options.ratio ?? 0.2);
  const windowMs = checkWindowMs("windowMs", options.windowMs ?? 10_000);
  const floor = (checkNonNegative("minPerSecond", options.minPerSecond ?? 1) * windowMs) / 1000;
  const combine = checkOneOf("combine", options.combine ?? "sum", ["sum", "max"]);
  return new Ring(ratio, floor, combine === "max", windowMs, options.clock ?? systemClock);
}

class Ring implements RetryBudget {
  readonly #ratio: number;
  readonly #floor: number;
  readonly #greater: boolean;
  readonly #slotMs: number;
  readonly #clock: Clock;
  /** First tries and retries per slot. */
  readonly #ring: Float64Array = new Float64Array(2 * SLOTS);
  #firsts = 0;
  #retries = 0;
  #head = 0;

  constructor(ratio: number, floor: number, greater: boolean, windowMs: number, clock: Clock) {
    this.#ratio = ratio;
    this.#floor = floor;
    this.#greater = greater;
    this.#slotMs = windowMs / 10;
    this.#clock = clock;
  }

  first(): void {
    const i = this.#slot();
    this.#ring[i] = (this.#ring[i] as number) + 1;
    this.#firsts++;
  }

  take(): boolean {
    const i = this.#slot() + 1;
    const share = this.#ratio * this.#firsts;
    const most = this.#greater ? Math.max(share, this.#floor) : share + this.#floor;
    // A ratio such as 0.1 is not exact: without the addend the tenth of ten tries could be refused.
    if (this.#retries + 1 > most + 1e-9) return false;
    this.#ring[i] = (this.#ring[i] as number) + 1;
    this.#retries++;
    return true;
  }

  /** Moves to the slot of now, dropping what has left the window. */
  #slot(): number {
    const slot = Math.floor(this.#clock.monotonic() / this.#slotMs);
    const steps = Math.min(slot - this.#head, SLOTS);
    for (let k = 1; k <= steps; k++) {
      const i = 2 * ((this.#head + k) % SLOTS);
      this.#firsts -= this.#ring[i] as number;
      this.#retries -= this.#ring[i + 1] as number;
      this.#ring[i] = 0;
      this.#ring[i + 1] = 0;
    }
    this.#head = slot;
    return 2 * (this.#head % SLOTS);
  }
}
