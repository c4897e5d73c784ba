/**
 * The records of one object: in memory between calls, in its storage for when it is evicted or crashes. Algorithms run
 * here, beside the data; nothing waits between reading a state and keeping the next one.
 */

import { type Clock, type TimerHandle, systemClock } from "../../../core/clock.ts";
import { type MaybePromise, chain, isPromise } from "../../../core/maybe-promise.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import { expiryOf } from "../../../state/plain-record.ts";
import { decodeRecord, encodeRecord } from "../../../state/record.ts";
import { replay } from "../../../state/replay.ts";
import { AHEAD_MS, type Cover, MAX_UNITS_AHEAD, chargedUnits, isCovered, writeAhead } from "./ahead.ts";
import { type Alarm } from "./alarm.ts";
import type { Registry } from "./registry.ts";
import type { RecordStorage } from "./storage.ts";
import { type WireOperation, type WireReply, toWireError, toWireReply } from "./wire.ts";

export interface RecordsOptions {
  readonly storage: RecordStorage;
  readonly registry: Registry;
  readonly alarm: Alarm;
  readonly clock?: Clock;
}

interface Held {
  readonly algorithm: Algorithm;
  state: unknown;
  expiresAt: number | undefined;
  /** What the stored record covers beyond the state that it was made from. */
  cover: Cover | undefined;
  /** When the record was stored last. */
  storedAt: number;
  /** Units to write ahead next time: they double while they are used up within their life. */
  want: number;
  /** The stored record is not this state. */
  dirty: boolean;
}

/** The name of the operation that removes whatever a key holds. */
export const DELETE = "delete";

/** Records kept in memory; the oldest that are stored as they are go first. */
const MAX_HELD = 20_000;
/** Larger records are read from storage each time: an object has 128 MB, and caches would fill it. */
const MAX_HELD_BYTES = 8192;

export class ObjectRecords {
  readonly #storage: RecordStorage;
  readonly #registry: Registry;
  readonly #alarm: Alarm;
  readonly #clock: Clock;
  readonly #held: Map<string, Held> = new Map();
  readonly #dirty: Set<string> = new Set();
  #timer: TimerHandle;

  constructor(options: RecordsOptions) {
    this.#storage = options.storage;
    this.#registry = options.registry;
    this.#alarm = options.alarm;
    this.#clock = options.clock ?? systemClock;
  }

