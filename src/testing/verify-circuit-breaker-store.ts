/** The contract of a circuit breaker store, as a suite that any store can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { CircuitBreakerStore } from "../state/contracts/circuits.ts";
import { runContract, type ContractReport, type Rule } from "./report.ts";
import type { CircuitBreakerStoreContractOptions, CircuitContext } from "./rules/circuit-context.ts";
import { circuitPhaseRules } from "./rules/circuit-phases.ts";
import { circuitViewRules } from "./rules/circuit-views.ts";
import { subjects } from "./subjects.ts";

export type { CircuitBreakerStoreContractOptions } from "./rules/circuit-context.ts";

const rules: readonly Rule<CircuitContext>[] = [...circuitViewRules, ...circuitPhaseRules];

/** The names of the rules, as `skip` and the report use them. */
export const circuitBreakerStoreContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/**
 * Puts a circuit breaker store through every rule of its contract: the required verbs always, the atomic pair `acquire`
 * and `report` where the store has it. Never rejects and needs no test framework.
 */
export function verifyCircuitBreakerStoreContract(makeStore: () => MaybePromise<CircuitBreakerStore>, options: CircuitBreakerStoreContractOptions = {}): Promise<ContractReport> {
  return runContract("circuit breaker store", rules, options, (base) => ({
    ...base,
    ...subjects(base, {
      make: makeStore,
      declared: (store) => options.shared ?? store.capabilities?.shared,
      probe: async (first, second) => {
        const key = base.key("probe");
        await first.recordFailure(key);
        return (await second.getState(key)).failureCount === 1;
      },
      free: (store) => store.destroy?.(),
    }),
  }));
}
