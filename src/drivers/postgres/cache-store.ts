/** The response cache on Postgres as a class. */

import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { CacheFill, CacheOpening, CachePurge, CacheRecord, CacheStore } from "../../state/contracts/cache.ts";
import { type DriverCacheStore, cacheStoreOn } from "../../state/stores/cache-store.ts";
import type { PostgresClient } from "./client.ts";
import { Line, type LineOptions } from "./line.ts";

export interface PostgresCacheStoreOptions extends Omit<LineOptions, "table"> {
  /** Bodies above it are refused with `STORE_VALUE_TOO_LARGE`. @default 16 MiB */
  readonly maxEntryBytes?: number;
}

/**
 * Responses in the table `<tablePrefix>cache`, with fill locks and purges by tag and prefix that hold for all processes. The
 * client stays the caller's.
 *
 * @throws OptionError for a client of no known shape and a bad `tablePrefix`.
 */
export class PostgresCacheStore implements CacheStore {
  readonly name = "postgres";
  readonly capabilities: DriverCapabilities;
  readonly #line: Line;
  readonly #store: DriverCacheStore;

  constructor(client: PostgresClient, options: PostgresCacheStoreOptions = {}) {
    const { maxEntryBytes, ...rest } = options;
    this.#line = new Line(client, { ...rest, table: "cache" });
    this.#store = cacheStoreOn(this.#line.driver, { run: this.#line.run, blobs: this.#line.driver.values("cache"), maxEntryBytes, clock: rest.clock, random: rest.random });
    this.capabilities = this.#store.capabilities;
  }

  get(key: string): Promise<Response | undefined> {
    return this.#store.get(key);
  }

  put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    return this.#store.put(key, response, ttlSeconds);
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(key);
  }

  read(key: string): Promise<CacheRecord | undefined> {
    return this.#store.read(key);
  }

  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): Promise<void> {
    return this.#store.write(key, record, fillToken, lockedKey);
  }

  lock(key: string, lockMs: number): Promise<CacheFill> {
    return this.#store.lock(key, lockMs);
  }

  unlock(key: string, token: string): Promise<void> {
    return this.#store.unlock(key, token);
  }

  open(key: string, lockMs: number): Promise<CacheOpening> {
    return this.#store.open(key, lockMs);
  }

  purge(target: CachePurge): Promise<number> {
    return this.#store.purge(target);
  }

  /** Deletes the rows of entries past their end, 1,000 per statement; gives how many. An entry of many chunks has many rows. */
  cleanup(): Promise<number> {
    return this.#line.driver.cleanup("cache");
  }

  /** Later calls fail with `STORE_CLOSED`. Idempotent. */
  destroy(): void {
    this.#store.destroy();
    void this.#line.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.destroy();
    await this.#line.close();
  }
}
