import fc from "fast-check";
import { expect, it } from "vitest";
import { fixedWindow } from "./algorithms/fixed-window.ts";
import type { Algorithm } from "./contracts/driver.ts";
import { decodePlain, encodePlain, expiryOf } from "./plain-record.ts";
import { encodeRecord } from "./record.ts";

it("gives back any bytes and any deadline", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.option(fc.maxSafeNat(), { nil: undefined }), (value, expiresAt) => {
    const bytes = encodePlain(value, expiresAt);
    expect(decodePlain(bytes)).toEqual({ value, expiresAt });
    expect(expiryOf(bytes)).toBe(expiresAt);
  }));
});

it("finds the deadline of a state without knowing its algorithm", () => {
  const algorithm = fixedWindow as unknown as Algorithm;
  const { state } = algorithm.step(undefined, { cost: 1, policy: { max: 5, windowMs: 1000 } }, 1_700_000_000_000);
  expect(expiryOf(encodeRecord(algorithm, state, 1_700_000_001_000, 1_700_000_000_000))).toBe(1_700_000_001_000);
  expect(expiryOf(encodeRecord(algorithm, state, undefined, 1_700_000_000_000))).toBeUndefined();
});

it("takes neither a state nor foreign or cut bytes for a value", () => {
  const algorithm = fixedWindow as unknown as Algorithm;
  const { state } = algorithm.step(undefined, { cost: 1, policy: { max: 5, windowMs: 1000 } }, 5);
  expect(() => decodePlain(encodeRecord(algorithm, state))).toThrow(expect.objectContaining({ code: "STORE_WRONG_TYPE" }));
  for (const bytes of [[], [1], [1, 2], [7, 0], [1, 1], [1, 1, 0x80]]) expect(() => decodePlain(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  for (const bytes of [[], [1, 1], [2, 1, 200], [123, 1, 5]]) expect(expiryOf(Uint8Array.from(bytes))).toBeUndefined();
});
