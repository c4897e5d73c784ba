/**
 * What limits keys that a full store has no record for: one record they all share, under the strictest of their
 * policies. A flood of new keys gets one key's worth of admissions, and nobody who is being counted is let go for it.
 *
 * The strictest of several policies is all of them at once, since one may have the smaller burst and another the lower
 * rate: a charge passes when it passes under each policy that came up here and is still in force.
 */

import type { Algorithm, LimitDecision } from "../../state/contracts.ts";

/** Policies in force at once. With more, the one with the lowest rate stays and the newcomers share the others. */
const MAX_MEMBERS = 8;

interface Charge {
  readonly policy: object;
  readonly cost: number;
}

interface Member {
  readonly algorithm: Algorithm<unknown, Charge, LimitDecision>;
  readonly policy: object;
  readonly limit: number;
  /** Units per ms in the long run. */
  readonly rate: number;
  state: unknown;
  expiresAt: number;
}

export class Overflow {
  readonly #members = new Map<string, Member>();

  /** The decision on a charge, or `undefined` when the command is none: then the store is simply full. */
  run(algorithm: Algorithm<any, any, any>, command: unknown, now: number): LimitDecision | undefined {
    if (!isCharge(command)) return undefined;
    const own = this.#member(algorithm, command.policy, now);
    if (own === undefined) return undefined;
    // A policy without a limit only counts: it refuses nobody, and nobody's limit refuses it.
    const members = own.limit >= Number.MAX_SAFE_INTEGER ? [own] : this.#inForce();
    const steps = members.map((member) => member.algorithm.step(member.state, { ...command, policy: member.policy }, now));
    const refusal = steps.map(({ reply }) => reply).filter(({ allowed }) => !allowed).reduce<LimitDecision | undefined>(later, undefined);
    if (refusal !== undefined) return refusal;
    steps.forEach((step, i) => {
      const member = members[i] as Member;
      member.state = step.state;
      member.expiresAt = step.expiresAt ?? Infinity;
    });
    const decision = steps.map(({ reply }) => reply).reduce((least, reply) => (reply.remaining < least.remaining ? reply : least));
    // What is shared is not given back: a ticket would name a record of this key, and there is none.
    decision.ticket = undefined;
    return decision;
  }

  #inForce(): Member[] {
    return [...this.#members.values()].filter(({ limit }) => limit < Number.MAX_SAFE_INTEGER);
  }

  #member(algorithm: Algorithm<any, any, any>, policy: object, now: number): Member | undefined {
    for (const [id, member] of this.#members) if (member.expiresAt <= now) this.#members.delete(id);
    const id = `${algorithm.name} ${JSON.stringify(policy)}`;
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const fresh = measure(algorithm, policy, now);
    if (fresh === undefined) return undefined;
    if (this.#members.size >= MAX_MEMBERS) {
      const [laxest, most] = [...this.#members].reduce((a, b) => (b[1].rate > a[1].rate ? b : a));
      if (fresh.rate >= most.rate) return most;
      this.#members.delete(laxest);
    }
    this.#members.set(id, fresh);
    return fresh;
  }
}

function isCharge(command: unknown): command is Charge {
  const { policy, cost } = command as { policy?: unknown; cost?: unknown };
  return typeof policy === "object" && policy !== null && typeof cost === "number";
}

/** A policy's limit and rate, found by spending all of it once: that works for a limiter of the user's own, too. */
function measure(algorithm: Algorithm<any, any, any>, policy: object, now: number): Member | undefined {
  const { limit } = algorithm.step(undefined, { cost: 0, policy }, now).reply as Partial<LimitDecision>;
  if (typeof limit !== "number") return undefined;
  const { resetAfterMs } = algorithm.step(undefined, { cost: Math.min(limit, 2 ** 31 - 1), policy }, now).reply as LimitDecision;
  // In force from its first charge on: until then it is forgotten at the next call.
  return { algorithm, policy, limit, rate: limit / Math.max(1, resetAfterMs), state: undefined, expiresAt: now };
}

/** The refusal that lasts longer; `null` is for ever. */
function later(a: LimitDecision | undefined, b: LimitDecision): LimitDecision {
  return a === undefined || (a.retryAfterMs !== null && (b.retryAfterMs === null || b.retryAfterMs > a.retryAfterMs)) ? b : a;
}
