/**
 * A plain circuit breaker store for the tests of the suite, written apart from the product: every call of the window is
 * kept. With a flaw, which is the name of a rule, it breaks that rule.
 */

import type { Clock } from "../../core/clock.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../../state/contracts/circuits.ts";

interface Circuit {
  state: CircuitState;
  epoch: number;
  calls: { at: number; outcome: CircuitOutcome }[];
  failures: number;
  successes: number;
  openUntil: number;
  openFor: number;
  probes: { token: string; until: number }[];
  good: number;
  lastFailureTime: number;
  lastStateChange: number;
  tokens: number;
  view?: { -readonly [K in keyof CircuitBreakerSnapshot]: CircuitBreakerSnapshot[K] };
}

export type CircuitBackend = Map<string, Circuit>;

export interface PlainCircuitStoreOptions {
  readonly clock: Clock;
  readonly flaw?: string;
  readonly backend?: CircuitBackend;
}

const STATES: readonly unknown[] = ["closed", "open", "half-open"];

export class PlainCircuitBreakerStore implements CircuitBreakerStore {
  readonly capabilities: { shared: boolean } = { shared: true };
  private readonly options: PlainCircuitStoreOptions;
  private readonly map: CircuitBackend;
  private destroyed = false;

  constructor(options: PlainCircuitStoreOptions) {
    this.options = options;
    this.map = options.backend ?? new Map<string, Circuit>();
  }

  private is(flaw: string): boolean {
    return this.options.flaw === flaw;
  }

  private get now(): number {
    return this.options.clock.now();
  }

  private at(key: string): Circuit {
    const name = this.is("views/keys") || this.is("pair/keys") ? key.trim() : key;
    let circuit = this.map.get(name);
    if (circuit === undefined) {
      circuit = {
        state: "closed", epoch: Math.floor(this.now) * 1024, calls: [], failures: 0, successes: 0, openUntil: 0, openFor: 30_000, probes: [], good: 0,
        lastFailureTime: this.is("views/new-is-closed") ? this.now : 0, lastStateChange: 0, tokens: 0,
      };
      this.map.set(name, circuit);
    }
    return circuit;
  }

  private snapshot(circuit: Circuit): CircuitBreakerSnapshot {
    const { state, failures, successes, lastFailureTime, lastStateChange } = circuit;
    const view = { state, failureCount: failures, successCount: successes, lastFailureTime, lastStateChange };
    return this.is("views/snapshots-stand-still") ? Object.assign((circuit.view ??= view), view) : view;
  }

  private move(circuit: Circuit, to: CircuitState, openForMs: number): CircuitTransition {
    const from = circuit.state;
    circuit.state = to;
    circuit.epoch += this.is("epochs/grow") || this.is("stale/old-failures-after-closing") || this.is("stale/probe-of-an-earlier-half-open") ? 0 : 1;
    circuit.lastStateChange = this.is("views/transition-is-dated") ? circuit.lastFailureTime : this.now;
    circuit.openUntil = this.now + openForMs;
    circuit.openFor = openForMs;
    if (to === "half-open" || !this.is("stale/probe-of-an-earlier-half-open")) circuit.probes = to === "half-open" && this.is("stale/probe-of-an-earlier-half-open") ? circuit.probes : [];
    circuit.good = 0;
    if (to === "closed" && !this.is("views/closing-clears")) circuit.failures = circuit.successes = 0;
    if (to === "closed" && !this.is("half-open/closing-clears")) circuit.calls = [];
    return { from, to };
  }

  async getState(key: string): Promise<CircuitBreakerSnapshot> {
    return this.snapshot(this.at(key));
  }

  async recordSuccess(key: string): Promise<CircuitBreakerSnapshot> {
    const circuit = this.at(key);
    circuit.successes = this.is("views/successes-count") ? 1 : circuit.successes + 1;
    return this.snapshot(circuit);
  }

  async recordFailure(key: string): Promise<CircuitBreakerSnapshot> {
    const circuit = this.at(key);
    const before = circuit.failures;
    if (this.is("views/concurrent")) await undefined;
    circuit.failures = (this.is("views/concurrent") ? before : circuit.failures) + 1;
    circuit.lastFailureTime = this.is("views/failures-count") ? Math.floor(this.now / 1000) : this.now;
    return this.snapshot(circuit);
  }

  async transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot> {
    if (!this.is("views/domain") && !STATES.includes(to)) throw new RangeError("state");
    const circuit = this.at(key);
    if (this.is("views/agree-with-acquire")) return { ...this.snapshot(circuit), state: to };
    if (this.is("views/transition") && circuit.state === "open" && to === "closed") return this.snapshot(circuit);
    this.move(circuit, to, 30_000);
    return this.snapshot(circuit);
  }

  async reset(key: string): Promise<void> {
    const circuit = this.at(key);
    if (this.is("views/reset")) {
      circuit.state = "closed";
      return;
    }
    const epoch = circuit.epoch;
    this.move(circuit, "closed", 0);
    circuit.lastFailureTime = 0;
    if (this.is("stale/report-after-reset")) circuit.epoch = epoch - 1;
  }

