/** A try that has more to do than to ask: circuits, throttles, credentials, and others beside it while it is silent. */

import { chain, isPromise, kept, type MaybePromise } from "../core/maybe-promise.ts";
import type { Answer } from "./answer.ts";
import type { AuthContext } from "./auth/strategy.ts";
import type { Vault } from "./auth/vault.ts";
import type { Call } from "./call.ts";
import { StitchError, isStitchError } from "./errors.ts";
import { Passage, openGates, type Gates } from "./gates.ts";
import { runHedged, type HedgeTry } from "./hedge.ts";
import { Latencies } from "./latencies.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import type { StitchState } from "./run.ts";
import { beginTry, causedBy, endTry, send, withPhase, type Equipment } from "./tries.ts";

/** What the calls of a stitch need, its gates opened by the first of them. */
export function guardedEquipment(state: StitchState, call: Call): MaybePromise<Equipment> {
  const { plan } = call;
  const gates = (state.gates ??= kept(openGates(plan), () => (state.gates = undefined)));
  const latencies = plan.hedge?.delayMs === "p95" ? (state.latencies ??= new Latencies()) : undefined;
  const make = (open: Gates, vault: Vault | undefined): Equipment => ({ gates: open, auth: vault === undefined ? undefined : authContext(call, vault), latencies, attempt });
  const vault = plan.auth === undefined ? undefined : plan.runtime.vault();
  return chain(gates, (open) => chain(vault, (ready) => make(open, ready)));
}

export function authContext(call: Call, vault: Vault): AuthContext {
  const { plan, runtime } = call;
  return {
    vault, clock: runtime.clock, adapter: plan.adapter, principal: call.principal, stitch: plan.name, random: runtime.random, memo: undefined,
    get signal() {
      return call.scope.signal;
    },
    hide: (secret) => plan.redactor.learn(secret),
    info: (topic, detail) => call.emit({ type: "info", topic, detail }),
    background: (promise) => runtime.background(promise),
  };
}

/** One try, and others beside it while it is silent. */
export async function attempt(call: Call, prepared: Prepared, equipment: Equipment): Promise<Answer> {
  const { plan } = call;
  if (plan.hedge === undefined) return tryOnce(call, prepared, equipment);
  const mayRepeat = (plan.repeatable || prepared.idempotencyKey !== undefined) && (prepared.body?.replayable ?? true);
  const delayMs = plan.hedge.delayMs === "p95" ? equipment.latencies?.p95() : plan.hedge.delayMs;
  if (!mayRepeat || delayMs === undefined) return tryOnce(call, prepared, equipment);
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
  const { plan } = call;
  const { scope, trail } = beginTry(call, hedge?.scope);
  let passage: Passage | undefined;
  try {
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
    endTry(call, scope, trail, passage);
  }
}

function needsRefresh(plan: Plan, answer: Answer, auth: AuthContext): boolean {
  return plan.auth?.shouldRefresh?.({ status: answer.status, headers: answer.fields, url: answer.url }, auth) === true;
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
