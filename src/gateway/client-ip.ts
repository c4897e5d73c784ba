/** The caller's address: the socket's, or what a trusted proxy says it is. */

import type { Context } from "hono";
import { configError } from "./errors.ts";
import type { AddressTrust, Snapshot } from "./internals.ts";
import { normalizeAddress, parseBlocks, type AddressBlocks } from "./ip-address.ts";
import type { TrustProxy } from "./types.ts";

/** Header fields of {@link extractClientIp}, first present first. */
export const DEFAULT_IP_HEADERS: readonly string[] = Object.freeze(["cf-connecting-ip", "x-forwarded-for"]);

/**
 * Fields a trusted proxy may use. `cf-connecting-ip` is not among them: most proxies pass it on as the client sent it.
 * Where the platform itself sets it (Cloudflare Workers), it is the peer's address.
 */
const FORWARDED_HEADERS: readonly string[] = Object.freeze(["x-forwarded-for", "forwarded"]);

export const UNKNOWN_ADDRESS = "unknown";

/** Longest chain that is walked; a longer one was not made by proxies. */
const MAX_HOPS = 64;

export interface ExtractClientIpOptions {
  /** @default DEFAULT_IP_HEADERS */
  readonly ipHeaders?: readonly string[];
  /** CIDR blocks or addresses. With it, header fields count only when `fallbackAddress` is in the list. */
  readonly trustedProxies?: readonly string[];
  /** Without `trustedProxies`: take the last entry of a list instead of the first. @default false */
  readonly useRightmostForwardedIp?: boolean;
  /** Address of the connected peer. */
  readonly fallbackAddress?: string;
}

/**
 * The caller's address by header fields. With `trustedProxies` it is `fallbackAddress`, unless that is a trusted proxy:
 * then the lists are walked from the right past trusted hops. Without it the first field present decides, and the
 * caller of this function answers for its trust. `unknown` when nothing is known.
 *
 * Throws a `GatewayError` (`config_error`) for an invalid block.
 */
export function extractClientIp(headers: Headers | Readonly<Record<string, string | undefined>>, options: ExtractClientIpOptions = {}): string {
  const { ipHeaders = DEFAULT_IP_HEADERS, trustedProxies, useRightmostForwardedIp = false, fallbackAddress } = options;
  const peer = fallbackAddress === undefined ? undefined : normalizeAddress(fallbackAddress);
  const field = (name: string): string | null => readField(headers, name);
  if (trustedProxies !== undefined) {
    const blocks = blocksOf("trustedProxies", trustedProxies);
    return walk(peer, ipHeaders, field, (address) => address !== undefined && blocks.contains(address)) ?? UNKNOWN_ADDRESS;
  }
  for (const name of ipHeaders) {
    const value = field(name);
    if (value === null) continue;
    const list = addressesOf(name, value);
    const picked = useRightmostForwardedIp ? list.at(-1) : list[0];
    if (picked !== undefined) return picked;
  }
  return peer ?? UNKNOWN_ADDRESS;
}

/** Checks `trustProxy` and gives its test. */
export function addressTrust(option: TrustProxy | undefined): AddressTrust {
  if (option === undefined || option === false || option === 0) return undefined;
  if (typeof option === "number") {
    if (!Number.isSafeInteger(option) || option < 0) throw configError(`option "trustProxy"`, option, "a number of proxies");
    return (_address, hop) => hop < option;
  }
  if (typeof option === "function") return (address) => address !== undefined && option(address) === true;
  if (!Array.isArray(option)) throw configError(`option "trustProxy"`, option, "false, a number of proxies, a list of CIDR blocks or a function");
  if (option.length === 0) return undefined;
  const blocks = blocksOf(`option "trustProxy"`, option);
  return (address) => address !== undefined && blocks.contains(address);
}

/** The caller's address under the gateway's trust decision, or `unknown`. */
export function resolveClientIp(snapshot: Snapshot, headers: Headers, peer: string | undefined, ipHeaders: readonly string[] = FORWARDED_HEADERS): string {
  const { trust } = snapshot;
  if (trust === undefined && peer !== undefined) return peer;
  const address = trust === undefined ? peer : walk(peer, ipHeaders, (name) => headers.get(name), trust);
  if (address !== undefined) return address;
  reportUnknown(snapshot);
  return UNKNOWN_ADDRESS;
}

