import { describe, expect, it } from "vitest";
import { PlainStore, type StoreBackend } from "./broken/store.ts";
import { uncaught } from "./broken/every-rule.ts";
import { manualClock } from "./manual-clock.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import type { ContractReport } from "./report.ts";
import { storeContractRules, verifyStoreContract, type StoreContractOptions } from "./verify-store.ts";

function verifyPlain(flaw: string | undefined, options: StoreContractOptions, clock: Clock): Promise<ContractReport> {
  const backend: StoreBackend = new Map();
  return verifyStoreContract(() => new PlainStore({ clock, flaw, backend }), {
    foreign: (key, text) => void backend.set(key, { text, end: Number.POSITIVE_INFINITY }),
    prefixed: (prefix) => new PlainStore({ clock, flaw, backend, prefix }),
    bounded: (maxEntries) => new PlainStore({ clock, flaw, maxEntries }),
    ...options,
  });
}

describe("verifyStoreContract", () => {
  it("passes a correct store, on a driven clock and on the machine's", async () => {
    const clock = manualClock();
    const driven = await verifyPlain(undefined, { clock }, clock);
    expect(driven.violations).toEqual([]);
    expect(driven.skipped).toEqual([]);
    expect(driven.passed).toEqual(storeContractRules);
    const real = await verifyPlain(undefined, { ttlMs: 20 }, systemClock);
    expect(real.violations).toEqual([]);
    expect(real.skipped.map(({ reason }) => reason)).toSatisfy((reasons: string[]) => reasons.every((reason) => reason.includes("driven by hand")));
  });

  it("catches a broken store for every rule, by that rule", async () => {
    const more = ["normalised", "trimmed", "caseless", "joined"].map((variant) => `keys/any-text#${variant}`);
    for (const verb of ["set", "incr", "compare-and-set", "lease"]) more.push(`time/${verb}-refuses-a-bad-ttl#zero`, `time/${verb}-refuses-a-bad-ttl#null`);
    more.push("time/lease-refuses-a-bad-ttl#undefined");
    const complaints = await uncaught(storeContractRules, more, (flaw, rule) => {
      const clock = manualClock();
      return verifyPlain(flaw, { clock, only: [rule] }, clock);
    });
    expect(complaints).toEqual([]);
  });
});
