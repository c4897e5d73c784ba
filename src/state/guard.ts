/** The guard of a store: every call has a deadline, and a store that keeps failing is left alone for a while. */

import { checkFunction, checkInteger, checkPositive } from "../core/check.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { type SluiceErrorOptions, type StateErrorCode, StoreError, isSluiceError, stackless } from "../core/errors.ts";
import { type EventSource, type Events, createEvents } from "../core/events.ts";
import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Deadlines } from "./deadline.ts";
import { deadlinesOf } from "./deadlines.ts";
import { type CallOwner, GuardedCall, type Verdict, isValid, malformed } from "./guarded-call.ts";

export interface GuardOptions {
  /** Deadline of a call, in ms. @default 1000 */
  readonly timeoutMs?: number;
  /** Consecutive failures that suspend the store; refused writes (`STORE_READ_ONLY`) only after `cooldownMs` without any success. @default 5 */
  readonly threshold?: number;
  /** First cool-down of a suspended store, in ms; doubled by every failed probe, each time within 20 % by chance. @default 1000 */
  readonly cooldownMs?: number;
  /** Longest cool-down, in ms. @default 30000 */
  readonly maxCooldownMs?: number;
  /** Calls whose promise has not settled, those past their deadline included; one more is refused. @default 100000 */
  readonly maxInFlight?: number;
  /** The store's name in events and messages. @default the store's `name`, else "store" */
  readonly name?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told when the store goes down and when it is back. */
  readonly onChange?: (event: GuardEvent) => void;
}

export type GuardState = "up" | "suspended" | "probing";

/** Carries no key, no value and no text of the backend. */
export interface GuardEvent {
  readonly type: "store.down" | "store.up" | "store.error";
  readonly store: string;
  /** Of the failure; of the last one for `store.up`. */
  readonly code: string;
  /** Failures since the last event that had none of their own: only the first of a code in a state has. */
  readonly suppressed: number;
}

export interface GuardCallOptions<T = unknown> {
  /** Deadline of this call in place of the guard's, in ms. */
  readonly timeoutMs?: number;
  /** The caller's: aborting it rejects the call at once with its reason, and is no failure of the store. */
  readonly signal?: AbortSignal;
  /** Gives `run` a signal that aborts at the deadline, too. Costs a controller per call; else `run` gets the caller's. @default false */
  readonly abortable?: boolean;
  /** False for a reply of the wrong shape: the call fails with `STORE_CORRUPT`. */
  readonly validate?: (value: T) => boolean;
}

export interface GuardStats {
  readonly state: GuardState;
  /** Calls that were let through. */
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  /** Calls refused without asking the store. */
  readonly refused: number;
  /** Promises of the store that have not settled. */
  readonly inFlight: number;
}

export interface Guard {
  readonly name: string;
  readonly state: GuardState;
  readonly events: EventSource<GuardEvent>;
  /**
   * Calls the store through `run`. A plain value comes back as it is, without a promise or a timer; a promise has the
   * deadline. `operation` names the call in errors.
   *
   * Throws `STORE_UNAVAILABLE` with `retryAfterMs` at once while the store is suspended, and `STORE_OVERLOADED` above
   * `maxInFlight`. Rejects with `STORE_TIMEOUT` (outcome unknown) at the deadline; what comes later is dropped. What
   * the store throws that is no error of this package becomes the `cause` of `STORE_UNAVAILABLE`.
   */
  call<T>(operation: string, run: (signal: AbortSignal | undefined) => MaybePromise<T>, options?: GuardCallOptions<T>): MaybePromise<T>;
  /** What a call made now would throw without asking the store; `undefined` when it would be let through. */
  refusal(): StoreError | undefined;
  stats(): GuardStats;
}

const guards: WeakMap<object, Guard> = /* @__PURE__ */ new WeakMap();

/** The guard of `store`: one per store object and process, shared by its users. The options of the first call win. */
export function guard(store: object, options: GuardOptions = {}): Guard {
  let found = guards.get(store);
  if (found === undefined) guards.set(store, (found = new StoreGuard(store, options)));
  return found;
}

/** The guard of `store`, when it has one already. */
export function guardOf(store: object): Guard | undefined {
  return guards.get(store);
}

/** A probe this long past its deadline has lost its timer: workerd drops those of a request that is cut off, its promises too. */
const LOST_MS = 250;

/** Answers about the arguments: the store is well. */
const ANSWERS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "STORE_WRONG_TYPE", "STORE_UNSERIALIZABLE", "STORE_OVERFLOW", "STORE_VALUE_TOO_LARGE", "STORE_CAPABILITY", "PAYLOAD_TOO_LARGE",
]);

