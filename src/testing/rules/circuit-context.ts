/** What the rules on a circuit breaker store are given. */

import type { CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitTransition } from "../../state/contracts/circuits.ts";
import { optional, show, violated, type ContractOptions, type RuleBase } from "../report.ts";
import type { Subjects } from "../subjects.ts";

export type CircuitBreakerStoreContractOptions = ContractOptions;

export interface CircuitContext extends RuleBase, Subjects<CircuitBreakerStore> {}

/** Both halves of the atomic pair under one policy and key. */
export interface Circuit {
  acquire(): Promise<CircuitPermit | CircuitRefusal>;
  /** `acquire`, where a refusal is a violation. */
  permit(what: string): Promise<CircuitPermit>;
  report(permit: CircuitPermit, outcome: CircuitOutcome): Promise<CircuitTransition | undefined>;
  /** Acquires and reports, `times` times; the transitions of the reports. */
  calls(outcome: CircuitOutcome, times: number): Promise<(CircuitTransition | undefined)[]>;
}

/** Waits of a circuit follow `ttlMs`, so that they are short on the machine's clock. */
export function policyOf(c: CircuitContext, changes: Partial<CircuitPolicy> = {}): CircuitPolicy {
  return {
    failureThreshold: 5,
    windowMs: 60_000,
    minimumThroughput: 20,
    resetTimeoutMs: c.time.driven ? 30_000 : c.ttlMs,
    halfOpenMax: 1,
    successThreshold: 1,
    probeTimeoutMs: 60_000,
    ...changes,
  };
}

export function circuitOf(store: CircuitBreakerStore, key: string, policy: CircuitPolicy): Circuit {
  const acquire = optional(store.acquire?.bind(store), "acquire");
  const report = optional(store.report?.bind(store), "report");
  const circuit: Circuit = {
    acquire: async () => acquire(key, policy),
    async permit(what) {
      const answer = await acquire(key, policy);
      return answer.allowed ? answer : violated(`${what}: expected a permit, got ${show(answer)}`);
    },
    report: async (permit, outcome) => report(key, policy, permit, outcome),
    async calls(outcome, times) {
      const moves: (CircuitTransition | undefined)[] = [];
      for (let i = 0; i < times; i++) moves.push(await circuit.report(await circuit.permit("a call through a closed circuit"), outcome));
      return moves;
    },
  };
  return circuit;
}

/** A new circuit seen by two clients. */
export async function circuits(c: CircuitContext, changes: Partial<CircuitPolicy> = {}): Promise<[Circuit, Circuit]> {
  const key = c.key();
  const policy = policyOf(c, changes);
  const [a, b] = await c.clients();
  return [circuitOf(a, key, policy), circuitOf(b, key, policy)];
}

/** The same, opened by failures and past its reset timeout: the next `acquire` is a probe. */
export async function readyToProbe(c: CircuitContext, changes: Partial<CircuitPolicy> = {}): Promise<[Circuit, Circuit]> {
  const pair = await circuits(c, changes);
  await pair[0].calls("failure", policyOf(c, changes).failureThreshold);
  await c.time.pass(policyOf(c, changes).resetTimeoutMs);
  return pair;
}

/** The first probe; on the machine's clock a backend may be a moment behind. */
export async function firstProbe(c: CircuitContext, circuit: Circuit): Promise<CircuitPermit> {
  let probe: CircuitPermit | CircuitRefusal = await circuit.acquire();
  await c.time.until("an open circuit admits a probe after its reset timeout", 1000, async () => probe.allowed || (probe = await circuit.acquire()).allowed);
  return probe as CircuitPermit;
}
