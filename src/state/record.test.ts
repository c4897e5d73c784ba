import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeText, encodeValue } from "../core/codec.ts";
import { fixedWindow } from "./algorithms/fixed-window.ts";
import { tokenBucket } from "./algorithms/token-bucket.ts";
import { defineAlgorithm } from "./define-algorithm.ts";
import { decodeRecord, encodeRecord } from "./record.ts";
import { VarintReader, pushVarint } from "./varint.ts";

const row = [1_700_000_000_000, 5, 1_700_000_000_000];
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe("records", () => {
  it("carry state, expiry and stamp", () => {
    const optional = fc.option(fc.integer({ min: -(2 ** 53 - 1), max: 2 ** 53 - 1 }), { nil: undefined });
    fc.assert(fc.property(fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger(), fc.maxSafeInteger()), optional, optional, (state, expiresAt, stamp) => {
      const bytes = encodeRecord(fixedWindow, state, expiresAt, stamp);
      expect(bytes[0]).toBe(2);
      expect(decodeRecord(fixedWindow, bytes)).toEqual({ state, expiresAt, stamp });
    }));
    expect(decodeRecord(fixedWindow, encodeRecord(fixedWindow, row, 7.2, 8.1))).toEqual({ state: row, expiresAt: 8, stamp: 9 });
    expect(decodeRecord(fixedWindow, encodeRecord(fixedWindow, row, Number.POSITIVE_INFINITY))).toEqual({ state: row, expiresAt: undefined, stamp: undefined });
  });

  it("are small", () => {
    expect(encodeRecord(tokenBucket, row, 1_700_000_060_000, 1_700_000_000_000).length).toBeLessThan(45);
  });

  it("of another kind are of the wrong type", () => {
    expect(() => decodeRecord(tokenBucket, encodeRecord(fixedWindow, row))).toThrow(code("STORE_WRONG_TYPE"));
    expect(() => decodeRecord(tokenBucket, encodeText(encodeValue({ a: 1 })))).toThrow(code("STORE_WRONG_TYPE"));
    expect(() => decodeRecord(tokenBucket, encodeRecord(fixedWindow, row))).toThrow('the key holds the state of "fixed-window", not of "token-bucket"');
  });

  it("that are damaged or newer are corrupt, never absent", () => {
    const bytes = encodeRecord(fixedWindow, row, 5, 6);
    const changed = (at: number, to: number): Uint8Array => Uint8Array.from(bytes, (byte, i) => (i === at ? to : byte));
    for (const bad of [new Uint8Array(0), changed(0, 3), changed(0, 0x7b), changed(1, 4), changed(2, 0), changed(2, 200), Uint8Array.of(2), Uint8Array.of(2, 0, 12), Uint8Array.from([...bytes, 0])]) {
      expect(() => decodeRecord(fixedWindow, bad)).toThrow(code("STORE_CORRUPT"));
    }
    for (let length = 0; length < bytes.length; length++) expect(() => decodeRecord(fixedWindow, bytes.subarray(0, length))).toThrow(code("STORE_CORRUPT"));
    expect(() => decodeRecord({ ...fixedWindow, version: 2 }, bytes)).toThrow(code("STORE_CORRUPT"));
  });

  it("wrap what a user's decode throws, and hold its bound", () => {
    const own = defineAlgorithm<string, unknown, unknown>({
      name: "own", version: 0, maxStateBytes: 4,
      step: (state) => ({ state, reply: undefined, expiresAt: undefined }),
      encode: (state) => encodeText(state),
      decode: () => {
        throw new TypeError("broken");
      },
    });
    expect(() => encodeRecord(own, "12345")).toThrow(code("STORE_VALUE_TOO_LARGE"));
    expect(() => decodeRecord(own, encodeRecord(own, "1234"))).toThrow(expect.objectContaining({ code: "STORE_CORRUPT", cause: expect.any(TypeError) }));
    expect(() => decodeRecord({ ...own, maxStateBytes: 3 }, encodeRecord(own, "1234"))).toThrow(code("STORE_CORRUPT"));
  });
});

describe("varints", () => {
  it("give back every safe integer in at most 8 bytes, one form each", () => {
    fc.assert(fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, 63, 64, -63, -64, 2 ** 53 - 1, 1 - 2 ** 53)), (value) => {
      const bytes: number[] = [];
      pushVarint(bytes, value);
      expect(bytes.length).toBeLessThanOrEqual(8);
      expect(bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)).toBe(true);
      const reader = new VarintReader(Uint8Array.from(bytes));
      expect(Object.is(reader.next(), value === 0 ? 0 : value)).toBe(true);
      reader.end();
    }), { numRuns: 2000 });
  });

  it.each([["too long", [0x80, 0x00]], ["out of range", Array<number>(8).fill(0xfe).concat(0x7f)], ["a negative zero", [1]], ["cut short", [0x80]], ["nothing", []]])("refuse what is %s", (_, bytes) => {
    expect(() => new VarintReader(Uint8Array.from(bytes)).next()).toThrow(code("STORE_CORRUPT"));
  });
});
