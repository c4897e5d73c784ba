/** How much a holder may ask for: its own recent rate, and no more than it has shown to use. */

/** Idle for this many targets, a holder starts again with a lease of 1. */
export const IDLE_TARGETS = 8;

export class Demand {
  private readonly targetMs: number;
  private readonly useMs: number;
  private readonly maxTokens: number;
  /** Units per ms, an exponential mean over about five targets. */
  private rate = 0;
  private seen = 0;
  private since: number;
  /** Slow start: at most double the last lease that was spent to the end. */
  private cap = 1;

  /** `useMs`: how long a lease should last; at most `targetMs`. */
  constructor(targetMs: number, useMs: number, maxTokens: number, now: number) {
    this.targetMs = targetMs;
    this.useMs = useMs;
    this.maxTokens = maxTokens;
    this.since = now;
  }

  /** Somebody wants `cost` units. */
  note(cost: number, now: number): void {
    const elapsed = now - this.since;
    if (elapsed >= this.targetMs) this.fold(elapsed, now);
    this.seen += cost;
  }

  /** `units` were wanted before {@link foldsAt}. */
  add(units: number): void {
    this.seen += units;
  }

  /** Until then the rate is what it is, whatever is wanted. */
  get foldsAt(): number {
    return this.since + this.targetMs;
  }

  /** Units that will be used within `useMs`, or `withinMs` when that is sooner. */
  expected(now: number, withinMs: number = this.useMs): number {
    const elapsed = now - this.since;
    if (elapsed >= this.targetMs) this.fold(elapsed, now);
    // The stretch that has begun counts too, or the first lease after a rise would be as small as the one before.
    const forMs = Math.max(0, Math.min(this.useMs, withinMs));
    return Math.max(this.rate * forMs, (Math.min(this.seen, this.cap) * forMs) / this.useMs);
  }

  /** More will be wanted within `useMs`, so a refill before it is wanted pays. */
  steady(now: number): boolean {
    const elapsed = now - this.since;
    if (elapsed >= this.targetMs) this.fold(elapsed, now);
    return this.rate * this.useMs >= 1;
  }

  /** Whole units to ask for; at least 1. */
  want(now: number, withinMs?: number): number {
    return Math.max(1, Math.floor(Math.min(this.expected(now, withinMs), this.cap, this.maxTokens)));
  }

  /** A lease of `size` was spent to the end. */
  spent(size: number): void {
    this.cap = Math.min(this.maxTokens, Math.max(this.cap, 2 * size));
  }

  /** A lease ended with units unspent. */
  wasted(): void {
    this.cap = Math.max(1, Math.floor(this.cap / 2));
  }

  private fold(elapsed: number, now: number): void {
    if (elapsed >= IDLE_TARGETS * this.targetMs) {
      this.cap = 1;
      this.rate = 0;
    } else {
      const weight = 1 - Math.exp(-elapsed / (5 * this.targetMs));
      this.rate += weight * (this.seen / elapsed - this.rate);
    }
    this.seen = 0;
    this.since = now;
  }
}
