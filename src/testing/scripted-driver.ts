/** A driver that records batches and answers when a test says so, with the replies of the real algorithms. */

import { type Clock, systemClock } from "../core/clock.ts";
import { StoreError } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../state/contracts/driver.ts";

export interface ScriptedDriverOptions {
  /** The time the algorithms see. @default the system's clock */
  readonly clock?: Clock;
  /** `hand`: a batch waits for the test. `async`: answered in a microtask. `sync`: the reply is no promise. @default "hand" */
  readonly answer?: "hand" | "async" | "sync";
  readonly capabilities?: Partial<DriverCapabilities>;
  readonly name?: string;
}

/** One call of `run`, to be ended by the test in any way. */
export interface ScriptedBatch {
  readonly operations: readonly Operation[];
  /** All commands, operation after operation. */
  readonly commands: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  readonly settled: boolean;
  /** Carries the batch out on the driver's records, once, without answering. */
  apply(): Reply[][];
  /** Carries it out and answers with the right replies. */
  answer(): void;
  /** Answers with anything, without carrying it out. */
  resolve(replies: unknown): void;
  /** Fails it; after `apply` this is a lost reply. */
  reject(error: unknown): void;
}

export interface ScriptedDriver extends StateDriver {
  readonly answerMode: "hand" | "async" | "sync";
  /** Every batch there was, oldest first. */
  readonly batches: readonly ScriptedBatch[];
  /** Those that wait for an answer. */
  readonly pending: readonly ScriptedBatch[];
  readonly closed: boolean;
  /** Forgets every record, as a flushed backend does. */
  flush(): void;
}

/**
 * A {@link StateDriver} under a test's control.
 *
 * ```ts
 * const driver = scriptedDriver();
 * const reply = combiner.run(algorithm, "key", command);
 * await undefined;
 * driver.pending[0]?.answer();
 * ```
 */
export function scriptedDriver(options: ScriptedDriverOptions = {}): ScriptedDriver {
  return new Scripted(options);
}

interface StoredState {
  readonly algorithm: string;
  readonly state: unknown;
  readonly expiresAt: number | undefined;
}

class Scripted implements ScriptedDriver {
  readonly name: string;
  readonly answerMode: "hand" | "async" | "sync";
  readonly capabilities: DriverCapabilities;
  readonly batches: Batch[] = [];
  closed = false;
  private readonly clock: Clock;
  private readonly records = new Map<string, StoredState>();
  private readonly values = new Map<string, { readonly value: Uint8Array; readonly expiresAt: number | undefined }>();

  constructor(options: ScriptedDriverOptions) {
    this.name = options.name ?? "scripted";
    this.answerMode = options.answer ?? "hand";
    this.clock = options.clock ?? systemClock;
    this.capabilities = {
      atomic: true, clock: "backend", minTtlMs: 1, maxValueBytes: Number.MAX_SAFE_INTEGER, shared: true, durability: "memory",
      ...options.capabilities,
    };
  }

  get pending(): readonly ScriptedBatch[] {
    return this.batches.filter((batch) => !batch.settled);
  }

  run(operations: readonly Operation[], options?: RunOptions): MaybePromise<Reply[][]> {
    const batch = new Batch(operations, options?.signal, (operation) => this.step(operation));
    this.batches.push(batch);
    if (this.answerMode === "sync") {
      batch.answer();
      return batch.apply();
    }
    if (this.answerMode === "async") batch.answer();
    return batch.promise;
  }

  private step(operation: Operation): Reply[] {
    const { algorithm, key, commands } = operation;
    const now = this.clock.now();
    let record = this.records.get(key);
    if (record !== undefined && record.algorithm !== algorithm.name) {
      const error = new StoreError("STORE_WRONG_TYPE", `the record belongs to ${record.algorithm}, not to ${algorithm.name}`, { outcome: "not-applied" });
      return commands.map(() => error);
    }
    if (record?.expiresAt !== undefined && record.expiresAt <= now) record = undefined;
    const replies = commands.map((command): Reply => {
      try {
        const { state, reply, expiresAt } = algorithm.step(record?.state, command, now);
        record = state === undefined ? undefined : { algorithm: algorithm.name, state, expiresAt };
        return reply;
      } catch (error) {
        return error;
      }
    });
    if (record === undefined) this.records.delete(key);
    else this.records.set(key, record);
    return replies;
  }

  get(key: string): Uint8Array | undefined {
    const entry = this.values.get(key);
    return entry === undefined || (entry.expiresAt ?? Infinity) <= this.clock.now() ? undefined : entry.value.slice();
  }

  set(key: string, value: Uint8Array, ttlMs?: number): void {
    this.values.set(key, { value: value.slice(), expiresAt: ttlMs === undefined ? undefined : this.clock.now() + Math.ceil(ttlMs) });
  }

  delete(key: string): boolean {
    const existed = this.get(key) !== undefined;
    this.values.delete(key);
    return existed;
  }

  flush(): void {
    this.records.clear();
    this.values.clear();
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

class Batch implements ScriptedBatch {
  readonly operations: readonly Operation[];
  readonly signal: AbortSignal | undefined;
  readonly promise: Promise<Reply[][]>;
  settled = false;
  private readonly step: (operation: Operation) => Reply[];
  private replies: Reply[][] | undefined;
  private settle!: (replies: Reply[][]) => void;
  private fail!: (error: unknown) => void;

  constructor(operations: readonly Operation[], signal: AbortSignal | undefined, step: (operation: Operation) => Reply[]) {
    this.operations = operations;
    this.signal = signal;
    this.step = step;
    this.promise = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
  }

  get commands(): readonly unknown[] {
    return this.operations.flatMap((operation) => operation.commands);
  }

  apply(): Reply[][] {
    this.replies ??= this.operations.map(this.step);
    return this.replies;
  }

  answer(): void {
    this.resolve(this.apply());
  }

  resolve(replies: unknown): void {
    this.settled = true;
    this.settle(replies as Reply[][]);
  }

  reject(error: unknown): void {
    this.settled = true;
    this.fail(error);
  }
}
