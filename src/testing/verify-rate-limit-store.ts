/** The contract of a rate limit store, as a suite that any store can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { RateLimitStore } from "../state/contracts/limits.ts";
import { runContract, type ContractReport, type Rule } from "./report.ts";
import { checkRules } from "./rules/limit-check.ts";
import { compositeRules } from "./rules/limit-composite.ts";
import type { LimitContext, RateLimitStoreContractOptions } from "./rules/limit-context.ts";
import { incrementRules } from "./rules/limit-increment.ts";
import { subjects } from "./subjects.ts";

export type { RateLimitStoreContractOptions } from "./rules/limit-context.ts";

const rules: readonly Rule<LimitContext>[] = [...incrementRules, ...checkRules, ...compositeRules];

/** The names of the rules, as `skip` and the report use them. */
export const rateLimitStoreContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/**
 * Puts a rate limit store through every rule of its contract: `increment` always, `check` and `checkAll` where the
 * store has them. Never rejects and needs no test framework. With a driven `clock` recorded histories are swept over
 * every interval; without one a short history in real time is.
 */
export function verifyRateLimitStoreContract(makeStore: () => MaybePromise<RateLimitStore>, options: RateLimitStoreContractOptions = {}): Promise<ContractReport> {
  return runContract("rate limit store", rules, options, (base) => ({
    ...base,
    options,
    ...subjects(base, {
      make: makeStore,
      declared: (store) => options.shared ?? store.capabilities?.shared,
      probe: async (first, second) => {
        const key = base.key("probe");
        await first.increment(key, 60);
        return (await second.increment(key, 60)).count === 2;
      },
      free: (store) => store.destroy?.(),
    }),
  }));
}
