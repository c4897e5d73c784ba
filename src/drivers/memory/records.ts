/**
 * The records of the memory driver: finds, steps, expires and evicts them. Nothing here waits and nothing has a timer.
 *
 * Every call looks at a few records whose time has come. At the bound, room is made by the expired first, then by the
 * idle ones in order of use; a record that is limiting or counting somebody stays. All of it is O(1) amortised.
 */

import { StoreError, quote } from "../../core/errors.ts";
import type { Algorithm, RowMachine, SyncTable } from "../../state/contracts/driver.ts";
import { Overflow } from "./overflow.ts";
import { type Block, Slab } from "./slab.ts";
import type { TimingWheel } from "./timing-wheel.ts";

/** An expired record stays this long while there is room: a caller who is back within it finds his record instead of making one. */
const GRACE_MS = 1000;
/** Due records looked at per call: more than a call can add, so that the wheel never falls behind the traffic. */
const SWEEP_PER_CALL = 4;
/** The same for a call that needs room. */
const SWEEP_FOR_ROOM = 64;
/** Records looked at for room that did not announce when they become idle. */
const LOOK_FOR_ROOM = 8;
/** A clock that goes back further than this gets a new wheel: without, records would be dropped that much later. */
const REWIND_MS = 1000;

/** Cells of a record. */
export function widthOf({ row, compact }: Algorithm): number {
  return row?.width ?? compact?.width ?? 0;
}

/** The records of one algorithm in one name space. */
export class Kind {
  readonly algorithm: Algorithm;
  readonly row: RowMachine<unknown, unknown> | undefined;
  readonly width: number;
  readonly stride: number;
  /** Above 0. */
  readonly id: number;
  readonly index: Map<string, number>;

  constructor(id: number, algorithm: Algorithm, index: Map<string, number>) {
    this.id = id;
    this.algorithm = algorithm;
    this.row = algorithm.row;
    this.width = widthOf(algorithm);
    this.stride = this.width + 1;
    this.index = index;
  }
}

export class Records {
  readonly #maxKeys: number;
  #now: () => number;
  readonly #slab: Slab;
  readonly #blocks: readonly Block[];
  readonly #wheel: TimingWheel;
  readonly #kinds: (Kind | undefined)[] = [undefined];
  readonly #overflow = new Overflow();
  /** One row of zeros, as wide as the widest: where a first command runs. */
  #scratch: Float64Array = new Float64Array(4);

  constructor(maxKeys: number, now: () => number) {
    this.#maxKeys = maxKeys;
    this.#now = now;
    this.#slab = new Slab(now());
    this.#blocks = this.#slab.blocks;
    this.#wheel = this.#slab.wheel;
  }

