/** One call of a URL: the request goes out, and the answer comes back as the client may see it. */

import type { Context } from "hono";
import { interimSender } from "../../core/interim-port.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { TransportError, type TransportRequest, type TransportTarget } from "../../core/transport.ts";
import { failingAs } from "../callback.ts";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError, isGatewayError } from "../errors.ts";
import { queryOf } from "../path.ts";
import type { ForwardSettings } from "./forward-settings.ts";
import { plannedFields } from "./outgoing-plan.ts";
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

function send(state: RequestState, settings: ForwardSettings, target: Target, body: OutgoingBody, onEnd: (() => void) | undefined): Promise<Response> {
  const refused = (error: unknown): unknown => {
    onEnd?.();
    return refusedHere(state, error);
  };
  let outgoing: Outgoing;
  try {
    outgoing = outgoingOf(state, settings, target, body.original);
  } catch (error) {
    throw refused(error);
  }
  const { url, headers } = outgoing;
  return isPromise(headers)
    ? headers.then((ready) => transmit(state, settings, target, url, ready, body, onEnd), (error: unknown) => Promise.reject(refused(error)))
    : transmit(state, settings, target, url, headers, body, onEnd);
}

interface Outgoing {
  readonly url: TransportTarget;
  readonly headers: MaybePromise<string[]>;
}

/** Where the request goes and with which fields, what policies have planned included. */
function outgoingOf(state: RequestState, settings: ForwardSettings, target: Target, keepLength: boolean): Outgoing {
  const { plan } = state;
  const pathname = joinTarget(target, state.path, plan?.target === undefined ? settings.rewritePath : plan.rewritePath) || "/";
  const search = joinSearch(target, queryOf(state.c.req.raw.url));
  const fields = requestFields(state, plan?.preserveHost === true ? { ...settings.fields, preserveHost: true } : settings.fields, keepLength);
  const headers = plan === undefined ? fields : plannedFields(plan, fields, { method: state.c.req.method, origin: target.origin, target: pathname + search });
  return { url: { origin: target.origin, pathname, search }, headers };
}

function transmit(state: RequestState, settings: ForwardSettings, target: Target, url: TransportTarget, headers: readonly string[], { body }: OutgoingBody, onEnd: (() => void) | undefined): Promise<Response> {
  const { core } = state.snapshot;
  return core
    .transport({
      url,
      method: state.c.req.method,
      headers,
      body,
      connectTimeoutMs: settings.connectTimeoutMs,
      headersTimeoutMs: settings.headersTimeoutMs,
      idleBodyTimeoutMs: settings.idleBodyTimeoutMs,
      onInterim: settings.interimResponses ? interimOf(state) : undefined,
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
      editHeaders: (received) => editResponse(received, state, settings, target),
    })
    .catch((error: unknown) => {
      if (error instanceof TransportError && error.code === "REQUEST_INVALID") refusedHere(state, error);
      throw upstreamFailure(state, error);
    });
}

/** Hints of an attempt that somebody else has answered for meanwhile are nobody's. Cookies are for policies to see. */
function interimOf(state: RequestState): TransportRequest["onInterim"] {
  const sender = interimSender(state.c.env);
  if (sender === undefined) return undefined;
  return (status, fields) => {
    if (state.answered) return;
    sender(status, fields.filter((_, i) => fields[i - (i % 2)] !== "set-cookie"));
  };
}

async function upgrade(state: RequestState, settings: ForwardSettings, target: Target, onEnd: (() => void) | undefined): Promise<Response> {
  let url: TransportTarget;
  let headers: string[];
  try {
    const outgoing = outgoingOf(state, settings, target, false);
    url = outgoing.url;
    headers = await outgoing.headers;
  } catch (error) {
    onEnd?.();
    throw refusedHere(state, error);
  }
  try {
    return await proxyWebSocket(state, url.origin.replace(/^http/, "ws") + url.pathname + url.search, headers, settings, onEnd);
  } catch (error) {
    throw upstreamFailure(state, error);
  }
}

/** What was refused before it was sent is no call of the upstream: no circuit counts it, and no retry repeats it. */
export function refusedHere(state: RequestState, error: unknown): unknown {
  state.upstreamCalls--;
  return error;
}

/** What `run` gives; what it throws is no call of the upstream. */
export function calledHere<T>(c: Context, run: () => MaybePromise<T>): MaybePromise<T> {
  return failingAs(run, (error) => refusedHere(requestState(c), error));
}

function editResponse(headers: Headers, state: RequestState, settings: ForwardSettings, target: Target): void {
  if (settings.fields.via) headers.append("via", `1.1 ${PSEUDONYM}`);
  const location = settings.rewriteLocation ? headers.get("location") : null;
  if (location !== null) headers.set("location", rewriteLocation(location, state, target));
}

/** A `Location` on the target becomes one on the gateway; anything else passes. */
function rewriteLocation(location: string, state: RequestState, target: Target): string {
  // A path alone is already on the gateway, but for the base path that the gateway has put before it.
  const isPath = /^\/(?![/\\])/.test(location);
  let url: URL;
  try {
    url = new URL(location, isPath ? target.origin : undefined);
  } catch {
    return location;
  }
  if (url.origin !== target.origin) return location;
  const isBelow = url.pathname === target.basePath || url.pathname.startsWith(`${target.basePath}/`);
  if (isPath && (!isBelow || target.basePath === "")) return location;
  const path = isBelow ? url.pathname.slice(target.basePath.length) : url.pathname;
  // Two slashes at the beginning would be another host.
  const below = `/${path.replace(/^[/\\]+/, "")}`;
  return (isPath ? "" : state.publicOrigin) + below + url.search + url.hash;
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
