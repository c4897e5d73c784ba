/** Asks a store about all limits of one caller at once, whatever the store can do. */

import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../../../state/contracts/limits.ts";

/**
 * One decision per limit, in order. All limits are charged or none, as far as the store can do that: one with
 * `checkAll` can, one with `check` alone reads all limits before it charges the first, and one with only `increment`
 * counts fixed windows one after the other and stops at the first that refuses.
 */
export function decide(store: RateLimitStore, key: string, limits: readonly LimitPolicy[], cost: number, now: () => number): MaybePromise<LimitDecision[]> {
  if (store.check === undefined) return countOne(store, key, limits, 0, [], now);
  if (limits.length === 1) {
    const decision = store.check(key, limits[0] as LimitPolicy, cost);
    return isPromise(decision) ? decision.then(alone) : [decision];
  }
  if (store.checkAll !== undefined) return store.checkAll(key, limits, cost);
  return checkEach(store, key, limits, cost);
}

/** Whether a store's reply is a decision; a store of a user may say anything. */
export function areDecisions(reply: unknown, count: number): reply is LimitDecision[] {
  return Array.isArray(reply) && reply.length === count && reply.every(isDecision);
}

function isDecision(reply: Partial<LimitDecision> | null | undefined): boolean {
  return (
    typeof reply === "object" &&
    reply !== null &&
    typeof reply.allowed === "boolean" &&
    Number.isFinite(reply.limit) &&
    Number.isFinite(reply.remaining) &&
    Number.isFinite(reply.resetAfterMs) &&
    (reply.retryAfterMs === null || Number.isFinite(reply.retryAfterMs))
  );
}

function alone(decision: LimitDecision): LimitDecision[] {
  return [decision];
}

async function checkEach(store: RateLimitStore, key: string, limits: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]> {
  const check = (limit: LimitPolicy, amount: number): MaybePromise<LimitDecision> => (store.check as NonNullable<RateLimitStore["check"]>).call(store, limitKey(key, limit), limit, amount);
  const seen: LimitDecision[] = [];
  for (const limit of limits) {
    const decision = await check(limit, 0);
    const enough = decision.remaining >= cost;
    seen.push(enough ? decision : { ...decision, allowed: cost === 0, retryAfterMs: cost > decision.limit ? null : decision.resetAfterMs });
  }
  if (cost === 0 || seen.some((decision) => !decision.allowed)) return seen;
  for (let i = 0; i < limits.length; i++) {
    const decision = await check(limits[i] as LimitPolicy, cost);
    seen[i] = decision;
    if (!decision.allowed) break;
  }
  return seen;
}

/** Fixed windows on a store that can only count. A count above the limit admits nobody, so refusals may be counted. */
function countOne(store: RateLimitStore, key: string, limits: readonly LimitPolicy[], at: number, done: LimitDecision[], now: () => number): MaybePromise<LimitDecision[]> {
  const limit = limits[at];
  if (limit === undefined) return done;
  const counted = store.increment(limits.length === 1 ? key : limitKey(key, limit), limit.windowMs / 1000);
  const next = (reply: { count: number; resetAt: number }): MaybePromise<LimitDecision[]> => {
    done.push(decisionOfCount(limit, reply, now()));
    return reply.count <= limit.max ? countOne(store, key, limits, at + 1, done, now) : fill(limits, done);
  };
  return isPromise(counted) ? counted.then(next) : next(counted);
}

function decisionOfCount(limit: LimitPolicy, { count, resetAt }: { count: number; resetAt: number }, now: number): LimitDecision {
  if (!Number.isFinite(count) || !Number.isFinite(resetAt)) throw new TypeError("increment() must give {count, resetAt} as finite numbers");
  const resetAfterMs = Math.max(0, resetAt - now);
  const allowed = count <= limit.max;
  return { allowed, limit: limit.max, remaining: Math.max(0, Math.floor(limit.max - count)), retryAfterMs: allowed ? 0 : limit.max === 0 ? null : resetAfterMs, resetAfterMs, debt: 0 };
}

/** The limits after the one that refused were not asked: nothing is known but that they did not refuse. */
function fill(limits: readonly LimitPolicy[], done: LimitDecision[]): LimitDecision[] {
  for (let i = done.length; i < limits.length; i++) {
    const { max, windowMs } = limits[i] as LimitPolicy;
    done.push({ allowed: true, limit: max, remaining: max, retryAfterMs: 0, resetAfterMs: windowMs, debt: 0 });
  }
  return done;
}

function limitKey(key: string, limit: LimitPolicy): string {
  return `${key}:${limit.algorithm}-${limit.windowMs}`;
}
