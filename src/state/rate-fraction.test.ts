import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rateFraction, spacingFraction } from "./rate-fraction.ts";

const MOST = 2 ** 51;

describe("rateFraction", () => {
  it.each([
    [10, 1, 100], [0.5, 1, 2000], [2.5, 1, 400], [1e6, 1000, 1], [123_456.789, 123_456_789, 1_000_000], [1 / 3, 1, 3000], [1 / 7, 1, 7000],
    [1 / 60, 1, 60_000], [1 / 31_536_000, 1, 31_536_000_000], [2 / 3, 1, 1500], [1e-9, 1, 1e12], [0.1 + 0.2, 1, 3333],
  ])("takes %f tokens per second apart", (rate, p, q) => {
    const fraction = rateFraction(rate, 1000, MOST, MOST);
    if (rate === 0.1 + 0.2) expect(fraction!.p / fraction!.q).toBeCloseTo(rate / 1000, 18);
    else expect(fraction).toEqual({ p, q });
  });

  it("is within the domain, in lowest terms, and less than one part in 10^9 too low, never too high beyond the double", () => {
    fc.assert(fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), fc.constantFrom(1, 10, 1000, 1e5), (rate, capacity) => {
      const fraction = rateFraction(rate, 1000, MOST, MOST / capacity);
      if (fraction === undefined) {
        // Only where the scale has no room: a slow rate with a large capacity.
        expect(capacity / rate).toBeGreaterThan(1);
        return;
      }
      const { p, q } = fraction;
      expect(p).toBeLessThanOrEqual(MOST);
      expect(q * capacity).toBeLessThanOrEqual(MOST);
      expect(Number.isSafeInteger(p) && Number.isSafeInteger(q)).toBe(true);
      const error = (rate - (p / q) * 1000) / rate;
      expect(error).toBeGreaterThan(-1e-15);
      expect(error).toBeLessThanOrEqual(1.000001e-9);
    }), { numRuns: 2000 });
  });

  it("finds the best fraction from below, as trying all of them does", () => {
    let walked = 0;
    fc.assert(fc.property(fc.double({ min: 1e4, max: 1e7, noNaN: true }), fc.integer({ min: 300, max: 1000 }), (rate, maxQ) => {
      const { p, q } = rateFraction(rate, 1, MOST, maxQ) ?? { p: 0, q: 1 };
      if (p / q === rate) return;
      let best = 0;
      for (let d = 1; d <= maxQ; d++) best = Math.max(best, Math.floor(rate * d) / d);
      if (p === 0) expect((rate - best) / rate).toBeGreaterThan(0.99e-9);
      else {
        walked += 1;
        expect(p / q).toBe(best);
      }
    }), { numRuns: 2000 });
    expect(walked).toBeGreaterThan(100);
  });

  it("says so when nothing fits", () => {
    expect(rateFraction(1e-300, 1000, MOST, MOST)).toBeUndefined();
    expect(rateFraction(1e300, 1000, MOST, MOST)).toBeUndefined();
    expect(rateFraction(Math.PI, 1000, MOST, 1000)).toBeUndefined();
  });

  it("turns spacings over", () => {
    expect(spacingFraction(0.25, MOST, MOST)).toEqual({ p: 4, q: 1 });
    expect(spacingFraction(1000 / 3, MOST, MOST)).toEqual({ p: 3, q: 1000 });
    expect(spacingFraction(7, MOST, MOST)).toEqual({ p: 1, q: 7 });
  });
});
