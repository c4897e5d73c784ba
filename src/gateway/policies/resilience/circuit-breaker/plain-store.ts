/**
 * `acquire` and `report` on a store that has only the plain verbs. The store keeps the phase, so all processes open and
 * close together; failures are counted in a rolling window of this process, and probes per process.
 */

import type { Clock } from "../../../../core/clock.ts";
import { chain, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitTransition } from "../../../../state/contracts/circuits.ts";

/** Circuits counted at once; above it the one unused for longest starts again from nothing. */
const MAX_CIRCUITS = 1000;
/** The window moves by tenths, as the store-side algorithm's does. */
const SLOTS = 10;

interface Slot {
  readonly index: number;
  ok: number;
  failed: number;
}

interface Local {
  slots: Slot[];
  /** Probes out: token and when their place is free again. */
  probes: { readonly token: string; readonly until: number }[];
  goodProbes: number;
  lastToken: number;
  openedAt: number;
  /** State and epoch of the phase that this process has ended already: what else is known of it moves nothing. */
  ended: string | undefined;
}

export function atomicStore(store: CircuitBreakerStore, clock: Clock): CircuitBreakerStore & Required<Pick<CircuitBreakerStore, "acquire" | "report">> {
  const locals = new Map<string, Local>();

  const localOf = (key: string): Local => {
    let local = locals.get(key);
    if (local !== undefined) locals.delete(key);
    else {
      local = { slots: [], probes: [], goodProbes: 0, lastToken: 0, openedAt: 0, ended: undefined };
      for (const oldest of locals.keys()) {
        if (locals.size >= MAX_CIRCUITS) locals.delete(oldest);
        break;
      }
    }
    locals.set(key, local);
    return local;
  };

  const move = <T>(key: string, to: "open" | "half-open" | "closed", local: Local, then: T): MaybePromise<T> => {
    local.probes = to === "half-open" ? local.probes : [];
    local.goodProbes = 0;
    local.slots = [];
    if (to === "open") local.openedAt = clock.now();
    if (to === "closed") local.ended = undefined;
    return chain(store.transition(key, to), () => then);
  };

  const probe = (local: Local, policy: CircuitPolicy, epoch: number, transition?: CircuitTransition): CircuitPermit | CircuitRefusal => {
    const now = clock.now();
    local.probes = local.probes.filter((one) => one.until > now);
    if (local.probes.length >= policy.halfOpenMax) {
      return { allowed: false, state: "half-open", retryAfterMs: Math.max(1, Math.min(...local.probes.map((one) => one.until)) - now) };
    }
    const token = String(++local.lastToken);
    local.probes.push({ token, until: now + policy.probeTimeoutMs });
    return { allowed: true, state: "half-open", epoch, token, ...(transition === undefined ? undefined : { transition }) };
  };

  return {
    getState: (key) => store.getState(key),
    recordSuccess: (key) => store.recordSuccess(key),
    recordFailure: (key) => store.recordFailure(key),
    transition: (key, to) => store.transition(key, to),
    reset: (key) => {
      // The store's epoch starts again: what is known of the old one must not hold.
      locals.delete(key);
      return store.reset(key);
    },

    acquire: (key, policy) =>
      chain(store.getState(key), (snapshot): MaybePromise<CircuitPermit | CircuitRefusal> => {
        const { state, lastStateChange: epoch } = checked(snapshot);
        const local = localOf(key);
        if (state === "closed") return { allowed: true, state, epoch };
        if (state === "half-open") return probe(local, policy, epoch);
        const retryAfterMs = Math.max(epoch, local.openedAt) + policy.resetTimeoutMs - clock.now();
        if (retryAfterMs > 0) return { allowed: false, state, retryAfterMs };
        // Calls that read the same open phase move it once.
        if (local.ended === `open ${epoch}`) return probe(local, policy, epoch);
        local.ended = `open ${epoch}`;
        const permit = probe(local, policy, epoch, { from: "open", to: "half-open" });
        return permit.allowed ? move(key, "half-open", local, permit) : permit;
      }),

    report: (key, policy, permit, outcome): MaybePromise<CircuitTransition | undefined> => {
      const local = localOf(key);
      if (permit.token === undefined) return reportClosed(key, policy, permit, outcome, local);
      const at = local.probes.findIndex((one) => one.token === permit.token);
      if (at < 0) return undefined;
      local.probes.splice(at, 1);
      if (outcome === "unused") return undefined;
      if (outcome === "failure") return chain(store.recordFailure(key), () => move(key, "open", local, { from: "half-open", to: "open" } as const));
      const closes = ++local.goodProbes >= policy.successThreshold;
      return chain(store.recordSuccess(key), () => (closes ? move(key, "closed", local, { from: "half-open", to: "closed" } as const) : undefined));
    },
  };

  function reportClosed(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome, local: Local): MaybePromise<CircuitTransition | undefined> {
    if (outcome === "unused" || local.ended === `closed ${permit.epoch}`) return undefined;
    const failed = outcome === "failure";
    const opens = count(local, policy, clock.now(), failed) && failed;
    if (opens) local.ended = `closed ${permit.epoch}`;
    return chain(failed ? store.recordFailure(key) : store.recordSuccess(key), (snapshot) => {
      if (!opens || snapshot?.state === "open") return undefined;
      return move(key, "open", local, { from: "closed", to: "open" } as const);
    });
  }
}

/** Adds a call to the window and says whether the window now asks for opening. */
function count(local: Local, policy: CircuitPolicy, now: number, failed: boolean): boolean {
  const index = Math.floor((now * SLOTS) / policy.windowMs);
  local.slots = local.slots.filter((slot) => slot.index >= index - SLOTS);
  let slot = local.slots.at(-1);
  if (slot === undefined || slot.index !== index) local.slots.push((slot = { index, ok: 0, failed: 0 }));
  if (failed) slot.failed++;
  else slot.ok++;
  let failures = 0;
  let total = 0;
  for (const one of local.slots) {
    failures += one.failed;
    total += one.failed + one.ok;
  }
  if (failures >= policy.failureThreshold) return true;
  return policy.failureRate !== undefined && total >= policy.minimumThroughput && failures >= policy.failureRate * total;
}

function checked(snapshot: CircuitBreakerSnapshot | undefined | null): CircuitBreakerSnapshot {
  if (snapshot?.state === "closed" || snapshot?.state === "open" || snapshot?.state === "half-open") {
    return Number.isFinite(snapshot.lastStateChange) ? snapshot : { ...snapshot, lastStateChange: 0 };
  }
  throw new TypeError("getState() must give a snapshot with a state");
}
