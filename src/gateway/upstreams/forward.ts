/** One call of a URL: the request goes out, and the answer comes back as the client may see it. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { TransportError } from "../../core/transport.ts";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError, isGatewayError } from "../errors.ts";
import { queryOf } from "../path.ts";
import type { ForwardSettings } from "./forward-settings.ts";
import { outgoingBody, type OutgoingBody } from "./request-body.ts";
import { PSEUDONYM, requestFields } from "./request-fields.ts";
import { joinSearch, joinTarget, type Target } from "./target.ts";
import { isUpgrade, proxyWebSocket } from "./web-socket.ts";

/** `onEnd` is called once the exchange is over, its body included. */
export function forward(c: Context, settings: ForwardSettings, target: Target, onEnd?: () => void): MaybePromise<Response> {
  const state = requestState(c);
  const limited = maxForwards(c);
  if (limited !== undefined) {
    onEnd?.();
    return limited;
  }
  if (c.req.method === "GET" && isUpgrade(c)) return upgrade(state, settings, target, onEnd);
  const body = outgoingBody(state);
  return isPromise(body) ? body.then((ready) => send(state, settings, target, ready, onEnd)) : send(state, settings, target, body, onEnd);
}

function send(state: RequestState, settings: ForwardSettings, target: Target, { body, original }: OutgoingBody, onEnd: (() => void) | undefined): Promise<Response> {
  const { c, snapshot } = state;
  const { core } = snapshot;
  let pathname: string;
  let headers: string[];
  try {
    pathname = joinTarget(target, state.path, settings.rewritePath);
    headers = requestFields(state, settings.fields, original);
  } catch (error) {
    onEnd?.();
    throw refusedHere(state, error);
  }
  return core
    .transport({
      url: { origin: target.origin, pathname: pathname === "" ? "/" : pathname, search: joinSearch(target, queryOf(c.req.raw.url)) },
      method: c.req.method,
      headers,
      body,
      connectTimeoutMs: settings.connectTimeoutMs,
      headersTimeoutMs: settings.headersTimeoutMs,
      idleBodyTimeoutMs: settings.idleBodyTimeoutMs,
      ...(settings.maxResponseBytes === undefined ? undefined : { maxResponseBytes: settings.maxResponseBytes }),
      // The exchange is in flight until the transport forgets it: its body outlives this call.
      onCancel: (cancel) => {
        core.tracker.begin();
        const forget = state.onCancel(cancel);
        return () => {
          forget();
          core.tracker.end();
          onEnd?.();
        };
      },
      editHeaders: (headers) => editResponse(headers, state, settings, target),
    })
    .catch((error: unknown) => {
      if (error instanceof TransportError && error.code === "REQUEST_INVALID") refusedHere(state, error);
      throw upstreamFailure(state, error);
    });
}

function upgrade(state: RequestState, settings: ForwardSettings, target: Target, onEnd: (() => void) | undefined): Promise<Response> {
  let pathname: string;
  let headers: string[];
  try {
    pathname = joinTarget(target, state.path, settings.rewritePath);
    headers = requestFields(state, settings.fields, false);
  } catch (error) {
    onEnd?.();
    throw refusedHere(state, error);
  }
  const url = target.origin.replace(/^http/, "ws") + (pathname === "" ? "/" : pathname) + joinSearch(target, queryOf(state.c.req.raw.url));
  return proxyWebSocket(state, url, headers, settings, onEnd).catch((error: unknown) => {
    throw upstreamFailure(state, error);
  });
}

/** What was refused before it was sent is no call of the upstream: no circuit counts it, and no retry repeats it. */
export function refusedHere(state: RequestState, error: unknown): unknown {
  state.upstreamCalls--;
  return error;
}

function editResponse(headers: Headers, state: RequestState, settings: ForwardSettings, target: Target): void {
  if (settings.fields.via) headers.append("via", `1.1 ${PSEUDONYM}`);
  const location = settings.rewriteLocation ? headers.get("location") : null;
  if (location !== null) headers.set("location", rewriteLocation(location, state, target));
}

/** A `Location` on the target becomes one on the gateway; anything else passes. */
function rewriteLocation(location: string, state: RequestState, target: Target): string {
  let url: URL;
  try {
    url = new URL(location);
  } catch {
    return location;
  }
  if (url.origin !== target.origin) return location;
  const below = url.pathname === target.basePath || url.pathname.startsWith(`${target.basePath}/`) ? url.pathname.slice(target.basePath.length) : url.pathname;
  return state.publicOrigin + (below.startsWith("/") ? below : `/${below}`) + url.search + url.hash;
}

/** RFC 9110 7.6.2: who receives 0 answers itself, everybody else counts down. */
function maxForwards(c: Context): Response | undefined {
  if (c.req.method !== "OPTIONS") return undefined;
  const left = c.req.raw.headers.get("max-forwards");
  return left !== null && /^0+$/.test(left.trim()) ? new Response(null, { status: 204 }) : undefined;
}

/** What the caller may know of a failed exchange. The cause goes to the log. */
function upstreamFailure(state: RequestState, error: unknown): GatewayError {
  if (isGatewayError(error)) return error;
  if (state.debugging) state.debug("sluice:upstream")("%s %s: %s", state.c.req.method, state.path, error);
  if (!(error instanceof TransportError)) return new GatewayError(499, "client_closed", "The client closed the request", undefined, { cause: error });
  switch (error.code) {
    case "CONNECT_TIMEOUT":
    case "HEADERS_TIMEOUT":
    case "BODY_TIMEOUT":
      return new GatewayError(504, "upstream_timeout", "The upstream did not answer in time", undefined, { cause: error });
    default:
      return new GatewayError(502, "upstream_error", "The upstream gave no valid response", undefined, { cause: error });
  }
}
