import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeValue, encodeValue } from "./codec.ts";

const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: "small" },
    fc.string(), fc.boolean(), fc.constant(null), fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$bytes", "$$bytes", "$", "constructor")), tie("node"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node;

describe("value codec", () => {
  it("gives back every JSON value and every byte string, at any depth", () => {
    fc.assert(fc.property(tree, (value) => {
      expect(decodeValue(encodeValue(value))).toEqual(value);
    }), { numRuns: 2000 });
  });

  it("keeps __proto__ an ordinary key", () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}, "$x": 1}');
    const copy = decodeValue(encodeValue(value)) as object;
    expect(Object.getOwnPropertyNames(copy)).toContain("__proto__");
    expect((copy as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it.each([
    ["NaN", Number.NaN], ["Infinity", { a: Number.POSITIVE_INFINITY }], ["a bigint", { a: [1n] }], ["a function", { a: () => 1 }],
    ["a symbol", Symbol("s")], ["undefined", undefined],
  ])("refuses %s before anything is written", (_, value) => {
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: "STORE_UNSERIALIZABLE" }));
  });

  it("refuses a cycle and accepts a shared reference", () => {
    const shared = { a: 1 };
    expect(decodeValue(encodeValue([shared, shared]))).toEqual([shared, shared]);
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => encodeValue(cycle)).toThrow("cycle");
  });

  it("reads foreign text as JSON or as itself, and refuses a damaged or newer record", () => {
    expect(decodeValue('{"a":1}')).toEqual({ a: 1 });
    expect(decodeValue("plain words")).toBe("plain words");
    expect(() => decodeValue("\u0001j{")).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    expect(() => decodeValue("\u0001?1")).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  });
});
