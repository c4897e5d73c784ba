/** From a request to an accepted answer: tries, their order of gates, and when there is another one. */

import { isPromise } from "../core/maybe-promise.ts";
import { features } from "#client-features";
import { createRetry, type Attempt, type RetryVerdict } from "../resilience/retry.ts";
import { ERROR_BODY_BYTES } from "../core/transport.ts";
import type { Answer } from "./answer.ts";
import { retryAfterMs } from "./limits/retry-after.ts";
import { isJson, parseBytes } from "./answer.ts";
import type { AuthContext } from "./auth/strategy.ts";
import type { Call } from "./call.ts";
import { StitchError, isStitchError, set, toStitchError } from "./errors.ts";
import { Passage, type Gates } from "./gates.ts";
import type { HedgeTry } from "./hedge.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import { Scope } from "./scope.ts";
import { outgoing, transmit, type Trail } from "./transmit.ts";

/** What a call needs beside its plan, loaded before the first try. */
export interface Equipment {
  readonly gates: Gates;
  readonly auth: AuthContext | undefined;
  /** Told the answer times, and asked for the delay of a hedge. */
  readonly latencies: { add(ms: number): void; p95(): number | undefined } | undefined;
}

/** An accepted answer. @throws StitchError */
export async function fetchAnswer(call: Call, prepared: Prepared, equipment: Equipment): Promise<Answer> {
  const { plan, runtime } = call;
  const { attempts, backoff, budget: budgeted, respectRetryAfter, maxRetryAfterMs } = plan.retry;
  if (attempts === 1) {
    plan.budget?.first();
    return accepted(call, prepared, await hedged(call, prepared, equipment));
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
  const { attempt, end, retryAfterMs } = await retry.outcome(() => hedged(call, prepared, equipment), {
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

function causedBy(error: unknown, cause: StitchError | undefined): unknown {
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
    status: answer.status, headers: answer.fields, body, sent: true, retryAfterMs: wait, retryable: RETRY_LATER.has(answer.status),
  });
}

const RETRY_LATER: ReadonlySet<number> = /* @__PURE__ */ new Set([408, 425, 429, 500, 502, 503, 504]);

/** One try, and others beside it while it is silent. */
async function hedged(call: Call, prepared: Prepared, equipment: Equipment): Promise<Answer> {
  const { plan } = call;
  if (plan.hedge === undefined) return tryOnce(call, prepared, equipment);
  const mayRepeat = (plan.repeatable || prepared.idempotencyKey !== undefined) && (prepared.body?.replayable ?? true);
  const delayMs = plan.hedge.delayMs === "p95" ? equipment.latencies?.p95() : plan.hedge.delayMs;
  if (!mayRepeat || delayMs === undefined) return tryOnce(call, prepared, equipment);
  const { runHedged } = await Promise.resolve(features.limits());
  return runHedged(call, delayMs, plan.hedge.max, (hedge) => tryOnce(call, prepared, equipment, hedge), async () => {
    if (plan.budget?.take() === false) return undefined;
    const passage = new Passage(call, equipment.gates, hostOf(prepared), prepared.input);
    return (await passage.tryTurns()) ? passage : undefined;
  });
}

function hostOf(prepared: Prepared): string {
  return prepared.target.origin.slice(prepared.target.origin.indexOf("//") + 2);
}

async function tryOnce(call: Call, prepared: Prepared, equipment: Equipment, hedge?: HedgeTry): Promise<Answer> {
  const { plan, runtime } = call;
  call.attempts++;
  const scope = new Scope(runtime.deadlines, runtime.clock, () => call.timeout("attempt"), hedge?.scope ?? call.scope);
  const trail: Trail = { sent: false, url: "", open: false };
  let passage: Passage | undefined;
  try {
    if (plan.plain) return await send(call, prepared, equipment, scope, trail, undefined, hedge);
    passage = hedge?.passage ?? new Passage(call, equipment.gates, hostOf(prepared), prepared.input);
    if (hedge?.passage === undefined) {
      const permitted = passage.permit();
      if (isPromise(permitted)) await permitted;
      if (hedge !== undefined) hedge.probing = passage.probing;
      if (equipment.gates.throttles.length > 0) await passage.turns(scope);
    }
    let answer = await send(call, prepared, equipment, scope, trail, passage, hedge);
    const { auth } = equipment;
    if (auth !== undefined && plan.auth?.refresh !== undefined && needsRefresh(plan, answer, auth)) {
      if (prepared.body?.replayable === false) throw causedBy(new StitchError("AUTH_FAILED", "the credentials were refused, and a stream is sent once", { step: "refresh", category: "invalid-credentials", status: answer.status, sent: true }), new StitchError("BODY_NOT_REPLAYABLE", "a stream is sent once"));
      await answer.discard();
      passage.leave();
      call.emit({ type: "progress", phase: "auth", status: answer.status });
      scope.unlimit();
      await withPhase(call, "auth", () => scope.bound(Promise.resolve(plan.auth?.refresh?.(auth))));
      if (equipment.gates.throttles.length > 0) await passage.turns(scope);
      answer = await send(call, prepared, equipment, scope, trail, passage, hedge);
      if (needsRefresh(plan, answer, auth)) {
        await answer.discard();
        throw new StitchError("AUTH_FAILED", "the credentials were refused again after they had been renewed", { step: "refresh", category: "invalid-credentials", status: answer.status, sent: true });
      }
    }
    await settleCircuit(call, passage, answer, undefined);
    return answer;
  } catch (error) {
    if (passage !== undefined) await settleCircuit(call, passage, undefined, error);
    throw error;
  } finally {
    if (trail.sent === true || (trail.sent === "unknown" && call.sent === false)) call.sent = trail.sent;
    if (!trail.open) {
      passage?.undo();
      scope.end();
    }
  }
}

function needsRefresh(plan: Plan, answer: Answer, auth: AuthContext): boolean {
  return plan.auth?.shouldRefresh?.({ status: answer.status, headers: answer.fields, url: answer.url }, auth) === true;
}

async function withPhase<T>(call: Call, phase: Call["phase"], run: () => T | Promise<T>): Promise<T> {
  const before = call.phase;
  call.phase = phase;
  try {
    return await run();
  } finally {
    call.phase = before;
  }
}

async function send(call: Call, prepared: Prepared, equipment: Equipment, scope: Scope, trail: Trail, passage: Passage | undefined, hedge: HedgeTry | undefined): Promise<Answer> {
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

/** What a try says of the upstream. Not counted: what the caller did, its own limits, and credentials. */
async function settleCircuit(call: Call, passage: Passage, answer: Answer | undefined, error: unknown): Promise<void> {
  const rules = call.plan.circuit;
  if (rules === undefined) return;
  if (rules.isFailure !== undefined) {
    await passage.report(rules.isFailure(answer === undefined ? { error } : { status: answer.status }) ? "failure" : "success");
    return;
  }
  if (answer !== undefined) {
    const slow = rules.slowMs !== undefined && answer.respondedAt - answer.requestedAt > rules.slowMs;
    const report = passage.report(answer.status >= 500 || slow ? "failure" : "success");
    if (isPromise(report)) await report;
    return;
  }
  const failed = isStitchError(error) && (error.code === "NETWORK" || error.code === "TLS" || error.code === "BODY_TRUNCATED" || error.code === "PROTOCOL_ERROR" || (error.code === "TIMEOUT" && (error.phase !== "total" || error.sent !== false) && error.phase !== "throttle" && error.phase !== "auth" && error.phase !== "store"));
  await passage.report(failed ? "failure" : "unused");
}
