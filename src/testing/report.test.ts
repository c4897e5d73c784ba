import { describe, expect, it } from "vitest";
import { PlainStore, type StoreBackend } from "./broken/store.ts";
import { systemClock } from "../core/clock.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import { ConformanceError, assertConformance } from "./conformance.ts";
import { manualClock } from "./manual-clock.ts";
import { runContract, violated, type ContractReport } from "./report.ts";
import { storeContractRules, verifyStoreContract } from "./verify-store.ts";

const only = ["values/missing-is-undefined", "counters/count-up"];

describe("a contract suite", () => {
  it("reports a store that never answers, rule by rule, and does not hang", async () => {
    const clock = manualClock();
    class Hung extends PlainStore {
      override incr(): Promise<number> {
        return new Promise(() => undefined);
      }
    }
    const report = await verifyStoreContract(() => new Hung({ clock }), { clock, only, timeoutMs: 20 });
    expect(report.passed).toEqual(["values/missing-is-undefined"]);
    expect(report.violations).toMatchObject([{ rule: "counters/count-up", detail: "no answer within 20 ms" }]);
  });

  it("reports a store that never comes to be, or never closes", async () => {
    const never = await verifyStoreContract(() => new Promise<StitchStore>(() => undefined), { only, timeoutMs: 20 });
    expect(never.violations.map(({ detail }) => detail)).toEqual(["no answer within 20 ms", "no answer within 20 ms"]);
    class Clinging extends PlainStore {
      override close(): Promise<void> {
        return new Promise(() => undefined);
      }
    }
    const backend: StoreBackend = new Map();
    const clinging = await verifyStoreContract(() => new Clinging({ clock: systemClock, backend }), { only: [...only, "lifecycle/close-twice"], timeoutMs: 20 });
    expect(clinging.violations).toMatchObject([{ rule: "lifecycle/close-twice" }]);
  });

  it("never rejects: a maker that throws, a store of nothing, bad options", async () => {
    const thrown = await verifyStoreContract(() => {
      throw new Error("no connection");
    }, { only });
    expect(thrown.violations.map(({ detail }) => detail)).toEqual(["unexpected Error: no connection", "unexpected Error: no connection"]);
    for (const nothing of [undefined, null, {}, 7]) {
      const report = await verifyStoreContract(() => nothing as unknown as StitchStore, { only });
      expect(report.violations.map(({ rule }) => rule)).toEqual(only);
    }
    const bad = await verifyStoreContract(() => new PlainStore({ clock: systemClock }), { ttlMs: -1 });
    expect(bad).toMatchObject({ ok: false, violations: [{ rule: "options", detail: "OptionError CONFIG_INVALID: ttlMs must be a finite number above 0, got -1" }] });
  });

  it("lists what was skipped with the reason, and refuses names it does not know", async () => {
    const clock = manualClock();
    const backend: StoreBackend = new Map();
    const report = await verifyStoreContract(() => new PlainStore({ clock, backend }), { clock, only, skip: { "counters/count-up": "counts by twos" } });
    expect(report).toMatchObject({ ok: true, passed: ["values/missing-is-undefined"], skipped: [{ rule: "counters/count-up", reason: "counts by twos" }] });
    const unknown = await verifyStoreContract(() => new PlainStore({ clock, backend }), { clock, only, skip: { "counters/countup": "typo" } });
    expect(unknown.violations).toMatchObject([{ rule: "counters/countup", detail: "store has no rule of this name" }]);
  });

  it("repeats a random history from its seed", async () => {
    const drawn: number[][] = [];
    const rules = ["first", "second"].map((rule) => ({ rule, run: async (c: { pick(low: number, high: number): number }) => {
      drawn.push(Array.from({ length: 20 }, () => c.pick(0, 1000)));
      violated("always");
    } }));
    const first = await runContract("drawing", rules, {}, (base) => base);
    const again = await runContract("drawing", rules, { seed: first.violations[1]?.seed, only: ["second"] }, (base) => base);
    expect(drawn[2]).toEqual(drawn[1]);
    expect(drawn[1]).not.toEqual(drawn[0]);
    expect(again.violations[0]?.seed).toBe(first.violations[1]?.seed);
  });

  it("gives each rule keys that no other rule and no other run uses", async () => {
    const clock = manualClock();
    const keys = new Set<string>();
    let twice = 0;
    for (let run = 0; run < 2; run++) {
      const backend: StoreBackend = new Map();
      const used = new Set<string>();
      class Watched extends PlainStore {
        override set(key: string, value: unknown, ttlMs?: number): Promise<void> {
          used.add(key);
          return super.set(key, value, ttlMs);
        }
      }
      await verifyStoreContract(() => new Watched({ clock, backend }), { clock });
      for (const key of used) {
        if (typeof key === "string" && key.startsWith("contract-") && keys.has(key)) twice++;
        keys.add(key);
      }
    }
    expect(keys.size).toBeGreaterThan(300);
    expect(twice).toBe(0);
  });

  it("has names that are words joined by - behind a group, each once", () => {
    expect(new Set(storeContractRules).size).toBe(storeContractRules.length);
    for (const rule of storeContractRules) expect(rule).toMatch(/^[a-z-]+\/[a-z0-9-]+$/);
  });
});

describe("assertConformance", () => {
  const clean: ContractReport = { name: "store", ok: true, passed: ["a"], violations: [], skipped: [{ rule: "b", reason: "no b here" }] };

  it("lets a clean report pass", () => {
    expect(() => assertConformance(clean)).not.toThrow();
  });

  it("throws what was violated, with the seed, and what was skipped", () => {
    const report = { ...clean, ok: false, violations: [{ rule: "c", detail: "expected 1, got 2", seed: 7 }] };
    expect(() => assertConformance(report)).toThrow(ConformanceError);
    expect(() => assertConformance(report)).toThrow("store: 1 violated, 1 passed, 1 skipped\n  violated c: expected 1, got 2 (seed 7)\n  skipped b: no b here");
  });

  it("does not take a report in which nothing ran for a pass", () => {
    expect(() => assertConformance({ ...clean, passed: [] })).toThrow("0 passed");
  });
});
