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

export interface SubjectSetup<Store> {
  readonly make: () => MaybePromise<Store>;
  /** What the caller or the store itself says about sharing, if anything. */
  readonly declared: (store: Store) => boolean | undefined;
  /** Whether a trace left through the first is seen through the second: asked where nobody says. */
  readonly probe: (first: Store, second: Store) => Promise<boolean>;
  readonly free: (store: Store) => unknown;
}

export function subjects<Store>(base: RuleBase, setup: SubjectSetup<Store>): Subjects<Store> {
  let first: Promise<Store> | undefined;
  let second: Promise<Store> | undefined;
  let isShared: Promise<boolean> | undefined;
  const another = async (): Promise<Store> => {
    const store = await setup.make();
    base.after(() => setup.free(store));
    return store;
  };
  const store = (): Promise<Store> => (first ??= another());
  const look = async (): Promise<boolean> => setup.declared(await store()) ?? setup.probe(await store(), await (second ??= another())).catch(() => false);
  const shared = (): Promise<boolean> => (isShared ??= look());
  return {
    store,
    another,
    shared,
    clients: async () => [await store(), (await shared()) ? await (second ??= another()) : await store()],
  };
}
