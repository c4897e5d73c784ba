/** The circuits of a stitch: one, or one per host. */

import type { Clock } from "../../core/clock.ts";
import { joinKey } from "../../core/keys.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { Random } from "../../core/random.ts";
import { circuitSettings } from "../../resilience/circuit-settings.ts";
import { LocalCircuit } from "../../resilience/local-circuit.ts";
import { circuitPolicy } from "../../state/algorithms/circuit-policy.ts";
import type { CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal } from "../../state/contracts/circuits.ts";
import type { CircuitRules } from "../limit-options.ts";
import type { StoreAccess } from "../store-access.ts";
import { FleetCircuit } from "./fleet-circuit.ts";

export interface Circuit {
  acquire(): MaybePromise<CircuitPermit | CircuitRefusal>;
  report(permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<unknown>;
}

/** Hosts with a circuit of their own in one process; beyond it the oldest is forgotten. */
const MAX_CIRCUITS = 1000;

export class Circuits {
  readonly rules: CircuitRules;
  readonly #name: string;
  readonly #policy: CircuitPolicy;
  readonly #access: StoreAccess | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #circuits = new Map<string, Circuit>();

  constructor(name: string, rules: CircuitRules, access: StoreAccess | undefined, clock: Clock, random: Random, probeTimeoutMs: number) {
    this.rules = rules;
    this.#name = rules.key ?? name;
    this.#access = access;
    this.#clock = clock;
    this.#random = random;
    const { failureThreshold, windowMs, resetTimeoutMs, halfOpenMax, failureRate, minimumThroughput } = rules;
    this.#policy = circuitPolicy({ failureThreshold, windowMs, resetTimeoutMs, halfOpenMax, failureRate, minimumThroughput, probeTimeoutMs });
  }

  of(host: string): Circuit {
    const key = this.rules.pool === "host" ? joinKey("circuit", "host", this.rules.key ?? "", host) : joinKey("circuit", "name", this.#name);
    let found = this.#circuits.get(key);
    if (found === undefined) {
      if (this.#circuits.size >= MAX_CIRCUITS) this.#circuits.delete(this.#circuits.keys().next().value as string);
      found = this.#access === undefined
        ? new LocalCircuit(circuitSettings({ ...this.#policy, key, clock: this.#clock, random: this.#random }))
        : new FleetCircuit(key, this.#policy, this.#access, this.#clock, this.#random);
      this.#circuits.set(key, found);
    }
    return found;
  }
}