  /** Runs a batch at one instant. A key that fails fails its own operation alone. */
  run(batch: readonly WireOperation[]): MaybePromise<WireReply[]> {
    const missing: string[] = [];
    for (const { key } of batch) if (!this.#held.has(key)) missing.push(key);
    if (missing.length === 0) return this.#runAll(batch, NOTHING);
    // With key-value storage other calls may run before the records are here; those they have kept meanwhile are newer.
    return chain(this.#storage.read(missing), (found) => this.#runAll(batch, new Map(missing.map((key, i) => [key, found[i]]))));
  }

  /** Deletes what has expired and says when to come again; the object's storage goes as a whole when nothing is left. */
  async sweep(deleteAll: () => Promise<void>): Promise<void> {
    const now = this.#clock.now();
    this.#clock.clearTimeout(this.#timer);
    this.#flush();
    for (const [key, held] of this.#held) {
      if (held.expiresAt === undefined || held.expiresAt > now) continue;
      this.#held.delete(key);
      this.#dirty.delete(key);
    }
    const { next, empty } = await this.#storage.sweep(now);
    if (next !== undefined) this.#alarm.arm(next, now);
    if (!empty || this.#dirty.size > 0) return;
    this.#held.clear();
    this.#storage.forget();
    await deleteAll();
  }

  #runAll(batch: readonly WireOperation[], found: ReadonlyMap<string, Uint8Array | undefined>): MaybePromise<WireReply[]> {
    const now = this.#clock.now();
    let pending: Promise<unknown>[] | undefined;
    const replies: WireReply[] = [];
    for (let i = 0; i < batch.length; i++) {
      const operation = batch[i] as WireOperation;
      // A key may be in a batch twice: what the first operation wrote is then the newer.
      const stored = found.size > 0 && !this.#held.has(operation.key) ? found.get(operation.key) : undefined;
      try {
        const reply = operation.algorithm.name === DELETE ? this.#delete(operation, stored, now) : this.#step(operation, stored, now);
        if (isPromise(reply)) {
          (pending ??= []).push(reply.then((done) => (replies[i] = done), (error: unknown) => (replies[i] = { error: toWireError(error) })));
        } else replies[i] = reply;
      } catch (error) {
        replies[i] = { error: toWireError(error) };
      }
      // What was not kept in memory is read again, so that a second operation on the key sees what the first one wrote.
      if (found.size > 0 && i + 1 < batch.length && !this.#held.has(operation.key) && batch.slice(i + 1).some(({ key }) => key === operation.key)) {
        return this.#rest(batch, i + 1, replies, pending);
      }
    }
    return pending === undefined ? replies : Promise.all(pending).then(() => replies);
  }

  #rest(batch: readonly WireOperation[], from: number, replies: WireReply[], pending: readonly Promise<unknown>[] | undefined): MaybePromise<WireReply[]> {
    const rest = pending === undefined ? this.run(batch.slice(from)) : Promise.all(pending).then(() => this.run(batch.slice(from)));
    return chain(rest, (more) => [...replies, ...more]);
  }

  #step({ algorithm: named, key, commands }: WireOperation, stored: Uint8Array | undefined, now: number): MaybePromise<WireReply> {
    const algorithm = this.#registry.find(named);
    const held = this.#load(key, algorithm, stored);
    const before = held?.state;
    const { state, replies, expiresAt } = replay({ algorithm, key, commands }, before, now);
    if (state === before) return toWireReply(replies);
    if (state === undefined || (expiresAt !== undefined && expiresAt <= now)) {
      const removed = this.#storage.delete(key);
      this.#forget(key);
      return chain(removed, () => toWireReply(replies));
    }
    const charged = chargedUnits(algorithm, commands, replies);
    if (held !== undefined && charged !== undefined && isCovered(held.cover, charged, commands, now, held.storedAt)) {
      held.state = state;
      held.expiresAt = expiresAt;
      if (!held.dirty) this.#touch(key, held);
      return toWireReply(replies);
    }
    const next: Held = { algorithm, state, expiresAt, cover: undefined, storedAt: now, want: wantOf(held, charged?.units, now), dirty: false };
    return chain(this.#store(key, next, charged === undefined ? undefined : (commands[0] as { policy: object }).policy, now), () => toWireReply(replies));
  }

  /** Stores a state, ahead where it can be, and keeps it: in this order, so that a write that fails changes nothing. */
  #store(key: string, next: Held, policy: object | undefined, now: number): MaybePromise<void> {
    const { algorithm } = next;
    const ahead = policy === undefined || next.want === 0 ? undefined : writeAhead(algorithm, next.state, policy, next.want, now);
    const expiresAt = ahead === undefined ? next.expiresAt : ahead.expiresAt;
    const bytes = encodeRecord(algorithm, ahead === undefined ? next.state : ahead.state, expiresAt);
    const written = this.#storage.write(key, bytes, expiresAt);
    next.cover = ahead?.cover;
    if (bytes.length <= MAX_HELD_BYTES) this.#keep(key, next);
    else this.#forget(key);
    if (ahead !== undefined && this.#held.get(key) === next) this.#touch(key, next);
    else this.#dirty.delete(key);
    if (expiresAt !== undefined) this.#alarm.arm(expiresAt, now);
    if (!isPromise(written)) return undefined;
    return written.catch((error: unknown) => {
      // What is in memory was not stored: the next call reads what is.
      this.#forget(key);
      throw error;
    });
  }

  #delete({ key, commands }: WireOperation, stored: Uint8Array | undefined, now: number): MaybePromise<WireReply> {
    const held = this.#held.get(key);
    const expiresAt = held === undefined ? (stored === undefined ? now : expiryOf(stored)) : held.expiresAt;
    const live = (held !== undefined || stored !== undefined) && (expiresAt === undefined || expiresAt > now);
    this.#forget(key);
    return chain(this.#storage.delete(key), () => ({ replies: commands.map((_, i) => live && i === 0) }));
  }

  #load(key: string, algorithm: Algorithm, stored: Uint8Array | undefined): Held | undefined {
    const held = this.#held.get(key);
    if (held?.algorithm === algorithm) return held;
    // Another algorithm, or a composite of other members: the record says what it is and what it takes.
    const bytes = held === undefined ? stored : encodeRecord(held.algorithm, held.state, held.expiresAt);
    if (bytes === undefined) return undefined;
    const { state, expiresAt } = decodeRecord(algorithm, bytes);
    const read: Held = { algorithm, state, expiresAt, cover: undefined, storedAt: 0, want: 0, dirty: false };
    if (bytes.length <= MAX_HELD_BYTES && held === undefined) this.#keep(key, read);
    return read;
  }

  #keep(key: string, held: Held): void {
    this.#held.set(key, held);
    if (this.#held.size <= MAX_HELD) return;
    for (const [oldest, { dirty }] of this.#held) {
      if (dirty || oldest === key) continue;
      this.#held.delete(oldest);
      break;
    }
  }

  #forget(key: string): void {
    this.#held.delete(key);
    this.#dirty.delete(key);
  }

  #touch(key: string, held: Held): void {
    held.dirty = true;
    this.#dirty.add(key);
    this.#timer ??= this.#clock.setTimeout(this.#flush, AHEAD_MS);
  }

  /** Stores the exact states of what was written ahead, so that an idle object that is evicted loses no units either. */
  readonly #flush = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const key of this.#dirty) {
      const held = this.#held.get(key) as Held;
      if (held.expiresAt !== undefined && held.expiresAt <= now) {
        this.#dirty.delete(key);
        held.dirty = false;
        continue;
      }
      try {
        const written = this.#storage.write(key, encodeRecord(held.algorithm, held.state, held.expiresAt), held.expiresAt);
        // A write that fails leaves the record that was written ahead, which still covers this state.
        if (isPromise(written)) written.catch(() => undefined);
        held.cover = undefined;
        held.storedAt = now;
        held.dirty = false;
        this.#dirty.delete(key);
      } catch {
        this.#timer ??= this.#clock.setTimeout(this.#flush, AHEAD_MS);
      }
    }
  };
}

const NOTHING: ReadonlyMap<string, undefined> = new Map();

/** Twice as many units as last time when those were used up in their life, else one write per call until there is traffic. */
function wantOf(held: Held | undefined, units: number | undefined, now: number): number {
  if (held === undefined || units === undefined || now < held.storedAt || now - held.storedAt > AHEAD_MS) return 0;
  return Math.min(MAX_UNITS_AHEAD, Math.max(units, held.want * 2, 1));
}
