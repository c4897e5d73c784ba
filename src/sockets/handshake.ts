/** The upgrade: limits, path, origin, version, authentication, identity, in this order and on every platform. */

import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import { clientAddress, hostOf, isSameOrigin } from "./origin.ts";
import { type HeaderFields, bearerOf, captured, isBearer, toHeaders } from "./captured-request.ts";
import { CLOSE } from "./close-codes.ts";
import { type Codec, PROTOCOL_PREFIX } from "./codec.ts";
import type { Accepted } from "./connection.ts";
import type { Hub } from "./hub.ts";
import type { SocketRequest } from "./types.ts";

/** An upgrade request as a platform has it. */
export interface UpgradeRequest {
  /** Absolute. */
  readonly url: string;
  readonly headers: HeaderFields;
  /** The peer's address. */
  readonly peer: string | undefined;
  /** The platform's own request, when there is one. */
  readonly request?: Request;
}

/** Why there is no connection, as an HTTP answer. */
export interface Refusal {
  readonly refused: true;
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A connection that may be. `headers` go with the answer. */
export interface Admission extends Accepted {
  readonly refused?: false;
  readonly headers: Readonly<Record<string, string>>;
}

export function refusal(status: number, code: string, title: string, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { refused: true, status, code, title, headers };
}

/** The problem document (RFC 9457) of a refusal. */
export function refusalBody({ status, code, title }: Refusal): string {
  return JSON.stringify({ type: "about:blank", title, status, code });
}

export function refusalResponse(refused: Refusal): Response {
  return new Response(refusalBody(refused), { status: refused.status, headers: { ...refused.headers, "content-type": "application/problem+json" } });
}

/** For a request that is no upgrade. */
export function notAnUpgrade(headers: HeaderFields): Refusal {
  return headers.get("upgrade") === null ? refusal(426, "UPGRADE_REQUIRED", "this is a WebSocket endpoint", { upgrade: "websocket", connection: "upgrade" }) : refusal(400, "BAD_UPGRADE", "not a WebSocket upgrade");
}

/** Decides on an upgrade. Never throws. Whoever gets an admission opens it with `hub.open` or gives it back with `abandon`. */
export function handshake(hub: Hub, upgrade: UpgradeRequest): MaybePromise<Admission | Refusal> {
  const { server, options } = hub;
  const ip = clientAddress(server.trustProxy, upgrade.peer, upgrade.headers);
  const clientId = flat(options.random.uuid());
  const refuse = (refused: Refusal): Refusal => {
    if (hub.events.active) hub.events.emit({ type: "connection.refused", clientId, at: hub.now(), status: refused.status, reason: refused.code, ip });
    return refused;
  };
  if (hub.draining) return refuse(refusal(503, "DRAINING", "the server is shutting down", { "retry-after": "1" }));
  const full = hub.slots.take(ip);
  if (full !== undefined) {
    hub.limitExceeded({ type: "connections", clientId, ws: undefined, observed: full.observed, limit: full.limit, retryAfterMs: full.retryAfterMs });
    const status = full.limit === (options.limits.maxConnections ?? server.platformConnections) ? options.limits.connectionsStatus : 429;
    return refuse(refusal(status, "TOO_MANY_CONNECTIONS", "too many connections", { "retry-after": String(Math.max(1, Math.ceil(full.retryAfterMs / 1000))) }));
  }
  const back = (refused: Refusal): Refusal => {
    hub.slots.giveBack(ip);
    return refuse(refused);
  };
  let url: URL;
  try {
    url = new URL(upgrade.url);
  } catch {
    return back(refusal(400, "BAD_UPGRADE", "not a WebSocket upgrade"));
  }
  if (server.path !== undefined && url.pathname !== server.path) return back(refusal(404, "NOT_FOUND", "no WebSocket endpoint here"));
  const origin = upgrade.headers.get("origin");
  if (!originAllowed(hub, upgrade, origin, url)) return back(refusal(403, "ORIGIN_REFUSED", "this origin may not connect"));
  const offered = (upgrade.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
  const version = negotiate(hub, offered);
  if (version === undefined) return back(refusal(400, "UNKNOWN_PROTOCOL", "no common protocol version"));
  const request: SocketRequest = captured(url, upgrade.headers, offered, ip);
  const admit = (data: Record<string, unknown>): MaybePromise<Admission | Refusal> => {
    return takeOver(hub, { clientId, data: withoutClientId(data), request, ...version, identity: undefined, headers: server.clientIdHeader === undefined ? {} : { [server.clientIdHeader]: clientId } }, back);
  };
  if (server.authenticate === undefined) return admit({});
  const result = authenticate(hub, upgrade, url, offered, ip, clientId);
  if (isPromise(result)) return result.then((data) => decide(data));
  return decide(result);

  function decide(data: unknown): MaybePromise<Admission | Refusal> {
    if (data instanceof AuthFailure) return back(refusal(500, "AUTHENTICATE_FAILED", "authentication failed"));
    if (typeof data !== "object" || data === null) return back(refusal(server.authRejection.status, server.authRejection.status === 403 ? "FORBIDDEN" : "UNAUTHENTICATED", server.authRejection.title));
    if (hub.draining) return back(refusal(503, "DRAINING", "the server is shutting down", { "retry-after": "1" }));
    return admit(data as Record<string, unknown>);
  }
}

/** An admission that became no connection, or one that nobody will hear of since opening it failed. */
export function abandon(hub: Hub, admission: Admission): void {
  const connection = hub.connections.get(admission.clientId);
  if (connection === undefined) hub.slots.giveBack(admission.request.ip);
  else void connection.closed(CLOSE.abnormal, "");
}

/** An id is put together from twenty parts, and engines keep them until somebody reads it. */
function flat(id: string): string {
  id.charCodeAt(id.length - 1);
  return id;
}

function withoutClientId(data: Record<string, unknown>): Record<string, unknown> {
  const own = { ...data };
  if ("clientId" in own) delete own["clientId"];
  return own;
}

class AuthFailure {}

function authenticate(hub: Hub, upgrade: UpgradeRequest, url: URL, offered: readonly string[], ip: string | undefined, clientId: string): MaybePromise<unknown> {
  const { server } = hub;
  const controller = new AbortController();
  const request = upgrade.request ?? new Request(upgrade.url.replace(/^ws/, "http"), { headers: toHeaders(upgrade.headers) });
  const failed = (error: unknown): AuthFailure => {
    hub.reportError(error, undefined, "authenticate");
    return new AuthFailure();
  };
  try {
    const result = server.authenticate!(request, { clientId, ip, token: tokenOf(upgrade.headers, offered, url), signal: controller.signal });
    if (!isPromise(result)) return result;
    return (hub.within(result, server.authTimeoutMs) as Promise<unknown>).catch((error: unknown) => {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      controller.abort(error);
      // One that never answers has not said yes.
      return late ? undefined : failed(error);
    });
  } catch (error) {
    return failed(error);
  }
}

function originAllowed(hub: Hub, { headers, peer }: UpgradeRequest, origin: string | null, url: URL): boolean {
  const { allow, required } = hub.server.origins;
  if (origin === null) return !required;
  if (allow.some((allowed) => (typeof allowed === "string" ? allowed === "*" || allowed === origin.toLowerCase() : allowed.test(origin)))) return true;
  return isSameOrigin(origin, hostOf(headers, url), hub.server.trustProxy, peer, headers, url);
}

function negotiate(hub: Hub, offered: readonly string[]): { readonly codec: Codec; readonly protocol: string | undefined } | undefined {
  const { codecs } = hub.options;
  const first = codecs[0] as Codec;
  for (const codec of codecs) if (offered.includes(PROTOCOL_PREFIX + codec.name)) return { codec, protocol: PROTOCOL_PREFIX + codec.name };
  const foreign = offered.filter((name) => !isBearer(name));
  const echoed = foreign.find((name) => hub.server.protocols.includes(name));
  if (foreign.length > 0 && foreign.every((name) => name.startsWith("sluice."))) return undefined;
  return { codec: codecs.find(({ name }) => name === "json") ?? first, protocol: echoed };
}

function tokenOf(headers: HeaderFields, offered: readonly string[], url: URL): string | undefined {
  const header = /^bearer\s+(\S.*)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return header ?? bearerOf(offered) ?? url.searchParams.get("access_token") ?? undefined;
}

/** What a second connection of one identity means. */
function takeOver(hub: Hub, admission: Admission, back: (refused: Refusal) => Refusal): MaybePromise<Admission | Refusal> {
  const { key, onConflict } = hub.options.identity;
  let identity: string | undefined;
  try {
    identity = key?.(admission.data as never);
  } catch (error) {
    hub.reportError(error, undefined, "identity");
    return back(refusal(500, "IDENTITY_FAILED", "the identity could not be read"));
  }
  if (identity === undefined) return finish(hub, admission, back);
  const named: Admission = { ...admission, identity };
  if (onConflict === "allow") {
    const own = hub.slots.ofIdentity(identity).length;
    const { maxConnectionsPerIdentity } = hub.options.limits;
    if (own < maxConnectionsPerIdentity) return finish(hub, named, back);
    hub.limitExceeded({ type: "connections", clientId: admission.clientId, ws: undefined, observed: own + 1, limit: maxConnectionsPerIdentity });
    return back(refusal(429, "TOO_MANY_CONNECTIONS", "too many connections", { "retry-after": "1" }));
  }
  return hub.takeovers.claim(identity, admission.clientId, onConflict).then((granted) => (granted ? finish(hub, named, back) : back(refusal(429, "IDENTITY_IN_USE", "this identity is connected already", { "retry-after": "1" }))));
}

function finish(hub: Hub, admission: Admission, back: (refused: Refusal) => Refusal): MaybePromise<Admission | Refusal> {
  const { onUpgrade } = hub.server;
  if (onUpgrade === undefined) return admission;
  const failed = (error: unknown): Refusal => {
    hub.reportError(error, undefined, "onUpgrade");
    return back(refusal(500, "UPGRADE_FAILED", "the upgrade failed"));
  };
  try {
    const work = onUpgrade(admission.request);
    return isPromise(work) ? work.then(() => admission, failed) : admission;
  } catch (error) {
    return failed(error);
  }
}

