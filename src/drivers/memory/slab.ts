/**
 * Where the memory driver keeps its records: blocks of 256 of one width, each with a typed array of numbers, so that a
 * limiter on a key costs its numbers and a few links, and growing copies nothing.
 *
 * A record is a number above 0: block and place in it. Number 0 is nobody.
 */

import { TimingWheel, type WheelLinks } from "./timing-wheel.ts";

const BITS = 8;
const SIZE = 256;
const MASK: number = SIZE - 1;

/** Kind, previous and next in the timing wheel (a free record: next free one), per record. */
const INTS = 3;
/** Records a block has room for at first; it doubles, so that a store of few wide records stays small. */
const FIRST_ROOM = 16;

/** Records of one width. */
export class Block {
  /** Per record: its deadline (`Infinity` is none), then its cells. */
  cells: Float64Array;
  readonly ints: Int32Array = new Int32Array(SIZE * INTS);
  readonly keys: (string | undefined)[] = Array.from<undefined>({ length: SIZE });
  /** State objects of the records whose cells do not hold it. Made for the first of them. */
  states: unknown[] | undefined;
  /** Previous and next in the order of use. Made when the first record here is idle: limiters at work never are. */
  order: Int32Array | undefined;

  constructor(width: number) {
    this.cells = new Float64Array(FIRST_ROOM * (width + 1));
  }
}

export class Slab {
  readonly wheel: TimingWheel;
  /** Records in use. */
  size = 0;
  readonly blocks: Block[] = [];
  /** First free record by width, 0 for none. */
  readonly #free = new Map<number, number>();
  /** Ends of the list of idle records: least and most recently used. */
  #oldest = 0;
  #newest = 0;
  #hand = 0;

  constructor(now: number) {
    const { blocks } = this;
    const links: WheelLinks = {
      next: (id) => (blocks[id >> BITS] as Block).ints[(id & MASK) * INTS + 2] as number,
      prev: (id) => (blocks[id >> BITS] as Block).ints[(id & MASK) * INTS + 1] as number,
      link(id, prev, next) {
        const { ints } = blocks[id >> BITS] as Block;
        ints[(id & MASK) * INTS + 1] = prev;
        ints[(id & MASK) * INTS + 2] = next;
      },
      setNext: (id, next) => void ((blocks[id >> BITS] as Block).ints[(id & MASK) * INTS + 2] = next),
      setPrev: (id, prev) => void ((blocks[id >> BITS] as Block).ints[(id & MASK) * INTS + 1] = prev),
    };
    this.wheel = new TimingWheel(links, now);
  }

  /** A record for `kind` (above 0) of `width` cells, all 0, without deadline and in no list. */
  allocate(kind: number, width: number, key: string): number {
    let id = this.#free.get(width) ?? 0;
    if (id === 0) id = this.#grow(width);
    const block = this.blocks[id >> BITS] as Block;
    const i = id & MASK;
    this.#free.set(width, block.ints[i * INTS + 2] as number);
    block.ints[i * INTS] = kind;
    block.ints[i * INTS + 2] = 0;
    block.keys[i] = key;
    if (i * (width + 1) >= block.cells.length) {
      const cells = new Float64Array(block.cells.length * 2);
      cells.set(block.cells);
      block.cells = cells;
    }
    block.cells[i * (width + 1)] = Infinity;
    this.size++;
    return id;
  }

  free(id: number, width: number): void {
    this.wheel.remove(id);
    this.setBusy(id);
    const block = this.blocks[id >> BITS] as Block;
    const i = id & MASK;
    block.cells.fill(0, i * (width + 1), (i + 1) * (width + 1));
    block.keys[i] = undefined;
    if (block.states !== undefined) block.states[i] = undefined;
    block.ints[i * INTS] = 0;
    block.ints[i * INTS + 2] = this.#free.get(width) ?? 0;
    this.#free.set(width, id);
    this.size--;
  }

  block(id: number): Block {
    return this.blocks[id >> BITS] as Block;
  }

  index(id: number): number {
    return id & MASK;
  }

  /** 0 for a free record. */
  kind(id: number): number {
    return (this.blocks[id >> BITS] as Block).ints[(id & MASK) * INTS] as number;
  }

  key(id: number): string {
    return (this.blocks[id >> BITS] as Block).keys[id & MASK] as string;
  }