  kind(algorithm: Algorithm, index: Map<string, number>): Kind {
    const kind = new Kind(this.#kinds.length, algorithm, index);
    this.#kinds.push(kind);
    if (kind.width > this.#scratch.length) this.#scratch = new Float64Array(kind.width);
    return kind;
  }

  /** Live records. */
  get size(): number {
    this.sweep(Number.MAX_SAFE_INTEGER);
    return this.#slab.size;
  }

  get held(): number {
    return this.#slab.size;
  }

  /** Drops expired records, looking at `budget` of those whose time has come. Returns whether that was all of them. */
  sweep(budget: number): boolean {
    const now = this.#now();
    this.#rewind(now);
    return this.#sweep(now, now, budget);
  }

  close(): void {
    this.#now = () => {
      throw new StoreError("STORE_CLOSED", "the memory store is closed", { outcome: "not-applied" });
    };
  }

  now(): number {
    return this.#now();
  }

  /** Runs one command. The hot path: one look-up, one step in place, no allocation but the reply. */
  run(kind: Kind, algorithm: Algorithm, key: string, command: unknown, now: number = this.#now()): unknown {
    if (now - GRACE_MS >= this.#wheel.due) this.#sweep(now, now - GRACE_MS, SWEEP_PER_CALL);
    const id = kind.index.get(key);
    const { row } = kind;
    if (id === undefined) return row === undefined ? this.#step(kind, algorithm, 0, key, command, now) : this.#begin(kind, row, key, command, now);
    const block = this.#blocks[id >> 8] as Block;
    const i = id & 255;
    if (block.ints[i * 3] !== kind.id) this.#wrongType(key, id, algorithm.name);
    if (row === undefined) return this.#step(kind, algorithm, id, key, command, now);
    const at = i * kind.stride + 1;
    const reply = row.reply();
    if (row.apply(block.cells, at, command, now, reply)) this.#changed(kind, row, block, id, at, command, now);
    else if (block.order !== undefined && this.#slab.isIdle(id)) this.#slab.setIdle(id);
    return reply;
  }

  /** `run` for one kind, whose index holds no other: what every limiter call goes through, so nothing is looked up twice. */
  table<Command, R>(kind: Kind, nameOf: (key: string) => string): SyncTable<Command, R> {
    const { index, row, stride, algorithm } = kind;
    const [blocks, wheel, slab] = [this.#blocks, this.#wheel, this.#slab];
    const run = (given: string, command: Command): unknown => {
      const key = nameOf(given);
      const now = this.#now();
      if (now - GRACE_MS >= wheel.due) this.#sweep(now, now - GRACE_MS, SWEEP_PER_CALL);
      const id = index.get(key);
      if (id === undefined || row === undefined) return this.run(kind, algorithm, key, command, now);
      const block = blocks[id >> 8] as Block;
      const at = (id & 255) * stride + 1;
      const reply = row.reply();
      if (row.apply(block.cells, at, command, now, reply)) this.#changed(kind, row, block, id, at, command, now);
      else if (block.order !== undefined && slab.isIdle(id)) slab.setIdle(id);
      return reply;
    };
    return { run: run as (key: string, command: Command) => R };
  }

  /** Several commands on one key at one instant: all of them, or an exception and none. */
  runAll(kind: Kind, algorithm: Algorithm, key: string, commands: readonly unknown[]): unknown[] {
    const now = this.#now();
    if (commands.length === 1) return [this.run(kind, algorithm, key, commands[0], now)];
    const undo = this.#snapshot(kind, key);
    try {
      return commands.map((command) => this.run(kind, algorithm, key, command, now));
    } catch (error) {
      undo();
      throw error;
    }
  }

  /** Drops whatever is under a key; false when nothing live was. */
  delete(index: Map<string, number>, key: string): boolean {
    const now = this.#now();
    const id = index.get(key);
    if (id === undefined) return false;
    const live = this.#slab.deadline(id, (this.#kinds[this.#slab.kind(id)] as Kind).width) > now;
    this.#drop(id);
    return live;
  }

  /** The first command on a key: nothing is kept unless it changes the row of zeros. */
  #begin(kind: Kind, row: RowMachine<unknown, unknown>, key: string, command: unknown, now: number): unknown {
    const scratch = this.#scratch.fill(0, 0, kind.width);
    const reply = row.reply();
    if (!row.apply(scratch, 0, command, now, reply)) return reply;
    const deadline = row.expiresAt(scratch, 0, command) ?? Infinity;
    if (deadline <= now) return reply;
    if (!this.#room(now)) return this.#full(kind.algorithm, command, now);
    const id = this.#add(kind, key);
    const block = this.#slab.block(id);
    const at = this.#slab.index(id) * kind.stride + 1;
    for (let i = 0; i < kind.width; i++) block.cells[at + i] = scratch[i] as number;
    this.#slab.setDeadline(id, kind.width, deadline);
    if (!row.limiting(block.cells, at, now)) this.#slab.setIdle(id);
    return reply;
  }

  #changed(kind: Kind, row: RowMachine<unknown, unknown>, block: Block, id: number, at: number, command: unknown, now: number): void {
    const deadline = row.expiresAt(block.cells, at, command) ?? Infinity;
    if (deadline <= now) {
      this.#drop(id);
      return;
    }
    const before = block.cells[at - 1] as number;
    // A bucket's deadline moves with every charge; the wheel finds out when the former one comes up.
    if (deadline > before && block.ints[(id & 255) * 3 + 2] !== 0) block.cells[at - 1] = deadline;
    else if (deadline !== before) this.#slab.setDeadline(id, kind.width, deadline);
    if (!row.limiting(block.cells, at, now)) this.#slab.setIdle(id);
    else if (block.order !== undefined) this.#slab.setBusy(id);
  }

  /** One step on a state object. */
  #step(kind: Kind, algorithm: Algorithm, id: number, key: string, command: unknown, now: number): unknown {
    const state = id === 0 ? undefined : this.#state(kind, id);
    const step = algorithm.step(state, command, now);
    if (step.state === state) {
      if (id !== 0 && this.#slab.isIdle(id)) this.#slab.setIdle(id);
      return step.reply;
    }
    const deadline = step.expiresAt ?? Infinity;
    if (step.state === undefined || deadline <= now) {
      if (id !== 0) this.#drop(id);
      return step.reply;
    }
    if (id === 0) {
      if (!this.#room(now)) return this.#full(algorithm, command, now);
      id = this.#add(kind, key);
    }
    const { compact } = algorithm;
    const inCells = compact !== undefined && compact.write(step.state, this.#slab.block(id).cells, this.#slab.index(id) * kind.stride + 1);
    this.#slab.setState(id, inCells ? undefined : step.state);
    this.#slab.setDeadline(id, kind.width, deadline);
    if (algorithm.limiting === undefined || algorithm.limiting(step.state, now)) this.#slab.setBusy(id);
    else this.#slab.setIdle(id);
    return step.reply;
  }

  #state(kind: Kind, id: number): unknown {
    const state = this.#slab.state(id);
    const { compact } = kind.algorithm;
    return state === undefined && compact !== undefined ? compact.read(this.#slab.block(id).cells, this.#slab.index(id) * kind.stride + 1) : state;
  }

  #add(kind: Kind, key: string): number {
    const flat = flatten(key);
    const id = this.#slab.allocate(kind.id, kind.width, flat);
    kind.index.set(flat, id);
    return id;
  }

  #drop(id: number): void {
    const kind = this.#kinds[this.#slab.kind(id)] as Kind;
    kind.index.delete(this.#slab.key(id));
    this.#slab.free(id, kind.width);
  }

  #limiting(id: number, now: number): boolean {
    const kind = this.#kinds[this.#slab.kind(id)] as Kind;
    const { algorithm, row } = kind;
    if (this.#slab.deadline(id, kind.width) <= now) return false;
    if (row !== undefined) return row.limiting(this.#slab.block(id).cells, this.#slab.index(id) * kind.stride + 1, now);
    return algorithm.limiting === undefined || algorithm.limiting(this.#state(kind, id), now);
  }

  /** Looks at records whose time came by `until`. */
  #sweep(now: number, until: number, budget: number): boolean {
    for (let n = 0; n < budget; n++) {
      const id = this.#slab.wheel.take(until);
      if (id === 0) return true;
      this.#expire(id, now);
    }
    return false;
  }

  /** Drops a record whose time has come, or puts it back when it was prolonged meanwhile. */
  #expire(id: number, now: number): boolean {
    const deadline = this.#slab.deadline(id, (this.#kinds[this.#slab.kind(id)] as Kind).width);
    if (deadline <= now) {
      this.#drop(id);
      return true;
    }
    if (deadline !== Infinity) this.#slab.wheel.insert(id, deadline);
    return false;
  }

  /** Makes room for one more record; false when all of them must stay. */
  #room(now: number): boolean {
    const slab = this.#slab;
    this.#rewind(now);
    if (slab.size < this.#maxKeys) return true;
    for (let n = 0; n < SWEEP_FOR_ROOM; n++) {
      const id = slab.wheel.take(now);
      if (id === 0) break;
      if (this.#expire(id, now)) return true;
    }
    for (let n = 0; n < LOOK_FOR_ROOM && slab.oldest !== 0; n++) {
      const id = slab.oldest;
      if (!this.#limiting(id, now)) {
        this.#drop(id);
        return true;
      }
      slab.setBusy(id);
    }
    for (let n = 0; n < LOOK_FOR_ROOM; n++) {
      const id = slab.turn();
      if (id === 0 || this.#limiting(id, now)) continue;
      this.#drop(id);
      return true;
    }
    return false;
  }

  #full(algorithm: Algorithm, command: unknown, now: number): unknown {
    const shared = this.#overflow.run(algorithm, command, now);
    if (shared !== undefined) return shared;
    throw new StoreError("STORE_FULL", `the memory store holds its maximum of ${this.#maxKeys} keys, all in use; raise maxKeys`, { outcome: "not-applied" });
  }

  #rewind(now: number): void {
    if (now < this.#slab.wheel.time - REWIND_MS) this.#slab.rewind(now, (kind) => (this.#kinds[kind] as Kind).width);
  }

  /** What puts the record of a key back as it is now. */
  #snapshot(kind: Kind, key: string): () => void {
    const { width } = kind;
    const before = kind.index.get(key);
    if (before === undefined || this.#slab.kind(before) !== kind.id) {
      return () => {
        const id = kind.index.get(key);
        if (id !== undefined && id !== before) this.#drop(id);
      };
    }
    const block = this.#slab.block(before);
    const i = this.#slab.index(before);
    const cells = block.cells.slice(i * kind.stride, (i + 1) * kind.stride);
    const state = this.#slab.state(before);
    return () => {
      const id = kind.index.get(key) ?? this.#add(kind, key);
      const now = this.#slab.block(id);
      const j = this.#slab.index(id);
      now.cells.set(cells.subarray(1), j * kind.stride + 1);
      this.#slab.setState(id, state);
      this.#slab.setDeadline(id, width, cells[0] as number);
      if (this.#limiting(id, this.#now())) this.#slab.setBusy(id);
      else this.#slab.setIdle(id);
    };
  }

  #wrongType(key: string, id: number, wanted: string): never {
    const { name } = (this.#kinds[this.#slab.kind(id)] as Kind).algorithm;
    throw new StoreError("STORE_WRONG_TYPE", `the key ${quote(key)} holds a ${name}, not a ${wanted}`, { outcome: "not-applied" });
  }
}

/**
 * The same text in one piece of its own: a key cut from a longer text would keep that text alive, one put together from
 * parts would keep the parts. Shorter ones are in one piece already (V8 cuts and joins by reference from 13 units on).
 */
function flatten(key: string): string {
  return key.length < 13 ? key : [key.slice(0, 1), key.slice(1)].join("");
}
