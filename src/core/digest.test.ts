import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { sha256Hex } from "./digest.ts";

const expected = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

it("gives the vectors of FIPS 180-4", () => {
  expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256Hex("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

it("agrees with OpenSSL on every length around the block's", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 167 + length) & 255);
    expect(sha256Hex(bytes)).toBe(expected(bytes));
  }
  const large = new Uint8Array(1_000_003).fill(0xa5);
  expect(sha256Hex(large)).toBe(expected(large));
});

it("takes text as UTF-8", () => {
  for (const text of ["Größe", "日本語", "😀".repeat(40)]) expect(sha256Hex(text)).toBe(expected(text));
});

it("rests on no last bit of a root: engines may round those differently", () => {
  let n = 1;
  for (let found = 0; found < 64; ) {
    n++;
    if (Array.from({ length: n }, (_, i) => i).filter((i) => i > 1 && n % i === 0).length > 0) continue;
    found++;
    for (const root of [Math.cbrt(n), Math.sqrt(n)]) {
      const word = (root % 1) * 2 ** 32;
      expect(Math.abs(word - Math.round(word))).toBeGreaterThan(1e-4);
    }
  }
});
