import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { decodeValue, encodeValue, fromBase64, toBase64 } from "./codec.ts";

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

describe("base64", () => {
  const sizes = [0, 1, 2, 3, 100, 4096, 70_001];
  const bytesOf = (size: number): Uint8Array => Uint8Array.from({ length: size + 3 }, (_, i) => (i * 7919) >> 3).subarray(3);

  it("is the same with what the platform has and without, and shares no memory", () => {
    for (const size of sizes) {
      const bytes = bytesOf(size);
      const text = toBase64(bytes);
      const back = fromBase64(text);
      expect([back, back.byteOffset, back.buffer.byteLength, back.constructor]).toEqual([new Uint8Array(bytes), 0, size, Uint8Array]);
      vi.stubGlobal("Buffer", undefined);
      try {
        expect(toBase64(bytes)).toBe(text);
        expect(fromBase64(text)).toEqual(new Uint8Array(bytes));
      } finally {
        vi.unstubAllGlobals();
      }
    }
  });

  it.each(["A", "AAAAA", "AA=A", "A===", "AAA-", "AA_A", "\u00e9AAA"])("refuses %j", (text) => expect(() => fromBase64(text)).toThrow());
});
