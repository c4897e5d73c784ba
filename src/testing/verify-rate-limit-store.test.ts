import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../core/clock.ts";
import { uncaught } from "./broken/every-rule.ts";
import { PlainRateLimitStore, type LimitBackend } from "./broken/rate-limit-store.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { rateLimitStoreContractRules, verifyRateLimitStoreContract, type RateLimitStoreContractOptions } from "./verify-rate-limit-store.ts";

function verifyPlain(flaw: string | undefined, options: RateLimitStoreContractOptions, clock: Clock): Promise<ContractReport> {
  const backend: LimitBackend = new Map();
  return verifyRateLimitStoreContract(() => new PlainRateLimitStore({ clock, flaw, backend }), {
    bounded: (maxKeys) => new PlainRateLimitStore({ clock, flaw, maxKeys }),
    ...options,
  });
}

describe("verifyRateLimitStoreContract", () => {
  it("passes a correct store, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(rateLimitStoreContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 40 }, systemClock);
    expect(real.violations).toEqual([]);
  });

  it("catches a broken store for every rule, by that rule", async () => {
    const complaints = await uncaught(rateLimitStoreContractRules, ["increment/window-ends#slides", "increment/keys#object"], (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule], seed: 7 }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
