/** The upstream behind a binding of the platform: another service, called without a network in between. */

import type { Context } from "hono";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import { CONNECTION_FIELDS, nominatedFields } from "../../core/transport.ts";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError, configError, isGatewayError } from "../errors.ts";
import type { BoundUpstream } from "../internals.ts";
import { queryOf } from "../path.ts";
import { copyResponse, isResponse } from "../response.ts";
import { known } from "../validate.ts";
import { forwardSettings } from "./forward-settings.ts";
import { refusedHere } from "./forward.ts";
import { outgoingBody } from "./request-body.ts";
import { PSEUDONYM, requestFields } from "./request-fields.ts";
import { joinTarget, type Target } from "./target.ts";
import type { ServiceBindingUpstream } from "./types.ts";

const OPTIONS = ["type", "service", "rewritePath", "headers", "forwarded", "via"] as const satisfies readonly (keyof ServiceBindingUpstream)[];

export function bindServiceBinding(config: ServiceBindingUpstream, where: string): BoundUpstream {
  const { type: _, service, ...options } = config;
  known(`option of the upstream of ${where}`, config, OPTIONS);
  if (typeof service !== "string" || service === "") throw configError(`"service" of the upstream of ${where}`, service, "the name of a binding");
  const settings = forwardSettings(options, where);
  // A service sees the host the client used; the origin is that of the request, and a rewrite cannot change it.
  const fields = { ...settings.fields, preserveHost: true };
  return async (c) => {
    const state = requestState(c);
    const dispatch = state.adapter?.dispatchBinding;
    if (dispatch === undefined) throw refusedHere(state, new GatewayError(502, "config_error", `The adapter cannot call the service binding "${service}"`));
    let request: Request;
    try {
      request = await requestOf(c, state, fields, settings.rewritePath);
    } catch (error) {
      throw refusedHere(state, error);
    }
    const response: unknown = await dispatch.call(state.adapter, service, request).catch((error: unknown) => {
      if (isGatewayError(error)) throw error;
      if (state.signal.aborted) throw new GatewayError(499, "client_closed", "The client closed the request", undefined, { cause: error });
      throw new GatewayError(502, "upstream_error", "The upstream gave no valid response", undefined, { cause: error });
    });
    if (!isResponse(response)) throw new GatewayError(502, "upstream_error", "The upstream gave no valid response");
    return edited(response, fields.via);
  };
}

async function requestOf(c: Context, state: RequestState, fields: Parameters<typeof requestFields>[1], rewritePath: ServiceBindingUpstream["rewritePath"]): Promise<Request> {
  const { url } = c.req.raw;
  const target: Target = { origin: new URL(url).origin, basePath: "", search: "" };
  const path = joinTarget(target, state.path, rewritePath);
  const { body, original } = await (outgoingBody(state) as MaybePromise<{ body: unknown; original: boolean }>);
  const headers = new Headers();
  const list = requestFields(state, fields, original);
  for (let i = 0; i < list.length; i += 2) headers.append(list[i] as string, list[i + 1] as string);
  const { method } = c.req;
  return new Request(target.origin + path + queryOf(url), { method, headers, body: body as BodyInit | null, redirect: "manual", signal: state.signal, ...({ duplex: "half" } as object) });
}

function edited(response: Response, via: boolean): Response {
  const copy = copyResponse(response);
  for (const name of nominatedFields(copy.headers.get("connection"))) copy.headers.delete(name);
  for (const name of CONNECTION_FIELDS) copy.headers.delete(name);
  if (via) copy.headers.append("via", `1.1 ${PSEUDONYM}`);
  return copy;
}
