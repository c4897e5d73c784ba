/** The Deno KV driver: every algorithm by compare-and-set on the versionstamp, many keys in one transaction. */

import { checkInteger, checkPositive, checkString, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { type ClockStep, CompareAndSet, type Flights } from "../../state/compare-and-set.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";
import { failedReplies } from "../../state/replay.ts";
import { decodePlain, encodePlain, expiryOf } from "../../state/plain-record.ts";
import { type DenoKvLike, KEYS_PER_CALL, KvRecords, MAX_RECORD_BYTES, checkKv } from "./kv.ts";

export interface DenoKvDriverOptions {
  /** First part of every key; without one, keys have a single part. @default "" */
  readonly prefix?: string;
  /** Compare-and-sets on one key that may lose against other processes before `STORE_CONTENTION`. @default 100 */
  readonly maxTries?: number;
  /** Longest time of one call to the database, in ms; then `STORE_TIMEOUT`, and the key is free for the next. @default 750 */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface DenoKvDriver extends StateDriver {
  /** A clock that was set is seen here, at most once a minute. */
  readonly events: EventSource<ClockStep>;
}

/** With its key the prefix has to fit into the 2,048 bytes of a key. */
const MAX_PREFIX_LENGTH = 128;

/** A record is a value and its head. */
const HEAD_BYTES = 128;

/** By database object and prefix: a key is in flight once, whoever asks. */
const flightsOf: WeakMap<object, Map<string, Flights>> = /* @__PURE__ */ new WeakMap();

/**
 * A state driver on a database. It stays the caller's: nothing here closes it.
 *
 * @throws OptionError for an object that is no database, and for a bad option.
 *
 * @example
 * const stores = createStores(denoKvDriver(await Deno.openKv()));
 */
export function denoKvDriver(kv: DenoKvLike, options: DenoKvDriverOptions = {}): DenoKvDriver {
  return new Driver(checkKv(kv), options);
}

class Driver implements DenoKvDriver {
  readonly name: string = "deno-kv";
  readonly capabilities: DriverCapabilities = Object.freeze({
    atomic: true,
    clock: "caller",
    minTtlMs: 1,
    maxValueBytes: MAX_RECORD_BYTES - HEAD_BYTES,
    shared: true,
    // What a commit has answered is on disk.
    durability: "sync",
    maxBatchKeys: KEYS_PER_CALL,
    lanes: 8,
  });
  readonly #clock: Clock;
  readonly #records: KvRecords;
  readonly #runner: CompareAndSet<string | null>;
  #closed = false;

  constructor(kv: DenoKvLike, options: DenoKvDriverOptions) {
    const prefix = utf8Key(checkString("prefix", options.prefix ?? ""));
    if (prefix.length > MAX_PREFIX_LENGTH) throw new OptionError("prefix", options.prefix, `at most ${MAX_PREFIX_LENGTH} characters long`);
    this.#clock = options.clock ?? systemClock;
    this.#records = new KvRecords(kv, prefix, checkPositive("timeoutMs", options.timeoutMs ?? 750), this.#clock, options.random ?? systemRandom);
    const maxTries = checkInteger("maxTries", options.maxTries ?? 100, 1, 1_000_000);
    this.#runner = new CompareAndSet(this.#records, { maxValueBytes: MAX_RECORD_BYTES, maxTries, clock: this.#clock, random: options.random, flights: flightsUnder(kv, prefix) });
  }

  get events(): EventSource<ClockStep> {
    return this.#runner.events;
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.#open();
    const signal = options?.signal;
    signal?.throwIfAborted();
    const keys = batch.map(({ key }) => physical(key));
    if (batch.length === 1) return [await this.#runner.run(keys[0] as string, batch[0] as Operation, signal)];
    if (batch.length <= KEYS_PER_CALL) return this.#runner.runMany(keys, batch, signal);
    return this.#inGroups(keys, batch, signal);
  }

  /** A batch that is longer than a combiner's: as many transactions as it takes. */
  async #inGroups(keys: readonly string[], batch: readonly Operation[], signal: AbortSignal | undefined): Promise<Reply[][]> {
    const starts = Array.from({ length: Math.ceil(batch.length / KEYS_PER_CALL) }, (_, i) => i * KEYS_PER_CALL);
    const ends = await Promise.allSettled(starts.map((at) => this.#runner.runMany(keys.slice(at, at + KEYS_PER_CALL), batch.slice(at, at + KEYS_PER_CALL), signal)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && (failures.length === ends.length || signal?.aborted === true)) throw failures[0]?.reason;
    return ends.flatMap((end, i) => {
      const at = i * KEYS_PER_CALL;
      return end.status === "fulfilled" ? end.value : batch.slice(at, at + KEYS_PER_CALL).map((operation) => failedReplies(operation, end.reason));
    });
  }

  async get(key: string, options?: RunOptions): Promise<Uint8Array | undefined> {
    this.#open();
    options?.signal?.throwIfAborted();
    const { bytes } = await this.#records.read(physical(key));
    if (bytes === undefined) return undefined;
    const { value, expiresAt } = decodePlain(bytes);
    return expiresAt !== undefined && this.#clock.now() >= expiresAt ? undefined : value.slice();
  }

  async set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): Promise<void> {
    this.#open();
    const ttl = checkTtlMs("ttlMs", ttlMs);
    options?.signal?.throwIfAborted();
    if (value.length > this.capabilities.maxValueBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${this.capabilities.maxValueBytes}`, { outcome: "not-applied" });
    }
    const expiresAt = ttl === undefined ? undefined : this.#clock.now() + ttl;
    await this.#records.put(physical(key), encodePlain(value, expiresAt), expiresAt);
  }

  async delete(key: string, options?: RunOptions): Promise<boolean> {
    this.#open();
    return this.#runner.update(
      physical(key),
      ({ bytes }) => {
        if (bytes === undefined) return { reply: false };
        return { reply: this.#clock.now() < (expiryOf(bytes) ?? Infinity), write: { bytes: undefined, expiresAt: undefined } };
      },
      options?.signal,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #open(): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the deno kv driver is closed", { outcome: "not-applied" });
  }
}

/** The last part of a key. */
function physical(key: string): string {
  return utf8Key(boundKey(key));
}

function flightsUnder(kv: DenoKvLike, prefix: string): Flights {
  let prefixes = flightsOf.get(kv);
  if (prefixes === undefined) flightsOf.set(kv, (prefixes = new Map()));
  let flights = prefixes.get(prefix);
  if (flights === undefined) prefixes.set(prefix, (flights = new Map()));
  return flights;
}
