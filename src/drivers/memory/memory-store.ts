/** The key-value store in this process. */

import { checkInteger } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { memoryDriver } from "./memory-driver.ts";

export interface MemoryStoreOptions {
  /**
   * Most entries. At the bound expired ones go first, then values that were not used for longest; never a live counter,
   * cursor or lease: with nothing else left, a new entry rejects with `STORE_FULL`. @default 100000
   */
  readonly maxEntries?: number;
  /** Prefixed to every key. @default "" */
  readonly keyPrefix?: string;
  readonly clock?: Clock;
  /** Drop expired entries also while nobody calls, this often. @default none, no timer */
  readonly cleanupIntervalMs?: number;
}

/**
 * A key-value store in this process, with every verb.
 *
 * @throws OptionError for a bound or interval that is no positive integer.
 *
 * @example
 * const store = memoryStore();
 * await store.set("greeting", "hello", 60_000);
 */
export function memoryStore(options: MemoryStoreOptions = {}): KeyValueStore {
  const maxKeys = checkInteger("maxEntries", options.maxEntries ?? 100_000, 1, 2 ** 24);
  const driver = memoryDriver({ maxKeys, clock: options.clock, cleanupIntervalMs: options.cleanupIntervalMs });
  return keyValueStoreOn(driver, { keyPrefix: options.keyPrefix, onClose: () => driver.close() });
}
