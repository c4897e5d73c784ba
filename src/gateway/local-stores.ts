/** The private in-memory stores of a gateway: made when first asked for, kept across updates. */

import type { Clock } from "../core/clock.ts";
import type { LocalStores, StoreKind, StoreKinds } from "./types.ts";

export interface PrivateStores extends LocalStores {
  /** Frees those that were made. */
  destroy(): Promise<void>;
}

export function createPrivateStores(clock: Clock | undefined): PrivateStores {
  const made = new Map<string, StoreKinds[keyof StoreKinds]>();
  return {
    of<Name extends keyof StoreKinds>({ name, make }: StoreKind<Name>): StoreKinds[Name] {
      let store = made.get(name);
      if (store === undefined) made.set(name, (store = make(clock)));
      return store as StoreKinds[Name];
    },
    async destroy() {
      const stores = [...made.values()] as { destroy?(): unknown; close?(): unknown }[];
      made.clear();
      for (const store of stores) await (store.destroy === undefined ? store.close?.() : store.destroy());
    },
  };
}
