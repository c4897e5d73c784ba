/** A batch of the combiner: what left together, and the callers who wait for its replies. */

import type { Clock } from "../../core/clock.ts";
import { StoreError, isSluiceError, stackless } from "../../core/errors.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import type { Operation, Reply, RunOptions, StateDriver } from "../contracts/driver.ts";
import { Deadline, type Deadlines } from "../deadline.ts";
import type { Guard } from "../guard.ts";
import type { KeyQueue } from "./key-queue.ts";
import type { Waiter } from "./waiter.ts";

/** What a batch needs of its combiner. */
export interface BatchEnd {
  readonly driver: StateDriver;
  readonly deadlines: Deadlines;
  readonly guard: Guard | undefined;
  readonly timeoutMs: number;
  batchEnded(batch: Batch, wireMs: number): void;
}

/** @internal */
export class Batch extends Deadline {
  readonly operations: Operation[] = [];
  readonly queues: KeyQueue[] = [];
  size = 0;
  /** On the monotonic clock. */
  sentAt = 0;
  private readonly owner: BatchEnd;
  private readonly waiters: Waiter[] = [];
  private readonly runOptions = new LazySignal();
  private clock: Clock | undefined = undefined;
  private ended = false;
  /** What the driver said, for the case that the guard's deadline came first. */
  private replies: Reply[][] | undefined = undefined;

  constructor(owner: BatchEnd) {
    super();
    this.owner = owner;
  }

  /** Moves up to `most` callers of one algorithm from the head of `queue`; gives the sum of the times they waited. */
  take(queue: KeyQueue, most: number, now: number): number {
    const algorithm = (queue.head as Waiter).algorithm;
    const commands: unknown[] = [];
    let waitedMs = 0;
    for (let waiter = queue.head; waiter !== undefined && commands.length < most && waiter.algorithm === algorithm; waiter = queue.head) {
      // A blocked process may be late with its timers; what is past its deadline does not leave for that.
      if (waiter.watch !== undefined && waiter.watch.expiresAt <= now) {
        waiter.watch.expire();
        continue;
      }
      queue.remove(waiter);
      commands.push(waiter.command);
      this.waiters.push(waiter);
      waitedMs += now - waiter.queuedAt;
    }
    if (commands.length === 0) return 0;
    this.queues.push(queue);
    this.operations.push({ algorithm, key: queue.key, commands });
    this.size += commands.length;
    return waitedMs;
  }

  send(clock: Clock): void {
    const { guard, timeoutMs, deadlines } = this.owner;
    this.clock = clock;
    this.sentAt = clock.monotonic();
    try {
      const replies = guard === undefined ? this.run() : guard.call("run", this.run, { timeoutMs, validate: this.fits });
      if (!isPromise(replies)) {
        this.succeed(replies);
        return;
      }
      if (guard === undefined) deadlines.arm(this, timeoutMs, this.sentAt);
      // With a guard `replies` ends at the deadline; what the driver says later comes through `late`.
      replies.then(this.succeed, this.failed);
    } catch (error) {
      this.failed(error);
    }
  }

  /** The deadline of a batch without a guard, or of one whose timer was lost. */
  override expire(): void {
    const { driver, timeoutMs } = this.owner;
    this.failed(stackless(() => new StoreError("STORE_TIMEOUT", `${driver.name}: run gave no answer within ${timeoutMs} ms`, { outcome: "unknown" })));
  }

  private readonly run = (): Reply[][] | Promise<Reply[][]> => {
    const replies = this.owner.driver.run(this.operations, this.runOptions);
    if (this.owner.guard !== undefined && isPromise(replies)) replies.then(this.late, ignore);
    return replies;
  };

  private readonly late = (replies: Reply[][]): void => {
    if (this.ended) this.succeed(replies);
    else this.replies = replies;
  };

  private readonly succeed = (replies: Reply[][]): void => {
    if (!this.fits(replies)) {
      this.failed(new StoreError("STORE_CORRUPT", `${this.owner.driver.name}: run gave replies in the wrong shape`, { outcome: "unknown" }));
      return;
    }
    const first = !this.ended;
    this.ended = true;
    let at = 0;
    for (const row of replies) {
      for (const reply of row) {
        const waiter = this.waiters[at++] as Waiter;
        if (typeof reply === "object" && reply !== null && (reply instanceof Error || isSluiceError(reply))) waiter.fail(reply);
        else waiter.reply(reply);
      }
    }
    if (first) this.end();
  };

  private readonly failed = (error: unknown): void => {
    if (this.ended) return;
    this.ended = true;
    this.runOptions.abort(error);
    for (const waiter of this.waiters) waiter.fail(error);
    this.end();
    if (this.replies !== undefined) this.succeed(this.replies);
  };

  private readonly fits = (replies: unknown): boolean => {
    const { operations } = this;
    if (!Array.isArray(replies) || replies.length !== operations.length) return false;
    for (let i = 0; i < operations.length; i++) {
      const row: unknown = replies[i];
      if (!Array.isArray(row) || row.length !== (operations[i] as Operation).commands.length) return false;
    }
    return true;
  };

  private end(): void {
    this.owner.deadlines.disarm(this);
    this.owner.batchEnded(this, (this.clock as Clock).monotonic() - this.sentAt);
  }
}

/** The signal is made when a driver reads it: one that does not pays nothing. */
class LazySignal implements RunOptions {
  aborted = false;
  private controller: AbortController | undefined = undefined;
  private reason: unknown = undefined;

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      // A driver that waited before it looked must not begin what was given up meanwhile.
      if (this.aborted) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.controller?.abort(reason);
  }
}

function ignore(): void {}
