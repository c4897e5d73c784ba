/** `cloudflareKvStore`: values with a lifetime in Workers KV, for caches and sessions. */

import { checkString, checkTtlMs } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { StitchStore } from "../../state/contracts/key-value.ts";
import { checkKvNamespace } from "./bindings.ts";
import { kvKey } from "./kv-key.ts";
import type { KVNamespaceLike } from "./types.ts";

export interface CloudflareKvStoreOptions {
  /** In front of every key. @default "" */
  readonly keyPrefix?: string;
  readonly clock?: Clock;
}

/** A {@link StitchStore} without counters: they and `compareAndSet` reject. */
export interface CloudflareKvStore extends StitchStore {
  readonly capabilities: DriverCapabilities;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** KV keeps nothing for less, and the store says nothing after its own deadline. */
const MIN_TTL_SECONDS = 60;
/** Thirty years: KV takes 32 bits. */
const MAX_TTL_SECONDS = 1_000_000_000;
const MAX_VALUE_BYTES = 25 * 2 ** 20 - 64;
/** In front of the deadline; no JSON text and no value of the codec begins with it. */
const MARK = "\u0002";

/**
 * A key-value store on Workers KV: values are seen everywhere within about a minute of their write, and at once where they were
 * written. A value lives as long as it was told, to the millisecond: KV's own expiry (seconds, at least 60) only collects what is
 * over.
 *
 * `incr` and `compareAndSet` reject with `STORE_CAPABILITY`: KV cannot do them exactly. `durableObjectStore` can.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * const store = cloudflareKvStore(env.SESSIONS, { keyPrefix: "session:" });
 */
export function cloudflareKvStore(kv: KVNamespaceLike, options: CloudflareKvStoreOptions = {}): CloudflareKvStore {
  return new KvStore(checkKvNamespace("kv", kv), options);
}

class KvStore implements CloudflareKvStore {
  readonly capabilities: DriverCapabilities = Object.freeze({
    atomic: false, clock: "caller", minTtlMs: MIN_TTL_SECONDS * 1000, maxValueBytes: MAX_VALUE_BYTES, shared: true, durability: "async",
    approximate: "Workers KV is eventually consistent: a read may give a value up to 60 s old, and the last write wins",
  });
  readonly #kv: KVNamespaceLike;
  readonly #prefix: string;
  readonly #clock: Clock;
  #closed = false;

  constructor(kv: KVNamespaceLike, options: CloudflareKvStoreOptions) {
    this.#kv = kv;
    this.#prefix = checkString("keyPrefix", options.keyPrefix ?? "");
    this.#clock = options.clock ?? systemClock;
  }

  async get(key: string): Promise<unknown> {
    const text = (await this.#kv.get(this.#key(key))) as string | null | undefined;
    if (text === null || text === undefined) return undefined;
    if (text[0] !== MARK) return decodeValue(text);
    const end = text.indexOf("\n");
    const deadline = text.slice(1, end);
    if (end < 0 || !/^\d*$/.test(deadline)) throw new StoreError("STORE_CORRUPT", "a value in KV is damaged");
    if (deadline !== "" && Number(deadline) <= this.#clock.now()) return undefined;
    return decodeValue(text.slice(end + 1));
  }

  async set(key: string, value: unknown, ttlMs?: number): Promise<void> {
    const ttl = checkTtlMs("ttlMs", ttlMs);
    const physical = this.#key(key);
    if (value === undefined) return this.#kv.delete(physical);
    const text = encodeValue(value);
    if (text.length * 3 > MAX_VALUE_BYTES && encodeText(text).length > MAX_VALUE_BYTES) {
      throw new StoreError("STORE_VALUE_TOO_LARGE", `the value takes more than the ${MAX_VALUE_BYTES} bytes KV keeps under one key`, { outcome: "not-applied" });
    }
    if (ttl === undefined) return this.#kv.put(physical, `${MARK}\n${text}`);
    const deadline = Math.min(Math.ceil(this.#clock.now() + ttl), Number.MAX_SAFE_INTEGER);
    const expirationTtl = Math.min(MAX_TTL_SECONDS, Math.max(MIN_TTL_SECONDS, Math.ceil(ttl / 1000)));
    await this.#kv.put(physical, `${MARK}${deadline}\n${text}`, { expirationTtl });
  }

  async incr(key: string, ttlMs?: number): Promise<number> {
    return this.#cannot("incr", key, ttlMs);
  }

  async increment(key: string, ttlMs?: number): Promise<number> {
    return this.#cannot("increment", key, ttlMs);
  }

  async compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean> {
    // What is wrong with the arguments is said first: it is wrong on every store.
    for (const value of [expected, next]) if (value !== undefined) encodeValue(value);
    return this.#cannot("compareAndSet", key, ttlMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #cannot(verb: string, key: string, ttlMs: number | undefined): never {
    checkTtlMs("ttlMs", ttlMs);
    this.#key(key);
    throw new StoreError("STORE_CAPABILITY", `cloudflareKvStore cannot ${verb}: Workers KV has no atomic operation and would lose updates; use durableObjectStore, on a Durable Object`, { outcome: "not-applied" });
  }

  #key(key: string): string {
    if (this.#closed) throw new StoreError("STORE_CLOSED", "the key-value store is closed", { outcome: "not-applied" });
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    return kvKey(this.#prefix + key);
  }
}
