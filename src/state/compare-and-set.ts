/**
 * Runs any algorithm on a backend that can write a record if nobody wrote it since it was read. One call per key is in
 * flight in a process (what waits meanwhile leaves together, through the combiner), so processes contend, callers do not.
 */

import { type Clock, sleep, systemClock } from "../core/clock.ts";
import { StoreError, isSluiceError } from "../core/errors.ts";
import { type EventSource, type Events, createEvents } from "../core/events.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Operation, Reply } from "./contracts/driver.ts";
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
  /** Several keys in as few round trips as the backend takes. Optional, with {@link writeMany}. */
  readMany?(keys: readonly string[]): Promise<readonly Stored<Revision>[]>;
  /** All of the writes or none: false when somebody was first on one of them. */
  writeMany?(writes: readonly RevisionWrite<Revision>[]): Promise<boolean>;
}

/** One of several writes. */
export interface RevisionWrite<Revision> {
  readonly key: string;
  readonly bytes: Uint8Array | undefined;
  readonly revision: Revision;
  readonly expiresAt: number | undefined;
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
  /** Tries on one key before `STORE_CONTENTION`. @default 100 */
  readonly maxTries?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly flights?: Flights;
}

/** What to do about what was read. Without `write` nothing is changed. */
export interface Change<R> {
  readonly reply: R;
  readonly write?: { readonly bytes: Uint8Array | undefined; readonly expiresAt: number | undefined };
}

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
  readonly #maxTries: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #flights: Flights;
  readonly #events: Events<ClockStep> = createEvents<ClockStep>();
  #toldAt = -Infinity;

  constructor(store: RevisionStore<Revision>, options: CompareAndSetOptions) {
    this.#store = store;
    this.#maxValueBytes = options.maxValueBytes;
    this.#maxTries = options.maxTries ?? MAX_TRIES;
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

  /**
   * The operations of several keys, with one read and one write for all of them where the store has `readMany` and
   * `writeMany`. When somebody was first on one key, each goes on alone. A failure of the backend rejects.
   */
  async runMany(keys: readonly string[], operations: readonly Operation[], signal?: AbortSignal): Promise<Reply[][]> {
    const replies: Reply[][] = new Array(keys.length);
    const together = this.#store.readMany !== undefined && this.#store.writeMany !== undefined;
    const alone = together ? await this.#held(keys, () => this.#together(keys, operations, replies, signal)) : [...keys.keys()];
    // What fails is known when all have ended: nothing may go on behind the back of who asked.
    const ends = await Promise.allSettled(alone.map(async (i) => void (replies[i] = await this.run(keys[i] as string, operations[i] as Operation, signal))));
    for (const [at, end] of ends.entries()) {
      if (end.status === "fulfilled") continue;
      // Others have been applied; only a batch of which nothing is known may fail as a whole.
      if (alone.length === keys.length && ends.every(({ status }) => status === "rejected")) throw end.reason;
      replies[alone[at] as number] = failedReplies(operations[alone[at] as number] as Operation, end.reason);
    }
    return replies;
  }

  /** Fills `replies`, and gives the places that have to go on alone. */
  async #together(keys: readonly string[], operations: readonly Operation[], replies: Reply[][], signal: AbortSignal | undefined): Promise<number[]> {
    signal?.throwIfAborted();
    const stored = await this.#store.readMany!(keys);
    signal?.throwIfAborted();
    const writes: RevisionWrite<Revision>[] = [];
    const writing: number[] = [];
    const seen = new Set<string>();
    const again: number[] = [];
    for (const [i, operation] of operations.entries()) {
      if (seen.size === seen.add(keys[i] as string).size) {
        again.push(i);
        continue;
      }
      try {
        const { reply, write } = this.#step(stored[i] as Stored<Revision>, operation);
        replies[i] = reply;
        if (write === undefined) continue;
        writing.push(i);
        writes.push({ key: keys[i] as string, revision: (stored[i] as Stored<Revision>).revision, ...write });
      } catch (error) {
        replies[i] = failedReplies(operation, (error as OwnFailure).reason);
      }
    }
    const written = writes.length === 0 || (await this.#store.writeMany!(writes));
    return written ? again : [...writing, ...again];
  }

  /** Runs `work` when the calls in flight on `keys` have ended, and before any that comes later. */
  #held<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = keys.map((key) => this.#flights.get(key)).filter((flight) => flight !== undefined);
    const done = before.length === 0 ? work() : Promise.all(before).then(work);
    const tail = done.then(nothing, nothing);
    for (const key of keys) this.#flights.set(key, tail);
    void tail.then(() => {
      for (const key of keys) if (this.#flights.get(key) === tail) this.#flights.delete(key);
    });
    return done;
  }

  /** Reads, asks `decide`, and writes what it says if nobody wrote in between; else again. Nothing begins once `signal` has aborted. */
  update<R>(key: string, decide: (stored: Stored<Revision>) => Change<R>, signal?: AbortSignal): Promise<R> {
    return this.#held([key], () => this.#attempt(key, decide, signal));
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
      if (tries >= this.#maxTries) throw new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" });
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
