/** Policies as a store runs them: compiled once, each with its table where the driver is in this process. */

import type { AllOfCommand, AllOfDecision } from "../algorithms/all-of.ts";
import type { StateDriver, SyncTable } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitPolicy } from "../contracts/limits.ts";
import { type CompiledLimit, type CompiledLimits, compileLimit, compileLimits } from "../limit-policy.ts";

/** One limit, ready to be charged. */
export interface ReadyLimit {
  readonly limit: CompiledLimit;
  /** Absent where keys have to carry the prefix and the suffix. */
  readonly table: SyncTable<LimitCommand<unknown>, LimitDecision> | undefined;
  /** For the table, which keeps no command: used again for every call. */
  readonly command: { cost: number; readonly policy: unknown };
  /** The command that was last sent to a driver behind a wire, which keeps it: equal ones are one object, and so are compared at once. */
  sent: { readonly cost: number; readonly policy: unknown };
  /** Keys as they are stored. Those of callers who come again are not built again. */
  readonly keys: Map<string, string>;
}

export interface ReadyLimits {
  readonly limits: CompiledLimits;
  readonly table: SyncTable<AllOfCommand, AllOfDecision> | undefined;
}

export class PolicyMemo {
  readonly #driver: Pick<StateDriver, "table">;
  readonly #prefix: string;
  readonly #ready = new WeakMap<CompiledLimit, ReadyLimit>();
  readonly #several = new WeakMap<CompiledLimits, ReadyLimits>();
  /** The last one, its policy, and what that said: most calls repeat the policy of the one before. */
  #last: ReadyLimit | undefined;
  #source: LimitPolicy | undefined;
  #said: Fields | undefined;

  constructor(driver: Pick<StateDriver, "table">, prefix: string) {
    this.#driver = driver;
    this.#prefix = prefix;
  }

  one(policy: LimitPolicy): ReadyLimit {
    if (this.#source !== undefined && policy === this.#source && isSame(this.#said as Fields, policy)) return this.#last as ReadyLimit;
    const limit = compileLimit(policy);
    let ready = this.#ready.get(limit);
    if (ready === undefined) {
      ready = { limit, table: this.#driver.table?.(limit.algorithm, this.#name(limit.keySuffix)), command: { cost: 0, policy: limit.policy }, sent: { cost: 0, policy: limit.policy }, keys: new Map() };
      this.#ready.set(limit, ready);
    }
    this.#last = ready;
    this.#source = policy;
    const { algorithm, max, windowMs, capacity, buckets, dynamic, maxDebt } = policy as Fields;
    this.#said = { algorithm, max, windowMs, capacity, buckets, dynamic, maxDebt };
    return ready;
  }

  all(policies: readonly LimitPolicy[]): ReadyLimits {
    const limits = compileLimits(policies);
    let ready = this.#several.get(limits);
    if (ready === undefined) {
      ready = { limits, table: this.#driver.table?.(limits.algorithm, this.#name(limits.keySuffix)) };
      this.#several.set(limits, ready);
    }
    return ready;
  }

  /** No prefix and suffix can be read as another pair. */
  #name(keySuffix: string): string {
    return JSON.stringify([this.#prefix, keySuffix]);
  }
}

/** Every field a limit policy can have. */
interface Fields {
  readonly algorithm: string;
  readonly max: number;
  readonly windowMs: number;
  readonly capacity?: number;
  readonly buckets?: number;
  readonly dynamic?: boolean;
  readonly maxDebt?: number;
}

function isSame(said: Fields, policy: Fields): boolean {
  return said.max === policy.max && said.windowMs === policy.windowMs && said.capacity === policy.capacity && said.algorithm === policy.algorithm
    && said.buckets === policy.buckets && said.dynamic === policy.dynamic && said.maxDebt === policy.maxDebt;
}
