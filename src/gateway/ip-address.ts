/** Addresses in one spelling, and blocks of them. */

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
  const host = ipv6(address);
  return host === undefined ? undefined : (mapped(host) ?? host);
}

/**
 * An IPv6 address as the platform's own parser spells it, which is that of RFC 5952 but for embedded IPv4. A library that parses
 * addresses is larger than all else a small Worker needs of the gateway.
 */
function ipv6(address: string): string | undefined {
  if (!address.includes(":") || !/^[\da-f:.]{2,45}$/i.test(address)) return undefined;
  try {
    return new URL(`http://[${address}]`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}

/** The IPv4 address in an IPv4-mapped one (RFC 4291 2.5.5.2). */
function mapped(host: string): string | undefined {
  const found = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(host);
  if (found === null) return undefined;
  const [high, low] = [parseInt(found[1] as string, 16), parseInt(found[2] as string, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The eight 16-bit numbers of a spelling of RFC 5952, or the two of an IPv4 address. */
function wordsOf(address: string): number[] {
  if (!address.includes(":")) {
    const [a, b, c, d] = address.split(".").map(Number) as [number, number, number, number];
    return [a * 256 + b, c * 256 + d];
  }
  const [left, right] = address.split("::").map((half) => (half === "" ? [] : half.split(":").map((word) => parseInt(word, 16)))) as [number[], number[]?];
  return right === undefined ? left : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

/**
 * What counts as one caller: an IPv4 address, and the /64 of an IPv6 address, since a subscriber commonly has a whole one
 * and could otherwise come from a new address every time (RFC 6177 2). What is no address stays as it is.
 */
export function callerNetwork(address: string): string {
  const host = ipv6(address);
  if (host === undefined) return address;
  const network = wordsOf(host).slice(0, 4).map((word) => word.toString(16)).join(":");
  return `${ipv6(`${network}::`)}/64`;
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
  const blocks: { readonly words: readonly number[]; readonly prefix: number }[] = [];
  for (const entry of entries as readonly unknown[]) {
    if (typeof entry !== "string") return { invalid: entry };
    const [text, bits, rest] = entry.trim().split("/");
    const address = text === undefined ? undefined : normalizeAddress(text);
    if (address === undefined || rest !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || /[[\]"%]|\.\d+:\d/.test(entry)) return { invalid: entry };
    const words = wordsOf(address);
    const width = words.length * 16;
    // A mapped block such as ::ffff:10.0.0.0/104 counts its prefix in 128 bits.
    const prefix = bits === undefined ? width : Number(bits) - (width === 32 && (text as string).includes(":") ? 96 : 0);
    if (prefix < 0 || prefix > width) return { invalid: entry };
    blocks.push({ words, prefix });
  }
  return {
    contains(text) {
      const address = normalizeAddress(text);
      if (address === undefined) return false;
      const words = wordsOf(address);
      return blocks.some((block) => block.words.length === words.length && begins(words, block.words, block.prefix));
    },
  };
}

/** Whether two addresses agree in their first `bits` bits. */
function begins(words: readonly number[], block: readonly number[], bits: number): boolean {
  for (let i = 0, left = bits; left > 0; i++, left -= 16) {
    const mask = left >= 16 ? 0xffff : 0xffff & (0xffff << (16 - left));
    if ((((words[i] as number) ^ (block[i] as number)) & mask) !== 0) return false;
  }
  return true;
}
