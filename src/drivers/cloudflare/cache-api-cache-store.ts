/** `CacheApiCacheStore`: responses in the Cache API of the data centre the Worker runs in. */

import { checkInteger, checkString } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeText, decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { concatBytes } from "../../core/concat-bytes.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { CacheRecord, CacheStore } from "../../state/contracts/cache.ts";
import { checkCache } from "./bindings.ts";
import type { CacheLike } from "./types.ts";

export interface CacheApiCacheStoreOptions {
  /** Origin of the addresses under which entries are kept; never asked. @default "https://sluice.internal" */
  readonly origin?: string;
  /** Bodies above it are refused with `STORE_VALUE_TOO_LARGE`, and nothing of them stays. @default 16 MiB */
  readonly maxEntryBytes?: number;
  readonly clock?: Clock;
}

/** What is stored in front of the body. */
type Head = Omit<CacheRecord, "body">;

/** Statuses whose responses have no body. */
const BODYLESS: ReadonlySet<number> = /* @__PURE__ */ new Set([101, 103, 204, 205, 304]);
/** Longest lifetime the platform is told; entries end at their own deadline. */
const MAX_AGE_SECONDS = 31_536_000;

/**
 * A response cache on `caches.default` or an opened cache. It is that of one data centre, may lose an entry at any time, and
 * has no lock, so callers of one isolate fill once and isolates fill side by side.
 *
 * An entry is one cached response of status 200 whose body holds the original: its status (also one without a body), its fields as
 * they were (`Set-Cookie`, `Vary` and `Cache-Control` included, which the Cache API would refuse or act on), its deadline to the
 * millisecond, and its bytes. Tags become `Cache-Tag`, so a purge of the zone by tag reaches entries.
 *
 * @throws OptionError for what is no cache.
 *
 * @example
 * const store = new CacheApiCacheStore(caches.default);
 */
export class CacheApiCacheStore implements CacheStore {
  readonly name = "cache-api";
  readonly capabilities: DriverCapabilities;
  readonly #cache: CacheLike;
  readonly #origin: string;
  readonly #maxEntryBytes: number;
  readonly #clock: Clock;
  #destroyed = false;

  constructor(cache: CacheLike, options: CacheApiCacheStoreOptions = {}) {
    this.#cache = checkCache("cache", cache);
    const origin = checkString("origin", options.origin ?? "https://sluice.internal");
    if (!/^https?:\/\/[^/?#]+$/.test(origin)) throw new OptionError("origin", origin, 'an origin such as "https://sluice.internal"');
    this.#origin = origin;
    this.#maxEntryBytes = checkInteger("maxEntryBytes", options.maxEntryBytes ?? 16 * 2 ** 20, 1);
    this.#clock = options.clock ?? systemClock;
    this.capabilities = Object.freeze({
      atomic: false, clock: "caller", minTtlMs: 1, maxValueBytes: this.#maxEntryBytes, shared: true, durability: "memory",
      approximate: "the Cache API is that of one data centre and may drop an entry at any time",
    });
  }

  async read(key: string): Promise<CacheRecord | undefined> {
    const found = (await this.#cache.match(this.#address(key))) as Response | undefined;
    if (found === undefined || found === null) return undefined;
    const bytes = new Uint8Array(await found.arrayBuffer());
    const size = bytes.length < 4 ? 0 : new DataView(bytes.buffer).getUint32(0);
    const head = size === 0 || size > bytes.length - 4 ? undefined : (decodeValue(decodeText(bytes.subarray(4, 4 + size))) as Partial<Head> | null);
    if (typeof head?.status !== "number" || !Array.isArray(head.headers) || typeof head.keepUntil !== "number") throw new StoreError("STORE_CORRUPT", "a cache entry is damaged");
    return head.keepUntil <= this.#clock.now() ? undefined : { ...(head as Head), body: bytes.subarray(4 + size) };
  }

  /** Nobody holds a lock here, so there is no token to honour. */
  async write(key: string, record: CacheRecord): Promise<void> {
    const address = this.#address(key);
    const { body, ...head } = record;
    if (body.length > this.#maxEntryBytes) throw this.#tooLarge();
    const lifeMs = record.keepUntil - this.#clock.now();
    if (lifeMs <= 0) {
      await this.#cache.delete(address);
      return;
    }
    const front = encodeText(encodeValue(head));
    const bytes = new Uint8Array(4 + front.length + body.length);
    new DataView(bytes.buffer).setUint32(0, front.length);
    bytes.set(front, 4);
    bytes.set(body, 4 + front.length);
    const headers = new Headers({
      "content-type": "application/octet-stream",
      "cache-control": `public, max-age=${Math.min(MAX_AGE_SECONDS, Math.ceil(lifeMs / 1000))}`,
    });
    const tags = tagField(record.tags);
    if (tags !== undefined) headers.set("cache-tag", tags);
    await this.#cache.put(address, new Response(bytes, { headers }));
  }

  async get(key: string): Promise<Response | undefined> {
    const record = await this.read(key);
    if (record === undefined || record.status === 0) return undefined;
    const body = BODYLESS.has(record.status) ? null : (record.body as Uint8Array<ArrayBuffer>);
    return new Response(body, { status: record.status, headers: record.headers.map(([name, value]): [string, string] => [name, value]) });
  }

  /** Reads the body of `response` to its end, then stores it. */
  async put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    if (typeof ttlSeconds !== "number" || !Number.isFinite(ttlSeconds) || ttlSeconds <= 0) throw new OptionError("ttlSeconds", ttlSeconds, "a finite number of seconds above 0");
    this.#address(key);
    if (response.bodyUsed) throw new StoreError("STORE_UNSERIALIZABLE", "the body of the response was read before", { outcome: "not-applied" });
    const { status } = response;
    const headers = [...response.headers] as [string, string][];
    const body = await this.#readBody(response);
    const now = this.#clock.now();
    const until = now + Math.ceil(ttlSeconds * 1000);
    await this.write(key, { status, headers, body, storedAt: now, freshUntil: until, keepUntil: until });
  }

  async delete(key: string): Promise<boolean> {
    return this.#cache.delete(this.#address(key));
  }

  destroy(): void {
    this.#destroyed = true;
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  async #readBody(response: Response): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    const reader = response.body?.getReader();
    try {
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done || value === undefined) break;
        length += value.length;
        if (length > this.#maxEntryBytes) throw this.#tooLarge();
        // The stream may use its memory again.
        parts.push(new Uint8Array(value));
      }
    } catch (error) {
      await reader?.cancel(error).catch(() => undefined);
      throw error;
    }
    return concatBytes(parts, length);
  }

  #tooLarge(): StoreError {
    return new StoreError("STORE_VALUE_TOO_LARGE", `the body takes more than the maxEntryBytes of ${this.#maxEntryBytes}`, { outcome: "not-applied" });
  }

  #address(key: string): string {
    if (this.#destroyed) throw new StoreError("STORE_CLOSED", "the cache store was destroyed", { outcome: "not-applied" });
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    return `${this.#origin}/${encodeURIComponent(utf8Key(boundKey(key)))}`;
  }
}

/** Tags that the field can carry: visible ASCII without a comma, at most 1024 of them. */
function tagField(tags: readonly string[] | undefined): string | undefined {
  const fit = (tags ?? []).filter((tag) => /^[\x21-\x2b\x2d-\x7e]{1,1024}$/.test(tag));
  return fit.length === 0 ? undefined : fit.slice(0, 1000).join(",");
}
