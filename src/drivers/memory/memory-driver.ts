/** The memory driver: algorithms run in this process, synchronously, on records that are bounded in number. */

import { checkInteger, checkTtlMs } from "../../core/check.ts";
import { type Clock, type TimerHandle, steadyNow, systemClock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { boundKey } from "../../core/keys.ts";
import { type RawBytes, type RawBytesCommand, rawBytesOf } from "../../state/algorithms/raw-bytes.ts";
import { MAX_VALUE_TEXT_BYTES } from "../../state/algorithms/value.ts";
import type { Algorithm, DriverCapabilities, Operation, Reply, RunOptions, StateDriver, SyncTable } from "../../state/contracts/driver.ts";
import { type Kind, Records, widthOf } from "./records.ts";

export interface MemoryDriverOptions {
  /** Most keys kept. At the bound the expired go first, then the idle, least recently used first. @default 100000 */
  readonly maxKeys?: number;
  /** @default the system's clock, counted from a monotonic one */
  readonly clock?: Clock;
  /** Drop expired keys also while nobody calls, this often. Without it every call drops a few. @default none, no timer */
  readonly cleanupIntervalMs?: number;
}

export interface MemoryDriver extends StateDriver {
  runSync<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  run(batch: readonly Operation[], options?: RunOptions): Reply[][];
  table<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): Uint8Array | undefined;
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): void;
  delete(key: string, options?: RunOptions): boolean;
  /** Live keys. */
  readonly size: number;
  /** Records in memory: the live ones, and expired ones that no call has dropped yet. */
  readonly held: number;
  /** `close` without a promise. */
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Largest value, in bytes. */
const MAX_VALUE_BYTES: number = MAX_VALUE_TEXT_BYTES;
/** Tables are never dropped, so their number is bounded; callers beyond it put the name into the key. */
const MAX_TABLES = 4096;
/** Due keys looked at in one go by the timer: a few milliseconds of work. */
const SWEEP_PER_TICK = 20_000;

/**
 * A {@link StateDriver} in this process. It never waits: `run` and the others return values, and `runSync` and `table`
 * are there. Nothing survives the process.
 *
 * @throws OptionError for a bound or interval that is no positive integer.
 *
 * @example
 * const driver = memoryDriver({ maxKeys: 10_000 });
 * const stores = createStores(driver);
 */
export function memoryDriver(options: MemoryDriverOptions = {}): MemoryDriver {
  return new Driver(options);
}

class Driver implements MemoryDriver {
  readonly name = "memory";
  readonly capabilities: DriverCapabilities = Object.freeze({
    atomic: true,
    clock: "backend",
    minTtlMs: 1,
    maxValueBytes: MAX_VALUE_BYTES,
    shared: false,
    durability: "memory",
    multiKey: true,
  });
  readonly #records: Records;
  readonly #root = new Map<string, number>();
  /** By algorithm name and width, which is what a record is checked for. */
  readonly #kinds = new Map<string, Kind>();
  readonly #seen = new WeakMap<Algorithm, Kind>();
  readonly #tables = new Map<string, { readonly kind: Kind; readonly table: SyncTable<unknown, unknown> }>();
  readonly #clock: Clock;
  #last: Algorithm | undefined;
  #lastKind: Kind | undefined;
  #timer: TimerHandle;

  constructor(options: MemoryDriverOptions) {
    const maxKeys = checkInteger("maxKeys", options.maxKeys ?? 100_000, 1, 2 ** 24);
    this.#clock = options.clock ?? systemClock;
    this.#records = new Records(maxKeys, steadyNow(this.#clock));
    if (options.cleanupIntervalMs !== undefined) this.#schedule(checkInteger("cleanupIntervalMs", options.cleanupIntervalMs, 1));
  }

  get size(): number {
    return this.#records.size;
  }

  get held(): number {
    return this.#records.held;
  }

  runSync<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R {
    return this.#records.run(this.#kind(algorithm), algorithm, boundKey(key), command) as R;
  }

