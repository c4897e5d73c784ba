/**
 * What a decision from a held lease reads and writes, side by side: one line of the processor's cache for each key. A service with
 * thousands of keys waits for memory more than it calculates.
 */

/** Cells of a row. Units that may be spent without a look at the leases, and how many there were. */
export const LEFT = 0;
export const GIVEN = 1;
/** Only while the monotonic clock is before it, */
export const UNTIL = 2;
/** and the wall clock is ahead of it by this much, give or take the tolerance. */
export const APART = 3;
export const TOLERANCE = 4;
/** When one was spent last. */
export const USED_AT = 5;
/** Units left beside them, here and in the store, and when all of the limit is back. */
export const BEYOND = 6;
export const RESET_AT = 7;

/** 8 doubles are 64 bytes. */
const WIDTH = 8;
const FIRST_ROWS = 64;

export class LeaseRows {
  /** Another array after it has grown: read it anew for every use. */
  cells: Float64Array = new Float64Array(FIRST_ROWS * WIDTH);
  private readonly free: number[] = [];
  private next = 0;

  /** Where a row of zeros begins. */
  take(): number {
    const at = this.free.pop();
    if (at !== undefined) return at;
    if (this.next === this.cells.length) {
      const { cells } = this;
      this.cells = new Float64Array(2 * cells.length);
      this.cells.set(cells);
    }
    this.next += WIDTH;
    return this.next - WIDTH;
  }

  give(at: number): void {
    this.cells.fill(0, at, at + WIDTH);
    this.free.push(at);
  }
}
