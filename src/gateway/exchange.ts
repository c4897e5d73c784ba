/** One request from its arrival to the answer: context, match, pipeline, the gateway's own header fields. */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { watchBodyEnd, type BodyEnd } from "./body-end.ts";
import { RequestState } from "./context.ts";
import { GatewayError, defaultErrorResponse } from "./errors.ts";
import { errorResponse } from "./failure.ts";
import { answered } from "./in-flight.ts";
import type { BoundEntry, BoundUpstream, CompiledRoute, Snapshot } from "./internals.ts";
import { armDebug, writeDebugHeaders } from "./operation/debug-headers.ts";
import { observeEnd } from "./operation/observe.ts";
import { beginTrace } from "./operation/tracing.ts";
import { runPipeline } from "./pipeline.ts";
import { dropNominatedFields, dropOwnedFields } from "./request-edit.ts";
import { withoutBody } from "./head.ts";
import { isSendable, mutable } from "./response.ts";
import { formatTraceparent } from "../core/trace-context.ts";

/** Serves a request that matched `route`. */
export function serveRoute(snapshot: Snapshot, route: CompiledRoute, c: Context, path: string): MaybePromise<Response> {
  return serve(snapshot, route, c, path, route.policies, route.upstream);
}

/** Serves any other request: the policies of unmatched requests run, then `upstream` answers. */
export function serveUnmatched(snapshot: Snapshot, c: Context, path: string, policies: readonly BoundEntry[], upstream: BoundUpstream): MaybePromise<Response> {
  return serve(snapshot, undefined, c, path, policies, upstream);
}

function serve(
  snapshot: Snapshot,
  route: CompiledRoute | undefined,
  c: Context,
  path: string,
  policies: readonly BoundEntry[],
  upstream: BoundUpstream,
): MaybePromise<Response> {
  dropNominatedFields(c);
  const state = new RequestState(snapshot, c, route, path, requestId(snapshot, c));
  const { tracker } = snapshot.core;
  tracker.begin();
  snapshot.inFlight++;
  dropOwnedFields(c, policies);
  const { tracing, debugHeaders } = snapshot;
  if (tracing !== undefined) state.spans = beginTrace(state, tracing);
  if (debugHeaders !== undefined) {
    const armed = armDebug(state, debugHeaders);
    if (isPromise(armed)) return armed.then(() => run(state, policies, upstream));
  }
  return run(state, policies, upstream);
}

function run(state: RequestState, policies: readonly BoundEntry[], upstream: BoundUpstream): MaybePromise<Response> {
  const refused = state.snapshot.core.closing && upstream.whileClosing !== true;
  const response = refused ? runPipeline(state, [], closing) : runPipeline(state, policies, upstream);
  return isPromise(response) ? response.then((ready) => finish(state, ready), (error: unknown) => broken(state, error)) : finish(state, response);
}

function closing(): never {
  throw new GatewayError(503, "gateway_closing", "The gateway is shutting down", { connection: "close", "retry-after": "1" });
}

const ID = /^[A-Za-z0-9._-]{1,128}$/;

function requestId(snapshot: Snapshot, c: Context): string {
  if (snapshot.trustRequestId) {
    const given = c.req.raw.headers.get(snapshot.requestIdHeader);
    if (given !== null && ID.test(given)) return given;
  }
  return snapshot.random.uuid();
}

/** A policy has put something into `c.res` that is no response. */
function broken(state: RequestState, error: unknown): MaybePromise<Response> {
  const answer = errorResponse(state, error);
  return isPromise(answer) ? answer.then((ready) => complete(state, ready)) : complete(state, answer);
}

/** Adds the gateway's own fields and lets go of what the request held. */
function finish(state: RequestState, answer: Response): MaybePromise<Response> {
  return state.c.req.method === "HEAD" && answer.body !== null ? withoutBody(answer).then((head) => complete(state, head)) : complete(state, answer);
}

function complete(state: RequestState, answer: Response): Response {
  const { snapshot, c } = state;
  let response = mutable(isSendable(answer) ? answer : defaultErrorResponse(state.requestId, snapshot.defaultErrorMessage));
  response.headers.set(snapshot.requestIdHeader, state.requestId);
  if (snapshot.tracing !== undefined) response.headers.set("traceparent", formatTraceparent(state.trace));
  if (state.debugNotes !== undefined) writeDebugHeaders(state, response.headers);
  observeEnd(state, response);
  answered(state);
  const watchers = state.bodyEnd;
  const { socket } = state;
  if (watchers !== undefined) {
    const ended = (end: BodyEnd): void => {
      for (const watcher of watchers) watcher(end);
    };
    if (socket === undefined) response = watchBodyEnd(c, response, ended);
    else socket.watch(ended);
  }
  // What a policy answers in the place of the handshake is a refusal.
  if (socket !== undefined && response.status >= 300) socket.terminate();
  state.answered = true;
  snapshot.core.tracker.end();
  return response;
}
