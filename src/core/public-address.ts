/** Which addresses are of the public internet, by the special-purpose registries of IANA (RFC 6890). */

import ipaddr from "ipaddr.js";

/**
 * True for a public unicast address. A mapped IPv6 address is judged by the IPv4 address in it. Of the rest of IPv6 only 2000::/3 is given
 * out (RFC 4291 2.4), less what is special there; other forms that carry an IPv4 address (::/96, 6to4, NAT64, Teredo) are not public.
 */
export function isPublicAddress(text: string): boolean {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const zone = bare.indexOf("%");
  const address = zone === -1 ? bare : bare.slice(0, zone);
  // The library reads ::8.8.8.8 as if it were mapped.
  if (!ipaddr.isValid(address) || /^::\d+\./.test(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.kind() === "ipv4") return parsed.range() === "unicast";
  const v6 = parsed as ipaddr.IPv6;
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address().range() === "unicast";
  const [first, second] = v6.parts as [number, number];
  // 3fff::/20 is for documentation (RFC 9637), and 2001::/23 for protocols (RFC 6890).
  if (first === 0x3fff && second < 0x1000 || first === 0x2001 && second < 0x200) return false;
  return (first & 0xe000) === 0x2000 && v6.range() === "unicast";
}

/** True for a host that is an address, in the spelling `URL` gives it: IPv4 in decimal, IPv6 in brackets. */
export function isAddressHost(host: string): boolean {
  return host.startsWith("[") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}
