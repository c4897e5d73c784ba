/**
 * Runs any algorithm on a backend that can write a record if nobody wrote it since it was read. One call per key is in
 * flight in a process (what waits meanwhile leaves together, through the combiner), so processes contend, callers do not.
 */

import { type Clock, sleep, systemClock } from "../core/clock.ts";
import { StoreError, isSluiceError } from "../core/errors.ts";
import { type EventSource, type Events, createEvents } from "../core/events.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Operation, Reply } from "./contracts.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { failedReplies, replay } from "./replay.ts";

/** What a backend holds under a key. */
export interface Stored<Revision> {
  /** `undefined` for nothing, and for what was deleted. */
  readonly bytes: Uint8Array | undefined;
  /** What {@link RevisionStore.write} has to find again. */
  readonly revision: Revision;
  /** When it was written by the backend's clock, epoch ms, where that is known. */
  readonly writtenAt?: number;
}

/** A backend with compare-and-set. Both calls end by themselves within a deadline of their own. */
export interface RevisionStore<Revision = unknown> {
  read(key: string): Promise<Stored<Revision>>;
  /** Replaces what had `revision` (`undefined` deletes); false when somebody else was first. `expiresAt` is epoch ms. */
  write(key: string, bytes: Uint8Array | undefined, revision: Revision, expiresAt: number | undefined): Promise<boolean>;
}

/** A record came from a clock more than a minute ahead of ours: one of the two was set. Raised at most once a minute. */
export interface ClockStep {
  readonly type: "clock.step";
  /** How far our clock is behind that of the record, in ms. */
  readonly behindMs: number;
}

/** Calls in flight by key. Drivers of one process that share a backend share one, too. */
export type Flights = Map<string, Promise<void>>;

export interface CompareAndSetOptions {
  readonly maxValueBytes: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly flights?: Flights;
}

/** What to do about what was read. Without `write` nothing is changed. */
export interface Change<R> {
  readonly reply: R;
  readonly write?: { readonly bytes: Uint8Array | undefined; readonly expiresAt: number | undefined };
}

/** Tries before `STORE_CONTENTION`. */
const MAX_TRIES = 100;
const MIN_WAIT_MS = 5;
const MAX_WAIT_MS = 250;

/** Clocks that differ more than this are not skewed: one of them has been set. */
const TRUE_STEP_MS = 60_000;

/** Records that are only read keep their stamp, and each of them would tell again. */
const TELL_AGAIN_MS = 60_000;

export class CompareAndSet<Revision> {
  readonly #store: RevisionStore<Revision>;
  readonly #maxValueBytes: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #flights: Flights;
  readonly #events: Events<ClockStep> = createEvents<ClockStep>();
  #toldAt = -Infinity;

  constructor(store: RevisionStore<Revision>, options: CompareAndSetOptions) {
    this.#store = store;
    this.#maxValueBytes = options.maxValueBytes;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#flights = options.flights ?? new Map();
  }

  get events(): EventSource<ClockStep> {
    return this.#events;
  }

  /**
   * All commands of one key at one `now`, in one write. What concerns this key alone (a step that fails, another type,
   * damage, contention) is in the place of its replies; a failure of the backend rejects.
   */
  async run(key: string, operation: Operation, signal?: AbortSignal): Promise<Reply[]> {
    try {
      return await this.update(key, (stored) => this.#step(stored, operation), signal);
    } catch (error) {
      if (error instanceof OwnFailure) return failedReplies(operation, error.reason);
      if (isSluiceError(error) && (error.code === "STORE_CONTENTION" || error.code === "STORE_VALUE_TOO_LARGE")) return failedReplies(operation, error);
      throw error;
    }
  }

  /** Reads, asks `decide`, and writes what it says if nobody wrote in between; else again. Nothing begins once `signal` has aborted. */
  update<R>(key: string, decide: (stored: Stored<Revision>) => Change<R>, signal?: AbortSignal): Promise<R> {
    const before = this.#flights.get(key);
    const done = before === undefined ? this.#attempt(key, decide, signal) : before.then(() => this.#attempt(key, decide, signal));
    const tail = done.then(nothing, nothing);
    this.#flights.set(key, tail);
    void tail.then(() => {
      if (this.#flights.get(key) === tail) this.#flights.delete(key);
    });
    return done;
  }

  /** The time of a key: our clock, but never before its last writer's or the backend's instant of that write. */
  keyNow(...stamps: readonly (number | undefined)[]): number {
    const own = this.#clock.now();
    let now = own;
    for (const stamp of stamps) {
      if (stamp === undefined || stamp <= now) continue;
      if (stamp - own <= TRUE_STEP_MS) now = stamp;
      else this.#tell(stamp - own);
    }
    return now;
  }

  #tell(behindMs: number): void {
    const at = this.#clock.monotonic();
    if (at - this.#toldAt < TELL_AGAIN_MS) return;
    this.#toldAt = at;
    this.#events.emit({ type: "clock.step", behindMs });
  }

  async #attempt<R>(key: string, decide: (stored: Stored<Revision>) => Change<R>, signal: AbortSignal | undefined): Promise<R> {
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const stored = await this.#store.read(key);
      signal?.throwIfAborted();
      const { reply, write } = decide(stored);
      if (write === undefined || (await this.#store.write(key, write.bytes, stored.revision, write.expiresAt))) return reply;
      if (tries >= MAX_TRIES) throw new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" });
      // The first loss is an accident; after that the writers take turns by chance.
      if (tries > 1) await sleep(Math.min(MAX_WAIT_MS, MIN_WAIT_MS * tries) * this.#random.next(), this.#clock, signal);
    }
  }

  #step({ bytes, writtenAt }: Stored<Revision>, operation: Operation): Change<Reply[]> {
    const { algorithm } = operation;
    try {
      const record = bytes === undefined ? undefined : decodeRecord(algorithm, bytes);
      const now = this.keyNow(record?.stamp, writtenAt);
      const { state, replies, expiresAt } = replay(operation, record?.state, now);
      if (state === record?.state) return { reply: replies };
      if (state === undefined) return { reply: replies, write: { bytes: undefined, expiresAt: undefined } };
      const next = encodeRecord(algorithm, state, expiresAt, now);
      if (next.length > this.#maxValueBytes) {
        throw new StoreError("STORE_VALUE_TOO_LARGE", `a state of ${algorithm.name} takes ${next.length} bytes, over the maximum of ${this.#maxValueBytes}`, { outcome: "not-applied" });
      }
      return { reply: replies, write: { bytes: next, expiresAt } };
    } catch (error) {
      throw new OwnFailure(error);
    }
  }
}

/** Marks what a step threw, so that it is not taken for a failure of the backend. */
class OwnFailure {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

function nothing(): void {}
