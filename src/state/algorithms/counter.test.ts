import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START } from "../../../test/models/limit-subject.ts";
import { type CounterCommand, type CounterReply, counter, counterValue } from "./counter.ts";

class Count {
  state: readonly number[] | undefined;

  run(command: CounterCommand, now: number): CounterReply {
    const step = counter.step(this.state, command, now);
    this.state = step.state;
    return step.reply;
  }
}

describe("counter", () => {
  it("has the lifetime of the call that created it, and no other", () => {
    const count = new Count();
    expect(count.run({ by: 1, ttlMs: 100 }, START)).toEqual({ value: 1, exists: true, overflow: false, expiresAt: START + 100 });
    expect(count.run({ by: 2, ttlMs: 9000 }, START + 50)).toMatchObject({ value: 3, expiresAt: START + 100 });
    expect(count.run({ by: 1 }, START + 99.5)).toMatchObject({ value: 4, expiresAt: START + 100 });
    expect(count.run({ by: 0 }, START + 100)).toEqual({ value: 0, exists: false, overflow: false, expiresAt: undefined });
    expect(count.run({ by: 1 }, START + 100)).toMatchObject({ value: 1, expiresAt: undefined });
    expect(count.run({ by: 1, ttlMs: 5 }, START + 1e9)).toMatchObject({ value: 2, expiresAt: undefined });
  });

  it("counts as a plain number with a deadline does", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: -5, max: 5 }), fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }), fc.integer({ min: 0, max: 30 })), { maxLength: 80 }), (history) => {
      const count = new Count();
      let model: { value: number; end: number } | undefined;
      let now = START;
      for (const [gap, by, ttlMs, reset] of history) {
        now += gap;
        if (model !== undefined && now >= model.end) model = undefined;
        if (reset === 0) {
          model = undefined;
          count.run({ reset: true }, now);
          continue;
        }
        if (model !== undefined) model.value += by;
        else if (by !== 0) model = { value: by, end: ttlMs === undefined ? Infinity : now + ttlMs };
        expect(count.run({ by, ttlMs }, now)).toMatchObject({ value: model?.value ?? 0, exists: model !== undefined });
      }
    }));
  });

  it("exists at 0, which is not the same as absent", () => {
    const count = new Count();
    count.run({ by: 5, ttlMs: 100 }, START);
    expect(count.run({ by: -5, ttlMs: 1 }, START)).toMatchObject({ value: 0, exists: true, expiresAt: START + 100 });
    expect(count.run({ reset: true }, START)).toMatchObject({ value: 0, exists: false });
    expect(count.state).toBeUndefined();
  });

  it("stays as it is rather than leave the safe integers", () => {
    for (const sign of [1, -1]) {
      const count = new Count();
      count.run({ by: sign * (Number.MAX_SAFE_INTEGER - 1) }, START);
      expect(count.run({ by: sign }, START).value).toBe(sign * Number.MAX_SAFE_INTEGER);
      const { state } = count;
      const reply = count.run({ by: sign }, START);
      expect(reply).toMatchObject({ value: sign * Number.MAX_SAFE_INTEGER, overflow: true });
      expect(count.state).toBe(state);
      expect(() => counterValue(reply)).toThrow(expect.objectContaining({ code: "STORE_OVERFLOW", outcome: "not-applied" }));
      expect(counterValue(count.run({ by: -sign }, START))).toBe(sign * (Number.MAX_SAFE_INTEGER - 1));
      expect(counter.decode(counter.encode(state!))).toEqual(state);
    }
  });

  it("outlives no step of the clock by more than its lifetime", () => {
    const count = new Count();
    count.run({ by: 1, ttlMs: 1000 }, START);
    expect(count.run({ by: 1 }, START - 86_400_000)).toMatchObject({ value: 2, expiresAt: START - 86_400_000 + 1000 });
    expect(count.run({ by: 1, ttlMs: 10 }, START - 86_400_000 + 1000)).toMatchObject({ value: 1 });
  });
});
