/** One key under one limit, and the sweep over everything it admitted. For the tests of the limiter algorithms. */

import fc from "fast-check";
import type { LimitDecision, LimitTicket } from "../../src/state/contracts/limits.ts";
import type { CompiledLimit } from "../../src/state/limit-policy.ts";

export const START = 1_700_000_000_000;

export class Subject {
  readonly limit: CompiledLimit;
  state: unknown = undefined;
  expiresAt: number | undefined = undefined;

  constructor(limit: CompiledLimit) {
    this.limit = limit;
  }

  run(command: object, now: number): LimitDecision {
    const { algorithm, policy } = this.limit;
    const step = algorithm.step(this.state, { ...command, policy } as never, now);
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  charge(cost: number, now: number): LimitDecision {
    return this.run({ cost, ticket: true }, now);
  }

  peek(now: number): LimitDecision {
    return this.run({ cost: 0 }, now);
  }

  dry(cost: number, now: number): LimitDecision {
    return this.run({ cost, dry: true }, now);
  }

  refund(ticket: LimitTicket | undefined, now: number, cost?: number): LimitDecision {
    return this.run({ refund: ticket, cost }, now);
  }

  settle(ticket: LimitTicket | undefined, actual: number, now: number): LimitDecision {
    return this.run({ settle: ticket, actual }, now);
  }

  reset(now: number): LimitDecision {
    return this.run({ reset: true }, now);
  }

  /** A copy that goes its own way: states are immutable. */
  fork(): Subject {
    const copy = new Subject(this.limit);
    copy.state = this.state;
    copy.expiresAt = this.expiresAt;
    return copy;
  }
}

export interface Admission {
  readonly at: number;
  readonly cost: number;
}

/**
 * The most that was admitted in any half-open interval of `length`: it is reached by one that begins at an admission.
 * Quadratic on purpose: it shares no idea with what it checks.
 */
export function most(admissions: readonly Admission[], length: number): number {
  let result = 0;
  for (const { at: from } of admissions) {
    let sum = 0;
    for (const { at, cost } of admissions) if (at >= from && at < from + length) sum += cost;
    result = Math.max(result, sum);
  }
  return result;
}

/** Pauses between calls and what each call costs; pauses are in units of the window's 1/20, many of them 0. */
export function calls(maxCost: number, length = 120): fc.Arbitrary<{ gap: number; cost: number }[]> {
  return fc.array(
    fc.record({
      gap: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 6, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 }) }),
      cost: fc.integer({ min: 1, max: maxCost }),
    }),
    { minLength: 20, maxLength: length, size: "max" },
  );
}

/** The smallest wait in whole ms after which `cost` passes, by trying each; `undefined` up to `limitMs`. */
export function firstPassing(subject: Subject, cost: number, now: number, limitMs: number): number | undefined {
  for (let wait = 0; wait <= limitMs; wait++) if (subject.dry(cost, now + wait).allowed) return wait;
  return undefined;
}
