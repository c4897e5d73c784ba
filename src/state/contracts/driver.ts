/** Algorithms, and the drivers that run them. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`). */

import type { MaybePromise } from "../../core/maybe-promise.ts";

/** What one step of an algorithm gives. `expiresAt` is when the state stops mattering; `undefined` means never. */
export interface Step<State, Reply> {
  readonly state: State | undefined;
  readonly reply: Reply;
  readonly expiresAt: number | undefined;
}

/**
 * A pure state machine on one key; the definition of what is right on every backend. Make one with `defineAlgorithm`.
 *
 * Laws (checked by `verifyAlgorithm`): `step` has no clock, randomness, I/O or mutation; a refusal, a peek and an
 * invalid command return the same state object; for every `now >= expiresAt` it replies as if there were no state.
 */
// Methods are bivariant in their parameters, so every algorithm is an `Algorithm` to a driver that does not know its types.
export interface Algorithm<State = unknown, Command = unknown, Reply = unknown> {
  /** Drivers look native versions up by it, and records carry it. Lower-case words joined by `-`. */
  readonly name: string;
  /** Version of the encoded state: a record of another version is `STORE_CORRUPT`, never "absent". 0 to 255. */
  readonly version: number;
  /** Upper bound of the encoded state. */
  readonly maxStateBytes: number;
  step(state: State | undefined, command: Command, now: number): Step<State, Reply>;
  /** State to bytes, without the version byte (the driver adds it). */
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array): State;
  /**
   * Whether a state is still refusing or counting somebody at `now`, as {@link RowMachine.limiting} says for rows. A store
   * at its bound evicts the states that are not. Absent: always, until they expire.
   */
  limiting?(state: State, now: number): boolean;
  /** How a small state lies in numbers: a driver in this process then keeps no object for it. */
  readonly compact?: CompactState<State>;
  /** Present when the state is a row of numbers: a driver in this process may then keep it in a slab and run it in place. */
  readonly row?: RowMachine<Command, Reply>;
  /** Of a composite: what it is made of. A driver that names algorithms over a wire names these. */
  readonly members?: readonly Algorithm[];
}

/** The common small states of an algorithm as `width` numbers. A driver may use it or not: it changes no reply. */
export interface CompactState<State> {
  readonly width: number;
  /** Writes `state` to `cells[at .. at + width)`, or returns false and writes nothing when it does not fit. */
  write(state: State, cells: Float64Array, at: number): boolean;
  /** The state that `write` wrote. */
  read(cells: Float64Array, at: number): State;
}

/**
 * The in-place half of an algorithm whose state is `width` numbers. `step` of such an algorithm is derived from it, so
 * there is one definition. An absent state is a row of zeros.
 */
export interface RowMachine<Command, Reply> {
  readonly width: number;
  /**
   * Runs `command` on `cells[at .. at + width)` and fills `reply`. Returns whether the row changed; it writes nothing
   * when it returns false.
   */
  apply(cells: Float64Array, at: number, command: Command, now: number, reply: Reply): boolean;
  /** The instant at which the row stops mattering, or `undefined` for never. */
  expiresAt(cells: Float64Array, at: number, command: Command): number | undefined;
  /**
   * Whether the row is still refusing or counting somebody at `now`. A store at its bound evicts idle rows, never a
   * limiting one.
   */
  limiting(cells: Float64Array, at: number, now: number): boolean;
  /** A new reply for `apply` to fill. */
  reply(): Reply;
}

/** Commands for one key, in order. */
export interface Operation<Command = unknown> {
  readonly algorithm: Algorithm;
  readonly key: string;
  readonly commands: readonly Command[];
}

/** A reply, or the error of its key: one failed key fails only its own commands. */
export type Reply = unknown;

export interface RunOptions {
  /** Aborting it rejects the call with its reason; what was not sent yet is not sent. */
  readonly signal?: AbortSignal;
  /** Whether the signal has aborted, for those who only look: the combiner makes a signal when somebody reads it. */
  readonly aborted?: boolean;
}

export interface DriverCapabilities {
  /** Steps are atomic over all clients of the backend. */
  readonly atomic: boolean;
  readonly clock: "backend" | "caller";
  /** Coarsest TTL the backend keeps; values still never show past their own deadline. */
  readonly minTtlMs: number;
  readonly maxValueBytes: number;
  /** Other processes see the same state. */
  readonly shared: boolean;
  /** One sentence on what is not exact; absent when everything is. */
  readonly approximate?: string;
  /** What a crash of the backend loses: everything, the last moments, nothing. */
  readonly durability?: "memory" | "async" | "sync";
  /** Algorithms that run beside the data without shipping their state. */
  readonly native?: readonly string[];
  /** Most keys of one batch. @default 128 */
  readonly maxBatchKeys?: number;
  /** Most commands of one batch. @default 4096 */
  readonly maxBatchCommands?: number;
  /** Batches on the wire at once. @default 1 */
  readonly lanes?: number;
  /**
   * From so many waiting keys on, they are spread over all free lanes rather than sent as one batch, so that the backend works on
   * one while this process works on another. @default never
   */
  readonly spreadKeys?: number;
  /** Several keys can change in one transaction. @default false */
  readonly multiKey?: boolean;
  /** A response goes into the cache together with what makes it findable for purges: one call for three. @default false */
  readonly cacheFills?: boolean;
  /** A lease can wait until replicas of the backend have it. @default false */
  readonly replicas?: boolean;
  /** The driver itself puts concurrent calls together: a combiner in front passes each on at once. @default false */
  readonly combining?: boolean;
}

/** Runs algorithms atomically on keys, and keeps plain values. One per backend. */
export interface StateDriver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /**
   * Runs a batch: atomic per key, commands of a key in order, replies in the shape of the batch. An operation that
   * failed alone has a `SluiceError` in the place of each of its replies; a whole failure throws or rejects.
   */
  run(batch: readonly Operation[], options?: RunOptions): MaybePromise<Reply[][]>;
  /** One command at once, where no I/O is needed. Only drivers whose data is in this process have it. */
  runSync?<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  /**
   * A name space of its own for the records of one algorithm, with `runSync`'s semantics: a caller with many keys under one
   * prefix builds no string per call. Keys of two tables, or of a table and `run`, never meet; the same name gives the
   * same records. `undefined` when there are too many tables: then the caller puts the name into the key.
   */
  table?<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): MaybePromise<Uint8Array | undefined>;
  /** `ttlMs`: `undefined` is no expiry. A plain overwrite clears an old TTL. */
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): MaybePromise<void>;
  delete(key: string, options?: RunOptions): MaybePromise<boolean>;
  /** Frees what the driver opened itself, never the caller's client. Idempotent. */
  close(): Promise<void>;
}

/** Records of one algorithm in this process. */
export interface SyncTable<Command, R> {
  /** Runs one command. `key` is any non-empty string, unescaped. The command is not kept: a caller may use it again. */
  run(key: string, command: Command): R;
}
