/** What a connection has received and not finished: its queue, its handlers at work, its calls and their answers. Made with the first message. */

import type { Connection } from "./connection.ts";
import { runJob } from "./dispatch.ts";
import type { Frame } from "./frame.ts";
import type { Job } from "./job.ts";

/** Answers that are kept for repeated ids, per connection. */
const MAX_REMEMBERED = 1000;

export class Work {
  readonly #connection: Connection;
  /** Received and not finished. */
  pending = 0;
  callsInFlight = 0;
  #running: Job | undefined;
  #queue: Job[] | undefined;
  #active: Set<Job> | undefined;
  #calls: Map<string, Job> | undefined;
  #answers: Map<string, { readonly frame: Frame; readonly until: number }> | undefined;
  #waiters: (() => void)[] | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Runs a job when its turn has come. */
  admit(job: Job, ordered: boolean): void {
    this.pending++;
    if (job.isRpc) {
      this.callsInFlight++;
      if (job.correlationId !== undefined) (this.#calls ??= new Map()).set(job.correlationId, job);
    }
    if (!ordered) return runJob(job);
    if (this.#running !== undefined) {
      (this.#queue ??= []).push(job);
      job.armDeadline();
      return;
    }
    this.#running = job;
    runJob(job);
  }

  /** Nothing waits for the job any more; the next one starts. */
  finish(job: Job, code: string): void {
    if (job.finished) return;
    job.finished = true;
    job.release();
    this.pending--;
    if (job.isRpc) {
      this.callsInFlight--;
      if (job.correlationId !== undefined && this.#calls?.get(job.correlationId) === job) this.#calls.delete(job.correlationId);
    }
    this.#connection.hub.jobEnded(job, code);
    if (this.#running === job) {
      this.#running = undefined;
      if (this.#queue !== undefined) this.#next(this.#queue);
    } else if (!job.started) {
      const at = this.#queue?.indexOf(job) ?? -1;
      if (at >= 0) this.#queue?.splice(at, 1);
    }
  }

  #next(queue: Job[]): void {
    while (this.#running === undefined && queue.length > 0 && !this.#connection.isClosing) {
      const job = queue.shift() as Job;
      this.#running = job;
      runJob(job);
    }
  }

  /** A handler is waited for: it has to hear of a close. */
  activate(job: Job): void {
    (this.#active ??= new Set()).add(job);
  }

  /** The work of a job has ended for good, whatever had been said about it before. */
  settled(job: Job): void {
    this.#active?.delete(job);
    if (this.#active?.size !== 0) return;
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (const wake of waiters ?? []) wake();
  }

  /** Resolves when the running handlers have settled. */
  idle(): Promise<void> {
    if ((this.#active?.size ?? 0) === 0) return Promise.resolve();
    return new Promise((resolve) => void (this.#waiters ??= []).push(resolve));
  }

  /** The same, but not for longer than that; then nothing waits for them any more. */
  async end(limitMs: number): Promise<void> {
    if ((this.#active?.size ?? 0) > 0) await this.#idleWithin(limitMs);
    for (const job of this.#active ?? []) this.finish(job, "CANCELLED");
    this.#answers = this.#calls = undefined;
  }

  #idleWithin(limitMs: number): Promise<void> {
    const { hub } = this.#connection;
    return new Promise((resolve) => {
      const timer = hub.clock.setTimeout(resolve, limitMs);
      (this.#waiters ??= []).push(() => {
        hub.clock.clearTimeout(timer);
        resolve();
      });
      hub.onForce(resolve);
    });
  }

  abortAll(reason: unknown): void {
    for (const job of this.#active ?? []) job.abort(reason);
    this.#running?.abort(reason);
  }

  /** A close has begun: what has not started never will. */
  dropQueue(): void {
    for (const job of this.#queue?.splice(0) ?? []) {
      job.answered = true;
      this.finish(job, "CANCELLED");
    }
  }

  /** A drain has begun: what has not started is told so. */
  refuseQueued(): void {
    for (const job of this.#queue?.slice() ?? []) {
      if (job.isRpc) job.fail("UNAVAILABLE", "the server is shutting down");
      else this.#connection.sendError("UNAVAILABLE", "the server is shutting down", undefined, {}, job.correlationId);
      this.finish(job, "UNAVAILABLE");
    }
  }

  // ------------------------------------------------------------------------------------------------------------- calls

  /** The call of this id that runs or waits. */
  call(correlationId: string): Job | undefined {
    return this.#calls?.get(correlationId);
  }

  remember(correlationId: string, frame: Frame): void {
    const { options, monotonic } = this.#connection.hub;
    const windowMs = options.rpc.dedupeWindowMs;
    if (windowMs === 0) return;
    const answers = (this.#answers ??= new Map());
    if (answers.size >= MAX_REMEMBERED) answers.delete(answers.keys().next().value as string);
    answers.delete(correlationId);
    answers.set(correlationId, { frame, until: monotonic() + windowMs });
  }

  /** The answer that was given to this id a moment ago. */
  rememberedAnswer(correlationId: string): Frame | undefined {
    const found = this.#answers?.get(correlationId);
    if (found === undefined) return undefined;
    if (found.until > this.#connection.hub.monotonic()) return found.frame;
    this.#answers?.delete(correlationId);
    return undefined;
  }
}
