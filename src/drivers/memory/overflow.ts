/**
 * What limits keys that a full store has no record for: one record they all share, under the strictest of their
 * policies. A flood of new keys gets one key's worth of admissions, and nobody who is being counted is let go for it.
 *
 * The strictest of several policies is all of them at once, since one may have the smaller burst and another the lower
 * rate: a charge passes when it passes under each policy that came up here and is still in force.
 */

import type { Algorithm } from "../../state/contracts/driver.ts";
import type { LimitDecision } from "../../state/contracts/limits.ts";

/** Policies in force at once. With more, those of the lowest rates stay, and the others' keys share theirs. */
const MAX_MEMBERS = 8;
/** Largest cost every limiter counts. */
const MAX_COST: number = 2 ** 31 - 1;

/** One policy, or several at once. */
type Under = { readonly policy: object } | { readonly policies: readonly unknown[] };
type Charge = Under & { readonly cost: number };

interface Composite {
  allowed: boolean;
  binding: number;
  decisions: readonly LimitDecision[];
  ticket?: unknown;
}

type Limiter = Algorithm<unknown, unknown, LimitDecision | Composite>;

interface Member {
  readonly algorithm: Limiter;
  readonly under: Under;
  readonly limit: number;
  /** Units per ms in the long run. */
  readonly rate: number;
  state: unknown;
  expiresAt: number;
}

export class Overflow {
  readonly #members = new Map<string, Member>();
  readonly #texts = new WeakMap<object, string>();

  /** The decision on a charge, or `undefined` when the command is none: then the store is simply full. */
  run(algorithm: Algorithm, command: unknown, now: number): unknown {
    if (!isCharge(command)) return undefined;
    const { cost } = command;
    const under: Under = "policy" in command ? { policy: command.policy } : { policies: command.policies };
    const own = this.#member(algorithm as Limiter, under, now);
    if (own === undefined) return undefined;
    // A policy without a limit only counts: it refuses nobody, and nobody's limit refuses it.
    const members = own.limit >= Number.MAX_SAFE_INTEGER ? [own] : this.#inForce(own);
    // Alone it is all or nothing by itself.
    if (members.length === 1) return charge(own, { cost, ...under }, now);
    const tests = members.map((member) => member.algorithm.step(member.state, { cost, ...member.under, dry: true }, now).reply);
    const refusal = tests.flatMap(decisionsOf).filter(({ allowed }) => !allowed).reduce<LimitDecision | undefined>(longer, undefined);
    if (refusal !== undefined) return refused(own.algorithm.step(own.state, { cost, ...under, dry: true }, now).reply, refusal);
    const replies = members.map((member) => charge(member, { cost, ...member.under }, now));
    const remaining = Math.min(...replies.flatMap(decisionsOf).map((decision) => decision.remaining));
    const reply = replies[members.indexOf(own)] as LimitDecision | Composite;
    for (const decision of decisionsOf(reply)) decision.remaining = Math.min(decision.remaining, remaining);
    return reply;
  }

  /** Compiled policies are frozen and come again and again: their text is kept. */
  #text(under: Under): string {
    const policy = "policy" in under ? under.policy : under.policies;
    let text = this.#texts.get(policy);
    if (text === undefined) {
      text = JSON.stringify(under);
      if (Object.isFrozen(policy)) this.#texts.set(policy, text);
    }
    return text;
  }

  #inForce(own: Member): Member[] {
    const members = [...this.#members.values()].filter((member) => member !== own && member.limit < Number.MAX_SAFE_INTEGER);
    return [own, ...members];
  }

  #member(algorithm: Limiter, under: Under, now: number): Member | undefined {
    for (const [id, member] of this.#members) if (member.expiresAt <= now) this.#members.delete(id);
    const id = `${algorithm.name} ${this.#text(under)}`;
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const fresh = measure(algorithm, under, now);
    if (fresh === undefined) return undefined;
    if (this.#members.size >= MAX_MEMBERS) {
      const [laxest, most] = [...this.#members].reduce((a, b) => (b[1].rate > a[1].rate ? b : a));
      // Not kept: it decides this one call from empty, and those that are kept are stricter.
      if (fresh.rate >= most.rate) return fresh;
      this.#members.delete(laxest);
    }
    this.#members.set(id, fresh);
    return fresh;
  }
}

function isCharge(command: unknown): command is Charge {
  const { policy, policies, cost } = command as { policy?: unknown; policies?: unknown; cost?: unknown };
  return typeof cost === "number" && ((typeof policy === "object" && policy !== null) || Array.isArray(policies));
}

/** What is shared is not given back: a ticket would name a record of this key, and there is none. So none is asked for. */
function charge(member: Member, command: object, now: number): LimitDecision | Composite {
  const { state, reply, expiresAt } = member.algorithm.step(member.state, command, now);
  member.state = state;
  member.expiresAt = state === undefined ? now : (expiresAt ?? Infinity);
  return reply;
}

/** A policy's limit and rate, found by spending all of it once: that works for a limiter of the user's own, too. */
function measure(algorithm: Limiter, under: Under, now: number): Member | undefined {
  const limits = decisionsOf(algorithm.step(undefined, { cost: 0, ...under }, now).reply).map(({ limit }) => limit);
  if (limits.length === 0 || limits.some((limit) => typeof limit !== "number")) return undefined;
  const limit = Math.min(...limits);
  const cost = Math.min(limit, MAX_COST);
  const resets = decisionsOf(algorithm.step(undefined, { cost, ...under }, now).reply).map(({ resetAfterMs }) => resetAfterMs);
  // In force from its first charge on: until then it is forgotten at the next call.
  return { algorithm, under, limit, rate: cost / Math.max(1, ...resets), state: undefined, expiresAt: now };
}

function decisionsOf(reply: LimitDecision | Composite): readonly LimitDecision[] {
  return "decisions" in reply ? reply.decisions : [reply];
}

/** The own reply, shut for as long as whoever refuses longest is. */
function refused(reply: LimitDecision | Composite, by: LimitDecision): LimitDecision | Composite {
  reply.allowed = false;
  const decisions = decisionsOf(reply);
  if ("decisions" in reply && reply.binding < 0) reply.binding = 0;
  const binding = "decisions" in reply ? (decisions[reply.binding] as LimitDecision) : reply;
  binding.allowed = false;
  binding.remaining = Math.min(binding.remaining, by.remaining);
  binding.retryAfterMs = by.retryAfterMs;
  return reply;
}

/** The refusal that lasts longer; `null` is for ever. */
function longer(a: LimitDecision | undefined, b: LimitDecision): LimitDecision {
  return a === undefined || (a.retryAfterMs !== null && (b.retryAfterMs === null || b.retryAfterMs > a.retryAfterMs)) ? b : a;
}
