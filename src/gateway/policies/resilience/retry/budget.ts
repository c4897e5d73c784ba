/** A bound on retries as a share of requests, so that retries cannot multiply an outage. */

const SECONDS = 10;
/** Retries always allowed in the window: with a handful of requests a share of them is less than one. */
const FLOOR = 10;

/** Requests and retries of the last ten seconds, in a ring of one-second slots. */
export class RetryBudget {
  private readonly share: number;
  private readonly now: () => number;
  private readonly requests = new Float64Array(SECONDS);
  private readonly retries = new Float64Array(SECONDS);
  private second = 0;

  /** `now` is monotonic, in ms. A `share` of 0 allows no retry at all. */
  constructor(share: number, now: () => number) {
    this.share = share;
    this.now = now;
  }

  request(): void {
    this.requests[this.slot()]!++;
  }

  /** Takes one retry if the budget has it. */
  take(): boolean {
    const slot = this.slot();
    if (this.share <= 0 || sum(this.retries) + 1 > Math.max(FLOOR, this.share * sum(this.requests))) return false;
    this.retries[slot]!++;
    return true;
  }

  /** The slot of this second; slots that have gone by since the last call are emptied. */
  private slot(): number {
    const second = Math.floor(this.now() / 1000);
    for (let passed = Math.min(SECONDS, second - this.second); passed > 0; passed--) {
      const stale = (second - passed + 1) % SECONDS;
      this.requests[stale] = 0;
      this.retries[stale] = 0;
    }
    this.second = Math.max(this.second, second);
    return this.second % SECONDS;
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
