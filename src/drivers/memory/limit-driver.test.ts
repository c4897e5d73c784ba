import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LimitPolicy } from "../../state/contracts/limits.ts";
import { DriverLimits } from "../../state/stores/driver-limits.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { verifyRateLimitStoreContract } from "../../testing/verify-rate-limit-store.ts";
import { InMemoryRateLimitStore } from "./in-memory-rate-limit-store.ts";
import { PlainLimitDriver } from "./limit-driver.ts";

const POLICIES: readonly LimitPolicy[] = [
  { algorithm: "fixed-window", max: 3, windowMs: 500 },
  { algorithm: "sliding-window", max: 4, windowMs: 700 },
  { algorithm: "sliding-window", max: 40, windowMs: 900 },
  { algorithm: "token-bucket", max: 2, windowMs: 400, capacity: 5 },
];

describe("limits in a map", () => {
  it("keeps the published contract", async () => {
    const clock = manualClock();
    const make = (maxKeys: number): DriverLimits => new DriverLimits(new PlainLimitDriver(maxKeys, clock));
    const report = await verifyRateLimitStoreContract(() => make(1000), { clock, bounded: make });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("shares nothing"))).toEqual([]);
  });

  it("decides as the memory store does, on random histories of full stores, too", () => {
    const call = fc.record({ key: fc.integer({ min: 0, max: 6 }).map(String), policy: fc.integer({ min: 0, max: 4 }), cost: fc.integer({ min: 0, max: 3 }), passMs: fc.integer({ min: 0, max: 300 }) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120, size: "max" }), fc.constantFrom(3, 100), (calls, maxKeys) => {
        const clock = manualClock();
        const full = new InMemoryRateLimitStore({ clock, maxKeys });
        const plain = new DriverLimits(new PlainLimitDriver(maxKeys, clock));
        for (const { key, policy, cost, passMs } of calls) {
          clock.advance(passMs);
          const limit = POLICIES[policy];
          if (limit === undefined) expect(plain.checkAll(key, POLICIES.slice(0, 2), cost)).toEqual(full.checkAll(key, POLICIES.slice(0, 2), cost));
          else expect(plain.check(key, limit, cost)).toEqual(full.check(key, limit, cost));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives reservations back as the memory store does", () => {
    const clock = manualClock();
    const [full, plain] = [new InMemoryRateLimitStore({ clock }), new DriverLimits(new PlainLimitDriver(10, clock))];
    for (const policy of POLICIES) {
      const [a, b] = [full, plain].map((store) => store.reserve("k", policy, 2) as { ticket?: never });
      expect(b).toEqual(a);
      expect(plain.settle("k", policy, b?.ticket, 1)).toEqual(full.settle("k", policy, a?.ticket, 1));
    }
  });

  it("lets the expired go without being asked for them", () => {
    const clock = manualClock();
    const driver = new PlainLimitDriver(1000, clock);
    const store = new DriverLimits(driver);
    for (let i = 0; i < 500; i++) store.check(`k${i}`, POLICIES[0] as LimitPolicy, 1);
    clock.advance(501);
    for (let i = 0; i < 260; i++) store.check("k", POLICIES[0] as LimitPolicy, 1);
    expect(driver.held).toBe(1);
  });

  it("refuses everything once it is destroyed", () => {
    const store = new DriverLimits(new PlainLimitDriver(10, manualClock()));
    store.destroy();
    expect(() => store.check("k", POLICIES[0] as LimitPolicy, 1)).toThrow(/destroyed/);
  });
});
