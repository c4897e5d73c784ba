/** The upstream behind a URL: a reverse proxy that streams in both directions. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { TransportError, type TransportRequest } from "../../core/transport.ts";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError, configError, isGatewayError } from "../errors.ts";
import type { BoundUpstream } from "../internals.ts";
import { queryOf } from "../path.ts";
import type { UrlUpstream } from "../types.ts";
import { isToken, known } from "../validate.ts";
import { outgoingBody, type OutgoingBody } from "./request-body.ts";
import { plannedFields } from "./outgoing-plan.ts";
import { PSEUDONYM, requestFields, type FieldOptions } from "./request-fields.ts";
import { checkOrigins, checkTarget, chosenTarget, joinSearch, joinTarget, type Target } from "./target.ts";

const OPTIONS = [
  "type", "target", "allowOrigins", "rewritePath", "headers", "connectTimeoutMs", "headersTimeoutMs", "idleBodyTimeoutMs", "forwarded", "via",
  "preserveHost", "rewriteLocation", "maxResponseBytes",
] as const satisfies readonly (keyof UrlUpstream)[];

interface Settings {
  readonly fields: FieldOptions;
  readonly rewritePath: UrlUpstream["rewritePath"];
  readonly rewriteLocation: boolean;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleBodyTimeoutMs: number;
  readonly maxResponseBytes: number | undefined;
}

/** Checks the options, and gives the call. Throws a `config_error` naming option and route. */
export function bindUrlUpstream(config: UrlUpstream, where: string): BoundUpstream {
  const settings = check(config, where);
  const { target } = config;
  if (typeof target !== "function") {
    const fixed = checkTarget(`"target" of the upstream of ${where}`, target);
    return (c) => callPlanned(requestState(c), settings, fixed);
  }
  const allowed = checkOrigins(`"allowOrigins" of the upstream of ${where}`, config.allowOrigins);
  const to = (c: Context, value: unknown): MaybePromise<Response> => {
    const state = requestState(c);
    let chosen: Target;
    try {
      chosen = chosenTarget(value, allowed);
    } catch (error) {
      throw refusedHere(state, error);
    }
    state.upstreamTarget = targetText(chosen);
    return call(state, settings, chosen);
  };
  const upstream = (c: Context): MaybePromise<Response> => {
    const planned = requestState(c).plan?.target;
    if (planned !== undefined) return callPlanned(requestState(c), settings, planned);
    const chosen = target(c);
    return isPromise(chosen) ? chosen.then((late) => to(c, late)) : to(c, chosen);
  };
  return Object.assign(upstream, {
    choose: (c: Context): MaybePromise<string> => {
      const chosen = target(c);
      return isPromise(chosen) ? chosen.then((late) => targetText(chosenTarget(late, allowed))) : targetText(chosenTarget(chosen, allowed));
    },
  });
}

function targetText({ origin, basePath, search }: Target): string {
  return `${origin}${basePath}${search}`;
}

function check(config: UrlUpstream, where: string): Settings {
  known(`option of the upstream of ${where}`, config, OPTIONS);
  const must = (name: keyof UrlUpstream, test: (value: unknown) => boolean, expected: string): void => {
    if (config[name] !== undefined && !test(config[name])) throw configError(`"${name}" of the upstream of ${where}`, config[name], expected);
  };
  for (const name of ["connectTimeoutMs", "headersTimeoutMs", "idleBodyTimeoutMs"] as const) {
    must(name, (value) => typeof value === "number" && Number.isFinite(value) && value >= 0, "a number of ms of at least 0");
  }
  must("rewritePath", (value) => typeof value === "function", "a function");
  must("forwarded", (value) => [false, "x-forwarded", "rfc7239", "both"].includes(value as string), `one of false, "x-forwarded", "rfc7239", "both"`);
  for (const name of ["via", "preserveHost", "rewriteLocation"] as const) must(name, (value) => typeof value === "boolean", "a boolean");
  must("maxResponseBytes", (value) => Number.isSafeInteger(value) && (value as number) >= 1, "an integer of at least 1");
  return {
    fields: { forwarded: config.forwarded ?? "x-forwarded", via: config.via ?? true, preserveHost: config.preserveHost ?? false, set: checkFields(config.headers, where) },
    rewritePath: config.rewritePath,
    rewriteLocation: config.rewriteLocation ?? false,
    connectTimeoutMs: config.connectTimeoutMs ?? 5000,
    headersTimeoutMs: config.headersTimeoutMs ?? 30_000,
    idleBodyTimeoutMs: config.idleBodyTimeoutMs ?? 60_000,
    maxResponseBytes: config.maxResponseBytes,
  };
}

