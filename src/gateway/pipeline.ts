/**
 * Runs a request through its policies and its upstream. What a layer throws becomes a response at that layer, so outer
 * policies see a status, never an exception; `next()` never rejects.
 */

import type { Context } from "hono";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { attachState, type RequestState } from "./context.ts";
import { GatewayError } from "./errors.ts";
import { errorResponse } from "./failure.ts";
import type { BoundEntry, BoundUpstream } from "./internals.ts";
import { beginAttempt } from "./operation/observe.ts";
import { prepareFrom, undoUntaken } from "./prepare.ts";
import { discard, isResponse, isSendable, mutable } from "./response.ts";

/** The response of this request, before the gateway's own header fields. Never rejects. */
export function runPipeline(state: RequestState, policies: readonly BoundEntry[], upstream: BoundUpstream): MaybePromise<Response> {
  const { c } = state;
  attachState(c, state);
  state.policies = policies;
  state.call = upstream;
  if (policies.length === 0 && state.spans === undefined && !state.events.detailed) return runBare(state, upstream);
  const ended = step({ state, c, policies, upstream, seen: undefined, preparedTo: 0 }, 0, undefined);
  return ended.then(() => c.res);
}

/** Without policies nobody looks at `c.res`, and a synchronous handler stays synchronous. */
function runBare(state: RequestState, upstream: BoundUpstream): MaybePromise<Response> {
  let result: MaybePromise<Response>;
  try {
    state.upstreamCalls++;
    result = upstream(state.c);
  } catch (error) {
    return errorResponse(state, error);
  }
  if (isPromise(result)) {
    return result.then(
      (response) => accept(state, response) ?? noHandlerResponse(state),
      (error: unknown) => errorResponse(state, error),
    );
  }
  return accept(state, result) ?? noHandlerResponse(state);
}

interface Run {
  readonly state: RequestState;
  readonly c: Context;
  readonly policies: readonly BoundEntry[];
  readonly upstream: BoundUpstream;
  /** The response last known to be mutable. */
  seen: Response | undefined;
  /** Policies before it have had their chance to be asked together. */
  preparedTo: number;
}

/** One policy's turn. A closed frame has answered: what arrives from inside it later is dropped. */
interface Frame {
  readonly parent: Frame | undefined;
  open: boolean;
  inner: Promise<void> | undefined;
}

const DONE: Promise<void> = /* @__PURE__ */ Promise.resolve();

function step(run: Run, index: number, parent: Frame | undefined): Promise<void> {
  const entry = run.policies[index];
  if (entry === undefined) return callUpstream(run, parent);
  if (entry.prepare !== undefined && index >= run.preparedTo) {
    const end = prepareFrom(run.state, run.policies, index);
    if (end > index) return stepPrepared(run, index, end, parent);
  }
  const frame: Frame = { parent, open: true, inner: undefined };
  const next = (): Promise<void> => {
    // A policy may ask again (a retry): the earlier answer, its header fields included, is then void.
    if (frame.inner !== undefined && stands(frame)) clearResponse(run.c);
    return (frame.inner = step(run, index + 1, frame));
  };
  let result: MaybePromise<Response | void>;
  try {
    result = entry.handler(run.c, next);
  } catch (error) {
    return fail(run, frame, error) ?? DONE;
  }
  if (isPromise(result)) {
    if (result === frame.inner) return frame.inner;
    return result.then(
      (value) => settle(run, entry, frame, value),
      (error: unknown) => fail(run, frame, error),
    );
  }
  return settle(run, entry, frame, result) ?? DONE;
}

/** A turn of the first of several policies whose stores have been asked together. */
function stepPrepared(run: Run, from: number, end: number, parent: Frame | undefined): Promise<void> {
  run.preparedTo = end;
  return step(run, from, parent).then(() => {
    // An outer policy may ask again.
    run.preparedTo = from;
    undoUntaken(run.state, run.policies, from, end);
  });
}

function settle(run: Run, entry: BoundEntry, frame: Frame, value: Response | void): Promise<void> | undefined {
  const { c } = run;
  if (value !== undefined && value !== null && isResponse(value)) {
    if (!isSendable(value)) return fail(run, frame, new GatewayError(502, "upstream_error", `Policy "${entry.name}" gave no valid response`));
    frame.open = false;
    commit(run, frame.parent, value);
    return undefined;
  }
  if (!c.finalized) {
    // `next()` was called and not awaited: the answer is still on its way.
    if (frame.inner !== undefined) return frame.inner;
    return fail(run, frame, new GatewayError(500, "policy_no_response", `Policy "${entry.name}" neither answered nor called next()`));
  }
  frame.open = false;
  if (frame.parent !== undefined && c.res !== run.seen && stands(frame.parent)) {
    const response = mutable(c.res);
    if (response !== c.res) replace(c, response);
    run.seen = response;
  }
  return undefined;
}

