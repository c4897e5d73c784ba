/**
 * Which records expire next: a hierarchical timing wheel (Varghese and Lauck, 1987) over the records of a slab.
 *
 * Eight levels of 64 buckets, 1 ms at the lowest; a record sits in the level of the highest base-64 digit in which its
 * deadline differs from the wheel's time. Insert, remove and advance are O(1) amortised. The links live in the slab: a
 * link above 0 is a record, below 0 a list of the wheel, 0 is "not linked".
 *
 * A record whose deadline moves later stays where it is and is put back when its bucket comes up: a hit on a limiter
 * costs the wheel nothing.
 */

const LEVELS = 8;
const SIZE = 64;
/** Head of the list of records whose bucket has come up and that wait to be looked at. */
const PENDING: number = LEVELS * SIZE;

/** The links of a record, owned by the slab. */
export interface WheelLinks {
  next(id: number): number;
  prev(id: number): number;
  link(id: number, prev: number, next: number): void;
  setNext(id: number, next: number): void;
  setPrev(id: number, prev: number): void;
}

export class TimingWheel {
  /** Nothing has to be done before this instant. */
  due: number = Infinity;
  /** Every bucket that began at or before this instant has come up. */
  time: number;
  readonly #links: WheelLinks;
  /** `next` and `prev` of each list; an empty list points at itself. */
  readonly #heads: Int32Array = new Int32Array((PENDING + 1) * 2);
  /** Per level, 64 bits that say which buckets may hold records, in two words. */
  readonly #used: Int32Array = new Int32Array(LEVELS * 2);

  constructor(links: WheelLinks, now: number) {
    this.#links = links;
    this.time = 0;
    this.clear(now);
  }

  /** Forgets every record and starts at `now`; the links of the records are the caller's to reset. */
  clear(now: number): void {
    this.time = Math.max(0, Math.floor(now));
    this.due = Infinity;
    this.#used.fill(0);
    for (let list = 0; list <= PENDING; list++) this.#heads[list * 2] = this.#heads[list * 2 + 1] = -list - 1;
  }

  insert(id: number, deadline: number): void {
    const at = Math.max(Math.ceil(deadline), this.time + 1);
    let level = 0;
    let unit = 1;
    while (level < LEVELS - 1 && Math.floor(at / (unit * SIZE)) !== Math.floor(this.time / (unit * SIZE))) {
      level++;
      unit *= SIZE;
    }
    // Beyond the horizon of the top level (8 900 years): its last bucket, looked at again when it comes up.
    const last = (Math.floor(this.time / (unit * SIZE)) + 1) * SIZE - 1;
    const slice = Math.min(Math.floor(at / unit), last);
    const index = slice % SIZE;
    this.#append(level * SIZE + index, id);
    this.#used[level * 2 + (index >> 5)]! |= 1 << (index & 31);
    if (slice * unit < this.due) this.due = slice * unit;
  }

  remove(id: number): void {
    const next = this.#links.next(id);
    if (next === 0) return;
    const prev = this.#links.prev(id);
    this.#setNext(prev, next);
    this.#setPrev(next, prev);
    this.#links.link(id, 0, 0);
  }

  /**
   * The next record whose bucket has come up by `now`, unlinked, or 0. Its deadline may have moved: the caller looks
   * at it and drops the record or inserts it again.
   */
  take(now: number): number {
    for (;;) {
      const id = this.#heads[PENDING * 2] as number;
      if (id > 0) {
        this.remove(id);
        return id;
      }
      if (now < this.due || !this.#advance(now)) return 0;
    }
  }

  /** Moves the first occupied bucket that began by `now` to the pending list. */
  #advance(now: number): boolean {
    let unit = 1;
    for (let level = 0; level < LEVELS; level++, unit *= SIZE) {
      const slice = Math.floor(this.time / unit);
      const digit = slice % SIZE;
      for (let index = this.#firstUsed(level, digit + 1); index < SIZE; index = this.#firstUsed(level, index + 1)) {
        const list = level * SIZE + index;
        if ((this.#heads[list * 2] as number) < 0) {
          this.#used[level * 2 + (index >> 5)]! &= ~(1 << (index & 31));
          continue;
        }
        const start = (slice - digit + index) * unit;
        this.due = start;
        if (start > now) {
          this.time = Math.max(this.time, Math.floor(now));
          return false;
        }
        this.time = start;
        this.#used[level * 2 + (index >> 5)]! &= ~(1 << (index & 31));
        this.#splice(list);
        return true;
      }
    }
    this.due = Infinity;
    this.time = Math.max(this.time, Math.floor(now));
    return false;
  }

  #firstUsed(level: number, from: number): number {
    for (let word = from >> 5; word < 2; word++) {
      const shift = word === from >> 5 ? from & 31 : 0;
      const bits = (this.#used[level * 2 + word] as number) & (-1 << shift);
      if (bits !== 0) return word * 32 + (31 - Math.clz32(bits & -bits));
    }
    return SIZE;
  }

  /** Hangs a whole list onto the empty pending list. */
  #splice(list: number): void {
    const first = this.#heads[list * 2] as number;
    const last = this.#heads[list * 2 + 1] as number;
    this.#heads[PENDING * 2] = first;
    this.#heads[PENDING * 2 + 1] = last;
    this.#links.setPrev(first, -PENDING - 1);
    this.#links.setNext(last, -PENDING - 1);
    this.#heads[list * 2] = this.#heads[list * 2 + 1] = -list - 1;
  }

  #append(list: number, id: number): void {
    const last = this.#heads[list * 2 + 1] as number;
    this.#links.link(id, last, -list - 1);
    this.#setNext(last, id);
    this.#heads[list * 2 + 1] = id;
  }

  #setNext(id: number, next: number): void {
    if (id < 0) this.#heads[(-id - 1) * 2] = next;
    else this.#links.setNext(id, next);
  }

  #setPrev(id: number, prev: number): void {
    if (id < 0) this.#heads[(-id - 1) * 2 + 1] = prev;
    else this.#links.setPrev(id, prev);
  }
}