  async acquire(key: string, policy: CircuitPolicy): Promise<CircuitPermit | CircuitRefusal> {
    this.validate(policy);
    const circuit = this.at(key);
    const { now } = this;
    if (circuit.state === "closed" && this.is("closed/admits") && circuit.calls.length > 40) return { allowed: false, state: "closed", retryAfterMs: 1 };
    if (circuit.state === "closed") return { allowed: true, state: "closed", epoch: circuit.epoch };
    let transition: CircuitTransition | undefined;
    if (circuit.state === "open") {
      // The clock went back: nobody is locked out for longer than the timeout itself.
      if (circuit.openUntil - now > circuit.openFor && !this.is("open/clock-steps-back")) circuit.openUntil = now + circuit.openFor;
      const early = this.is("open/refuses-until-the-reset-timeout") ? 10 : 0;
      if (now < circuit.openUntil - early) return { allowed: false, state: "open", retryAfterMs: Math.ceil(circuit.openUntil - now) };
      transition = this.move(circuit, "half-open", 0);
    }
    if (!this.is("half-open/hung-probe-gives-its-place-back")) circuit.probes = circuit.probes.filter(({ until }) => until > now);
    const full = circuit.probes.length >= policy.halfOpenMax;
    if (this.is("half-open/limit")) await undefined;
    if (full) return { allowed: false, state: "half-open", retryAfterMs: Math.max(0, Math.min(...circuit.probes.map(({ until }) => until)) - now) };
    const token = `probe ${++circuit.tokens}`;
    circuit.probes.push({ token, until: now + policy.probeTimeoutMs });
    if (this.is("open/probe-after-the-reset-timeout")) return { allowed: true, state: "half-open", epoch: circuit.epoch, transition };
    return { allowed: true, state: "half-open", epoch: circuit.epoch, token, ...(transition === undefined ? {} : { transition }) };
  }

  async report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): Promise<CircuitTransition | undefined> {
    if (!this.is("pair/unknown-outcome") && !["success", "failure", "slow", "unused"].includes(outcome)) throw new RangeError("outcome");
    const circuit = this.at(key);
    if (permit.epoch !== circuit.epoch && !(this.is("stale/closed-permit-in-half-open") && permit.token === undefined)) {
      return this.is("closed/one-report-opens") && outcome === "failure" ? { from: "closed", to: "open" } : undefined;
    }
    return circuit.state === "closed" ? this.count(circuit, policy, outcome) : this.probed(circuit, policy, permit, outcome);
  }

  private count(circuit: Circuit, policy: CircuitPolicy, outcome: CircuitOutcome): CircuitTransition | undefined {
    const { now } = this;
    if (outcome === "unused" && !this.is("closed/unused-is-not-counted")) return undefined;
    circuit.calls.push({ at: now, outcome });
    const windowMs = this.is("closed/failures-of-a-window-count") ? policy.windowMs * 0.9 : policy.windowMs;
    if (!this.is("closed/failures-fade")) circuit.calls = circuit.calls.filter(({ at }) => at > now - windowMs);
    const failures = circuit.calls.filter((call) => call.outcome === "failure").length;
    const slow = circuit.calls.filter((call) => call.outcome === "slow").length;
    const total = circuit.calls.length;
    const enough = total >= policy.minimumThroughput || this.is("closed/failure-rate");
    const opens = failures >= policy.failureThreshold + (this.is("closed/opens-at-the-threshold") ? 1 : 0)
      || (enough && policy.failureRate !== undefined && failures >= policy.failureRate * total)
      || (enough && policy.slowCallRate !== undefined && slow >= policy.slowCallRate * total && !this.is("closed/slow-rate"));
    return opens ? this.move(circuit, "open", policy.resetTimeoutMs) : undefined;
  }

  private probed(circuit: Circuit, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined {
    const live = circuit.probes.some(({ token, until }) => token === permit.token && (until > this.now || this.is("half-open/hung-probe-gives-its-place-back")));
    if (!live && !this.is("half-open/report-counts-once") && !(this.is("stale/closed-permit-in-half-open") && permit.token === undefined)) return undefined;
    if (outcome === "unused" && this.is("half-open/unused-gives-the-place-back")) return undefined;
    circuit.probes = circuit.probes.filter(({ token }) => token !== permit.token);
    if (outcome === "unused") return undefined;
    if (outcome === "failure") return this.is("half-open/failure-opens") ? undefined : this.move(circuit, "open", policy.resetTimeoutMs);
    const needed = this.is("half-open/success-closes-at-the-threshold") ? 1 : policy.successThreshold;
    return ++circuit.good >= needed ? this.move(circuit, "closed", 0) : undefined;
  }

  private validate(policy: CircuitPolicy): void {
    if (this.is("pair/domain")) return;
    const { failureThreshold, windowMs, resetTimeoutMs, halfOpenMax, successThreshold, probeTimeoutMs, failureRate } = policy;
    for (const count of [failureThreshold, halfOpenMax, successThreshold]) if (!(Number.isSafeInteger(count) && count >= 1)) throw new RangeError("count");
    for (const ms of [windowMs, resetTimeoutMs, probeTimeoutMs]) if (!(Number.isFinite(ms) && ms >= 1)) throw new RangeError("ms");
    if (failureRate !== undefined && !(failureRate > 0 && failureRate <= 1)) throw new RangeError("failureRate");
  }

  destroy(): void {
    if (this.destroyed && this.is("lifecycle/destroy-twice")) throw new Error("already destroyed");
    this.destroyed = true;
    if (this.is("lifecycle/destroy-leaves-the-others")) this.map.clear();
  }
}