  run(batch: readonly Operation[], options?: RunOptions): Reply[][] {
    this.#begin(options);
    return batch.map(({ algorithm, key, commands }) => {
      try {
        return this.#records.runAll(this.#kind(algorithm), algorithm, boundKey(key), commands);
      } catch (error) {
        return commands.map(() => error);
      }
    });
  }

  table<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined {
    const known = this.#tables.get(name);
    if (known !== undefined) {
      const { kind, table } = known;
      if (kind.algorithm.name === algorithm.name && kind.width === widthOf(algorithm)) return table as SyncTable<Command, R>;
      throw new StoreError("STORE_WRONG_TYPE", `the table "${name}" holds ${kind.algorithm.name} records, not ${algorithm.name}`);
    }
    if (this.#tables.size >= MAX_TABLES) return undefined;
    const kind = this.#records.kind(algorithm, new Map());
    const table = this.#records.table<Command, R>(kind, tableKey);
    this.#tables.set(name, { kind, table: table as SyncTable<unknown, unknown> });
    return table;
  }

  get(key: string, options?: RunOptions): Uint8Array | undefined {
    this.#begin(options);
    return this.#bytes(key, READ)?.slice();
  }

  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): void {
    this.#begin(options);
    if (!(value instanceof Uint8Array)) throw new OptionError("value", value, "a Uint8Array");
    const ttl = checkTtlMs("ttlMs", ttlMs);
    if (value.byteLength > MAX_VALUE_BYTES) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.byteLength} bytes is above the maximum of ${MAX_VALUE_BYTES}`, { outcome: "not-applied" });
    }
    this.#bytes(key, { type: "set", bytes: new Uint8Array(value), ttlMs: ttl });
  }

  delete(key: string, options?: RunOptions): boolean {
    this.#begin(options);
    return this.#records.delete(this.#root, boundKey(key));
  }

  destroy(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#records.close();
  }

  async close(): Promise<void> {
    this.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #bytes(key: string, command: RawBytesCommand): Uint8Array | undefined {
    return this.#records.run(this.#kind(rawBytes), rawBytes, boundKey(key), command) as Uint8Array | undefined;
  }

  #begin(options: RunOptions | undefined): void {
    this.#records.now();
    options?.signal?.throwIfAborted();
  }

  #kind(algorithm: Algorithm): Kind {
    if (algorithm === this.#last) return this.#lastKind as Kind;
    const kind = this.#seen.get(algorithm) ?? this.#register(algorithm);
    this.#last = algorithm;
    this.#lastKind = kind;
    return kind;
  }

  #register(algorithm: Algorithm): Kind {
    const id = `${algorithm.name} ${widthOf(algorithm)}`;
    let kind = this.#kinds.get(id);
    if (kind === undefined) {
      kind = this.#records.kind(algorithm, this.#root);
      this.#kinds.set(id, kind);
    }
    this.#seen.set(algorithm, kind);
    return kind;
  }

  #schedule(intervalMs: number): void {
    const tick = (): void => {
      const done = this.#records.sweep(SWEEP_PER_TICK);
      this.#timer = this.#clock.setTimeout(tick, done ? intervalMs : 1);
    };
    this.#timer = this.#clock.setTimeout(tick, intervalMs);
  }
}

const READ: RawBytesCommand = { type: "get" };
const rawBytes: Algorithm<RawBytes, RawBytesCommand, Uint8Array | undefined> = /* @__PURE__ */ rawBytesOf(MAX_VALUE_BYTES);

/**
 * A key of a table: itself, or its digest when it is long. One that could be taken for a digest is marked, and one that
 * begins with the mark as well, so that no two inputs meet; both are at least as long as a digest.
 */
function tableKey(key: string): string {
  if (typeof key === "string" && key.length < DIGEST_LENGTH && key.length > 0) return key;
  if (typeof key !== "string" || key.length === 0) return boundKey(key);
  return boundKey(key.startsWith("sha256=") || key.startsWith("=") ? `=${key}` : key);
}

/** `sha256=` and 64 hexadecimal digits. */
const DIGEST_LENGTH = 71;
