import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../core/clock.ts";
import { PlainDriver, type DriverBackend } from "./broken/driver.ts";
import { uncaught } from "./broken/every-rule.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { driverContractRules, verifyDriverContract, type DriverContractOptions } from "./verify-driver.ts";

function verifyPlain(flaw: string | undefined, options: DriverContractOptions, clock: Clock): Promise<ContractReport> {
  const backend: DriverBackend = new Map();
  return verifyDriverContract(() => new PlainDriver(clock, backend, flaw), options);
}

describe("verifyDriverContract", () => {
  it("passes a correct driver, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(driverContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 40 }, systemClock);
    expect(real.violations).toEqual([]);
  });

  it("catches a broken driver for every rule, by that rule", async () => {
    const complaints = await uncaught(driverContractRules, ["run/keys#empty", "values/copied#out"], (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule], seed: 7 }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