function callUpstream(run: Run, frame: Frame | undefined): Promise<void> {
  // Somebody further out has answered: no upstream is called for an answer nobody gets.
  if (!stands(frame)) return DONE;
  const { state } = run;
  try {
    state.upstreamGate?.();
  } catch (error) {
    return failAt(run, frame, error) ?? DONE;
  }
  state.upstreamCalls++;
  state.upstreamError = undefined;
  const attempt = beginAttempt(state);
  let result: MaybePromise<Response>;
  try {
    result = run.upstream(run.c);
  } catch (error) {
    attempt?.end(undefined, error);
    return upstreamThrew(run, frame, error) ?? DONE;
  }
  if (isPromise(result)) {
    return result.then(
      (value) => {
        attempt?.end(value?.status, undefined);
        return answered(run, frame, value);
      },
      (error: unknown) => {
        attempt?.end(undefined, error);
        return upstreamThrew(run, frame, error);
      },
    );
  }
  attempt?.end((result as Response | undefined)?.status, undefined);
  return answered(run, frame, result) ?? DONE;
}

function upstreamThrew(run: Run, frame: Frame | undefined, error: unknown): Promise<void> | undefined {
  run.state.upstreamStatus = undefined;
  run.state.upstreamError = error;
  return failAt(run, frame, error);
}

function answered(run: Run, frame: Frame | undefined, value: Response): Promise<void> | undefined {
  const response = accept(run.state, value);
  if (response === undefined) return upstreamThrew(run, frame, handlerError());
  if (isPromise(response)) return response.then((ready) => commit(run, frame, ready));
  run.state.upstreamStatus = response.status;
  commit(run, frame, response);
  return undefined;
}

/** Makes `response` the answer, unless a policy further out has answered in the meantime. */
function commit(run: Run, frame: Frame | undefined, response: Response): void {
  if (!stands(frame)) {
    discard(response);
    return;
  }
  const { c } = run;
  const next = mutable(response);
  if (c.finalized) {
    const old = c.res;
    if (old === response) return;
    // Hono carries the fields of a replaced response over to the next one; those that describe the old bytes must not be.
    const kept = mutable(old);
    for (const name of ["content-length", "content-encoding", "transfer-encoding", "content-range"]) kept.headers.delete(name);
    if (kept !== old) replace(c, kept);
    if (old.body !== response.body) discard(old);
  }
  c.res = next;
  run.seen = c.res;
}

function stands(frame: Frame | undefined): boolean {
  for (let at = frame; at !== undefined; at = at.parent) if (!at.open) return false;
  return true;
}

function fail(run: Run, frame: Frame, error: unknown): Promise<void> | undefined {
  frame.open = false;
  return failAt(run, frame.parent, error);
}

function failAt(run: Run, frame: Frame | undefined, error: unknown): Promise<void> | undefined {
  if (!stands(frame)) return undefined;
  const response = errorResponse(run.state, error);
  if (isPromise(response)) return response.then((ready) => answerError(run, frame, ready));
  answerError(run, frame, response);
  return undefined;
}

function answerError(run: Run, frame: Frame | undefined, response: Response): void {
  if (!stands(frame)) return;
  if (run.c.finalized) discard(run.c.res);
  replace(run.c, mutable(response));
  run.seen = run.c.res;
}

function replace(c: Context, response: Response): void {
  clearResponse(c);
  c.res = response;
}

function clearResponse(c: Context): void {
  // Assigning over an existing response would merge the two.
  c.res = undefined;
  c.finalized = false;
}

/** What an upstream gave, checked: `undefined` when it gave nothing. */
function accept(state: RequestState, value: unknown): MaybePromise<Response> | undefined {
  if (isResponse(value)) {
    return !isSendable(value) ? errorResponse(state, new GatewayError(502, "upstream_error", "The upstream gave no valid response")) : value;
  }
  // A handler may set `c.res` instead of returning, as in Hono.
  return value === undefined && state.c.finalized ? state.c.res : undefined;
}

function handlerError(): GatewayError {
  return new GatewayError(500, "handler_no_response", "The handler returned no response");
}

function noHandlerResponse(state: RequestState): MaybePromise<Response> {
  return errorResponse(state, handlerError());
}
