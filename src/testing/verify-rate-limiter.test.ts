import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../core/clock.ts";
import { uncaught } from "./broken/every-rule.ts";
import { ForkedRateLimiter, PlainRateLimiter, type BucketBackend } from "./broken/rate-limiter.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { rateLimiterContractRules, verifyRateLimiterContract, type RateLimiterContractOptions } from "./verify-rate-limiter.ts";

function verifyPlain(flaw: string | undefined, options: RateLimiterContractOptions, clock: Clock): Promise<ContractReport> {
  const backend: BucketBackend = new Map();
  const Limiter = flaw === "consume/sync-is-the-same" ? ForkedRateLimiter : PlainRateLimiter;
  return verifyRateLimiterContract((policy) => new Limiter(policy, { clock, flaw, backend }), {
    bounded: (policy, maxKeys) => new Limiter(policy, { clock, flaw, maxKeys }),
    shared: true,
    ...options,
  });
}

describe("verifyRateLimiterContract", () => {
  it("passes a correct limiter, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(rateLimiterContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 40 }, systemClock);
    expect(real.violations).toEqual([]);
  });

  it("catches a broken limiter for every rule, by that rule", async () => {
    const complaints = await uncaught(rateLimiterContractRules, ["consume/bad-cost#throws"], (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule], seed: 7 }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
