import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_KEY_BYTES, boundKey, escapeKeyPart, joinKey, utf8Key } from "./keys.ts";

const part = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom(":", "%", "%3a", "a:b", "\ud800", "\udc00", "\ufffd", "{x}", "\u0000"));

describe("keys", () => {
  it("never gives two lists of parts one key, in UTF-16 or in UTF-8", () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.array(part, { minLength: 1, maxLength: 4 }), (a, b) => {
        const same = a.length === b.length && a.every((value, i) => value === b[i]);
        const bytes = (parts: string[]) => Buffer.from(joinKey(...parts), "utf8").toString("hex");
        expect(bytes(a) === bytes(b)).toBe(same);
      }),
      { numRuns: 3000 },
    );
  });

  it("keeps two keys apart in UTF-8, lone surrogates included", () => {
    fc.assert(
      fc.property(part, part, (a, b) => {
        const bytes = (key: string): string => Buffer.from(utf8Key(key), "utf8").toString("hex");
        expect(bytes(a) === bytes(b)).toBe(a === b);
      }),
      { numRuns: 3000 },
    );
    expect(utf8Key("plain:key 😀")).toBe("plain:key 😀");
    expect(utf8Key("~\ud800")).not.toBe(utf8Key("~%ud800"));
  });

  it("leaves ordinary text and well-formed emoji alone", () => {
    expect(escapeKeyPart("user-42.häß/😀")).toBe("user-42.häß/😀");
  });

  it("keeps a key of the maximum and digests one byte more", () => {
    const longest = "é".repeat(MAX_KEY_BYTES / 2);
    expect(boundKey(longest)).toBe(longest);
    expect(boundKey(`${longest}a`)).toMatch(/^sha256=[0-9a-f]{64}$/);
    expect(boundKey(`${longest}a`)).not.toBe(boundKey(`${longest}b`));
  });

  it("lets no key spell the digest of another", () => {
    const long = "x".repeat(MAX_KEY_BYTES + 1);
    const spelled = boundKey(long);
    const keys = [long, spelled, boundKey(spelled), `=${spelled}`, "sha256=", "sha256", "sha256=x"];
    expect(new Set(keys.map((key) => boundKey(key))).size).toBe(new Set(keys).size);
  });

  it("never gives two keys one stored form, digests and lone surrogates included", () => {
    const long = "x".repeat(MAX_KEY_BYTES);
    expect(boundKey(boundKey(`${long}a`))).not.toBe(boundKey(`${long}a`));
    expect(boundKey(`${long}\ud800`)).not.toBe(boundKey(`${long}\ud801`));
    expect(boundKey("sha256")).toBe("sha256");
  });

  it("keeps long keys apart that differ in a lone surrogate only", () => {
    const long = "x".repeat(MAX_KEY_BYTES);
    expect(new Set(["\ud800", "\udc00", "\ufffd"].map((end) => boundKey(long + end))).size).toBe(3);
    expect(boundKey(`~${long}\ud800`)).not.toBe(boundKey(`~${long}%ud800`));
  });

  it("refuses what is no key, naming it", () => {
    expect(() => boundKey("")).toThrow('key must be a non-empty string, got ""');
    expect(() => boundKey(7, "userKey")).toThrow("userKey must be a non-empty string, got 7");
  });
});