  deadline(id: number, width: number): number {
    return (this.blocks[id >> BITS] as Block).cells[(id & MASK) * (width + 1)] as number;
  }

  /** Sets the deadline; an earlier one is noticed at once, a later one when the former comes up. */
  setDeadline(id: number, width: number, deadline: number): void {
    const block = this.blocks[id >> BITS] as Block;
    const i = id & MASK;
    const at = i * (width + 1);
    const before = block.cells[at] as number;
    if (deadline === before) return;
    block.cells[at] = deadline;
    if (deadline > before && block.ints[i * INTS + 2] !== 0) return;
    this.wheel.remove(id);
    if (deadline !== Infinity) this.wheel.insert(id, deadline);
  }

  /** Puts a record at the end of the order of use: it is idle and was used now. */
  setIdle(id: number): void {
    if (this.#newest === id) return;
    this.setBusy(id);
    const block = this.blocks[id >> BITS] as Block;
    block.order ??= new Int32Array(SIZE * 2);
    // An end of the list points at the record itself, so that 0 is "in no list".
    block.order[(id & MASK) * 2] = this.#newest === 0 ? id : this.#newest;
    block.order[(id & MASK) * 2 + 1] = id;
    if (this.#newest === 0) this.#oldest = id;
    else ((this.blocks[this.#newest >> BITS] as Block).order as Int32Array)[(this.#newest & MASK) * 2 + 1] = id;
    this.#newest = id;
  }

  /** Takes a record out of the order of use: it is limiting somebody and must stay. */
  setBusy(id: number): void {
    const { order } = this.blocks[id >> BITS] as Block;
    if (order === undefined) return;
    const at = (id & MASK) * 2;
    const older = order[at] as number;
    if (older === 0) return;
    const newer = order[at + 1] as number;
    if (older === id) this.#oldest = newer === id ? 0 : newer;
    else ((this.blocks[older >> BITS] as Block).order as Int32Array)[(older & MASK) * 2 + 1] = newer === id ? older : newer;
    if (newer === id) this.#newest = older === id ? 0 : older;
    else ((this.blocks[newer >> BITS] as Block).order as Int32Array)[(newer & MASK) * 2] = older === id ? newer : older;
    order[at] = order[at + 1] = 0;
  }

  isIdle(id: number): boolean {
    const { order } = this.blocks[id >> BITS] as Block;
    return order !== undefined && order[(id & MASK) * 2] !== 0;
  }

  /** The idle record that was not used for longest, or 0. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The record under a hand that goes round all of them, or 0 where that one is free. */
  turn(): number {
    const end = this.blocks.length * SIZE;
    if (end === 0) return 0;
    this.#hand = this.#hand + 1 >= end ? 0 : this.#hand + 1;
    return this.kind(this.#hand) === 0 ? 0 : this.#hand;
  }

  /** Calls back with every record in use. */
  forEach(visit: (id: number) => void): void {
    for (let id = 1; id < this.blocks.length * SIZE; id++) if (this.kind(id) !== 0) visit(id);
  }

  /** Starts the wheel again at `now`: for a clock that was set back. */
  rewind(now: number, widthOf: (kind: number) => number): void {
    this.wheel.clear(now);
    this.forEach((id) => {
      const { ints } = this.block(id);
      ints[(id & MASK) * INTS + 1] = ints[(id & MASK) * INTS + 2] = 0;
      const deadline = this.deadline(id, widthOf(this.kind(id)));
      if (deadline !== Infinity) this.wheel.insert(id, deadline);
    });
  }

  state(id: number): unknown {
    return (this.blocks[id >> BITS] as Block).states?.[id & MASK];
  }

  setState(id: number, state: unknown): void {
    const block = this.blocks[id >> BITS] as Block;
    if (state === undefined && block.states === undefined) return;
    block.states ??= Array.from<unknown>({ length: SIZE });
    block.states[id & MASK] = state;
  }

  /** Adds a block and returns its first record. */
  #grow(width: number): number {
    const base = this.blocks.length << BITS;
    const block = new Block(width);
    this.blocks.push(block);
    const first = base === 0 ? 1 : 0;
    for (let i = first; i < SIZE - 1; i++) block.ints[i * INTS + 2] = base + i + 1;
    return base + first;
  }
}
