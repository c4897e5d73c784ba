/** The contract of a driver, as a suite that any backend can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { StateDriver } from "../state/contracts/driver.ts";
import { runContract, type ContractReport } from "./report.ts";
import { driverRules, type DriverContractOptions } from "./rules/driver.ts";
import { subjects } from "./subjects.ts";

export { driverContractAlgorithms } from "./rules/driver.ts";
export type { DriverContractOptions } from "./rules/driver.ts";

/** The names of the rules, as `skip` and the report use them. */
export const driverContractRules: readonly string[] = /* @__PURE__ */ driverRules.map(({ rule }) => rule);

/**
 * Puts a driver through every rule of its contract, with an algorithm of the suite's own. Never rejects and needs no
 * test framework. What the algorithms themselves owe is checked by `verifyAlgorithm`.
 */
export function verifyDriverContract(makeDriver: () => MaybePromise<StateDriver>, options: DriverContractOptions = {}): Promise<ContractReport> {
  return runContract("driver", driverRules, options, (base) => ({
    ...base,
    ...subjects(base, {
      make: makeDriver,
      declared: (driver) => options.shared ?? driver.capabilities?.shared,
      probe: async (first, second) => {
        const key = base.key("probe");
        await first.set(key, Uint8Array.of(1), 60_000);
        return (await second.get(key)) !== undefined;
      },
      free: (driver) => driver.close(),
    }),
  }));
}
