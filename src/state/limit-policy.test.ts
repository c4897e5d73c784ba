import { describe, expect, it } from "vitest";
import type { LimitPolicy } from "./contracts/limits.ts";
import { MAX_UNITS, checkCost, compileLimit, compileLimits, slidingLogLimit, slidingWindowLimit, tokenBucketLimit, tokenRateLimit } from "./limit-policy.ts";

const HOUR = 3_600_000;

describe("compileLimit", () => {
  it("takes a log for a small constant limit and the ring for all others", () => {
    const name = (policy: Omit<Extract<LimitPolicy, { algorithm: "sliding-window" }>, "algorithm">): string => compileLimit({ algorithm: "sliding-window", ...policy }).algorithm.name;
    expect(name({ max: 32, windowMs: 1000 })).toBe("sliding-log");
    expect(name({ max: 33, windowMs: 1000 })).toBe("sliding-window");
    expect(name({ max: 5, windowMs: 1000, dynamic: true })).toBe("sliding-window");
    expect(name({ max: 5, windowMs: 1000, buckets: 100 })).toBe("sliding-window");
  });

  it("compiles once per object, and again when the object was changed", () => {
    const policy = { algorithm: "fixed-window" as const, max: 5, windowMs: 1000 };
    const compiled = compileLimit(policy);
    expect(compileLimit(policy)).toBe(compiled);
    policy.max = 6;
    expect(compileLimit(policy).limit).toBe(6);
    policy.windowMs = 2000;
    expect(compileLimit(policy).policy).toEqual({ max: 6, windowMs: 2000 });
    expect(Object.isFrozen(compiled) && Object.isFrozen(compiled.policy)).toBe(true);
    const list: LimitPolicy[] = [policy, { algorithm: "token-bucket", capacity: 5, max: 5, windowMs: 1000 }];
    const several = compileLimits(list);
    expect(compileLimits(list)).toBe(several);
    policy.max = 7;
    expect(compileLimits(list).members[0]!.limit).toBe(7);
    list.pop();
    expect(compileLimits(list).policies).toHaveLength(1);
  });

  it("starts a new record for what shapes the state, and keeps it for what does not", () => {
    const suffix = (policy: LimitPolicy): string => compileLimit(policy).keySuffix;
    for (const algorithm of ["fixed-window", "sliding-window"] as const) {
      expect(suffix({ algorithm, max: 100, windowMs: 1000 })).toBe(suffix({ algorithm, max: 200, windowMs: 1000 }));
      expect(suffix({ algorithm, max: 100, windowMs: 1000 })).not.toBe(suffix({ algorithm, max: 100, windowMs: 2000 }));
    }
    const bucket = { algorithm: "token-bucket", capacity: 10, max: 5, windowMs: 1000 } as const;
    expect(suffix(bucket)).toBe(suffix({ ...bucket, capacity: 20, max: 7 }));
    expect(suffix(bucket)).not.toBe(suffix({ ...bucket, windowMs: 1001 }));
    expect(suffix({ algorithm: "sliding-window", max: 99, windowMs: HOUR })).not.toBe(suffix({ algorithm: "sliding-window", max: 99, windowMs: HOUR, buckets: 32 }));
    const all = ["fixed-window", "sliding-window", "token-bucket"].map((algorithm) => suffix({ algorithm, max: 99, capacity: 5, windowMs: 1000 } as LimitPolicy));
    expect(new Set([...all, slidingLogLimit({ max: 9, windowMs: 1000 }).keySuffix]).size).toBe(4);
    expect([...all, compileLimits([bucket, bucket]).keySuffix].join("")).not.toMatch(/[:%{}]/);
  });

  it("rounds a window up to whole milliseconds", () => {
    expect(compileLimit({ algorithm: "fixed-window", max: 1, windowMs: 10.2 }).policy).toMatchObject({ windowMs: 11 });
    expect(slidingWindowLimit({ max: 1, windowMs: 1000 }).policy).toEqual({ max: 1, windowMs: 1000, bucketMs: 16, span: 63 });
  });

  const sound = { algorithm: "token-bucket", capacity: 10, max: 5, windowMs: 1000 } as const;
  it.each<[string, object]>([
    ["algorithm", { ...sound, algorithm: "leaky" }],
    ...[Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, "5", undefined, 2 ** 53].map((max): [string, object] => ["max", { ...sound, algorithm: "fixed-window", max }]),
    ...[Number.NaN, 0, 0.5, -1, Number.POSITIVE_INFINITY, 401 * 86_400_000].map((windowMs): [string, object] => ["windowMs", { ...sound, algorithm: "sliding-window", windowMs }]),
    ...[15, 241, 64.5].map((buckets): [string, object] => ["buckets", { ...sound, algorithm: "sliding-window", buckets }]),
    ...[Number.NaN, 0, 0.9, -1, Number.POSITIVE_INFINITY, "5"].map((capacity): [string, object] => ["capacity", { ...sound, capacity }]),
    ["capacity", { ...sound, capacity: 1e12, windowMs: 86_400_000 }],
    ["max", { ...sound, max: 2 ** 52 }],
    ["maxDebt", { ...sound, maxDebt: -1 }],
    ["policy", null as never], ["policy", 7 as never],
  ])("refuses a bad %s and names it: %j", (option, policy) => {
    expect(() => compileLimit(policy as LimitPolicy)).toThrow(expect.objectContaining({ name: "OptionError", option }));
  });

  it("says how large a capacity may be", () => {
    expect(() => tokenBucketLimit({ capacity: 1e12, max: 1, windowMs: 86_400_000 })).toThrow(`capacity must be at most ${Math.floor(MAX_UNITS / 86_400_000)} at 1 tokens per 86400000 ms, got 1000000000000`);
  });

  it("refuses an empty list of limits", () => {
    expect(() => compileLimits([])).toThrow("policies must be");
  });
});

describe("tokenRateLimit", () => {
  it("has the rate as a fraction and the capacity in its units", () => {
    expect(tokenRateLimit({ capacity: 20, tokensPerSecond: 2.5 })).toMatchObject({ limit: 20, policy: { p: 1, q: 400, capacityUnits: 8000, debtUnits: 8000 }, horizonMs: 8000 });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 1e-300])("refuses %f tokens per second", (tokensPerSecond) => {
    expect(() => tokenRateLimit({ capacity: 1, tokensPerSecond })).toThrow(expect.objectContaining({ name: "OptionError", option: "tokensPerSecond" }));
  });
});

describe("checkCost", () => {
  const window = compileLimit({ algorithm: "fixed-window", max: 5, windowMs: 1000 });
  const bucket = compileLimit({ algorithm: "token-bucket", capacity: 5, max: 5, windowMs: 1000 });

  it("takes whole costs on windows and fractions on buckets", () => {
    for (const cost of [0, 1, 2 ** 31 - 1]) expect(checkCost(window, cost)).toBe(cost);
    for (const cost of [0, 0.25, 1e9]) expect(checkCost(bucket, cost)).toBe(cost);
    for (const cost of [-1, 0.5, 2 ** 31, Number.NaN, "1", undefined]) expect(() => checkCost(window, cost)).toThrow("cost must be an integer from 0 to 2147483647");
    for (const cost of [-0.1, Number.NaN, Number.POSITIVE_INFINITY, "1"]) expect(() => checkCost(bucket, cost, "tokens")).toThrow("tokens must be a finite number of at least 0");
  });
});
