/**
 * Circuit breaker: a rolling window that opens it, and half-open probes that are leases.
 *
 * **Window.** `slot = floor(now * 10 / windowMs)`. Each slot holds the calls that were good, failed and slow; the ten whole
 * slots before the current one and the current one count, so a failure counts for at least `windowMs` and at most a
 * tenth of it longer. Sums are kept beside the ring: a report costs the same at any rate and any window.
 *
 * **Rates** are compared as integers, `failed * 10^6 >= total * floor(rate * 10^6)`: exact to one in a million, and up to
 * 9 * 10^9 calls in a window.
 *
 * **Epochs.** Every change of phase adds one. A permit carries the epoch it was given in, and a report of another epoch is
 * `stale`: a call that began before a change says nothing about the upstream after it. A record begins at
 * `floor(now) * 1024`, so epochs grow when a record was lost. As `acquire` of a closed circuit writes nothing, permits
 * may be older than their record: until its first change of phase it takes every epoch that is a multiple of 1024.
 *
 * **Probes.** A half-open circuit hands out at most `halfOpenMax` permits with a token at once, over everybody who uses the
 * record. A token ends when it is reported or after `probeTimeoutMs`, so a caller that dies costs time, never the circuit.
 *
 * Time that steps back moves all instants back with it: ages stay, and no refusal outlives `resetTimeoutMs`.
 * The idea is M. Nygard's ("Release It!", 2007); window, leases and epochs are what makes it hold for a fleet.
 */

import type { Algorithm, RowMachine, Step } from "../contracts/driver.ts";
import type { CircuitPolicy, CircuitState } from "../contracts/circuits.ts";
import type { Row } from "../define-algorithm.ts";
import { decode, encode } from "./circuit-encoding.ts";
import {
  advance, ATTEMPT, BASE, CHANGED_AT, CLOSED, clearProbes, count, DISABLED, EPOCH, EPOCHS_PER_MS, failuresAt, FAILS, GOOD, HALF_OPEN, INSTANCE, INSTANCES,
  INSTANCE_NEXT, ISOLATED, LAST_FAILURE_AT, LIVE_UNTIL, OPEN, OPEN_UNTIL, PHASE, PROBE, PROBE_GOOD, PROBE_SEQ, PROBES, reanchor, resize, restart, SEEN,
  settle, SLOW, successesAt, WIDTH, WINDOW_MS,
} from "./circuit-row.ts";

/** What a driver runs on the record of one circuit. */
export type CircuitCommand =
  | { readonly type: "acquire"; readonly policy: CircuitPolicy }
  | CircuitReport
  | { readonly type: "view" }
  /** Counts without judging: for callers that decide about transitions themselves. */
  | { readonly type: "count"; readonly ok: number; readonly fail: number; readonly policy: CircuitPolicy }
  /** Moves the circuit whatever its phase: `isolated` refuses and `disabled` admits everything until the next `force`. */
  | { readonly type: "force"; readonly to: CircuitState | "isolated" | "disabled"; readonly policy: CircuitPolicy };

/**
 * Outcomes of one probe (`token`), or of any number of calls of a closed circuit. `ok`, `fail` and `slow` are disjoint:
 * a slow call is a good one that took long. All 0 gives a probe's place back unused.
 */
export interface CircuitReport {
  readonly type: "report";
  /** Of the permit; 0 counts in every closed circuit. */
  readonly epoch: number;
  readonly token?: number;
  readonly ok: number;
  readonly fail: number;
  readonly slow: number;
  /** Who reports (an integer above 0) and the number of its report: with both, a repeated report counts once. */
  readonly instance?: number;
  readonly seq?: number;
  /** In `[0, 1)`, for the jitter of a backoff. */
  readonly random?: number;
  readonly policy: CircuitPolicy;
}

export interface CircuitReply {
  /** Answer to `acquire`; false for other commands in a phase that refuses. */
  allowed: boolean;
  state: CircuitState;
  /** Set by an administrator rather than by outcomes. */
  forced: "isolated" | "disabled" | undefined;
  epoch: number;
  /** Token of the probe just granted, else 0. */
  token: number;
  /** For a refusal: whole ms until asking again makes sense. */
  retryAfterMs: number;
  /** The phases before and after when this very command changed it. */
  from: CircuitState | undefined;
  to: CircuitState | undefined;
  /** The report was of another epoch, an unknown, used or expired token, or a repetition: nothing was counted. */
  stale: boolean;
  /** In the rolling window; not filled by `acquire` and `report`. */
  failureCount: number;
  /** In the rolling window, slow ones included, or good probes while half-open. Not filled by `acquire` and `report`. */
  successCount: number;
  lastFailureAt: number;
  changedAt: number;
}

