import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import { type AddressBlocks, callerNetwork, normalizeAddress, parseBlocks } from "./ip-address.ts";

const word = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
const words = fc.array(word, { minLength: 8, maxLength: 8 });
/** Spellings that a library reads, of random addresses: full, with zeros, compressed, in upper case, with IPv4 at the end. */
const spelling = fc.tuple(words, fc.constantFrom("full", "padded", "compressed", "upper", "dotted")).map(([parts, form]) => {
  const hex = parts.map((part) => part.toString(16));
  if (form === "padded") return hex.map((part) => part.padStart(4, "0")).join(":");
  if (form === "compressed") return new ipaddr.IPv6(parts).toString();
  if (form === "upper") return hex.join(":").toUpperCase();
  const [high, low] = parts.slice(6) as [number, number];
  return form === "dotted" ? `${hex.slice(0, 6).join(":")}:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` : hex.join(":");
});

function spelled(text: string): string {
  const parsed = ipaddr.IPv6.parse(text);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
}

describe("an address has one spelling", () => {
  it("which is that of RFC 5952, as a library for addresses has it", () => {
    fc.assert(fc.property(spelling, (text) => normalizeAddress(text) === spelled(text)), { numRuns: 2000 });
  });

  it.each([
    ["2001:DB8::1", "2001:db8::1"], ["::", "::"], ["::1", "::1"], ["1::", "1::"], ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"], ["::FFFF:c000:201", "192.0.2.1"], ["::192.0.2.1", "::c000:201"], ["[2001:db8::1]:443", "2001:db8::1"], ["fe80::1%eth0", "fe80::1"], ["192.0.2.1:80", "192.0.2.1"],
  ])("%s is %s", (text, expected) => expect(normalizeAddress(text)).toBe(expected));

  it.each([":", ":::", "1:2:3", "1:2:3:4:5:6:7:8:9", "1::2::3", "g::1", "12345::", "::1]/x", "::1@host", "::ffff:010.0.0.1", "::1.2.3", "1.2.3.4::", "010.0.0.1", "[::1", "unknown", ""])("%s is none", (text) => {
    expect(normalizeAddress(text)).toBeUndefined();
  });
});

it("a caller of IPv6 is a /64", () => {
  fc.assert(
    fc.property(spelling, (text) => {
      const { parts } = ipaddr.IPv6.parse(text);
      return callerNetwork(text) === `${new ipaddr.IPv6([...parts.slice(0, 4), 0, 0, 0, 0]).toRFC5952String()}/64`;
    }),
  );
  expect([callerNetwork("192.0.2.1"), callerNetwork("unknown"), callerNetwork("urn:x")]).toEqual(["192.0.2.1", "unknown", "urn:x"]);
});

describe("blocks", () => {
  const contains = (block: string, address: string): boolean => (parseBlocks([block]) as AddressBlocks).contains(address);

  it("hold what a library says they hold", () => {
    const near = fc.tuple(words, fc.integer({ min: 0, max: 127 }), fc.integer({ min: 0, max: 128 }));
    fc.assert(
      fc.property(near, ([parts, flipped, prefix]) => {
        const other = parts.slice();
        other[flipped >> 4] = (other[flipped >> 4] as number) ^ (0x8000 >> (flipped & 15));
        const [block, address] = [new ipaddr.IPv6(parts), new ipaddr.IPv6(other)];
        fc.pre(!block.isIPv4MappedAddress() && !address.isIPv4MappedAddress());
        const held = contains(`${block.toString()}/${prefix}`, address.toString());
        return held === address.match(block, prefix) && held === prefix <= flipped;
      }),
      { numRuns: 1000 },
    );
    const v4 = fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 32 }));
    const dotted = (n: number): string => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join(".");
    fc.assert(fc.property(v4, ([n, flipped, prefix]) => contains(`${dotted(n)}/${prefix}`, dotted((n ^ (0x80000000 >>> flipped)) >>> 0)) === prefix <= flipped), { numRuns: 1000 });
  });

  it("of IPv4 hold mapped addresses, in either spelling, and those of IPv6 no IPv4", () => {
    expect([contains("10.0.0.0/8", "::ffff:10.1.2.3"), contains("::ffff:10.0.0.0/104", "10.1.2.3"), contains("::ffff:10.0.0.0/104", "11.1.2.3"), contains("::/0", "10.1.2.3"), contains("0.0.0.0/0", "::1")]).toEqual([true, true, false, false, false]);
  });

  it.each(["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "::ffff:10.0.0.0/95", "[::1]", "fe80::1%eth0", "10.0.0.1:80", "host"])("refuse %s", (entry) => {
    expect(parseBlocks([entry])).toEqual({ invalid: entry });
  });
});
