import { describe, expect, it } from "vitest";
import { DenyCache } from "./deny-cache.ts";

describe("deny cache", () => {
  it("covers costs as high until the refusal ends, at most holdMs after the question", () => {
    const cache = new DenyCache(250);
    cache.add("a", 5, 1000, 100, 1010);
    expect(cache.find("a", 5, 1099)).toMatchObject({ retryAt: 1100 });
    expect(cache.find("a", 6, 1099)).toBeDefined();
    expect(cache.find("a", 4, 1099)).toBeUndefined();
    expect(cache.find("a", 5, 1100)).toBeUndefined();
    cache.add("a", 5, 1000, 10_000, 1010);
    expect(cache.find("a", 5, 1249)).toMatchObject({ retryAt: 11_000 });
    expect(cache.find("a", 5, 1250)).toBeUndefined();
    cache.add("a", 5, 1000, null, 1010);
    expect(cache.find("a", 5, 1249)).toMatchObject({ retryAt: undefined });
    expect(cache.size).toBe(1);
  });

  it("does not keep what has ended on arrival", () => {
    const cache = new DenyCache(250);
    cache.add("a", 1, 1000, 5, 1005);
    expect(cache.size).toBe(0);
  });

  it("is bounded under a flood of keys, and drops what has ended as it goes", () => {
    const cache = new DenyCache(250);
    for (let i = 0; i < 100_000; i++) cache.add(`k${i}`, 1, 1000, null, 1000);
    expect(cache.size).toBeLessThanOrEqual(16_384);
    expect(cache.find("k99999", 1, 1000)).toBeDefined();
    for (let i = 0; i < 20_000; i++) cache.add(`n${i}`, 1, 2000, null, 2000);
    expect(cache.find("k99999", 1, 2000)).toBeUndefined();
    expect(cache.size).toBeLessThanOrEqual(16_384);
    cache.clear();
    expect(cache.size).toBe(0);
  });
});
