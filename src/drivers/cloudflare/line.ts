/**
 * Calls to one object from one isolate, put together: what arrives while a call is on its way leaves with the next one.
 *
 * workerd ties whatever does I/O to the request that began it, and ends it with that request. Three rules make sharing
 * legal: a batch is sent by one of the requests that wait for it (the next one is woken, and sends in its own context); the
 * request that sends is kept alive until the answer is there (`waitUntil`); and every call has a timer of its own, because
 * the runtime cancels a request that waits for another one with nothing pending, and because the sender may be gone.
 */

import { type Clock, type TimerHandle, systemClock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import type { Operation, Reply } from "../../state/contracts/driver.ts";
import { waitUntil } from "#workers";
import { type WireOperation, type WireReply, areReplies, fromWire, toWire } from "./object/wire.ts";

export interface LineOptions {
  readonly name: string;
  readonly send: (batch: readonly WireOperation[]) => Promise<unknown>;
  /** Calls wait for those of other requests. Else only what is called in one turn leaves together. */
  readonly sharing: boolean;
  readonly timeoutMs: number;
  readonly maxQueued: number;
  readonly clock?: Clock;
  /** There is nothing left to do: the line can be forgotten. */
  readonly onIdle: () => void;
}

interface Waiter {
  readonly operation: Operation;
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: unknown) => void;
  readonly deadlineAt: number;
  timer: TimerHandle;
  /** Lets it send the next batch. */
  wake: (() => void) | undefined;
  /** Where its replies are in the batch that it left with. */
  index: number;
  from: number;
  sent: boolean;
  ended: boolean;
}

interface Flight {
  readonly startedAt: number;
  readonly waiters: readonly Waiter[];
}

/** Commands of one batch. */
const MAX_COMMANDS = 4096;
/** Turns of the microtask queue before an idle line sends: callers resumed by the last answer still join. */
const JOIN_TURNS = 4;
/** How often a call that waits sees whether the one that should send is still there. */
const LOOK_MS = 100;

export class ObjectLine {
  readonly #options: LineOptions;
  readonly #clock: Clock;
  readonly #queue: Set<Waiter> = new Set();
  #flight: Flight | undefined;
  /** Somebody is about to send since then. */
  #gatheringAt: number | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Runs one operation. Rejects with `STORE_TIMEOUT` at the deadline, with outcome `not-applied` if it had not left. */
  run(operation: Operation, signal?: AbortSignal): Promise<Reply[]> {
    if (this.#queue.size >= this.#options.maxQueued) {
      return Promise.reject(new StoreError("STORE_OVERLOADED", `${this.#options.name}: ${this.#options.maxQueued} calls wait already`, { outcome: "not-applied" }));
    }
    if (operation.commands.length === 0) return Promise.resolve([]);
    return this.#wait(operation, signal);
  }

