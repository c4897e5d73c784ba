/** The contract of a key-value store (`StitchStore`), as a suite that any store can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import { runContract, type ContractReport, type Rule } from "./report.ts";
import { compareAndSetRules } from "./rules/store-compare-and-set.ts";
import type { StoreContext, StoreContractOptions } from "./rules/store-context.ts";
import { counterRules } from "./rules/store-counters.ts";
import { cursorRules } from "./rules/store-cursor.ts";
import { leaseRules } from "./rules/store-lease.ts";
import { lifecycleRules } from "./rules/store-lifecycle.ts";
import { timeRules } from "./rules/store-time.ts";
import { keyRules, valueRules } from "./rules/store-values.ts";
import { subjects } from "./subjects.ts";

const rules: readonly Rule<StoreContext>[] = [
  ...valueRules,
  ...keyRules,
  ...timeRules,
  ...counterRules,
  ...compareAndSetRules,
  ...cursorRules,
  ...leaseRules,
  ...lifecycleRules,
];

export type { StoreContractOptions } from "./rules/store-context.ts";

/** The names of the rules, as `skip` and the report use them. */
export const storeContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/**
 * Puts a store through every rule of its contract. Never rejects, needs no test framework, and uses keys of its own.
 * `makeStore` is called for each rule, and twice where the store is shared, so that two clients meet.
 *
 * ```ts
 * const report = await verifyStoreContract(() => myStore(client), { ttlMs: 200 });
 * assertConformance(report);
 * ```
 */
export function verifyStoreContract(makeStore: () => MaybePromise<StitchStore>, options: StoreContractOptions = {}): Promise<ContractReport> {
  return runContract("store", rules, options, (base) => ({
    ...base,
    options,
    ...subjects(base, {
      make: makeStore,
      declared: (store) => options.shared ?? store.capabilities?.shared,
      probe: async (first, second) => {
        const key = base.key("probe");
        await first.set(key, 1, 60_000);
        return (await second.get(key)) === 1;
      },
      free: (store) => store.close?.(),
    }),
  }));
}
