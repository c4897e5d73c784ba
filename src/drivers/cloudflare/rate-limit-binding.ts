/** The platform's rate limiting binding as a first filter: it answers within the machine, and an exact store has the last word. */

import { checkInteger } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../state/contracts/limits.ts";
import { checkRateLimitBinding } from "./bindings.ts";
import type { RateLimitBindingLike } from "./types.ts";

export interface RateLimitBindingOptions {
  /** What the binding's configuration says: `simple.limit`. */
  readonly limit: number;
  /** What the binding's configuration says: `simple.period`, 10 or 60. */
  readonly periodSeconds: number;
}

/**
 * `store` behind a binding. A caller over the binding's limit at this location is refused without a request to a Durable
 * Object; everybody else is decided by `store`. The binding knows neither how much is left nor when: its refusals say so by
 * the end of a whole period. It counts calls, not costs, and not exactly, so its limit should be at or above the exact one.
 *
 * @throws OptionError for a period that no binding has, and for a binding that is not there.
 *
 * @example
 * const store = rateLimitBinding(env.FAST_LIMIT, new DurableObjectRateLimitStore(env.RATE_LIMITER), { limit: 100, periodSeconds: 60 });
 */
export function rateLimitBinding(binding: RateLimitBindingLike, store: RateLimitStore, options: RateLimitBindingOptions): RateLimitStore {
  checkRateLimitBinding("binding", binding);
  const limit = checkInteger("limit", options.limit, 1);
  const { periodSeconds } = options;
  if (periodSeconds !== 10 && periodSeconds !== 60) throw new OptionError("periodSeconds", periodSeconds, "10 or 60, as the binding has it");
  const periodMs = periodSeconds * 1000;
  const refusal = (): LimitDecision => ({ allowed: false, limit, remaining: 0, retryAfterMs: periodMs, resetAfterMs: periodMs, debt: 0 });
  /** True when the call may go on. A binding that fails decides nothing. */
  const passes = async (key: string, cost: number): Promise<boolean> => {
    if (cost === 0) return true;
    try {
      return (await binding.limit({ key })).success;
    } catch {
      return true;
    }
  };
  const { check, checkAll } = store;
  return {
    // Counting tells nobody to stop: the binding has nothing to say about it.
    increment: (key, windowSeconds) => store.increment(key, windowSeconds),
    ...(check === undefined ? {} : {
      check: async (key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision> => ((await passes(key, cost)) ? check.call(store, key, policy, cost) : refusal()),
    }),
    ...(checkAll === undefined ? {} : {
      checkAll: async (key: string, policies: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]> =>
        ((await passes(key, cost)) ? checkAll.call(store, key, policies, cost) : policies.map(refusal)),
    }),
    ...(store.capabilities === undefined ? {} : { capabilities: store.capabilities }),
    destroy: () => store.destroy?.(),
  };
}