  async #wait(operation: Operation, signal: AbortSignal | undefined): Promise<Reply[]> {
    const { sharing, timeoutMs } = this.#options;
    const now = this.#clock.monotonic();
    const { promise, resolve, reject } = withResolvers();
    const waiter: Waiter = { operation, resolve, reject, deadlineAt: now + timeoutMs, timer: undefined, wake: undefined, index: 0, from: 0, sent: false, ended: false };
    const onAbort = signal === undefined ? undefined : (): void => this.#fail(waiter, signal.reason);
    if (onAbort !== undefined) signal?.addEventListener("abort", onAbort, { once: true });
    this.#look(waiter, now);
    // Woken by whoever got an answer, it goes on in the request that made this call.
    if (sharing) void new Promise<void>((wake) => (waiter.wake = wake)).then(() => this.#gather(0));
    this.#queue.add(waiter);
    if (this.#gatheringAt === undefined && (this.#flight === undefined || !sharing)) this.#gather(JOIN_TURNS);
    try {
      return await promise;
    } finally {
      // The timer and the listener are this request's: it takes them down itself, whoever brought the answer, and in the turn in
      // which it goes on. A moment without either, and the runtime takes the request for hung.
      this.#clock.clearTimeout(waiter.timer);
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Sends after a few turns of the microtask queue. */
  #gather(turns: number): void {
    if (this.#flight !== undefined && this.#options.sharing) return;
    this.#gatheringAt = this.#clock.monotonic();
    const step = (): void => {
      if (turns-- > 0) queueMicrotask(step);
      else void this.#send();
    };
    step();
  }

  async #send(): Promise<void> {
    this.#gatheringAt = undefined;
    if (this.#flight !== undefined && this.#options.sharing) return;
    const { waiters, batch, operations } = this.#take();
    if (waiters.length === 0) {
      this.#next();
      return;
    }
    const flight: Flight = { startedAt: this.#clock.monotonic(), waiters };
    this.#flight = flight;
    try {
      const sent = this.#options.send(batch);
      waitUntil(sent.then(ignore, ignore));
      const answer = await sent;
      if (!areReplies(answer, batch.length)) throw new StoreError("STORE_CORRUPT", `${this.#options.name}: the object gave replies in the wrong shape`, { outcome: "unknown" });
      this.#deliver(flight, operations, answer);
    } catch (error) {
      for (const waiter of waiters) this.#fail(waiter, error);
    }
    if (this.#flight === flight) this.#flight = undefined;
    this.#next();
  }

  /** From the front of the queue; commands of one key under one algorithm become one operation. */
  #take(): { waiters: Waiter[]; batch: WireOperation[]; operations: Operation[] } {
    const waiters: Waiter[] = [];
    const operations: (Operation & { readonly commands: unknown[] })[] = [];
    /** The last operation of each key: earlier ones are closed, or order would be lost. */
    const last = new Map<string, number>();
    let size = 0;
    for (const waiter of this.#queue) {
      const { algorithm, key, commands } = waiter.operation;
      if (size > 0 && size + commands.length > MAX_COMMANDS) break;
      size += commands.length;
      this.#queue.delete(waiter);
      waiter.sent = true;
      waiters.push(waiter);
      let index = last.get(key);
      if (index === undefined || operations[index]?.algorithm !== algorithm) {
        index = operations.push({ algorithm, key, commands: [] }) - 1;
        last.set(key, index);
      }
      const open = (operations[index] as { commands: unknown[] }).commands;
      waiter.index = index;
      waiter.from = open.length;
      for (const command of commands) open.push(command);
    }
    return { waiters, operations, batch: operations.map(toWire) };
  }

  #deliver(flight: Flight, operations: readonly Operation[], answer: readonly WireReply[]): void {
    const all = operations.map((operation, i) => fromWire(answer[i] as WireReply, operation));
    if (!all.every((replies, i) => replies.length === operations[i]?.commands.length)) {
      throw new StoreError("STORE_CORRUPT", `${this.#options.name}: the object gave another number of replies than there were commands`, { outcome: "unknown" });
    }
    for (const waiter of flight.waiters) {
      const { index, from, operation } = waiter;
      if (this.#end(waiter)) waiter.resolve((all[index] as Reply[]).slice(from, from + operation.commands.length));
    }
  }

  /** Lets the first that waits send. */
  #next(): void {
    if (this.#flight !== undefined && this.#options.sharing) return;
    const [first] = this.#queue;
    if (first === undefined) {
      if (this.#flight === undefined) this.#options.onIdle();
      return;
    }
    this.#gatheringAt = this.#clock.monotonic();
    if (first.wake === undefined) this.#gather(0);
    else first.wake();
  }

  /** The call's own timer: its deadline, and on the way there whether the one that should send is still there. */
  #look(waiter: Waiter, now: number): void {
    waiter.timer = this.#clock.setTimeout(() => {
      const at = this.#clock.monotonic();
      // Also when the answer is there: until the request has gone on with it, the timer is all that it has pending.
      this.#look(waiter, at);
      if (waiter.ended) return;
      const { name, timeoutMs } = this.#options;
      if (at >= waiter.deadlineAt) {
        this.#fail(waiter, new StoreError("STORE_TIMEOUT", `${name}: no answer within ${timeoutMs} ms`, { outcome: waiter.sent ? "unknown" : "not-applied" }));
      }
      if (this.#flight !== undefined && at - this.#flight.startedAt >= timeoutMs) this.#flight = undefined;
      if (this.#flight === undefined && this.#queue.size > 0 && (this.#gatheringAt === undefined || at - this.#gatheringAt >= LOOK_MS)) this.#gather(0);
    }, Math.max(1, Math.min(LOOK_MS, waiter.ended ? LOOK_MS : waiter.deadlineAt - now)));
  }

  #fail(waiter: Waiter, error: unknown): void {
    if (this.#end(waiter)) waiter.reject(error);
  }

  #end(waiter: Waiter): boolean {
    if (waiter.ended) return false;
    waiter.ended = true;
    this.#queue.delete(waiter);
    return true;
  }
}

function ignore(): void {}

/** `Promise.withResolvers` is younger than Node 20. */
function withResolvers(): { promise: Promise<Reply[]>; resolve: (replies: Reply[]) => void; reject: (error: unknown) => void } {
  let resolve!: (replies: Reply[]) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Reply[]>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
