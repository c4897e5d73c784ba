/**
 * The combiner: concurrent calls to one driver leave as few batches, and every caller gets the reply of a serial
 * execution in arrival order. An idle line sends in the same microtask turn; there is no window and no timer.
 */

import { checkInteger, checkPositive } from "../core/check.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { StoreError, stackless } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { Batch, type BatchEnd } from "./combiner/batch.ts";
import { DirectCombiner } from "./combiner/direct.ts";
import { KeyQueue, ReadyQueues } from "./combiner/key-queue.ts";
import { type CallEnd, Watch, type Waiter, newWaiter, pastDeadline } from "./combiner/waiter.ts";
import type { Algorithm, Reply, StateDriver } from "./contracts/driver.ts";
import type { Deadlines } from "./deadline.ts";
import { deadlinesOf } from "./deadlines.ts";
import type { Guard } from "./guard.ts";

/** A driver with `capabilities.combining` makes batches of its own: their bounds and lanes are options of the driver, and those here are refused. */
export interface CombinerOptions {
  /** Commands that may wait or be on the wire; one more is refused with `STORE_OVERLOADED`. @default 100000 */
  readonly maxQueued?: number;
  /** @default the driver's, else 128 */
  readonly maxBatchKeys?: number;
  /** @default the driver's, else 4096 */
  readonly maxBatchCommands?: number;
  /** Batches on the wire at once. Commands of one key are never in two of them. @default the driver's, else 1 */
  readonly lanes?: number;
  /**
   * Longest time of a batch on the wire, in ms; its outcome is unknown then and its lane is free again. @default 1000, or the driver's
   * where it makes its batches itself
   */
  readonly timeoutMs?: number;
  /** Batches go through it: a failed batch is one failure, and while the store is suspended calls are refused at once. */
  readonly guard?: Guard;
  readonly clock?: Clock;
}

export interface CombinerCallOptions<R = Reply> {
  /** Aborting rejects with its reason; a command that has not left is not sent, save with `onLateReply` over a driver that makes its batches itself. */
  readonly signal?: AbortSignal;
  /** Time for queue and wire together, in ms; then `STORE_TIMEOUT`, with outcome `not-applied` if it had not left. @default Infinity */
  readonly deadlineMs?: number;
  /** Gets the reply that comes after the caller was rejected, so that what it was granted can be given back. */
  readonly onLateReply?: (reply: R) => void;
}

export interface CombinerStats {
  /** Commands sent. */
  readonly commands: number;
  readonly batches: number;
  /** Means over all batches so far. */
  readonly keysPerBatch: number;
  readonly commandsPerKey: number;
  /** Mean time of a command in the queue, and of a batch on the wire, in ms. */
  readonly queueMs: number;
  readonly wireMs: number;
  /** Commands removed unsent (abort, deadline, close), or refused as too many. */
  readonly dropped: number;
  readonly queued: number;
  readonly onWire: number;
}

export interface Combiner {
  /**
   * Runs one command. Over a driver with `runSync` the reply is a plain value; else a promise. It may be given on by itself: stores
   * take it as their `run`.
   *
   * Rejects with `STORE_OVERLOADED` above `maxQueued`, `STORE_TIMEOUT` at a deadline, `STORE_CORRUPT` for a reply of the
   * wrong shape, `STORE_CLOSED` after `close()`, and with the error of the batch or of the key.
   */
  run<State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>): MaybePromise<R>;
  stats(): CombinerStats;
  /** Refuses new work, rejects what waits, and resolves when what is on the wire has ended. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function createCombiner(driver: StateDriver, options: CombinerOptions = {}): Combiner {
  return driver.capabilities.combining === true ? new DirectCombiner(driver, options) : new DriverCombiner(driver, options);
}

/** Turns of the microtask queue between a reply and the next batch: callers resumed through a few layers still join it. */
const REJOIN_TURNS = 4;

/** How long after it was found overdue a batch is looked at again: the request that gave it another timer may be cut off as well. */
const LOST_MS = 250;

/** A key may take this share of a batch's commands while other keys wait. */
const HOT_KEY_SHARE = 4;

