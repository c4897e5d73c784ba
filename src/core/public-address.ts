/** Which addresses are of the public internet, by the special-purpose registries of IANA (RFC 6890). */

import ipaddr from "ipaddr.js";

/** True for a public unicast address. IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64) are judged by it as well. */
export function isPublicAddress(text: string): boolean {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const zone = bare.indexOf("%");
  const address = zone === -1 ? bare : bare.slice(0, zone);
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.kind() === "ipv4") return parsed.range() === "unicast";
  const v6 = parsed as ipaddr.IPv6;
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address().range() === "unicast";
  return v6.range() === "unicast";
}

/** True for a host that is an address, in the spelling `URL` gives it: IPv4 in decimal, IPv6 in brackets. */
export function isAddressHost(host: string): boolean {
  return host.startsWith("[") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
}
