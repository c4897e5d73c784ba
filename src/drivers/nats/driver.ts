/** The NATS driver: records in a JetStream key-value bucket, every algorithm by compare-and-set on the revision. */

import { checkInteger, checkPositive, checkString, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { OptionError, SluiceError, StoreError } from "../../core/errors.ts";
import type { EventSource } from "../../core/events.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import type { Random } from "../../core/random.ts";
import { type ClockStep, CompareAndSet, type Flights } from "../../state/compare-and-set.ts";
import type { DriverCapabilities, Operation, Reply, RunOptions, StateDriver } from "../../state/contracts/driver.ts";
import { decodePlain, encodePlain, expiryOf } from "../../state/plain-record.ts";
import { failedReplies } from "../../state/replay.ts";
import { KvRecords, type NatsKv, checkKv, maxRecordBytes } from "./kv.ts";
import { fromSubject, toSubject } from "./subject.ts";

export interface NatsDriverOptions {
  /** In front of every key. @default "sluice:" */
  readonly prefix?: string;
  /** Largest record, in bytes. @default the server's `max_payload` less 1 KiB for headers; 1 MiB less 1 KiB where the client does not tell */
  readonly maxValueBytes?: number;
  /** Longest time of one call to the server, in ms; then `STORE_TIMEOUT`, and the key is free for the next. @default 750 */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface NatsDriver extends StateDriver {
  /** A clock that was set is seen here, at most once a minute. */
  readonly events: EventSource<ClockStep>;
  /**
   * Removes records under this prefix that expired more than a minute ago, and the marks of keys that were deleted that long
   * ago. Reads every message of the bucket once. Gives the number removed. A bucket keeps them for ever else, unless it has a `ttl`.
   *
   * @throws StoreError `STORE_CAPABILITY` for a bucket that cannot list its messages.
   */
  cleanup(options?: RunOptions): Promise<number>;
}

/** Clocks may differ by this much before a cleanup takes what somebody still counts on. */
const CLEANUP_GRACE_MS = 60_000;

/** Prefix and key share a subject, and the control line of the protocol ends at 4,096 bytes. */
const MAX_PREFIX_LENGTH = 128;

/** Keys on the wire at once: each is one read and one write, and no key waits for another. */
const LANES = 256;

const flightsOf: WeakMap<object, Flights> = /* @__PURE__ */ new WeakMap();

/**
 * A state driver on a bucket with `history: 1`. The bucket and its connection stay the caller's.
 *
 * @throws OptionError for an object that is no bucket, and for a bad option.
 *
 * @example
 * const kv = await new Kvm(connection).create("sluice", { history: 1 });
 * const stores = createStores(natsDriver(kv));
 */
export function natsDriver(kv: NatsKv, options: NatsDriverOptions = {}): NatsDriver {
  return new Driver(checkKv(kv), options);
}

class Driver implements NatsDriver {
  readonly name: string = "nats";
  readonly capabilities: DriverCapabilities;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #records: KvRecords;
  readonly #runner: CompareAndSet<number>;
  #closed = false;

  constructor(kv: NatsKv, options: NatsDriverOptions) {
    this.#prefix = utf8Key(checkString("prefix", options.prefix ?? "sluice:"));
    if (this.#prefix.length > MAX_PREFIX_LENGTH) throw new OptionError("prefix", options.prefix, `at most ${MAX_PREFIX_LENGTH} characters long`);
    this.#clock = options.clock ?? systemClock;
    this.#records = new KvRecords(kv, checkPositive("timeoutMs", options.timeoutMs ?? 750), this.#clock);
    const maxValueBytes = checkInteger("maxValueBytes", options.maxValueBytes ?? maxRecordBytes(kv), 1024, 64 * 2 ** 20);
    let flights = flightsOf.get(kv);
    if (flights === undefined) flightsOf.set(kv, (flights = new Map()));
    this.#runner = new CompareAndSet(this.#records, { maxValueBytes, clock: this.#clock, random: options.random, flights });
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "caller",
      minTtlMs: 1,
      // A record is a value and its head.
      maxValueBytes: maxValueBytes - 128,
      shared: true,
      // Files are synced every two minutes by default; replicas make it less.
      durability: "async",
      maxBatchKeys: 1,
      lanes: LANES,
    });
  }

  get events(): EventSource<ClockStep> {
    return this.#runner.events;
  }

  async run(batch: readonly Operation[], options?: RunOptions): Promise<Reply[][]> {
    this.#open();
    const signal = options?.signal;
    signal?.throwIfAborted();
    const keys = batch.map(({ key }) => this.#physical(key));
    if (batch.length === 1) return [await this.#runner.run(keys[0] as string, batch[0] as Operation, signal)];
    const ends = await Promise.allSettled(batch.map((operation, i) => this.#runner.run(keys[i] as string, operation, signal)));
    const failures = ends.filter((end) => end.status === "rejected");
    if (failures.length > 0 && (failures.length === ends.length || signal?.aborted)) throw failures[0]?.reason;
    return ends.map((end, i) => (end.status === "fulfilled" ? end.value : failedReplies(batch[i] as Operation, end.reason)));
  }

  async get(key: string, options?: RunOptions): Promise<Uint8Array | undefined> {
    this.#open();
    options?.signal?.throwIfAborted();
    const { bytes, writtenAt } = await this.#records.read(this.#physical(key));
    if (bytes === undefined) return undefined;
    const { value, expiresAt } = decodePlain(bytes);
    return expiresAt !== undefined && this.#runner.keyNow(writtenAt) >= expiresAt ? undefined : value;
  }

  async set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): Promise<void> {
    this.#open();
    const ttl = checkTtlMs("ttlMs", ttlMs);
    options?.signal?.throwIfAborted();
    if (value.length > this.capabilities.maxValueBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `a value of ${value.length} bytes is over the maximum of ${this.capabilities.maxValueBytes}`, { outcome: "not-applied" });
    }
    const expiresAt = ttl === undefined ? undefined : this.#clock.now() + ttl;
    await this.#records.put(this.#physical(key), encodePlain(value, expiresAt));
  }

  async delete(key: string, options?: RunOptions): Promise<boolean> {
    this.#open();
    return this.#runner.update(
      this.#physical(key),
      ({ bytes, writtenAt }) => {
        if (bytes === undefined) return { reply: false };
        const live = this.#runner.keyNow(writtenAt) < (expiryOf(bytes) ?? Infinity);
        return { reply: live, write: { bytes: undefined, expiresAt: undefined } };
      },
      options?.signal,
    );
  }

  async cleanup(options?: RunOptions): Promise<number> {
    this.#open();
    const { list, remove } = this.#records.entries();
    let removed = 0;
    for await (const { key, operation, value, revision, created } of await list()) {
      options?.signal?.throwIfAborted();
      if (fromSubject(key)?.startsWith(this.#prefix) !== true) continue;
      const deleted = operation === "DEL" || operation === "PURGE";
      const endedAt = deleted ? created?.getTime() : expiryOf(value);
      if (endedAt === undefined || !(this.#clock.now() - endedAt > CLEANUP_GRACE_MS)) continue;
      try {
        await remove(revision);
        removed++;
      } catch (error) {
        // Somebody wrote the key meanwhile: the message is gone, and the new one is theirs.
        if (!(error instanceof SluiceError) || error.outcome !== "not-applied") throw error;
      }
    }
    return removed;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #physical(key: string): string {
    return toSubject(this.#prefix + utf8Key(boundKey(key)));
  }

  #open(): void {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the nats driver is closed", { outcome: "not-applied" });
  }
}