class DriverCombiner implements Combiner, CallEnd, BatchEnd {
  readonly driver: StateDriver;
  readonly deadlines: Deadlines;
  readonly guard: Guard | undefined;
  readonly timeoutMs: number;
  private readonly clock: Clock;
  private readonly maxQueued: number;
  private readonly maxBatchKeys: number;
  private readonly maxBatchCommands: number;
  private readonly lanes: number;
  private readonly spreadKeys: number;
  private readonly queues = new Map<string, KeyQueue>();
  private readonly ready = new ReadyQueues();
  private readonly flying = new Set<Batch>();
  private queued = 0;
  private onWire = 0;
  private flushing = false;
  private turnsLeft = 0;
  /** The clock's reading for this microtask turn; callers of one turn share it. */
  private turnAt = -1;
  /** From when on the oldest batch on the wire is overdue, on the monotonic clock. */
  private overdueAt = Infinity;
  private overload: StoreError | undefined;
  private closing: Promise<void> | undefined;
  private closed: (() => void) | undefined;
  private sent = 0;
  private batches = 0;
  private keys = 0;
  private queueMs = 0;
  private wireMs = 0;
  private ended = 0;
  private dropped = 0;

  constructor(driver: StateDriver, options: CombinerOptions) {
    const { capabilities } = driver;
    this.driver = driver;
    this.maxQueued = checkInteger("maxQueued", options.maxQueued ?? 100_000, 1);
    this.maxBatchKeys = checkInteger("maxBatchKeys", options.maxBatchKeys ?? capabilities.maxBatchKeys ?? 128, 1);
    this.maxBatchCommands = checkInteger("maxBatchCommands", options.maxBatchCommands ?? capabilities.maxBatchCommands ?? 4096, 1);
    this.lanes = checkInteger("lanes", options.lanes ?? capabilities.lanes ?? 1, 1);
    this.spreadKeys = capabilities.spreadKeys ?? Infinity;
    this.timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 1000);
    this.clock = options.clock ?? systemClock;
    this.deadlines = deadlinesOf(this.clock);
    this.guard = options.guard;
    // Stores are given it as a function.
    this.run = this.run.bind(this);
  }

  run<State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>): MaybePromise<R> {
    if (this.closing !== undefined) return Promise.reject(new StoreError("STORE_CLOSED", `${this.driver.name}: the store is closed`, { outcome: "not-applied" }));
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.driver.runSync !== undefined) return this.driver.runSync(algorithm as Algorithm<unknown, Command, R>, key, command);
    const refusal = this.guard === undefined || this.guard.state === "up" ? undefined : this.guard.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const now = this.turn();
    if (now >= this.overdueAt) this.giveUp(now);
    if (this.queued + this.onWire >= this.maxQueued) return this.refuse();

    const deadlineMs = options?.deadlineMs ?? Infinity;
    if (!(deadlineMs > 0)) return this.late(deadlineMs);

    const waiter = newWaiter(algorithm, command, now);
    this.enqueue(key, waiter);
    if (options !== undefined) {
      const watch = new Watch(this, waiter, options.onLateReply as ((reply: Reply) => void) | undefined);
      waiter.watch = watch;
      if (signal !== undefined) watch.listen(signal);
      if (deadlineMs !== Infinity) watch.endAfter(deadlineMs);
    }
    if (!this.flushing && this.flying.size < this.lanes) this.scheduleFlush(0);
    return waiter.promise as Promise<R>;
  }

  stats(): CombinerStats {
    const { sent, batches, keys, dropped, queued, onWire } = this;
    return {
      commands: sent, batches, dropped, queued, onWire,
      keysPerBatch: batches === 0 ? 0 : keys / batches,
      commandsPerKey: keys === 0 ? 0 : sent / keys,
      queueMs: sent === 0 ? 0 : this.queueMs / sent,
      wireMs: this.ended === 0 ? 0 : this.wireMs / this.ended,
    };
  }

  close(): Promise<void> {
    if (this.closing !== undefined) return this.closing;
    this.closing = new Promise((resolve) => (this.closed = resolve));
    const error = new StoreError("STORE_CLOSED", `${this.driver.name}: closed before the command was sent`, { outcome: "not-applied" });
    this.rejectQueued(error);
    if (this.flying.size === 0) this.closed?.();
    // Timers of our own: those of the batches may be lost.
    const now = this.clock.monotonic();
    for (const batch of this.flying) this.deadlines.arm(batch, batch.sentAt + this.timeoutMs - now, now);
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A caller gave up (deadline or abort): what has not left is taken out of its queue. */
  drop(waiter: Waiter): void {
    const queue = waiter.queue;
    if (queue === undefined) return;
    queue.remove(waiter);
    this.queued--;
    this.dropped++;
    if (queue.size > 0) return;
    this.ready.remove(queue);
    if (!queue.onWire) this.queues.delete(queue.key);
  }

  batchEnded(batch: Batch, wireMs: number): void {
    this.flying.delete(batch);
    this.overdueAt = this.nextOverdue();
    this.onWire -= batch.size;
    this.ended++;
    this.wireMs += wireMs;
    for (const queue of batch.queues) this.release(queue);
    if (this.closing !== undefined) {
      if (this.flying.size === 0) this.closed?.();
      return;
    }
    if (this.queued > 0 && !this.flushing) this.scheduleFlush(REJOIN_TURNS);
  }

  private refuse(): Promise<never> {
    this.dropped++;
    this.overload ??= stackless(() => new StoreError("STORE_OVERLOADED", `${this.driver.name}: ${this.maxQueued} commands wait already`, { outcome: "not-applied" }));
    const error = this.overload;
    if (this.guard === undefined) return Promise.reject(error);
    // Thrown inside the guard, so that it counts as the failure it is.
    try {
      return this.guard.call("run", (): Promise<never> => {
        throw error;
      }) as Promise<never>;
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  private late(deadlineMs: number): Promise<never> {
    if (!Number.isNaN(deadlineMs)) this.dropped++;
    return Promise.reject(pastDeadline(this.driver.name, deadlineMs));
  }

  private enqueue(key: string, waiter: Waiter): void {
    let queue = this.queues.get(key);
    if (queue === undefined) this.queues.set(key, (queue = new KeyQueue(key)));
    queue.push(waiter);
    this.queued++;
    if (queue.size === 1 && !queue.onWire) this.ready.push(queue);
  }

  /** A key whose commands are back goes to the end of the round, or is forgotten. */
  private release(queue: KeyQueue): void {
    queue.onWire = false;
    if (queue.size > 0) this.ready.push(queue);
    else this.queues.delete(queue.key);
  }

  private turn(): number {
    if (this.turnAt < 0) {
      this.turnAt = this.clock.monotonic();
      queueMicrotask(this.endTurn);
    }
    return this.turnAt;
  }

  private readonly endTurn = (): void => {
    this.turnAt = -1;
  };

  private scheduleFlush(turns: number): void {
    this.flushing = true;
    this.turnsLeft = turns;
    queueMicrotask(this.flush);
  }

  private readonly flush = (): void => {
    if (this.turnsLeft-- > 0) {
      queueMicrotask(this.flush);
      return;
    }
    this.flushing = false;
    while (this.ready.size > 0 && this.flying.size < this.lanes) {
      const batch = this.collect();
      if (batch.size > 0) this.send(batch);
    }
  };

  /** The next batch: keys in turn, the commands of a key in order, one algorithm per operation. */
  private collect(): Batch {
    const batch = new Batch(this);
    const now = this.clock.monotonic();
    const maxKeys = this.share();
    const quota = this.ready.size === 1 ? this.maxBatchCommands : Math.max(1, Math.floor(this.maxBatchCommands / HOT_KEY_SHARE));
    while (this.ready.size > 0 && batch.queues.length < maxKeys && batch.size < this.maxBatchCommands) {
      const queue = this.ready.shift() as KeyQueue;
      queue.onWire = true;
      const before = batch.size;
      this.queueMs += batch.take(queue, Math.min(quota, this.maxBatchCommands - batch.size), now);
      if (batch.size === before) this.release(queue);
    }
    if (batch.size === 0) return batch;
    this.queued -= batch.size;
    this.onWire += batch.size;
    this.sent += batch.size;
    this.batches++;
    this.keys += batch.queues.length;
    return batch;
  }

  /** Keys of the next batch. What would fill one is spread over the free lanes: this process works on one while the store does on the next. */
  private share(): number {
    const { size } = this.ready;
    const free = this.lanes - this.flying.size;
    return free < 2 || size < this.spreadKeys ? this.maxBatchKeys : Math.min(this.maxBatchKeys, Math.ceil(size / free));
  }

  private send(batch: Batch): void {
    this.flying.add(batch);
    batch.send(this.clock);
    if (this.overdueAt === Infinity) this.overdueAt = this.nextOverdue();
  }

  /** A set keeps its order: the first batch is the oldest. */
  private nextOverdue(): number {
    if (this.flying.size === 0) return Infinity;
    return (this.flying.values().next().value as Batch).sentAt + this.timeoutMs;
  }

  /**
   * The timer of a batch may be lost: workerd drops those of a request that is cut off, and its lane would be full for good. What is
   * overdue gets one of the present request, which also lets the loop deliver what a stalled process has not read yet.
   */
  private giveUp(now: number): void {
    this.overdueAt = now + LOST_MS;
    for (const batch of this.flying) {
      if (now - batch.sentAt >= this.timeoutMs) this.deadlines.arm(batch, 0, now);
    }
  }

  private rejectQueued(error: unknown): void {
    for (const queue of this.queues.values()) {
      for (let waiter = queue.head; waiter !== undefined; waiter = queue.head) {
        this.drop(waiter);
        waiter.fail(error);
      }
    }
  }
}
