/** Addresses in one spelling, and blocks of them. */

import ipaddr from "ipaddr.js";

/** Most address texts are plain IPv4; they need no parser. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/**
 * One spelling per address: no port, brackets or zone id; IPv4-mapped IPv6 as IPv4; IPv6 compressed and in lower case
 * (RFC 5952). `undefined` for what is no address, such as `unknown` or an obfuscated `Forwarded` identifier.
 */
export function normalizeAddress(text: string): string | undefined {
  let address = text.trim();
  if (IPV4.test(address)) return decimal(address);
  if (address.startsWith('"') && address.endsWith('"') && address.length > 1) address = address.slice(1, -1);
  if (address.startsWith("[")) {
    const close = address.indexOf("]");
    if (close === -1 || !/^(?::\d{1,5})?$/.test(address.slice(close + 1))) return undefined;
    address = address.slice(1, close);
    if (!address.includes(":")) return undefined;
  } else if (/^[\d.]+:\d{1,5}$/.test(address)) {
    address = address.slice(0, address.indexOf(":"));
  }
  if (IPV4.test(address)) return decimal(address);
  const zone = address.indexOf("%");
  if (zone !== -1) address = address.slice(0, zone);
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
}

/**
 * What counts as one caller: an IPv4 address, and the /64 of an IPv6 address, since a subscriber commonly has a whole one
 * and could otherwise come from a new address every time (RFC 6177 2). What is no address stays as it is.
 */
export function callerNetwork(address: string): string {
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return address;
  const { parts } = ipaddr.IPv6.parse(address);
  return `${new ipaddr.IPv6([...parts.slice(0, 4), 0, 0, 0, 0]).toRFC5952String()}/64`;
}

/** `010.0.0.1` is octal to some parsers and decimal to others: it is nobody's address. */
function decimal(address: string): string | undefined {
  return /(?:^|\.)0\d/.test(address) ? undefined : address;
}

/** A test for membership in blocks; the second value names the first entry that is none. */
export interface AddressBlocks {
  contains(address: string): boolean;
}

/** Parses CIDR blocks and single addresses. Throws nothing: gives the offending entry instead. */
export function parseBlocks(entries: readonly string[]): AddressBlocks | { readonly invalid: unknown } {
  const v4: [ipaddr.IPv4, number][] = [];
  const v6: [ipaddr.IPv6, number][] = [];
  for (const entry of entries as readonly unknown[]) {
    if (typeof entry !== "string") return { invalid: entry };
    const [text, bits, rest] = entry.trim().split("/");
    const address = text === undefined ? undefined : normalizeAddress(text);
    if (address === undefined || rest !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || /[[\]"%]|\.\d+:\d/.test(entry)) return { invalid: entry };
    const parsed = ipaddr.parse(address);
    // A mapped block such as ::ffff:10.0.0.0/104 counts its prefix in 128 bits.
    const mapped = parsed.kind() === "ipv4" && (text as string).includes(":");
    const width = parsed.kind() === "ipv4" ? 32 : 128;
    const prefix = bits === undefined ? width : Number(bits) - (mapped ? 96 : 0);
    if (prefix < 0 || prefix > width) return { invalid: entry };
    if (parsed.kind() === "ipv4") v4.push([parsed as ipaddr.IPv4, prefix]);
    else v6.push([parsed as ipaddr.IPv6, prefix]);
  }
  return {
    contains(text) {
      const address = normalizeAddress(text);
      if (address === undefined) return false;
      const parsed = ipaddr.parse(address);
      return parsed.kind() === "ipv4"
        ? v4.some((block) => (parsed as ipaddr.IPv4).match(block))
        : v6.some((block) => (parsed as ipaddr.IPv6).match(block));
    },
  };
}