/** The state machine; calls that wait are {@link GuardedCall}s and report back to it. */
class StoreGuard implements Guard, CallOwner {
  readonly name: string;
  readonly deadlines: Deadlines;
  private readonly options: Required<Pick<GuardOptions, "timeoutMs" | "threshold" | "cooldownMs" | "maxCooldownMs" | "maxInFlight">>;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly source: Events<GuardEvent>;
  private readonly onChange: Events<GuardEvent>;
  private current: GuardState = "up";
  /** Counts changes of state; the result of a call begun in another epoch says nothing about this one. */
  private epoch = 0;
  private consecutive = 0;
  /** Monotonic instant of the first of the consecutive failures, once a refused write is among them. */
  private failingSince = -1;
  private cooldownMs = 0;
  /** Monotonic instant of the next probe while suspended; the probe's deadline while probing. */
  private retryAt = 0;
  private refused: StoreError | undefined;
  private overload: StoreError | undefined;
  private readonly seen = new Set<string>();
  private suppressed = 0;
  private lastCode = "";
  private inFlight = 0;
  /** The epoch from which calls are in `inFlight`. */
  private inFlightSince = 0;
  private calls = 0;
  private failures = 0;
  private timeouts = 0;
  private refusals = 0;

  constructor(store: object, options: GuardOptions) {
    this.options = {
      timeoutMs: checkPositive("timeoutMs", options.timeoutMs ?? 1000),
      threshold: checkInteger("threshold", options.threshold ?? 5, 1),
      cooldownMs: checkPositive("cooldownMs", options.cooldownMs ?? 1000),
      maxCooldownMs: checkPositive("maxCooldownMs", options.maxCooldownMs ?? 30_000),
      maxInFlight: checkInteger("maxInFlight", options.maxInFlight ?? 100_000, 1),
    };
    const name = options.name ?? (store as { readonly name?: unknown }).name;
    this.name = typeof name === "string" && name !== "" ? name : "store";
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.deadlines = deadlinesOf(this.clock);
    this.source = createEvents();
    this.onChange = createEvents(options.onChange === undefined ? undefined : checkFunction("onChange", options.onChange));
  }

  get state(): GuardState {
    return this.current;
  }

  get events(): EventSource<GuardEvent> {
    return this.source;
  }

  stats(): GuardStats {
    const { current, calls, failures, timeouts, refusals, inFlight } = this;
    return { state: current, calls, failures, timeouts, refused: refusals, inFlight };
  }

  refusal(): StoreError | undefined {
    if (this.current === "up") return undefined;
    return this.mayProbe(this.clock.monotonic()) ? undefined : this.refused;
  }

  call<T>(operation: string, run: (signal: AbortSignal | undefined) => MaybePromise<T>, options?: GuardCallOptions<T>): MaybePromise<T> {
    if (options?.signal?.aborted) throw options.signal.reason;
    if (this.current !== "up") {
      const refusal = this.admit(options?.timeoutMs);
      if (refusal !== undefined) throw refusal;
    } else if (this.inFlight >= this.options.maxInFlight) {
      throw this.refuseOverload();
    }
    this.calls++;
    const epoch = this.epoch;
    const controller = options?.abortable === true ? new AbortController() : undefined;
    let value: MaybePromise<T>;
    try {
      value = run(controller?.signal ?? options?.signal);
    } catch (error) {
      throw this.ended(error, epoch, operation, options?.signal);
    }
    if (isPromise(value)) {
      this.inFlight++;
      return new Promise<T>((resolve, reject) => {
        new GuardedCall(this, epoch, operation, options, controller, resolve, reject).wait(value as Promise<T>, options?.timeoutMs ?? this.options.timeoutMs);
      });
    }
    if (!isValid(options?.validate, value)) throw this.ended(malformed(this.name, operation), epoch, operation);
    if (this.consecutive !== 0 || this.current !== "up") this.report("ok", epoch);
    return value;
  }

  ended(error: unknown, epoch: number, operation: string, signal?: AbortSignal): unknown {
    if (signal?.aborted === true || error instanceof RangeError) {
      this.report("none", epoch);
      return error;
    }
    if (isSluiceError(error)) {
      this.report(ANSWERS.has(error.code) ? "ok" : "failure", epoch, error.code);
      return error;
    }
    this.report("failure", epoch, "STORE_UNAVAILABLE");
    return new StoreError("STORE_UNAVAILABLE", `${this.name}: ${operation} failed`, { cause: error, outcome: "unknown" });
  }

