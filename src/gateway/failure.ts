/** Turns what was thrown into an answer: `onError` first, then the problem document. Never throws. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { clientHasLeft } from "./cancellation.ts";
import type { RequestState } from "./context.ts";
import { defaultErrorResponse, errorToResponse, isGatewayError, sendableFields } from "./errors.ts";
import { isResponse, isSendable, mutable } from "./response.ts";

export function errorResponse(state: RequestState, error: unknown): MaybePromise<Response> {
  const { snapshot, c, requestId } = state;
  if (error instanceof Error) c.error = error;
  state.errorCode = isGatewayError(error) ? error.code : "internal_error";
  report(state, error);
  const { onError } = snapshot;
  if (onError === undefined) return errorToResponse(error, requestId, snapshot.defaultErrorMessage);
  const fallback = (second: unknown): Response => {
    report(state, second);
    return defaultErrorResponse(requestId, snapshot.defaultErrorMessage);
  };
  try {
    const answer: unknown = onError(error, c);
    if (isPromise(answer)) return answer.then((late) => (isAnswer(late) ? withFieldsOf(error, late) : fallback(error)), fallback);
    return isAnswer(answer) ? withFieldsOf(error, answer) : fallback(error);
  } catch (second) {
    return fallback(second);
  }
}

/** What the status needs (`www-authenticate`, `retry-after`, `allow`) stays with an answer that is still an error; its own fields win. */
function withFieldsOf(error: unknown, answer: Response): Response {
  if (answer.status < 400 || !isGatewayError(error)) return answer;
  const missing = sendableFields(error.headers).filter(([name]) => !answer.headers.has(name));
  if (missing.length === 0) return answer;
  const response = mutable(answer);
  for (const [name, value] of missing) response.headers.set(name, value);
  return response;
}

function isAnswer(value: unknown): value is Response {
  return isResponse(value) && isSendable(value);
}

function report(state: RequestState, error: unknown): void {
  const { events } = state.snapshot.core;
  if (state.debugging) state.debug("sluice:pipeline")("error: %s", error);
  const known = isGatewayError(error);
  // A refusal (4xx) is an expected outcome of a policy, not a fault; nor is a client that leaves while its body is read.
  if (known ? error.statusCode < 500 : clientHasLeft(state.c)) return;
  events.emit({ type: "error", code: known ? error.code : "internal_error", requestId: state.requestId, error });
}
