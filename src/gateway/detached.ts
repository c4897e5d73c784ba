/** Runs the inner part of a request's chain once more, in a context of its own. */

import type { Context } from "hono";
import { watchBodyEnd, type BodyEnd } from "./body-end.ts";
import { RequestState } from "./context.ts";
import { answered } from "./in-flight.ts";
import { runPipeline } from "./pipeline.ts";
import type { PolicyContext } from "./types.ts";

/**
 * Runs the layers inside the policy named `policyName`, and the upstream, for `request`. The original's client may leave
 * and its `c.res` stays; peer address and identity are those of the original.
 */
export async function runDetached(gateway: PolicyContext, policyName: string, request: Request): Promise<Response> {
  const state = gateway as RequestState;
  const { snapshot, c, route, path } = state;
  const policies = state.policies ?? [];
  const at = policies.findIndex((entry) => entry.name === policyName);
  const copy = contextFor(c, request);
  const own = new RequestState(snapshot, copy, route, path, state.requestId);
  own.inherit(state);
  snapshot.core.tracker.begin();
  snapshot.inFlight++;
  try {
    const response = await runPipeline(own, policies.slice(at + 1), state.call as NonNullable<typeof state.call>);
    own.answered = true;
    answered(own);
    return ended(own, response);
  } catch (error) {
    if (!own.answered) answered(own);
    tell(own, { bytes: 0, aborted: true });
    throw error;
  } finally {
    snapshot.core.tracker.end();
  }
}

/** Inner policies hold places until the body has ended, here as in any other run. */
function ended(own: RequestState, response: Response): Response {
  return own.bodyEnd === undefined ? response : watchBodyEnd(own.c, response, (end) => tell(own, end));
}

function tell({ bodyEnd = [] }: RequestState, end: BodyEnd): void {
  for (const watcher of bodyEnd) watcher(end);
}

/** A Hono context of the same kind for another request; without the connection of the first one. */
function contextFor(c: Context, request: Request): Context {
  const env = c.env as { incoming?: unknown } | undefined | null;
  const options = { path: c.req.path, matchResult: [[]], env: env?.incoming === undefined ? env : {} };
  const copy = Reflect.construct(c.constructor, [request, options]) as Context;
  Object.defineProperty(copy.req, "param", { value: c.req.param.bind(c.req), configurable: true });
  return copy;
}
