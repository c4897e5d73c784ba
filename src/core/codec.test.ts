import { runInNewContext } from "node:vm";
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
    ["a Map", new Map([[1, 2]])], ["a Set", { a: new Set([1]) }], ["an ArrayBuffer", [new ArrayBuffer(4)]], ["a typed array of numbers", new Float32Array(1)], ["a RegExp", { a: /x/ }],
    ["an Error", new Error("e")], ["a promise", Promise.resolve()], ["an instance of a class", new (class Account { id = 1; })()], ["a text object", Object("x")],
  ])("refuses %s before anything is written", (_, value) => {
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: "STORE_UNSERIALIZABLE" }));
  });

  it("takes plain objects, of other realms and without a prototype, too, and what says its own JSON form", () => {
    const foreign = runInNewContext("({ a: { b: [1] } })") as object;
    expect(decodeValue(encodeValue(foreign))).toEqual({ a: { b: [1] } });
    expect(() => encodeValue(runInNewContext("new Map()"))).toThrow(expect.objectContaining({ code: "STORE_UNSERIALIZABLE" }));
    expect(decodeValue(encodeValue(Object.assign(Object.create(null) as object, { a: 1 })))).toEqual({ a: 1 });
    expect(decodeValue(encodeValue([new Date(0), new URL("http://a.test/"), new (class { toJSON() { return { b: 1 }; } })()]))).toEqual(["1970-01-01T00:00:00.000Z", "http://a.test/", { b: 1 }]);
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
