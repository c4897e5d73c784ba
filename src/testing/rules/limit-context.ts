/** What the rules on a rate limit store are given. */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../state/contracts/limits.ts";
import { optional, skipRule, type ContractOptions, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export interface RateLimitStoreContractOptions extends ContractOptions {
  /** A store that keeps at most `maxKeys` keys. Without it: no rules on the bound. */
  readonly bounded?: (maxKeys: number) => MaybePromise<RateLimitStore>;
}

export interface LimitContext extends RuleBase, Subjects<RateLimitStore> {
  readonly options: RateLimitStoreContractOptions;
}

export type LimitKind = LimitPolicy["algorithm"];

export const LIMIT_KINDS: readonly LimitKind[] = ["fixed-window", "sliding-window", "token-bucket"];

/** `max` per `windowMs` in every algorithm; a bucket holds `max` as well. */
export function policyOf(algorithm: LimitKind, max: number, windowMs: number): LimitPolicy {
  return algorithm === "token-bucket" ? { algorithm, capacity: max, max, windowMs } : { algorithm, max, windowMs };
}

export type Check = (key: string, policy: LimitPolicy, cost: number) => Promise<LimitDecision>;

/** `check` of a store; the rule is skipped where the store has none, or says that it cannot run this algorithm. */
export function checkOf(store: RateLimitStore): Check {
  const check = optional(store.check?.bind(store), "check");
  return async (key, policy, cost) => {
    try {
      return await check(key, policy, cost);
    } catch (error) {
      if ((error as { code?: unknown }).code === "STORE_CAPABILITY") return skipRule(`the store cannot run ${policy.algorithm}`);
      throw error;
    }
  };
}

/** How long the last unit of a policy takes to come back, at most: a window may be a sixteenth late. */
export function recoveryMs(policy: LimitPolicy): number {
  if (policy.algorithm === "token-bucket") return Math.ceil((policy.capacity * policy.windowMs) / policy.max) + 1;
  return policy.algorithm === "sliding-window" ? Math.ceil(policy.windowMs * (1 + 1 / 16)) + 2 : policy.windowMs;
}
