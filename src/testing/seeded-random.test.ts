import { describe, expect, it } from "vitest";
import { seededRandom } from "./seeded-random.ts";

describe("seededRandom", () => {
  it("repeats itself for one seed and differs for another", () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(new Set(draw(0)).size).toBe(20);
  });

  it("is uniform enough: each of 16 cells within 5 sigma of its share", () => {
    const random = seededRandom(1);
    const cells = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 160_000; i++) cells[Math.floor(random.next() * 16)]!++;
    for (const count of cells) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(10_000 * (15 / 16)));
  });

  it("gives well-formed version 4 UUIDs and integers of the closed range", () => {
    const random = seededRandom(3);
    const seen = new Set<number>();
    for (let i = 0; i < 200; i++) {
      expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      seen.add(random.integer(2, 5));
    }
    expect([...seen].sort()).toEqual([2, 3, 4, 5]);
    expect(random.seed).toBe(3);
  });

  it("refuses a seed that is no 32-bit integer", () => {
    expect(() => seededRandom(-1)).toThrow("seed must be");
  });
});