const STATES: readonly CircuitState[] = ["closed", "open", "half-open", "open", "closed"];
const PHASES: Readonly<Record<string, number>> = { closed: CLOSED, open: OPEN, "half-open": HALF_OPEN, isolated: ISOLATED, disabled: DISABLED };
const PPM = 1_000_000;
/** Backoff doubles at most this often: the result stays far below 2^53 at every `resetTimeoutMs`. */
const MAX_DOUBLINGS = 16;

const row: RowMachine<CircuitCommand, CircuitReply> = {
  width: WIDTH,
  apply,
  expiresAt: (cells, at) => cells[at + LIVE_UNTIL],
  limiting(cells, at, now) {
    if (now >= (cells[at + LIVE_UNTIL] as number)) return false;
    return cells[at + PHASE] !== CLOSED || failuresAt(cells, at, now) > 0;
  },
  reply: newReply,
};

export const circuit: Algorithm<Row, CircuitCommand, CircuitReply> & { readonly row: RowMachine<CircuitCommand, CircuitReply> } = {
  name: "circuit",
  version: 1,
  maxStateBytes: 2048,
  step,
  encode,
  decode,
  row,
};

function newReply(): CircuitReply {
  return {
    allowed: false, state: "closed", forced: undefined, epoch: 0, token: 0, retryAfterMs: 0, from: undefined, to: undefined, stale: false,
    failureCount: 0, successCount: 0, lastFailureAt: 0, changedAt: 0,
  };
}

function step(state: Row | undefined, command: CircuitCommand, now: number): Step<Row, CircuitReply> {
  const cells = new Float64Array(WIDTH);
  if (state !== undefined) cells.set(state);
  const reply = newReply();
  const next = apply(cells, 0, command, now, reply) ? Array.from(cells) : state;
  return { state: next, reply, expiresAt: next?.[LIVE_UNTIL] };
}

function apply(cells: Float64Array, at: number, command: CircuitCommand, now: number, reply: CircuitReply): boolean {
  reply.token = 0;
  reply.retryAfterMs = 0;
  reply.from = undefined;
  reply.to = undefined;
  reply.stale = false;
  const live = now < (cells[at + LIVE_UNTIL] as number);
  const moved = live && now < (cells[at + SEEN] as number) && reanchor(cells, at, now);
  const changed = run(cells, at, command, now, reply, live);
  const phase = live || changed ? (cells[at + PHASE] as number) : CLOSED;
  reply.state = STATES[phase] as CircuitState;
  reply.forced = phase === ISOLATED ? "isolated" : phase === DISABLED ? "disabled" : undefined;
  reply.epoch = live || changed ? (cells[at + EPOCH] as number) : newEpoch(cells, at, now);
  return changed || moved;
}

function run(cells: Float64Array, at: number, command: CircuitCommand, now: number, reply: CircuitReply, live: boolean): boolean {
  switch (command.type) {
    case "acquire":
      return acquire(cells, at, command.policy, now, reply, live);
    case "report":
      return report(cells, at, command, now, reply, live);
    case "count":
      if (!live) create(cells, at, command.policy, now);
      record(cells, at, command.policy, now, command.ok, command.fail, 0);
      view(cells, at, now, reply, true);
      return true;
    case "force":
      if (!live) create(cells, at, command.policy, now);
      force(cells, at, command.to, command.policy, now, reply);
      view(cells, at, now, reply, true);
      return true;
    case "view":
      view(cells, at, now, reply, live);
      return false;
  }
}

// ----------------------------------------------------------------------------------------------------------- acquire

function acquire(cells: Float64Array, at: number, policy: CircuitPolicy, now: number, reply: CircuitReply, live: boolean): boolean {
  const phase = live ? cells[at + PHASE] : CLOSED;
  if (phase === CLOSED || phase === DISABLED) {
    reply.allowed = true;
    return false;
  }
  if (phase === HALF_OPEN) return probe(cells, at, policy, now, reply);
  const left = phase === ISOLATED ? policy.resetTimeoutMs : (cells[at + OPEN_UNTIL] as number) - now;
  if (left > 0) {
    reply.allowed = false;
    reply.retryAfterMs = Math.ceil(left);
    return false;
  }
  change(cells, at, HALF_OPEN, now, reply);
  return probe(cells, at, policy, now, reply);
}

