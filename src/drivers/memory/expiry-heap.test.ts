import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpiryHeap } from "./expiry-heap.ts";

describe("ExpiryHeap", () => {
  it("gives what has expired in order of its deadline, and nothing that was dropped", () => {
    const item = fc.record({ expiresAt: fc.integer({ min: 0, max: 50 }), drop: fc.boolean() });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 300 }), fc.integer({ min: -1, max: 51 }), (list, now) => {
        const heap = new ExpiryHeap<{ expiresAt: number; dropped: boolean }>();
        const items = list.map(({ expiresAt }) => ({ expiresAt, dropped: false }));
        for (const one of items) heap.push(one);
        items.forEach((one, i) => {
          if (list[i]?.drop !== true) return;
          one.dropped = true;
          heap.forget();
        });
        const taken: number[] = [];
        for (let one = heap.takeExpired(now); one !== undefined; one = heap.takeExpired(now)) taken.push(one.expiresAt);
        expect(taken).toEqual(items.filter((one) => !one.dropped && one.expiresAt <= now).map((one) => one.expiresAt).sort((a, b) => a - b));
      }),
    );
  });

  it("does not keep what was dropped", () => {
    const heap = new ExpiryHeap<{ expiresAt: number; dropped: boolean }>();
    for (let i = 0; i < 10_000; i++) {
      const item = { expiresAt: 1e9, dropped: true };
      heap.push(item);
      heap.forget();
    }
    expect(heap.size).toBeLessThan(200);
    heap.clear();
    expect(heap.size).toBe(0);
  });
});
