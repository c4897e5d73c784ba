/** The contract of a token bucket limiter (`RateLimiter`), as a suite that any limiter can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { RateLimiter, TokenBucketPolicy } from "../state/contracts/limits.ts";
import { runContract, type ContractReport } from "./report.ts";
import { limiterRules, type RateLimiterContractOptions } from "./rules/limiter.ts";
import { subjects } from "./subjects.ts";

export type { RateLimiterContractOptions } from "./rules/limiter.ts";

/** The names of the rules, as `skip` and the report use them. */
export const rateLimiterContractRules: readonly string[] = /* @__PURE__ */ limiterRules.map(({ rule }) => rule);

/**
 * Puts a limiter through every rule of its contract. Never rejects and needs no test framework. `makeLimiter` is called
 * with many policies, and for some of them twice, so that two clients meet where the limiter is shared.
 *
 * ```ts
 * const clock = manualClock();
 * assertConformance(await verifyRateLimiterContract((policy) => memoryRateLimiter(policy, { clock }), { clock }));
 * ```
 */
export function verifyRateLimiterContract(makeLimiter: (policy: TokenBucketPolicy) => MaybePromise<RateLimiter>, options: RateLimiterContractOptions = {}): Promise<ContractReport> {
  return runContract("rate limiter", limiterRules, options, (base) => ({
    ...base,
    options,
    limiters: (policy) =>
      subjects(base, {
        make: () => makeLimiter(policy),
        declared: () => options.shared,
        probe: async (first, second) => {
          const key = base.key("probe");
          const { remaining } = await first.consume(key, 1);
          return (await second.consume(key, 1)).remaining < remaining;
        },
        free: (limiter) => limiter.dispose?.(),
      }),
    make: async (policy) => {
      const limiter = await makeLimiter(policy);
      base.after(() => limiter.dispose?.());
      return limiter;
    },
  }));
}
