import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import { unitHash } from "./hash.ts";
import { createPool, type PoolTarget } from "./pool.ts";
import { TargetHealth, type TargetChange } from "./target-health.ts";
import { checkTarget } from "./target.ts";
import type { Balance } from "./types.ts";

const SETTINGS = { consecutiveFailures: 2, baseMs: 1000, maxMs: 3000, maxPercent: 50 };

function fleet(weights: readonly number[], balance: Balance = "round-robin", maxPercent = 50) {
  const clock = manualClock();
  const targets = weights.map((weight, i): PoolTarget => {
    const url = `http://t${i}`;
    return { url, to: checkTarget("t", url), weight, checked: true, pending: 0, credit: 0, health: new TargetHealth(clock, { ...SETTINGS, maxPercent }, () => {}) };
  });
  const pool = createPool(targets, balance, maxPercent);
  const at = (i: number): PoolTarget => targets[i] as PoolTarget;
  return { clock, pool, at, pick: (key = "") => pool.pick(undefined, key)?.url.slice(8) };
}

const eject = ({ health }: PoolTarget): void => { health.failed(); health.failed(); };

describe("smooth weighted round robin", () => {
  test("over any run as long as the sum of weights each is picked by its weight", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 6 }).filter((weights) => weights.some((w) => w > 0)), (weights) => {
      const sum = weights.reduce((a, b) => a + b, 0);
      const { pick } = fleet(weights);
      const picks = Array.from({ length: sum * 3 }, () => Number(pick()));
      for (let from = 0; from + sum <= picks.length; from++) {
        const counts = weights.map((_, i) => picks.slice(from, from + sum).filter((p) => p === i).length);
        expect(counts).toEqual(weights);
      }
    }));
  });

  test("is interleaved, not in bursts", () => {
    const { pick } = fleet([5, 1, 1]);
    expect(Array.from({ length: 7 }, () => pick()).join("")).toBe("0010200");
  });
});

test("least-pending takes the target with fewest requests per weight", () => {
  const { pick, at } = fleet([1, 2], "least-pending");
  at(0).pending = 2;
  at(1).pending = 3;
  expect(pick()).toBe("1");
  at(1).pending = 5;
  expect(pick()).toBe("0");
});

describe("consistent hashing", () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `user-${i}`);

  test("moves only the keys of a lost target, by weight", () => {
    const whole = fleet([1, 1, 2], "consistent-hash");
    const less = fleet([1, 0, 2], "consistent-hash");
    const moved = keys.filter((key) => whole.pick(key) !== less.pick(key));
    expect(moved.every((key) => whole.pick(key) === "1")).toBe(true);
    const share = (i: string): number => keys.filter((key) => whole.pick(key) === i).length / keys.length;
    expect(share("2")).toBeCloseTo(0.5, 1);
    expect(share("0")).toBeCloseTo(0.25, 1);
    expect(whole.pick("a")).toBe(whole.pick("a"));
  });

  test("the hash is even, and depends on every character", () => {
    const mean = keys.reduce((sum, key) => sum + unitHash(key), 0) / keys.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(new Set(keys.map(unitHash)).size).toBe(keys.length);
    for (const key of ["", "a", "x".repeat(5000), "\u0000"]) expect(unitHash(key)).toBeLessThan(1);
  });
});

describe("ejection", () => {
  test("a failing target is left out, longer each time, and forgiven after good service", () => {
    const seen: TargetChange[] = [];
    const clock = manualClock();
    const health = new TargetHealth(clock, SETTINGS, (change) => seen.push(change));
    const twice = (): void => { health.failed(); health.failed(); };
    health.failed();
    health.succeeded();
    health.failed();
    expect(health.ejected).toBe(false);
    health.failed();
    expect([health.ejected, health.returnsInMs]).toEqual([true, 1000]);
    clock.advance(1000);
    expect(health.ejected).toBe(false);
    twice();
    expect(health.returnsInMs).toBe(2000);
    clock.advance(2000);
    twice();
    expect(health.returnsInMs).toBe(3000);
    clock.advance(3000);
    expect(health.ejected).toBe(false);
    health.succeeded();
    clock.advance(3000);
    health.succeeded();
    twice();
    expect(health.returnsInMs).toBe(1000);
    expect(seen.filter((change) => change === "ejected")).toHaveLength(4);
  });

  test("beyond the maximum share all get traffic again", () => {
    const { pick, at } = fleet([1, 1, 1, 1]);
    eject(at(0));
    eject(at(1));
    expect(new Set(Array.from({ length: 8 }, () => pick()))).toEqual(new Set(["2", "3"]));
    eject(at(2));
    expect(new Set(Array.from({ length: 8 }, () => pick())).size).toBe(4);
  });

  test("checks take out and bring back after as many verdicts in a row; nobody left is nobody", () => {
    const { pick, at } = fleet([1, 0]);
    const needed = { healthy: 2, unhealthy: 3 };
    const check = (good: boolean): void => at(0).health.checked(good, needed);
    for (const good of [false, false, true, false, false]) check(good);
    expect(pick()).toBe("0");
    check(false);
    expect(pick()).toBe(undefined);
    check(true);
    expect(pick()).toBe(undefined);
    check(true);
    expect(pick()).toBe("0");
  });

  test("a target that failed this request is avoided while there is another", () => {
    const { pool } = fleet([1, 1]);
    for (let i = 0; i < 4; i++) expect(pool.pick(new Set(["http://t0"]), "")?.url).toBe("http://t1");
    expect(pool.pick(new Set(["http://t0", "http://t1"]), "")).toBeDefined();
  });
});
