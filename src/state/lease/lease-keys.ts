/** The keys of a leased limiter. At their bound an old one that nobody waits on makes room. */

import type { KeyLease } from "./key-lease.ts";
import { LeaseRows } from "./lease-rows.ts";

/** Keys looked at for one to drop: all may be busy, and those that are have callers, who are bounded themselves. */
const LOOKS = 16;

export class LeaseKeys extends Map<string, KeyLease> {
  readonly rows: LeaseRows = new LeaseRows();
  /** Goes round the keys, so that dropping one does not begin at the first again. */
  private hand: MapIterator<KeyLease> | undefined = undefined;

  /** While there is room. An iterator at rest keeps every table that the map has outgrown, with all keys there ever were. */
  rest(): void {
    this.hand = undefined;
  }

  /** Forgets a key, and its row is free. */
  drop(held: KeyLease): void {
    held.release();
    this.delete(held.name);
  }

  /** The next key, oldest first, that nobody waits on. */
  dispensable(): KeyLease | undefined {
    for (let looked = 0; looked < LOOKS; looked++) {
      let next = (this.hand ??= this.values()).next();
      if (next.done === true) next = (this.hand = this.values()).next();
      const held = next.value;
      if (held !== undefined && !held.asking && held.waiters.first === undefined) return held;
    }
    return undefined;
  }
}