function checkFields(headers: UrlUpstream["headers"], where: string): FieldOptions["set"] {
  return Object.entries(headers ?? {}).map(([name, value]) => {
    if (!isToken(name)) throw configError(`a name in "headers" of the upstream of ${where}`, name, "a header name");
    // eslint-disable-next-line no-control-regex
    if (typeof value !== "string" || /[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) throw configError(`"headers.${name}" of the upstream of ${where}`, value, "a header value");
    return [name.toLowerCase(), value] as const;
  });
}

/** Calls `target`, or the place a policy has sent the request to. */
function callPlanned(state: RequestState, settings: Settings, target: Target): MaybePromise<Response> {
  const planned = state.plan?.target;
  if (planned !== undefined) state.upstreamTarget = targetText(planned);
  return call(state, settings, planned ?? target);
}

function call(state: RequestState, settings: Settings, target: Target): MaybePromise<Response> {
  const limited = maxForwards(state.c);
  if (limited !== undefined) return limited;
  const body = outgoingBody(state);
  return isPromise(body) ? body.then((ready) => send(state, settings, target, ready)) : send(state, settings, target, body);
}

function send(state: RequestState, settings: Settings, target: Target, body: OutgoingBody): Promise<Response> {
  const { plan } = state;
  let pathname: string;
  let headers: MaybePromise<string[]>;
  const search = joinSearch(target, queryOf(state.c.req.raw.url));
  try {
    pathname = joinTarget(target, state.path, plan?.target === undefined ? settings.rewritePath : plan.rewritePath) || "/";
    headers = requestFields(state, plan?.preserveHost === true ? { ...settings.fields, preserveHost: true } : settings.fields, body.original);
    if (plan !== undefined) headers = plannedFields(plan, headers, { method: state.c.req.method, origin: target.origin, target: pathname + search });
  } catch (error) {
    throw refusedHere(state, error);
  }
  const url = { origin: target.origin, pathname, search };
  return isPromise(headers)
    ? headers.then((ready) => transmit(state, settings, target, url, ready, body), (error: unknown) => Promise.reject(refusedHere(state, error)))
    : transmit(state, settings, target, url, headers, body);
}

function transmit(state: RequestState, settings: Settings, target: Target, url: TransportRequest["url"], headers: readonly string[], { body }: OutgoingBody): Promise<Response> {
  const { c, snapshot } = state;
  const { core } = snapshot;
  return core
    .transport({
      url,
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
        };
      },
      editHeaders: (headers) => editResponse(headers, state, settings, target),
    })
    .catch((error: unknown) => {
      if (error instanceof TransportError && error.code === "REQUEST_INVALID") refusedHere(state, error);
      throw upstreamFailure(state, error);
    });
}

/** What was refused before it was sent is no call of the upstream: no circuit counts it, and no retry repeats it. */
function refusedHere(state: RequestState, error: unknown): unknown {
  state.upstreamCalls--;
  return error;
}

function editResponse(headers: Headers, state: RequestState, settings: Settings, target: Target): void {
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
  return new URL(state.original.url).origin + (below.startsWith("/") ? below : `/${below}`) + url.search + url.hash;
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
