import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimingWheel, type WheelLinks } from "./timing-wheel.ts";

function links(): WheelLinks {
  const [next, prev] = [new Map<number, number>(), new Map<number, number>()];
  return {
    next: (id) => next.get(id) ?? 0,
    prev: (id) => prev.get(id) ?? 0,
    link: (id, before, after) => void (prev.set(id, before), next.set(id, after)),
    setNext: (id, after) => void next.set(id, after),
    setPrev: (id, before) => void prev.set(id, before),
  };
}

describe("timing wheel", () => {
  it("gives exactly what is due, on random histories", () => {
    const span = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 0, max: 2 ** 40 }), fc.double({ min: 0, max: 5000, noNaN: true }));
    const event = fc.oneof(
      fc.record({ type: fc.constant("insert" as const), span }),
      fc.record({ type: fc.constant("remove" as const), nth: fc.nat(20) }),
      fc.record({ type: fc.constant("pass" as const), span }),
    );
    fc.assert(
      fc.property(fc.constantFrom(0, 63, 1_700_000_000_000), fc.array(event, { maxLength: 80, size: "max" }), (start, events) => {
        let now = start;
        const wheel = new TimingWheel(links(), now);
        const model = new Map<number, number>();
        let id = 0;
        for (const e of events) {
          if (e.type === "insert") {
            wheel.insert(++id, now + e.span);
            model.set(id, now + e.span);
          } else if (e.type === "remove") {
            const victim = [...model.keys()][e.nth];
            if (victim === undefined) continue;
            wheel.remove(victim);
            model.delete(victim);
          } else now += e.span;
          const taken: number[] = [];
          for (let got = wheel.take(now); got !== 0; got = wheel.take(now)) {
            // A bucket of a high level comes up early: what is not due is put back.
            if ((model.get(got) as number) <= now) taken.push(got);
            else wheel.insert(got, model.get(got) as number);
          }
          // Deadlines are whole milliseconds upwards, and a new one is never due before the next.
          for (const [key, deadline] of model) if (Math.ceil(deadline) <= now - 1) expect(taken).toContain(key);
          for (const key of taken) model.delete(key);
          expect(wheel.due).toBeGreaterThan(now - 1);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("takes deadlines beyond its horizon", () => {
    const wheel = new TimingWheel(links(), 0);
    wheel.insert(1, Number.MAX_SAFE_INTEGER);
    wheel.insert(2, 5);
    expect(wheel.take(5)).toBe(2);
    expect(wheel.take(2 ** 48)).toBe(1);
    expect(wheel.take(2 ** 48)).toBe(0);
  });
});
