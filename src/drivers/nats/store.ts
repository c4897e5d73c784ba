/** The key-value store on NATS, for those who need no adapter. */

import { createCombiner } from "../../state/combiner.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { type NatsDriverOptions, natsDriver } from "./driver.ts";
import type { NatsKv } from "./kv.ts";

export interface NatsStoreOptions extends Omit<NatsDriverOptions, "prefix"> {
  /** In front of every key. @default "" */
  readonly keyPrefix?: string;
}

/** A key-value store in a bucket. */
export interface NatsStore extends KeyValueStore {
  /** Removes what expired more than a minute ago under `keyPrefix`; gives how many. Reads every message of the bucket once. */
  cleanup(): Promise<number>;
}

/**
 * A key-value store on a JetStream key-value bucket. Calls on one key made at the same time share one read and one write.
 * Bucket and connection stay the caller's; `close()` does not close them.
 *
 * @throws OptionError for an object that is no bucket, and for a bad option.
 *
 * @example
 * const store = natsStore(await new Kvm(connection).create("app", { history: 1 }), { keyPrefix: "sessions:" });
 */
export function natsStore(kv: NatsKv, options: NatsStoreOptions = {}): NatsStore {
  const { keyPrefix, ...rest } = options;
  const driver = natsDriver(kv, { ...rest, prefix: "" });
  const combiner = createCombiner(driver, { clock: rest.clock });
  const store = keyValueStoreOn(driver, {
    keyPrefix,
    run: combiner.run,
    onClose: async () => {
      await combiner.close();
      await driver.close();
    },
  });
  return Object.assign(store, { cleanup: () => driver.cleanup() });
}
