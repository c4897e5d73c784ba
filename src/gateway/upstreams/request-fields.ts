/** The header fields of a request to a url upstream (RFC 9110 7.6): the client's, less the connection's, plus ours. */

import { CONNECTION_FIELDS } from "../../core/transport.ts";
import { GatewayError } from "../errors.ts";
import { onWorkers } from "../client-ip.ts";
import type { RequestState } from "../context.ts";
import { formatTraceparent, traceIds } from "../../core/trace-context.ts";
import type { UrlUpstream } from "../types.ts";

/** Name of this gateway in `Via`. */
export const PSEUDONYM = "sluice";

/** A request that came through here more often goes in circles. */
const MAX_OWN_VIA = 10;

/** Fields about the way a request took, beside `x-forwarded-*`. From a peer nobody trusts they are lies. */
const FORWARDING: ReadonlySet<string> = new Set([
  "forwarded", "forwarded-for", "x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "fastly-client-ip", "x-azure-clientip", "x-azure-socketip", "x-envoy-external-address",
  "x-original-forwarded-for", "x-original-host", "x-original-url", "x-rewrite-url", "x-host", "x-scheme",
]);

/** Set by Cloudflare, which is the peer of Workers and of nobody else. */
const CLOUDFLARE: ReadonlySet<string> = new Set(["cf-connecting-ip", "cf-connecting-ipv6", "cf-connecting-o2o", "cf-ipcountry", "cf-pseudo-ipv4", "cf-visitor"]);

function isForwarding(name: string): boolean {
  return name.startsWith("x-forwarded-") || FORWARDING.has(name) || (CLOUDFLARE.has(name) && !onWorkers());
}

export interface FieldOptions {
  readonly forwarded: NonNullable<UrlUpstream["forwarded"]>;
  readonly via: boolean;
  readonly preserveHost: boolean;
  /** Fields that are set last, names in lower case. */
  readonly set: readonly (readonly [name: string, value: string])[];
}

/** A flat list of names and values. `keepLength` says that the body, and so its length, is the client's own. */
export function requestFields(state: RequestState, options: FieldOptions, keepLength: boolean): string[] {
  const { headers } = state.c.req.raw;
  const trusted = state.snapshot.trust !== undefined && state.snapshot.trust(state.peer, 0);
  const overridden = options.set;
  const fields: string[] = [];
  const received: Forwarding = { for: null, host: null, proto: null, forwarded: null, clientHost: null };
  let via: string | null = null;
  let trace: string | undefined;
  let tracestate: string | undefined;
  headers.forEach((value, name) => {
    switch (name) {
      case "host":
        received.clientHost = value;
        return;
      case "via":
        via = value;
        return;
      case "expect":
      case "http2-settings":
        // Answered by this server, and meant for this connection.
        return;
      case "upgrade":
        return;
      case "content-length":
        if (keepLength) fields.push(name, value);
        return;
      case "max-forwards":
        fields.push(name, state.c.req.method === "OPTIONS" && /^\d{1,9}$/.test(value) ? String(Number(value) - 1) : value);
        return;
      case "traceparent":
        trace = value;
        return;
      case "tracestate":
        tracestate = value;
        return;
      case "x-forwarded-for":
        received.for = value;
        return;
      case "x-forwarded-host":
        received.host = value;
        return;
      case "x-forwarded-proto":
        received.proto = value;
        return;
      case "forwarded":
        received.forwarded = value;
        return;
    }
    if (CONNECTION_FIELDS.has(name) || (!trusted && isForwarding(name))) return;
    if (overridden.some(([own]) => own === name)) return;
    fields.push(name, value);
  });
  addForwarding(fields, state, options, received, trusted);
  addTrace(fields, state, trace, tracestate);
  const chain = ownVia(via);
  if (options.via) fields.push("via", chain);
  else if (via !== null) fields.push("via", via);
  if (options.preserveHost && received.clientHost !== null) fields.push("host", received.clientHost);
  for (const [name, value] of overridden) fields.push(name, value);
  return fields;
}

interface Forwarding {
  for: string | null;
  host: string | null;
  proto: string | null;
  forwarded: string | null;
  clientHost: string | null;
}

function addForwarding(fields: string[], state: RequestState, { forwarded }: FieldOptions, received: Forwarding, trusted: boolean): void {
  const { peer } = state;
  if (forwarded === "x-forwarded" || forwarded === "both") {
    const list = trusted && received.for !== null ? (peer === undefined ? received.for : `${received.for}, ${peer}`) : peer;
    if (list !== undefined) fields.push("x-forwarded-for", list);
    // One host and one scheme, the very ones that are part of cache keys.
    const host = trusted && received.host !== null ? new URL(state.publicOrigin).host : received.clientHost;
    if (host !== null) fields.push("x-forwarded-host", host);
    fields.push("x-forwarded-proto", trusted && received.proto !== null ? new URL(state.publicOrigin).protocol.slice(0, -1) : schemeOf(state));
  } else if (trusted) {
    if (received.for !== null) fields.push("x-forwarded-for", received.for);
    if (received.host !== null) fields.push("x-forwarded-host", received.host);
    if (received.proto !== null) fields.push("x-forwarded-proto", received.proto);
  }
  if (forwarded === "rfc7239" || forwarded === "both") {
    const own = forwardedElement(peer, received.clientHost, schemeOf(state));
    fields.push("forwarded", trusted && received.forwarded !== null ? `${received.forwarded}, ${own}` : own);
  } else if (trusted && received.forwarded !== null) fields.push("forwarded", received.forwarded);
}

function schemeOf(state: RequestState): string {
  return state.original.url.startsWith("https:") ? "https" : "http";
}

/** RFC 7239 4: `for`, `host` and `proto` of this hop; values that are no tokens are quoted. */
function forwardedElement(peer: string | undefined, host: string | null, proto: string): string {
  const node = peer === undefined ? "unknown" : peer.includes(":") ? `"[${peer}]"` : peer;
  const shown = host === null ? "" : `;host=${/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(host) ? host : `"${host.replace(/["\\]/g, "")}"`}`;
  return `for=${node}${shown};proto=${proto}`;
}

/**
 * Nothing here exports spans, so a valid trace passes on as it is, unless a policy has used this gateway's own ids.
 * A malformed one ends here, together with its state (W3C Trace Context 4.3).
 */
function addTrace(fields: string[], state: RequestState, received: string | undefined, tracestate: string | undefined): void {
  const made = state.madeTrace;
  if (made === undefined && received === undefined) return;
  const ids = made ?? traceIds(received);
  const valid = ids.parentSpanId !== undefined;
  if (made === undefined && !valid) return;
  fields.push("traceparent", made === undefined ? (received as string) : formatTraceparent(made, state.attemptSpanId));
  if (valid && tracestate !== undefined) fields.push("tracestate", tracestate);
}

/** `Via` with this gateway appended, or 508 when it has been here too often. */
function ownVia(received: string | null): string {
  if (received === null) return `1.1 ${PSEUDONYM}`;
  const own = received.split(",").filter((entry) => new RegExp(`^\\s*\\S+\\s+${PSEUDONYM}(?:\\s|$)`, "i").test(entry)).length;
  if (own > MAX_OWN_VIA) throw new GatewayError(508, "loop_detected", "The request goes in circles");
  return `${received}, 1.1 ${PSEUDONYM}`;
}
