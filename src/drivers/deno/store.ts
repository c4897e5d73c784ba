/** The key-value store on Deno KV, for those who need no adapter. */

import { checkInteger } from "../../core/check.ts";
import { createCombiner } from "../../state/combiner.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { type DenoKvDriverOptions, denoKvDriver } from "./driver.ts";
import type { DenoKvLike } from "./kv.ts";

export interface DenoKvStoreOptions extends Omit<DenoKvDriverOptions, "prefix" | "maxTries"> {
  /** First part of every key: `[keyPrefix, key]`. @default none: `[key]` */
  readonly keyPrefix?: string;
  /** Tries of one write that loses against other processes; then `STORE_CONTENTION`, which tells the count. @default 100 */
  readonly maxIncrRetries?: number;
}

/** A key-value store in a database. */
export interface DenoKvStore extends KeyValueStore {}

/**
 * A key-value store on Deno KV. Calls on one key made at the same time share one read and one write; calls on several keys
 * share a transaction. The database stays the caller's; `close()` does not close it.
 *
 * @throws OptionError for an object that is no database, and for a bad option.
 *
 * @example
 * const store = denoKvStore(await Deno.openKv(), { keyPrefix: "sessions" });
 */
export function denoKvStore(kv: DenoKvLike, options: DenoKvStoreOptions = {}): DenoKvStore {
  const { keyPrefix, maxIncrRetries, ...rest } = options;
  const maxTries = maxIncrRetries === undefined ? undefined : checkInteger("maxIncrRetries", maxIncrRetries, 1, 1_000_000);
  const driver = denoKvDriver(kv, { ...rest, prefix: keyPrefix, maxTries });
  const combiner = createCombiner(driver, { clock: rest.clock });
  return keyValueStoreOn(driver, {
    run: combiner.run,
    onClose: async () => {
      await combiner.close();
      await driver.close();
    },
  });
}
