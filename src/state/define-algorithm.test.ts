import { describe, expect, it } from "vitest";
import { defineAlgorithm, defineRowAlgorithm } from "./define-algorithm.ts";
import type { RowMachine } from "./contracts/driver.ts";

const sound = {
  name: "highest", version: 1, maxStateBytes: 8,
  step: (state: number | undefined, value: number) => (state !== undefined && state >= value ? { state, reply: state, expiresAt: undefined } : { state: value, reply: value, expiresAt: undefined }),
  encode: () => new Uint8Array(8),
  decode: () => 0,
};

const row: RowMachine<{ add: number }, { sum: number }> = {
  width: 2,
  apply(cells, at, { add }, now, reply) {
    if (add !== 0) {
      cells[at]! += add;
      cells[at + 1] = cells[at] === 0 ? 0 : now;
    }
    reply.sum = cells[at]!;
    return add !== 0;
  },
  expiresAt: (cells, at) => cells[at + 1]! + 10,
  limiting: () => true,
  reply: () => ({ sum: 0 }),
};

describe("defineAlgorithm", () => {
  it("freezes what it was given", () => {
    const algorithm = defineAlgorithm(sound);
    expect(Object.isFrozen(algorithm)).toBe(true);
    expect(algorithm).toEqual(sound);
  });

  it.each<[string, object]>([
    ...["", "Highest", "a b", "-a", "a-", "a--b", "1a", "a".repeat(65), 7].map((name): [string, object] => ["name", { name }]),
    ...[-1, 256, 1.5, "1"].map((version): [string, object] => ["version", { version }]),
    ...[0, -1, Number.POSITIVE_INFINITY].map((maxStateBytes): [string, object] => ["maxStateBytes", { maxStateBytes }]),
    ["step", { step: undefined }], ["encode", { encode: 1 }], ["decode", { decode: null }],
  ])("refuses a bad %s: %j", (option, change) => {
    expect(() => defineAlgorithm({ ...sound, ...change } as typeof sound)).toThrow(expect.objectContaining({ name: "OptionError", option }));
  });
});

describe("defineRowAlgorithm", () => {
  const adder = defineRowAlgorithm({ name: "adder", version: 1, row });

  it("derives a pure step from the machine", () => {
    const first = adder.step(undefined, { add: 3 }, 100);
    expect(first).toEqual({ state: [3, 100], reply: { sum: 3 }, expiresAt: 110 });
    const frozen = Object.freeze(first.state!);
    expect(adder.step(frozen, { add: 4 }, 200)).toEqual({ state: [7, 200], reply: { sum: 7 }, expiresAt: 210 });
    const read = adder.step(frozen, { add: 0 }, 300);
    expect(read.state).toBe(frozen);
    expect(read.expiresAt).toBe(110);
    expect(adder.step(undefined, { add: 0 }, 1)).toEqual({ state: undefined, reply: { sum: 0 }, expiresAt: undefined });
  });

  it("takes a row of zeros for no state", () => {
    expect(adder.step([3, 100], { add: -3 }, 200)).toEqual({ state: undefined, reply: { sum: 0 }, expiresAt: undefined });
  });

  it("refuses to store what is no safe integer", () => {
    expect(() => adder.encode([0.5, 1])).toThrow(expect.objectContaining({ code: "STORE_UNSERIALIZABLE" }));
    expect(adder.decode(adder.encode([-5, 2 ** 53 - 1]))).toEqual([-5, 2 ** 53 - 1]);
  });

  it.each<[string, object]>([["row.width", { width: 0 }], ["row.width", { width: 5 }], ["row.apply", { apply: 1 }], ["row.reply", { reply: undefined }], ["row.limiting", { limiting: 0 }], ["row.expiresAt", { expiresAt: 0 }]])(
    "refuses a bad %s", (option, change) => {
      expect(() => defineRowAlgorithm({ name: "adder", version: 1, row: { ...row, ...change } as typeof row })).toThrow(expect.objectContaining({ option }));
    },
  );
});