function probe(cells: Float64Array, at: number, policy: CircuitPolicy, now: number, reply: CircuitReply): boolean {
  let out = 0;
  let soonest = Infinity;
  let free = -1;
  for (let i = at + PROBE, end = i + 2 * PROBES; i < end; i += 2) {
    const until = cells[i + 1] as number;
    if (until > now) {
      out++;
      if (until < soonest) soonest = until;
    } else if (free < 0) {
      free = i;
    }
  }
  reply.allowed = out < policy.halfOpenMax && free >= 0;
  if (!reply.allowed) {
    reply.retryAfterMs = Math.max(1, Math.ceil(soonest - now));
    return false;
  }
  reply.token = ++(cells[at + PROBE_SEQ] as number);
  cells[free] = reply.token;
  cells[free + 1] = Math.ceil(now) + policy.probeTimeoutMs;
  cells[at + SEEN] = Math.floor(now);
  return true;
}

// ------------------------------------------------------------------------------------------------------------ report

function report(cells: Float64Array, at: number, command: CircuitReport, now: number, reply: CircuitReply, live: boolean): boolean {
  const { policy, epoch, ok, fail, slow } = command;
  const phase = live ? cells[at + PHASE] : CLOSED;
  reply.allowed = phase === CLOSED || phase === DISABLED;
  if (phase === HALF_OPEN && epoch === cells[at + EPOCH]) return probed(cells, at, command, now, reply);
  if (phase !== CLOSED || (command.token ?? 0) !== 0 || !current(cells, at, epoch, live)) {
    reply.stale = true;
    return false;
  }
  if (ok + fail + slow === 0) return false;
  if (live && repeated(cells, at, command)) {
    reply.stale = true;
    return false;
  }
  if (!live) create(cells, at, policy, now);
  if (command.instance !== undefined && command.seq !== undefined) remember(cells, at, command.instance, command.seq);
  record(cells, at, policy, now, ok, fail, slow);
  if (trips(cells, at, policy)) {
    open(cells, at, policy, now, command.random ?? 0.5, reply);
    reply.allowed = false;
  }
  return true;
}

function current(cells: Float64Array, at: number, epoch: number, live: boolean): boolean {
  if (epoch === 0) return true;
  if (live && epoch === cells[at + EPOCH]) return true;
  return epoch % EPOCHS_PER_MS === 0 && (!live || cells[at + EPOCH] === cells[at + BASE]);
}

function probed(cells: Float64Array, at: number, command: CircuitReport, now: number, reply: CircuitReply): boolean {
  const { policy, token } = command;
  let place = -1;
  for (let i = at + PROBE, end = i + 2 * PROBES; i < end; i += 2) {
    if (cells[i] === token && (cells[i + 1] as number) > now) place = i;
  }
  if (token === undefined || token === 0 || place < 0) {
    reply.stale = true;
    return false;
  }
  cells[place] = 0;
  cells[place + 1] = 0;
  cells[at + SEEN] = Math.floor(now);
  const bad = command.fail > 0 || (command.slow > 0 && policy.slowCallRate !== undefined);
  if (bad) {
    if (command.fail > 0) cells[at + LAST_FAILURE_AT] = Math.floor(now);
    open(cells, at, policy, now, command.random ?? 0.5, reply);
  } else if (command.ok + command.slow > 0 && ++(cells[at + PROBE_GOOD] as number) >= policy.successThreshold) {
    change(cells, at, CLOSED, now, reply);
    cells[at + ATTEMPT] = 0;
    reply.allowed = true;
  }
  return true;
}

function trips(cells: Float64Array, at: number, policy: CircuitPolicy): boolean {
  const fails = cells[at + FAILS] as number;
  if (fails >= policy.failureThreshold) return true;
  if (policy.failureRate === undefined && policy.slowCallRate === undefined) return false;
  const slow = cells[at + SLOW] as number;
  const total = (cells[at + GOOD] as number) + fails + slow;
  if (total < policy.minimumThroughput) return false;
  return reaches(fails, total, policy.failureRate) || reaches(slow, total, policy.slowCallRate);
}

/** The small addend undoes the representation error of rates such as 0.29, which times 10^6 is just below 290000. */
function reaches(part: number, total: number, rate: number | undefined): boolean {
  return rate !== undefined && part > 0 && part * PPM >= total * Math.floor(rate * PPM + 0.001);
}

/** Reporters sit in a small ring: a repeat is recognised while fewer than `INSTANCES` others reported in between. */
function repeated(cells: Float64Array, at: number, command: CircuitReport): boolean {
  if (command.instance === undefined || command.seq === undefined) return false;
  for (let i = at + INSTANCE, end = i + 2 * INSTANCES; i < end; i += 2) {
    if (cells[i] === command.instance) return command.seq <= (cells[i + 1] as number);
  }
  return false;
}

