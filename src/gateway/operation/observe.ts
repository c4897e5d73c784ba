/** Where the pipeline tells what it does: policies, attempts, the end of a request. Nothing here runs while nobody looks. */

import type { Context } from "hono";
import { isPromise } from "../../core/maybe-promise.ts";
import { requestState, type RequestState } from "../context.ts";
import { isGatewayError } from "../errors.ts";
import type { PolicyHandler } from "../types.ts";
import type { SpanBuilder } from "./spans.ts";

/** Marks a policy that wants to know how long the others take. */
export const WANTS_TIMES: unique symbol = /* @__PURE__ */ Symbol("wants times") as never;

/** A policy's handler that is timed. */
export function observed(name: string, priority: number, handler: PolicyHandler): PolicyHandler {
  return (c, next) => {
    const state = requestState(c);
    if (state.traceNotes === undefined && state.spans === undefined && !state.events.detailed) return handler(c, next);
    const { clock } = state.snapshot;
    const beganAt = clock.monotonic();
    const span = state.spans?.policy(name);
    let calledNext = false;
    const end = (error: string | undefined): void => {
      const durationMs = clock.monotonic() - beganAt;
      state.traceNotes?.add({ name, priority, durationMs: Math.round(durationMs * 1000) / 1000, calledNext, error: error ?? null });
      if (span !== undefined) state.spans?.endPolicy(span, error);
      if (state.events.detailed) state.events.detail({ type: "policy", policy: name, route: state.routePath, durationMs });
    };
    try {
      const result = handler(c, () => {
        calledNext = true;
        return next();
      });
      if (!isPromise(result)) {
        end(undefined);
        return result;
      }
      return result.then(
        (value) => {
          end(undefined);
          return value;
        },
        (error: unknown) => {
          end(codeOf(error));
          throw error;
        },
      );
    } catch (error) {
      end(codeOf(error));
      throw error;
    }
  };
}

/** Only the code: a message may hold what no client and no trace should see. */
export function codeOf(error: unknown): string {
  return isGatewayError(error) ? error.code : "internal_error";
}

/** One call of the upstream that somebody watches. */
export class Attempt {
  private readonly state: RequestState;
  private readonly beganAt: number;
  private readonly span: SpanBuilder | undefined;

  constructor(state: RequestState) {
    this.state = state;
    this.beganAt = state.snapshot.clock.monotonic();
    this.span = state.spans?.attempt();
    state.attemptSpanId = this.span?.spanId;
  }

  end(status: number | undefined, thrown: unknown): void {
    const { state, span } = this;
    const error = status === undefined ? codeOf(thrown) : undefined;
    const target = state.upstreamTarget ?? state.fixedTarget;
    if (span !== undefined) state.spans?.endAttempt(span, target, status, error);
    if (!state.events.detailed) return;
    const durationMs = state.snapshot.clock.monotonic() - this.beganAt;
    state.events.detail({
      type: "upstream", route: state.routePath, method: state.c.req.method, durationMs, attempt: state.upstreamCalls,
      ...(target === undefined ? undefined : { target: withoutQuery(target) }), ...(status === undefined ? undefined : { status }), ...(error === undefined ? undefined : { error }),
    });
  }
}

/** `undefined` while nobody looks. */
export function beginAttempt(state: RequestState): Attempt | undefined {
  return state.spans === undefined && !state.events.detailed ? undefined : new Attempt(state);
}

function withoutQuery(target: string): string {
  const mark = target.indexOf("?");
  return mark === -1 ? target : target.slice(0, mark);
}

/** Tells the end of the request once its body is over. */
export function observeEnd(state: RequestState, response: Response): void {
  if (state.spans === undefined && !state.events.detailed) return;
  const status = state.statusOf(response);
  state.onBodyEnd(({ bytes, aborted }) => {
    state.spans?.end(status, state.errorCode, aborted);
    if (!state.events.detailed) return;
    state.events.detail({
      type: "request", requestId: state.requestId, route: state.routePath, method: state.c.req.method, status, bytes, aborted,
      durationMs: state.snapshot.clock.monotonic() - state.beganAt,
      ...(state.errorCode === undefined || status < 400 ? undefined : { code: state.errorCode }), ...(state.tags === undefined ? undefined : { tags: state.tags }),
    });
  });
}

/** Adds a tag to the metrics of this request. */
export function tagRequest(c: Context, name: string, value: string): void {
  const state = requestState(c);
  (state.tags ??= {})[name] = value;
}