  timedOut(epoch: number, operation: string, timeoutMs: number): StoreError {
    this.timeouts++;
    this.report("failure", epoch, "STORE_TIMEOUT");
    return plain("STORE_TIMEOUT", `${this.name}: ${operation} gave no answer within ${timeoutMs} ms`, { outcome: "unknown" });
  }

  settled(epoch: number): void {
    if (epoch >= this.inFlightSince) this.inFlight--;
  }

  report(verdict: Verdict, epoch: number, code = ""): void {
    if (verdict === "failure") this.failures++;
    if (epoch !== this.epoch) {
      if (verdict === "failure") this.suppressed++;
      return;
    }
    if (this.current === "probing") {
      if (verdict === "ok") this.recover();
      // A probe that says nothing gives its turn to the next call.
      else this.suspend(code, verdict === "none");
      return;
    }
    if (verdict === "ok") this.consecutive = 0;
    if (verdict !== "failure") return;
    this.announce(code);
    if (this.consecutive++ === 0) this.failingSince = -1;
    // A burst of refused writes between two reads that are answered is no lost store.
    if (code === "STORE_READ_ONLY" && !this.failsForLong()) return;
    if (this.consecutive >= this.options.threshold) this.suspend(code, false);
  }

  private failsForLong(): boolean {
    const now = this.clock.monotonic();
    if (this.failingSince < 0) this.failingSince = now;
    return now - this.failingSince >= this.options.cooldownMs;
  }

  /** Lets one call through as the probe, or gives its refusal. */
  private admit(timeoutMs: number | undefined): StoreError | undefined {
    const now = this.clock.monotonic();
    if (this.mayProbe(now)) {
      // Also after a probe that was lost: in this new epoch its result, should one come, says nothing.
      this.change("probing");
      this.retryAt = now + (timeoutMs ?? this.options.timeoutMs);
      return undefined;
    }
    this.refusals++;
    return this.refused;
  }

  private mayProbe(now: number): boolean {
    return now >= (this.current === "probing" ? this.retryAt + LOST_MS : this.retryAt);
  }

  private refuseOverload(): StoreError {
    this.refusals++;
    this.report("failure", this.epoch, "STORE_OVERLOADED");
    this.overload ??= plain("STORE_OVERLOADED", `${this.name}: ${this.options.maxInFlight} calls wait for an answer already`, { outcome: "not-applied" });
    return this.overload;
  }

  private suspend(code: string, probeAgain: boolean): void {
    const wasUp = this.current === "up";
    if (!probeAgain) {
      const { cooldownMs, maxCooldownMs } = this.options;
      this.cooldownMs = Math.min(maxCooldownMs, wasUp ? cooldownMs : this.cooldownMs * 2);
      this.retryAt = this.clock.monotonic() + Math.min(maxCooldownMs, this.cooldownMs * (0.8 + 0.4 * this.random.next()));
    } else {
      this.retryAt = 0;
    }
    this.change("suspended");
    this.refused ??= this.createRefusal();
    if (wasUp) {
      this.seen.clear();
      this.emit("store.down", code, true);
    } else if (!probeAgain) {
      this.announce(code);
    }
  }

  private recover(): void {
    this.change("up");
    this.consecutive = 0;
    this.refused = undefined;
    // Promises that the outage left hanging are given up on, or they would fill the bound for good.
    this.inFlight = 0;
    this.inFlightSince = this.epoch;
    this.seen.clear();
    this.emit("store.up", this.lastCode, true);
  }

  private change(to: GuardState): void {
    this.current = to;
    this.epoch++;
  }

  private announce(code: string): void {
    this.lastCode = code;
    if (this.seen.has(code)) {
      this.suppressed++;
      return;
    }
    this.seen.add(code);
    this.emit("store.error", code, false);
  }

  private emit(type: GuardEvent["type"], code: string, change: boolean): void {
    this.lastCode = code;
    const event: GuardEvent = { type, store: this.name, code, suppressed: this.suppressed };
    this.suppressed = 0;
    this.source.emit(event);
    if (change) this.onChange.emit(event);
  }

  /** One refusal serves a whole outage, since building errors would cost more than the calls it saves. */
  private createRefusal(): StoreError {
    const error = plain("STORE_UNAVAILABLE", `${this.name} is suspended after repeated failures (last: ${this.lastCode})`, { outcome: "not-applied" });
    Object.defineProperty(error, "retryAfterMs", { enumerable: true, get: () => Math.max(1, Math.ceil(this.retryAt - this.clock.monotonic())) });
    return error;
  }
}

function plain(code: StateErrorCode, message: string, options: SluiceErrorOptions): StoreError {
  return stackless(() => new StoreError(code, message, options));
}