function remember(cells: Float64Array, at: number, instance: number, seq: number): void {
  for (let i = at + INSTANCE, end = i + 2 * INSTANCES; i < end; i += 2) {
    if (cells[i] === instance) {
      cells[i + 1] = seq;
      return;
    }
  }
  const next = cells[at + INSTANCE_NEXT] as number;
  cells[at + INSTANCE + 2 * next] = instance;
  cells[at + INSTANCE + 2 * next + 1] = seq;
  cells[at + INSTANCE_NEXT] = (next + 1) % INSTANCES;
}

function record(cells: Float64Array, at: number, policy: CircuitPolicy, now: number, ok: number, fail: number, slow: number): void {
  if (cells[at + WINDOW_MS] !== policy.windowMs) resize(cells, at, policy.windowMs, now);
  advance(cells, at, now);
  count(cells, at, ok, fail, slow);
  cells[at + SEEN] = Math.floor(now);
  if (fail > 0) cells[at + LAST_FAILURE_AT] = Math.floor(now);
}

// ------------------------------------------------------------------------------------------------------------ phases

function newEpoch(cells: Float64Array, at: number, now: number): number {
  const last = cells[at + EPOCH] as number;
  const after = last === 0 ? EPOCHS_PER_MS : (Math.floor(last / EPOCHS_PER_MS) + 1) * EPOCHS_PER_MS;
  return Math.max(after, Math.floor(now) * EPOCHS_PER_MS);
}

function create(cells: Float64Array, at: number, policy: CircuitPolicy, now: number): void {
  const epoch = newEpoch(cells, at, now);
  cells.fill(0, at, at + WIDTH);
  cells[at + EPOCH] = epoch;
  cells[at + BASE] = epoch;
  cells[at + WINDOW_MS] = policy.windowMs;
  cells[at + SEEN] = Math.floor(now);
  restart(cells, at, now);
  settle(cells, at);
}

function change(cells: Float64Array, at: number, to: number, now: number, reply: CircuitReply): void {
  reply.from = STATES[cells[at + PHASE] as number] as CircuitState;
  reply.to = STATES[to] as CircuitState;
  cells[at + PHASE] = to;
  cells[at + EPOCH] = (cells[at + EPOCH] as number) + 1;
  cells[at + CHANGED_AT] = Math.floor(now);
  cells[at + SEEN] = Math.floor(now);
  cells[at + OPEN_UNTIL] = 0;
  cells[at + PROBE_GOOD] = 0;
  clearProbes(cells, at);
  // While open the ring still says why it opened.
  if (to !== OPEN) restart(cells, at, now);
  settle(cells, at);
}

function open(cells: Float64Array, at: number, policy: CircuitPolicy, now: number, random: number, reply: CircuitReply): void {
  change(cells, at, OPEN, now, reply);
  const attempt = Math.min((cells[at + ATTEMPT] as number) + 1, MAX_DOUBLINGS + 1);
  cells[at + ATTEMPT] = attempt;
  let openMs = policy.resetTimeoutMs;
  if (policy.maxResetTimeoutMs !== undefined && policy.maxResetTimeoutMs > openMs) {
    openMs = Math.min(openMs * 2 ** (attempt - 1), policy.maxResetTimeoutMs);
    // A fleet that was cut off together must not come back together; the cap holds with jitter.
    openMs = Math.max(policy.resetTimeoutMs, Math.floor(openMs * (1 - 0.1 * random)));
  }
  cells[at + OPEN_UNTIL] = Math.floor(now) + openMs;
  settle(cells, at);
}

function force(cells: Float64Array, at: number, to: CircuitState | "isolated" | "disabled", policy: CircuitPolicy, now: number, reply: CircuitReply): void {
  if (to === "open") open(cells, at, policy, now, 0.5, reply);
  else change(cells, at, PHASES[to] as number, now, reply);
  if (to === "closed" || to === "disabled") cells[at + ATTEMPT] = 0;
}

function view(cells: Float64Array, at: number, now: number, reply: CircuitReply, live: boolean): void {
  const phase = live ? cells[at + PHASE] : CLOSED;
  reply.allowed = phase === CLOSED || phase === DISABLED;
  reply.failureCount = live ? failuresAt(cells, at, now) : 0;
  reply.successCount = live ? successesAt(cells, at, now) + (cells[at + PROBE_GOOD] as number) : 0;
  reply.lastFailureAt = live ? (cells[at + LAST_FAILURE_AT] as number) : 0;
  reply.changedAt = live ? (cells[at + CHANGED_AT] as number) : 0;
  if (phase === OPEN) reply.retryAfterMs = Math.max(0, Math.ceil((cells[at + OPEN_UNTIL] as number) - now));
}
