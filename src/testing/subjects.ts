/** The stores a rule works with: made on demand, two of them on one backend where that is possible, freed afterwards. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { RuleBase } from "./report.ts";

export interface Subjects<Store> {
  /** The store of this rule. */
  store(): Promise<Store>;
  /** Two clients of one backend; the same store twice where it shares nothing. */
  clients(): Promise<readonly [Store, Store]>;
  /** One more, not the first one. */
  another(): Promise<Store>;
  /** Whether {@link clients} are two. */
  shared(): Promise<boolean>;
}

export function subjects<Store>(
  base: RuleBase,
  make: () => MaybePromise<Store>,
  isShared: (store: Store) => boolean,
  free: (store: Store) => unknown,
): Subjects<Store> {
  let first: Promise<Store> | undefined;
  let second: Promise<Store> | undefined;
  const another = async (): Promise<Store> => {
    const store = await make();
    base.after(() => free(store));
    return store;
  };
  const store = (): Promise<Store> => (first ??= another());
  const shared = async (): Promise<boolean> => isShared(await store());
  return {
    store,
    another,
    shared,
    clients: async () => [await store(), (await shared()) ? await (second ??= another()) : await store()],
  };
}