/** From the peer outwards, while the hop is trusted. An entry that is no address ends the walk at the hop before it. */
function walk(
  peer: string | undefined,
  ipHeaders: readonly string[],
  field: (name: string) => string | null,
  trusts: (address: string | undefined, hop: number) => boolean,
): string | undefined {
  if (!trusts(peer, 0)) return peer;
  for (const name of ipHeaders) {
    const value = field(name);
    if (value === null) continue;
    const entries = entriesOf(name, value);
    let at = peer;
    for (let i = entries.length - 1, hop = 1; i >= 0; i--, hop++) {
      const address = entries[i];
      if (address === undefined || hop > MAX_HOPS) return at;
      at = address;
      if (!trusts(address, hop)) return at;
    }
    if (at !== undefined) return at;
  }
  return peer;
}

function reportUnknown(snapshot: Snapshot): void {
  if (snapshot.core.unknownAddressReported) return;
  snapshot.core.unknownAddressReported = true;
  snapshot.core.events.emit({ type: "client-address.unknown" });
}

/**
 * The peer's address as runtimes report it: `env.incoming` of Node servers, the `info` of `Deno.serve`, the server of
 * `Bun.serve` (which knows its own request objects only), and on Cloudflare Workers the field that platform sets itself.
 */
export function peerAddress(c: Context, original: Request = c.req.raw): string | undefined {
  const env = c.env as
    | {
        incoming?: { socket?: { remoteAddress?: string } };
        remoteAddr?: { hostname?: string };
        requestIP?: (request: Request) => { address?: string } | null;
        server?: { requestIP?: (request: Request) => { address?: string } | null };
      }
    | undefined;
  let address: string | undefined;
  if (env !== undefined && env !== null) {
    address = env.incoming?.socket?.remoteAddress ?? env.remoteAddr?.hostname;
    if (address === undefined) {
      const server = typeof env.requestIP === "function" ? env : env.server;
      if (typeof server?.requestIP === "function") address = server.requestIP(original)?.address;
    }
  }
  if (address === undefined && onWorkers()) address = c.req.raw.headers.get("cf-connecting-ip") ?? undefined;
  return address === undefined ? undefined : normalizeAddress(address);
}

export function onWorkers(): boolean {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === "Cloudflare-Workers";
}

function blocksOf(where: string, entries: readonly string[]): AddressBlocks {
  const blocks = parseBlocks(entries);
  if ("invalid" in blocks) throw configError(where, blocks.invalid, "made of addresses and CIDR blocks, such as 10.0.0.0/8");
  return blocks;
}

function readField(headers: Headers | Readonly<Record<string, string | undefined>>, name: string): string | null {
  if (typeof (headers as Headers).get === "function") return (headers as Headers).get(name);
  const wanted = name.toLowerCase();
  for (const [key, value] of Object.entries(headers)) if (key.toLowerCase() === wanted && typeof value === "string") return value;
  return null;
}

function addressesOf(name: string, value: string): string[] {
  return entriesOf(name, value).filter((entry) => entry !== undefined);
}

/** The hops of a list field, nearest last; what is no address is `undefined`. */
function entriesOf(name: string, value: string): (string | undefined)[] {
  const parts = name.toLowerCase() === "forwarded" ? forwardedFor(value) : value.split(",");
  return parts.map((part) => (part === undefined ? undefined : normalizeAddress(part)));
}

/** The `for` parameter of each element (RFC 7239 4). */
function forwardedFor(value: string): (string | undefined)[] {
  return splitQuoted(value, ",").map((element) => {
    for (const pair of splitQuoted(element, ";")) {
      const eq = pair.indexOf("=");
      if (eq !== -1 && pair.slice(0, eq).trim().toLowerCase() === "for") return unquote(pair.slice(eq + 1).trim());
    }
    return undefined;
  });
}

function unquote(text: string): string {
  return text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}

function splitQuoted(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted && char === "\\") i++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
