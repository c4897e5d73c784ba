/** A circuit that the fleet shares through a key-value store: a closed one costs no round trip, only failures and probes do. */

import type { Clock } from "../../core/clock.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { Random } from "../../core/random.ts";
import { LocalCircuit } from "../../resilience/local-circuit.ts";
import { circuitSettings } from "../../resilience/circuit-settings.ts";
import { circuit, type CircuitCommand, type CircuitReply } from "../../state/algorithms/circuit.ts";
import type { Algorithm } from "../../state/contracts/driver.ts";
import type { CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState } from "../../state/contracts/circuits.ts";
import type { StoreAccess } from "../store-access.ts";

/** Good calls are told together, at most this late. */
const REPORT_MS = 200;
/** A closed circuit is believed this long before it is looked at again, in the background. */
const FRESH_MS = 2 * REPORT_MS;

const UNASKED: CircuitPermit = Object.freeze({ allowed: true, state: "closed", epoch: 0 });

export class FleetCircuit {
  readonly #key: string;
  readonly #policy: CircuitPolicy;
  readonly #access: StoreAccess;
  readonly #clock: Clock;
  readonly #random: Random;
  #state: CircuitState | undefined;
  #seenAt = 0;
  #openUntil = 0;
  #looking = false;
  /** Good calls not yet told; they matter only to a rate. */
  #good = 0;
  #twin: LocalCircuit | undefined;
  readonly #twinPermits = new WeakSet<CircuitPermit>();

  constructor(key: string, policy: CircuitPolicy, access: StoreAccess, clock: Clock, random: Random) {
    this.#key = key;
    this.#policy = policy;
    this.#access = access;
    this.#clock = clock;
    this.#random = random;
  }

  acquire(): MaybePromise<CircuitPermit | CircuitRefusal> {
    const now = this.#clock.monotonic();
    if (this.#state === "closed") {
      if (now - this.#seenAt > FRESH_MS) this.#look();
      return UNASKED;
    }
    if (this.#state === "open" && now < this.#openUntil) return { allowed: false, state: "open", retryAfterMs: Math.max(1, Math.ceil(this.#openUntil - now)) };
    return this.#run({ type: "acquire", policy: this.#policy }).then((reply) => {
      if (!reply.allowed) return { allowed: false, state: reply.state, retryAfterMs: reply.retryAfterMs };
      return reply.token === 0 ? UNASKED : { allowed: true, state: reply.state, epoch: reply.epoch, token: String(reply.token) };
    }, (error: unknown) => this.#without(error));
  }

  report(permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<unknown> {
    if (this.#twinPermits.has(permit)) return this.#twin?.report(permit, outcome);
    const probe = permit.token !== undefined;
    if (!probe && outcome === "unused") return undefined;
    if (!probe && outcome === "success") {
      if (this.#policy.failureRate !== undefined) this.#good++;
      return undefined;
    }
    const good = probe ? 0 : this.#good;
    this.#good -= good;
    return this.#run({
      type: "report", epoch: permit.epoch, token: probe ? Number(permit.token) : 0, policy: this.#policy, random: this.#random.next(),
      ok: good + (outcome === "success" ? 1 : 0), fail: outcome === "failure" ? 1 : 0, slow: outcome === "slow" ? 1 : 0,
    }).catch(() => undefined);
  }

  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#run({ type: "view" }).catch(() => undefined).finally(() => {
      this.#looking = false;
    });
  }

  async #run(command: CircuitCommand): Promise<CircuitReply> {
    const reply = await this.#access.guarded("circuit", () => this.#access.run(circuit as unknown as Algorithm<unknown, unknown, CircuitReply>, this.#key, command));
    const now = this.#clock.monotonic();
    this.#twin = undefined;
    this.#state = reply.state;
    this.#seenAt = now;
    this.#openUntil = now + (reply.state === "open" ? reply.retryAfterMs : 0);
    return reply;
  }

  #without(error: unknown): CircuitPermit | CircuitRefusal {
    const mode = this.#access.modes.circuit;
    if (mode === "closed") throw error;
    if (mode === "open") return UNASKED;
    this.#twin ??= new LocalCircuit(circuitSettings({ ...this.#policy, clock: this.#clock, random: this.#random }));
    const answer = this.#twin.acquire();
    if (answer.allowed) this.#twinPermits.add(answer);
    return answer;
  }
}
