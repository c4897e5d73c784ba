import { describe, expect, it } from "vitest";
import { PlainPubSub, pubSubBackend } from "./broken/pubsub.ts";
import { uncaught } from "./broken/every-rule.ts";
import { manualClock } from "./manual-clock.ts";
import type { ContractReport } from "./report.ts";
import { pubSubContractRules, verifyPubSubContract, type PubSubContractOptions } from "./verify-pubsub.ts";

function verifyPlain(flaw: string | undefined, options: PubSubContractOptions): Promise<ContractReport> {
  const backend = pubSubBackend();
  return verifyPubSubContract(() => new PlainPubSub(backend, flaw), { idle: (pubsub) => (pubsub as PlainPubSub).idle, ...options });
}

describe("verifyPubSubContract", () => {
  it("passes correct pub/sub, on a driven clock and on the machine's", async () => {
    const driven = await verifyPlain(undefined, { clock: manualClock() });
    expect(driven.violations).toEqual([]);
    expect(driven.passed).toEqual(pubSubContractRules);
    const real = await verifyPlain(undefined, {});
    expect(real.violations).toEqual([]);
  });

  it("finds out by itself whether two objects hear each other", async () => {
    const only = ["lifecycle/close-leaves-the-others"];
    expect((await verifyPlain(undefined, { only, clock: manualClock() })).passed).toEqual(only);
    const alone = await verifyPubSubContract(() => new PlainPubSub(pubSubBackend()), { only, clock: manualClock() });
    expect(alone.skipped).toEqual([{ rule: only[0], reason: "the object shares nothing" }]);
  });

  it("catches broken pub/sub for every rule, by that rule", async () => {
    const more = ["delivery/order#shuffled", "delivery/values#proto", "channels/isolated#long"];
    const complaints = await uncaught(pubSubContractRules, more, (flaw, rule) => verifyPlain(flaw, { clock: manualClock(), only: [rule], seed: 7, shared: true, timeoutMs: 300 }));
    expect(complaints).toEqual([]);
  });
});
