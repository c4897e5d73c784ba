/**
 * A driver for limits alone, in a `Map`: no slab, no wheel, no tables. What {@link memoryDriver} guarantees of limits holds here,
 * too; a decision takes a microsecond more, and a bundle carries a fifth of the code. For runtimes where size decides how fast
 * an isolate starts.
 */

import { type Clock, steadyNow } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import { boundKey } from "../../core/keys.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RowMachine } from "../../state/contracts/driver.ts";
import type { LimitDriver } from "../../state/stores/driver-limits.ts";
import { Overflow } from "./overflow.ts";

/** Records looked at per call, so that the expired go without a timer. */
const SWEEP_PER_CALL = 2;
/** The same for a call that needs room. */
const SWEEP_FOR_ROOM = 64;

interface Held {
  readonly algorithm: Algorithm;
  /** A row of numbers where the algorithm has one, else its state. */
  state: unknown;
  expiresAt: number;
}

export class PlainLimitDriver implements LimitDriver {
  readonly name = "memory";
  readonly capabilities: DriverCapabilities = { atomic: true, clock: "backend", minTtlMs: 1, maxValueBytes: 0, shared: false, durability: "memory" };
  /** In the order of use. */
  readonly #records = new Map<string, Held>();
  readonly #overflow = new Overflow();
  readonly #maxKeys: number;
  readonly #now: () => number;
  #sweeping: Iterator<[string, Held]> | undefined;

  constructor(maxKeys: number, clock: Clock | undefined) {
    this.#maxKeys = maxKeys;
    this.#now = steadyNow(clock);
  }

  /** Records in memory, expired ones that no call has dropped yet among them. */
  get held(): number {
    return this.#records.size;
  }

  run(batch: readonly Operation[]): Reply[][] {
    return batch.map(({ algorithm, key, commands }) => commands.map((command) => {
      try {
        return this.runSync(algorithm, key, command);
      } catch (error) {
        return error;
      }
    }));
  }

  runSync<Command, R>(algorithm: Algorithm<unknown, Command, R>, rawKey: string, command: Command): R {
    const key = boundKey(rawKey);
    const now = this.#now();
    this.#sweep(now, SWEEP_PER_CALL);
    const known = this.#records.get(key);
    if (known !== undefined && known.algorithm.name !== algorithm.name) throw new StoreError("STORE_WRONG_TYPE", `the key holds a ${known.algorithm.name}, not a ${algorithm.name}`, { outcome: "not-applied" });
    const { row } = algorithm as { readonly row?: RowMachine<Command, R> };
    let reply: R;
    let state = known?.state;
    let expiresAt: number | undefined;
    let changed: boolean;
    if (row === undefined) {
      const step = algorithm.step(state, command, now);
      changed = step.state !== state;
      ({ state, reply, expiresAt } = step);
    } else {
      const cells = (state ??= new Float64Array(row.width)) as Float64Array;
      reply = row.reply();
      changed = row.apply(cells, 0, command, now, reply);
      if (changed) expiresAt = row.expiresAt(cells, 0, command);
    }
    if (!changed) return reply;
    const ends = expiresAt ?? Infinity;
    this.#records.delete(key);
    if (state === undefined || ends <= now) return reply;
    if (this.#records.size >= this.#maxKeys && !this.#makeRoom(now)) return this.#full(algorithm, command, now);
    this.#records.set(key, { algorithm: algorithm as Algorithm, state, expiresAt: ends });
    return reply;
  }

  #sweep(now: number, budget: number): void {
    for (let n = 0; n < budget; n++) {
      const next = (this.#sweeping ??= this.#records.entries()).next();
      if (next.done === true) this.#sweeping = undefined;
      else if (next.value[1].expiresAt <= now) this.#records.delete(next.value[0]);
    }
  }

  /** The expired go first, then the idle, least recently used first. One that limits somebody stays. */
  #makeRoom(now: number): boolean {
    this.#sweep(now, SWEEP_FOR_ROOM);
    if (this.#records.size < this.#maxKeys) return true;
    let looked = 0;
    for (const [key, { algorithm, state, expiresAt }] of this.#records) {
      if (expiresAt <= now || !isLimiting(algorithm, state, now)) return this.#records.delete(key);
      if (++looked === SWEEP_FOR_ROOM) break;
    }
    return false;
  }

  #full<Command, R>(algorithm: Algorithm<unknown, Command, R>, command: Command, now: number): R {
    const shared = this.#overflow.run(algorithm as Algorithm, command, now);
    if (shared !== undefined) return shared as R;
    throw new StoreError("STORE_FULL", `the memory store holds its maximum of ${this.#maxKeys} keys, all in use`, { outcome: "not-applied" });
  }
}

function isLimiting({ row, limiting }: Algorithm, state: unknown, now: number): boolean {
  return row === undefined ? limiting === undefined || limiting(state, now) : row.limiting(state as Float64Array, 0, now);
}
