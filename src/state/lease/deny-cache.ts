/** Refusals that still hold: a flood on a key that has run out costs one round trip per key and `holdMs`, not one per call. */

/** Keys remembered: beyond it the oldest is forgotten, which costs a round trip. */
const MAX_ENTRIES = 16_384;

export interface Denial {
  readonly cost: number;
  /** Until when it holds, monotonic. */
  readonly untilAt: number;
  /** When the cost can pass, monotonic; `undefined` for never. */
  readonly retryAt: number | undefined;
}

/** Needs no timer: entries live for at most `holdMs`, so those in front, which are the oldest, are the ones to drop. */
export class DenyCache {
  private readonly entries = new Map<string, Denial>();
  /** Goes on from where it was: a new iterator would walk over everything deleted before the first entry. */
  private hand = this.entries.entries();
  private front: [key: string, denial: Denial] | undefined = undefined;
  private readonly holdMs: number;

  constructor(holdMs: number) {
    this.holdMs = holdMs;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The denial that covers `cost`, if one holds. */
  find(key: string, cost: number, now: number): Denial | undefined {
    if (this.entries.size === 0) return undefined;
    const denial = this.entries.get(key);
    if (denial === undefined) return undefined;
    if (now >= denial.untilAt) {
      this.entries.delete(key);
      return undefined;
    }
    return cost >= denial.cost ? denial : undefined;
  }

  /** `sentAt`: the monotonic instant before the question was sent. */
  add(key: string, cost: number, sentAt: number, retryAfterMs: number | null, now: number): void {
    const holdMs = Math.min(this.holdMs, retryAfterMs ?? Infinity);
    if (sentAt + holdMs <= now) return;
    this.entries.delete(key);
    this.sweep(now);
    this.entries.set(key, { cost, untilAt: sentAt + holdMs, retryAt: retryAfterMs === null ? undefined : sentAt + retryAfterMs });
  }

  delete(key: string): void {
    if (this.entries.size > 0) this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }

  /** Two of the oldest at every new entry, so that no call pays for all. */
  private sweep(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      const oldest = this.oldest();
      if (oldest === undefined || (oldest[1].untilAt > now && this.entries.size < MAX_ENTRIES)) return;
      this.entries.delete(oldest[0]);
    }
  }

  private oldest(): [key: string, denial: Denial] | undefined {
    while (this.front === undefined || this.entries.get(this.front[0]) !== this.front[1]) {
      let next = this.hand.next();
      if (next.done === true) {
        this.hand = this.entries.entries();
        next = this.hand.next();
        if (next.done === true) return undefined;
      }
      this.front = next.value;
    }
    return this.front;
  }
}
