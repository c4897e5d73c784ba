/** From a request to an accepted answer: tries, their order of gates, and when there is another one. */

import { isPromise } from "../core/maybe-promise.ts";
import { createRetry, type Attempt, type RetryVerdict } from "../resilience/retry.ts";
import { ERROR_BODY_BYTES } from "../core/transport.ts";
import type { Answer } from "./answer.ts";
import { retryAfterMs } from "./limits/retry-after.ts";
import { isJson, parseBytes } from "./answer.ts";
import type { AuthContext } from "./auth/strategy.ts";
import type { Call } from "./call.ts";
import { RETRY_STATUSES, StitchError, isStitchError, set, toStitchError } from "./errors.ts";
import type { Gates, Passage } from "./gates.ts";
import type { HedgeTry } from "./hedge.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Prepared } from "./prepare.ts";
import { Scope } from "./scope.ts";
import { outgoing, transmit, type Trail } from "./transmit.ts";

/** What a call needs beside its plan, loaded before the first try. */
export interface Equipment {
  readonly gates: Gates;
  readonly auth: AuthContext | undefined;
  /** Told the answer times, and asked for the delay of a hedge. */
  readonly latencies: { add(ms: number): void; p95(): number | undefined } | undefined;
  /** One try under limits, credentials and hedging, or nothing where a call has none of them. */
  readonly attempt: ((call: Call, prepared: Prepared, equipment: Equipment) => Promise<Answer>) | undefined;
}

/** An accepted answer. @throws StitchError */
export async function fetchAnswer(call: Call, prepared: Prepared, equipment: Equipment): Promise<Answer> {
  const { plan, runtime } = call;
  const { attempts, backoff, budget: budgeted, respectRetryAfter, maxRetryAfterMs } = plan.retry;
  if (attempts === 1) {
    plan.budget?.first();
    return accepted(call, prepared, await attemptOf(equipment)(call, prepared, equipment));
  }
  let stuck: StitchError | undefined;
  const retry = createRetry<Answer>({
    ...backoff, maxRetries: attempts - 1, maxRetryAfterMs, clock: runtime.clock, random: runtime.random, budget: budgeted === false ? undefined : plan.budget,
    judge: (attempt, tries) => {
      const verdict = judge(call, prepared, attempt, tries, respectRetryAfter);
      if (verdict === false || prepared.body === undefined || prepared.body.replayable) return verdict;
      stuck = new StitchError("BODY_NOT_REPLAYABLE", "a stream is sent once, so the call was not tried again");
      return false;
    },
    discard: (answer) => answer.discard(),
    onRetry: ({ retry: n, delayMs, attempt }) => {
      const facts = attempt.ok ? { status: attempt.value.status } : { error: attempt.error };
      call.emit({ type: "progress", phase: "retry", delayMs, status: attempt.ok ? attempt.value.status : undefined });
      void plan.hooks.onRetry?.({ attempt: n + 1, delayMs, ...facts });
    },
  });
  const { attempt, end, retryAfterMs } = await retry.outcome(() => attemptOf(equipment)(call, prepared, equipment), {
    left: () => call.scope.cancelled !== undefined, sleep: (ms) => call.scope.sleep(ms), remainingMs: () => call.scope.remainingMs,
  });
  const ended = end === "budget" ? { budgetExhausted: true } : {};
  if (!attempt.ok) {
    // The deadline that ended a wait says more than the try before it.
    const error = call.scope.cancelled !== undefined && end === "aborted" ? toStitchError(call.scope.cancelled.reason, "ABORTED", "the call was aborted") : toStitchError(attempt.error, "NETWORK", "the exchange failed");
    set(error, ended);
    throw causedBy(error, stuck);
  }
  try {
    return await accepted(call, prepared, attempt.value, retryAfterMs);
  } catch (error) {
    if (isStitchError(error)) set(error, ended);
    throw causedBy(error, stuck);
  }
}

export function causedBy(error: unknown, cause: StitchError | undefined): unknown {
  if (cause !== undefined && isStitchError(error)) Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true, enumerable: false });
  return error;
}

function judge(call: Call, prepared: Prepared, attempt: Attempt<Answer>, tries: number, respectRetryAfter: boolean): RetryVerdict {
  const { plan } = call;
  const { on } = plan.retry;
  const status = attempt.ok ? attempt.value.status : undefined;
  const error = attempt.ok ? undefined : attempt.error;
  if (isStitchError(error) && !RETRIED.has(error.code)) return false;
  if (error !== undefined && !isStitchError(error)) return false;
  if (typeof on === "function") {
    if (!on({ status, error, attempt: tries, method: plan.method, elapsedMs: call.elapsedMs })) return false;
  } else if (status !== undefined && !on.has(status)) return false;
  const asked = attempt.ok && respectRetryAfter ? retryAfterMs(attempt.value, call.runtime.clock.now()) : undefined;
  const unsent = isStitchError(error) && error.sent === false;
  const early = (status === 429 || status === 425) && asked !== undefined;
  if (!plan.repeatable && prepared.idempotencyKey === undefined && !unsent && !early) return false;
  return asked === undefined ? true : { retryAfterMs: asked };
}

