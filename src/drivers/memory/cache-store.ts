/**
 * A response cache in this process. Reads and writes are synchronous; nothing has a timer. At a bound the expired go
 * first, then the least recently used. The bytes stored are the store's own.
 */

import { checkInteger } from "../../core/check.ts";
import { type Clock, steadyNow, systemClock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { CacheFill, CachePurge, CacheRecord, CacheStore } from "../../state/contracts/cache.ts";
import { type Expiring, ExpiryHeap } from "./expiry-heap.ts";
import { FillLocks } from "./fill-locks.ts";

export interface MemoryCacheOptions {
  /** Most entries. @default 10000 */
  readonly maxEntries?: number;
  /** Most bytes of bodies, fields, keys and tags together. @default 67108864 (64 MiB) */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

/** The in-memory {@link CacheStore}. */
export function createMemoryCacheStore(options?: MemoryCacheOptions): InMemoryCacheStore {
  return new InMemoryCacheStore(options);
}

interface Entry extends Expiring {
  readonly key: string;
  readonly record: CacheRecord;
  readonly bytes: number;
  newer: Entry | undefined;
  older: Entry | undefined;
}

/** What an entry costs beside its texts and bytes: the objects, the map's slot, the heap's node. */
const ENTRY_BYTES = 320;
/** Statuses whose responses have no body. */
const BODYLESS: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

export class InMemoryCacheStore implements CacheStore {
  readonly name = "memory-cache";
  readonly capabilities: Partial<DriverCapabilities>;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #entries: Map<string, Entry> = new Map();
  /** Tag to the key that carries it, or to the set of keys once there are several. */
  readonly #tags: Map<string, string | Set<string>> = new Map();
  readonly #expiry: ExpiryHeap<Entry> = new ExpiryHeap();
  readonly #locks: FillLocks = new FillLocks();
  #newest: Entry | undefined;
  #oldest: Entry | undefined;
  #bytes = 0;
  #closed = false;

  constructor(options: MemoryCacheOptions = {}) {
    this.#maxEntries = checkInteger("maxEntries", options.maxEntries ?? 10_000, 1);
    this.#maxBytes = checkInteger("maxBytes", options.maxBytes ?? 64 * 1024 * 1024, 1);
    this.#now = steadyNow(options.clock ?? systemClock);
    this.capabilities = Object.freeze({
      atomic: true,
      clock: "backend",
      minTtlMs: 1,
      maxValueBytes: this.#maxBytes,
      shared: false,
      durability: "memory",
    } as const);
  }

  /** Entries held, expired ones that nothing has asked for included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes held. Never above `maxBytes`. */
  get bytes(): number {
    return this.#bytes;
  }

  read(key: string): CacheRecord | undefined {
    if (this.#closed) throw closed();
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= this.#now()) {
      this.#drop(entry);
      return undefined;
    }
    this.#touch(entry);
    return entry.record;
  }

  /** Throws `STORE_VALUE_TOO_LARGE` for a record that `maxBytes` cannot hold; an entry of that key then stays. */
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey: string = key): void {
    if (this.#closed) throw closed();
    const now = this.#now();
    const tags = record.tags ?? [];
    if (fillToken !== undefined) {
      const holds = this.#locks.holds(lockedKey, fillToken, tags, now);
      if (lockedKey === key || !holds) this.#locks.release(lockedKey, fillToken);
      if (!holds) return;
    }
    const bytes = sizeOf(key, record);
    if (bytes > this.#maxBytes) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `the record of ${bytes} bytes does not fit in maxBytes ${this.#maxBytes}`, { outcome: "not-applied" });
    }
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(old);
    const expiresAt = deadline(record, now);
    if (expiresAt <= now) return;
    this.#makeRoom(bytes, now);
    const entry: Entry = { key, record: own(record), bytes, expiresAt, dropped: false, newer: undefined, older: this.#newest };
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    this.#expiry.push(entry);
    for (const tag of new Set(tags)) this.#addTag(tag, key);
  }

  get(key: string): Response | undefined {
    const record = this.read(key);
    if (record === undefined || record.status === 0) return undefined;
    const body = BODYLESS.has(record.status) ? null : new Uint8Array(record.body);
    return new Response(body, { status: record.status, headers: record.headers.map(([name, value]): [string, string] => [name, value]) });
  }

  /** Reads the body of `response` to its end, then stores it. */
  async put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    if (typeof ttlSeconds !== "number" || !Number.isFinite(ttlSeconds) || ttlSeconds <= 0) {
      throw new OptionError("ttlSeconds", ttlSeconds, "a finite number of seconds above 0");
    }
    if (this.#closed) throw closed();
    if (response.bodyUsed) throw new StoreError("STORE_UNSERIALIZABLE", "the body of the response was read before", { outcome: "not-applied" });
    const { status } = response;
    const headers = [...response.headers] as [string, string][];
    const body = new Uint8Array(await response.arrayBuffer());
    const now = this.#now();
    const until = now + Math.ceil(ttlSeconds * 1000);
    this.write(key, { status, headers, body, storedAt: now, freshUntil: until, keepUntil: until });
  }

  delete(key: string): boolean {
    if (this.#closed) throw closed();
    this.#locks.void(key);
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const live = entry.expiresAt > this.#now();
    this.#drop(entry);
    return live;
  }

  lock(key: string, lockMs: number): CacheFill {
    if (this.#closed) throw closed();
    return this.#locks.acquire(key, lockMs, this.#now());
  }

  unlock(key: string, token: string): void {
    this.#locks.release(key, token);
  }

  purge(target: CachePurge): number {
    if (this.#closed) throw closed();
    if ("all" in target) {
      this.#locks.clear();
      return this.#dropAll(this.#entries.values());
    }
    if ("prefix" in target) {
      this.#locks.voidPrefix(target.prefix);
      return this.#dropAll([...this.#entries.values()].filter((entry) => entry.key.startsWith(target.prefix)));
    }
    this.#locks.voidTags(target.tags);
    let dropped = 0;
    for (const tag of target.tags) {
      const keys = this.#tags.get(tag);
      if (keys === undefined) continue;
      dropped += this.#dropAll((typeof keys === "string" ? [keys] : [...keys]).map((key) => this.#entries.get(key) as Entry));
    }
    return dropped;
  }

  /** Drops everything and refuses further use. Idempotent. */
  destroy(): void {
    this.#closed = true;
    this.#entries.clear();
    this.#tags.clear();
    this.#expiry.clear();
    this.#locks.clear();
    this.#newest = this.#oldest = undefined;
    this.#bytes = 0;
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #dropAll(entries: Iterable<Entry>): number {
    const now = this.#now();
    let counted = 0;
    for (const entry of entries) {
      if (entry.expiresAt > now && entry.record.status !== 0) counted++;
      this.#drop(entry);
    }
    return counted;
  }

  #makeRoom(bytes: number, now: number): void {
    while (this.#entries.size >= this.#maxEntries || this.#bytes + bytes > this.#maxBytes) {
      const victim = this.#expiry.takeExpired(now);
      if (victim !== undefined) this.#remove(victim);
      else this.#drop(this.#oldest as Entry);
    }
  }

  #drop(entry: Entry): void {
    this.#remove(entry);
    this.#expiry.forget();
  }

  #remove(entry: Entry): void {
    entry.dropped = true;
    this.#unlink(entry);
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
    for (const tag of entry.record.tags ?? []) this.#removeTag(tag, entry.key);
  }

  #touch(entry: Entry): void {
    if (entry === this.#newest) return;
    this.#unlink(entry);
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: Entry): void {
    const { newer, older } = entry;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
  }

  #addTag(tag: string, key: string): void {
    const keys = this.#tags.get(tag);
    if (keys === undefined) this.#tags.set(tag, key);
    else if (typeof keys === "string") {
      if (keys !== key) this.#tags.set(tag, new Set([keys, key]));
    } else keys.add(key);
  }

  #removeTag(tag: string, key: string): void {
    const keys = this.#tags.get(tag);
    if (keys === key) this.#tags.delete(tag);
    else if (typeof keys === "object" && keys.delete(key) && keys.size === 0) this.#tags.delete(tag);
  }
}

/** A record that was stamped by a clock which differs this much is kept for its own span of time. */
const OTHER_CLOCK_MS = 60_000;

/** When this store's clock drops the record: by that clock a deadline of another one may be long over, or years away. */
function deadline(record: CacheRecord, now: number): number {
  return Math.abs(now - record.storedAt) <= OTHER_CLOCK_MS ? record.keepUntil : now + (record.keepUntil - record.storedAt);
}

function closed(): StoreError {
  return new StoreError("STORE_CLOSED", "the memory cache store is destroyed", { outcome: "not-applied" });
}

/** A copy whose parts nobody else holds. */
function own(record: CacheRecord): CacheRecord {
  const { status, storedAt, freshUntil, keepUntil, tags, meta } = record;
  return {
    status,
    headers: record.headers.map(([name, value]) => [name, value] as const),
    // Not `slice`: on a Buffer that is a view of the same memory.
    body: new Uint8Array(record.body),
    storedAt,
    freshUntil,
    keepUntil,
    ...(tags === undefined ? undefined : { tags: [...tags] }),
    ...(meta === undefined ? undefined : { meta: copyPlain(meta) as Readonly<Record<string, unknown>> }),
  };
}

/** A copy of JSON-like data. Much cheaper than `structuredClone` for the few fields of a record. */
function copyPlain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyPlain);
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const item = copyPlain((value as Record<string, unknown>)[name]);
    // Assigning to this one name would set the prototype.
    if (name === "__proto__") Object.defineProperty(copy, name, { value: item, enumerable: true, configurable: true, writable: true });
    else copy[name] = item;
  }
  return copy;
}

/** Texts count two bytes per unit, as engines keep them at most. */
function sizeOf(key: string, record: CacheRecord): number {
  let bytes = ENTRY_BYTES + record.body.byteLength + key.length * 2;
  for (const [name, value] of record.headers) bytes += (name.length + value.length) * 2;
  for (const tag of record.tags ?? []) bytes += (tag.length + key.length) * 2;
  return bytes;
}
