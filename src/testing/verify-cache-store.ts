/** The contract of a response cache, as a suite that any store can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { CacheStore } from "../state/contracts/cache.ts";
import { runContract, type ContractReport, type Rule } from "./report.ts";
import type { CacheContext, CacheStoreContractOptions } from "./rules/cache-context.ts";
import { cacheFillRules } from "./rules/cache-fills.ts";
import { cacheResponseRules } from "./rules/cache-responses.ts";
import { subjects } from "./subjects.ts";

export type { CacheStoreContractOptions } from "./rules/cache-context.ts";

const rules: readonly Rule<CacheContext>[] = [...cacheResponseRules, ...cacheFillRules];

/** The names of the rules, as `skip` and the report use them. */
export const cacheStoreContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/**
 * Puts a response cache through every rule of its contract: `get`, `put` and `delete` always; records, the fill lock and
 * purges where the store has them. Never rejects and needs no test framework.
 */
export function verifyCacheStoreContract(makeStore: () => MaybePromise<CacheStore>, options: CacheStoreContractOptions = {}): Promise<ContractReport> {
  return runContract("cache store", rules, options, (base) => ({
    ...base,
    options,
    ...subjects(base, {
      make: makeStore,
      declared: (store) => options.shared ?? store.capabilities?.shared,
      probe: async (first, second) => {
        const key = base.key("probe");
        await first.put(key, new Response("x"), 60);
        return ((await second.get(key)) ?? undefined) !== undefined;
      },
      free: (store) => store.destroy?.(),
    }),
  }));
}
