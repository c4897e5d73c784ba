import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../core/clock.ts";
import { PlainCircuitBreakerStore, type CircuitBackend } from "./broken/circuit-breaker-store.ts";
import { uncaught } from "./broken/every-rule.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { circuitBreakerStoreContractRules, verifyCircuitBreakerStoreContract, type CircuitBreakerStoreContractOptions } from "./verify-circuit-breaker-store.ts";

function verifyPlain(flaw: string | undefined, options: CircuitBreakerStoreContractOptions, clock: Clock): Promise<ContractReport> {
  const backend: CircuitBackend = new Map();
  return verifyCircuitBreakerStoreContract(() => new PlainCircuitBreakerStore({ clock, flaw, backend }), options);
}

describe("verifyCircuitBreakerStoreContract", () => {
  it("passes a correct store, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(circuitBreakerStoreContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 40 }, systemClock);
    expect(real.violations).toEqual([]);
  });

  it("catches a broken store for every rule, by that rule", async () => {
    const complaints = await uncaught(circuitBreakerStoreContractRules, [], (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule], seed: 7 }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
