/** The combiner over a driver that puts calls together by itself: each call is passed on at once. */

import { checkPositive } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { type MaybePromise, isPromise } from "../../core/maybe-promise.ts";
import type { Combiner, CombinerCallOptions, CombinerOptions, CombinerStats } from "../combiner.ts";
import type { Algorithm, Reply, StateDriver } from "../contracts/driver.ts";
import type { Deadlines } from "../deadline.ts";
import { deadlinesOf } from "../deadlines.ts";
import type { Guard } from "../guard.ts";
import { type CallEnd, Watch, type Waiter, newWaiter, pastDeadline } from "./waiter.ts";

const OF_DRIVER = ["maxQueued", "maxBatchKeys", "maxBatchCommands", "lanes"] as const;

/** Batches, and their bounds and deadlines, are the driver's own; what an option bounds here is the single call. */
export class DirectCombiner implements Combiner, CallEnd {
  readonly driver: StateDriver;
  readonly deadlines: Deadlines;
  readonly #guard: Guard | undefined;
  readonly #clock: Clock;
  readonly #timeoutMs: number | undefined;
  #sent = 0;
  #onWire = 0;
  #dropped = 0;
  #closing: Promise<void> | undefined;
  #closed: (() => void) | undefined;

  constructor(driver: StateDriver, options: CombinerOptions = {}) {
    for (const name of OF_DRIVER) {
      if (options[name] !== undefined) throw new OptionError(name, options[name], `left out for ${driver.name}, which makes batches of its own and bounds them itself`);
    }
    this.driver = driver;
    this.#guard = options.guard;
    this.#clock = options.clock ?? systemClock;
    this.deadlines = deadlinesOf(this.#clock);
    this.#timeoutMs = options.timeoutMs === undefined ? undefined : checkPositive("timeoutMs", options.timeoutMs);
    this.run = this.run.bind(this);
  }

  run<State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>): MaybePromise<R> {
    if (this.#closing !== undefined) return Promise.reject(new StoreError("STORE_CLOSED", `${this.driver.name}: the store is closed`, { outcome: "not-applied" }));
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const refusal = this.#guard === undefined || this.#guard.state === "up" ? undefined : this.#guard.refusal();
    if (refusal !== undefined) {
      this.#dropped++;
      return Promise.reject(refusal);
    }
    const deadlineMs = Math.min(options?.deadlineMs ?? Infinity, this.#timeoutMs ?? Infinity);
    if (!(deadlineMs > 0)) {
      if (!Number.isNaN(deadlineMs)) this.#dropped++;
      return Promise.reject(pastDeadline(this.driver.name, deadlineMs));
    }
    this.#sent++;
    this.#onWire++;
    const onLateReply = options?.onLateReply as ((reply: Reply) => void) | undefined;
    const waiter = newWaiter(algorithm, command, this.#clock.monotonic());
    const batch = [{ algorithm: algorithm as Algorithm, key, commands: [command] }];
    let sent: MaybePromise<Reply[][]> | undefined;
    // A driver that is told of the abort drops the reply, which would be wanted.
    const run = (): MaybePromise<Reply[][]> => (sent = this.driver.run(batch, signal === undefined || onLateReply !== undefined ? undefined : { signal }));
    const guarded = async (): Promise<Reply[][]> => (this.#guard === undefined ? run() : this.#guard.call("run", run, { timeoutMs: this.#timeoutMs, validate: isOneReply }));
    guarded().then(
      (rows) => {
        this.#back();
        this.#deliver(waiter, rows);
      },
      (error: unknown) => {
        this.#back();
        waiter.fail(error);
        // What the guard has given up may be answered yet.
        if (onLateReply !== undefined && isPromise(sent)) sent.then((rows) => this.#deliver(waiter, rows), ignore);
      },
    );
    if (options !== undefined || deadlineMs !== Infinity) {
      const watch = new Watch(this, waiter, onLateReply);
      waiter.watch = watch;
      if (signal !== undefined) watch.listen(signal);
      if (deadlineMs !== Infinity) watch.endAfter(deadlineMs);
    }
    return waiter.promise as Promise<R>;
  }

  /** What waits, waits in the driver: there is no queue to take it out of. */
  drop(): void {}

  stats(): CombinerStats {
    return { commands: this.#sent, batches: this.#sent, keysPerBatch: this.#sent === 0 ? 0 : 1, commandsPerKey: this.#sent === 0 ? 0 : 1, queueMs: 0, wireMs: 0, dropped: this.#dropped, queued: 0, onWire: this.#onWire };
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    this.#closing = new Promise((resolve) => (this.#closed = resolve));
    if (this.#onWire === 0) this.#closed?.();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #deliver(waiter: Waiter, rows: Reply[][]): void {
    try {
      waiter.reply(one(this.driver.name, rows));
    } catch (error) {
      waiter.fail(error);
    }
  }

  #back(): void {
    this.#onWire--;
    if (this.#onWire === 0) this.#closed?.();
  }
}

function isOneReply(rows: unknown): boolean {
  return Array.isArray(rows) && rows.length === 1 && Array.isArray(rows[0]) && rows[0].length === 1;
}

function one(name: string, rows: Reply[][]): Reply {
  if (!isOneReply(rows)) throw new StoreError("STORE_CORRUPT", `${name}: run gave replies in the wrong shape`, { outcome: "unknown" });
  const reply = rows[0]?.[0];
  if (reply instanceof Error) throw reply;
  return reply as Reply;
}

function ignore(): void {}
