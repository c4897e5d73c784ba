import { describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../core/clock.ts";
import { PlainCacheStore, cacheBackend } from "./broken/cache-store.ts";
import { uncaught } from "./broken/every-rule.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { cacheStoreContractRules, verifyCacheStoreContract, type CacheStoreContractOptions } from "./verify-cache-store.ts";

function verifyPlain(flaw: string | undefined, options: CacheStoreContractOptions, clock: Clock): Promise<ContractReport> {
  const backend = cacheBackend();
  return verifyCacheStoreContract(() => new PlainCacheStore({ clock, flaw, backend }), {
    bounded: (maxEntries) => new PlainCacheStore({ clock, flaw, maxEntries }),
    exclusive: true,
    ...options,
  });
}

describe("verifyCacheStoreContract", () => {
  it("passes a correct store, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(cacheStoreContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 40 }, systemClock);
    expect(real.violations).toEqual([]);
  });

  it("catches a broken store for every rule, by that rule", async () => {
    const complaints = await uncaught(cacheStoreContractRules, ["purge/all#fills", "responses/keys#url"], (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule], seed: 7 }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