/** Failures that another try may not meet. */
const RETRIED: ReadonlySet<string> = /* @__PURE__ */ new Set(["NETWORK", "TIMEOUT", "BODY_TRUNCATED", "PROTOCOL_ERROR"]);

/** The answer, when its status is no failure. @throws StitchError `HTTP_STATUS`, `RATE_LIMITED` */
async function accepted(call: Call, prepared: Prepared, answer: Answer, asked?: number): Promise<Answer> {
  const { plan } = call;
  call.status = answer.status;
  if (plan.accept(answer.status) || (answer.status === 304 && prepared.conditional === true)) return answer;
  let body: unknown;
  try {
    const bytes = await answer.bytes(ERROR_BODY_BYTES);
    const type = answer.get("content-type");
    body = bytes.byteLength === 0 ? undefined : parseBytes(bytes, isJson(type) ? "json" : "text", type, answer.status, plan.method);
  } catch {
    // An error's body is read for its text alone.
    await answer.discard();
  }
  const limited = answer.status === 429;
  const wait = asked ?? retryAfterMs(answer, call.runtime.clock.now());
  throw new StitchError(limited ? "RATE_LIMITED" : "HTTP_STATUS", limited ? "the upstream refused the call: too many requests" : `the upstream answered with status ${answer.status}`, {
    status: answer.status, headers: answer.fields, body, sent: true, retryAfterMs: wait, retryable: RETRY_STATUSES.includes(answer.status),
  });
}

function attemptOf(equipment: Equipment): (call: Call, prepared: Prepared, equipment: Equipment) => Promise<Answer> {
  return equipment.attempt ?? tryBare;
}

async function tryBare(call: Call, prepared: Prepared, equipment: Equipment): Promise<Answer> {
  const { scope, trail } = beginTry(call);
  try {
    return await send(call, prepared, equipment, scope, trail, undefined, undefined);
  } finally {
    endTry(call, scope, trail, undefined);
  }
}

export function beginTry(call: Call, parent: Scope = call.scope): { readonly scope: Scope; readonly trail: Trail } {
  call.attempts++;
  const { deadlines, clock } = call.runtime;
  return { scope: new Scope(deadlines, clock, () => call.timeout("attempt"), parent), trail: { sent: false, url: "", open: false } };
}

export function endTry(call: Call, scope: Scope, trail: Trail, passage: Passage | undefined): void {
  if (trail.sent === true || (trail.sent === "unknown" && call.sent === false)) call.sent = trail.sent;
  if (trail.open) return;
  passage?.undo();
  scope.end();
}

export async function withPhase<T>(call: Call, phase: Call["phase"], run: () => T | Promise<T>): Promise<T> {
  const before = call.phase;
  call.phase = phase;
  try {
    return await run();
  } finally {
    call.phase = before;
  }
}

export async function send(call: Call, prepared: Prepared, equipment: Equipment, scope: Scope, trail: Trail, passage: Passage | undefined, hedge: HedgeTry | undefined): Promise<Answer> {
  const { plan, runtime } = call;
  const request = outgoing(call, prepared, scope);
  if (plan.auth !== undefined && equipment.auth !== undefined) {
    const { auth } = equipment;
    if (prepared.body !== undefined) (request as { body: unknown }).body = prepared.body.raw ?? null;
    const applied = plan.auth.apply(request, auth);
    if (isPromise(applied)) await withPhase(call, "auth", () => scope.bound(applied));
  }
  const { onRequest, onResponse } = plan.hooks;
  if (onRequest !== undefined) {
    const hooked = onRequest(request);
    if (isPromise(hooked)) await scope.bound(hooked);
  }
  if (passage !== undefined && equipment.gates.throttles.length > 0) await passage.places(scope);
  if (plan.timeout.attemptMs !== Infinity) scope.limit(plan.timeout.attemptMs);
  call.emit({ type: "progress", phase: "request" });
  const began = runtime.clock.monotonic();
  if (hedge !== undefined) request.onAnswer = hedge.onHeaders;
  const answer = await transmit(call, prepared, request, trail, equipment.auth);
  call.emit({ type: "progress", phase: "response", status: answer.status });
  if (plan.hedge !== undefined) equipment.latencies?.add(runtime.clock.monotonic() - began);
  if (answer.body instanceof ReadableStream) {
    scope.unlimit();
    trail.open = true;
    answer.onEnd = () => {
      trail.open = false;
      passage?.undo();
      scope.end();
    };
  } else passage?.leave();
  if (passage !== undefined) passage.heard(answer);
  if (onResponse !== undefined) {
    const hooked = onResponse({ status: answer.status, headers: answer.fields, url: answer.url }, request as Outgoing);
    if (isPromise(hooked)) await scope.bound(hooked);
  }
  return answer;
}

