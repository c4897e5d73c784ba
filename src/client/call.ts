/** One call while it runs: its time, its events, and what is known of it when it fails. */

import { randomHex } from "../core/trace-context.ts";
import type { CallInput } from "./config.ts";
import { StitchError, completeError, isStitchError, set, toStitchError, type TimeoutPhase } from "./errors.ts";
import type { EventFacts, Finding, ResultSource, StitchEvent } from "./events.ts";
import type { ResponseFields } from "./fields.ts";
import type { Plan } from "./plan.ts";
import type { Runtime } from "./runtime.ts";
import { Scope } from "./scope.ts";

/** Where a call stands in a trace. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string | undefined;
  readonly flags: number;
  readonly tracestate: string | undefined;
}

/** What a caller other than the user passes along. */
export interface CallContext {
  readonly principal?: string;
  readonly parent?: TraceParent;
  /** Ends the call with whatever it is a part of. */
  readonly scope?: Scope;
  /** `.inspect`: neither reads nor writes the cache unless told to. */
  readonly bypassCache?: boolean;
  readonly inspect?: boolean;
  /** Told every answer, redirects included. */
  readonly onAnswer?: (response: { readonly status: number; readonly headers: ResponseFields; readonly url: string }) => void;
}

export class Call {
  readonly plan: Plan;
  readonly runtime: Runtime;
  readonly input: CallInput;
  readonly context: CallContext;
  readonly scope: Scope;
  readonly startedAt: number;
  attempts = 0;
  waitedMs = 0;
  sent: boolean | "unknown" = false;
  phase: TimeoutPhase = "total";
  source: ResultSource = "live";
  findings: Finding[] | undefined;
  status: number | undefined;
  /** Redacted, as soon as it is known. */
  shownUrl: string | undefined;
  idempotencyKey: string | undefined;
  /** Bodies for sinks that want them, redacted. */
  requestBody: string | undefined;
  responseBody: string | undefined;
  /** Who reads this call's own events. */
  listener: ((event: StitchEvent) => void) | undefined;
  /** The last answer, for `.inspect`. */
  last: { status: number; headers: unknown; raw: unknown } | undefined;
  truncated = false;
  #traceId: string | undefined;
  #spanId: string | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(plan: Plan, input: CallInput, context: CallContext) {
    this.plan = plan;
    this.runtime = plan.runtime;
    this.input = input;
    this.context = context;
    this.startedAt = this.runtime.clock.monotonic();
    this.scope = new Scope(this.runtime.deadlines, this.runtime.clock, () => this.timeout(this.phase), context.scope);
    const { signal } = input;
    if (signal !== undefined) this.#follow(signal);
  }

  get principal(): string | undefined {
    return this.context.principal;
  }

  get traceId(): string {
    return (this.#traceId ??= this.context.parent?.traceId ?? randomHex(16));
  }

  get spanId(): string {
    return (this.#spanId ??= randomHex(8));
  }

  get elapsedMs(): number {
    return this.runtime.clock.monotonic() - this.startedAt;
  }

  /** Somebody listens: without, no event is built. */
  get watched(): boolean {
    return this.listener !== undefined || this.runtime.sinks !== undefined;
  }

  emit(facts: EventFacts, error?: unknown): void {
    const { sinks, clock } = this.runtime;
    if (this.listener === undefined && sinks === undefined) return;
    const base = { at: clock.now(), elapsedMs: this.elapsedMs, name: this.plan.name, traceId: this.traceId, spanId: this.spanId, attempt: this.attempts };
    const parent = this.context.parent?.spanId;
    const event = { ...facts, ...base, ...(parent === undefined ? {} : { parentSpanId: parent }) } as StitchEvent;
    this.listener?.(event);
    sinks?.send(this, event, error);
  }

  find(finding: Finding): void {
    (this.findings ??= []).push(finding);
    this.emit({ type: "drift", finding });
  }

  timeout(phase: TimeoutPhase): StitchError {
    return new StitchError("TIMEOUT", TIMEOUTS[phase], { phase, retryable: true });
  }

  /** Any failure as the error the caller gets: complete, and without a secret. */
  fail(error: unknown): StitchError {
    const known = toStitchError(error, "NETWORK", "the call failed");
    const { redactor } = this.plan;
    // What stands under a hidden name is as secret where the platform quotes the request.
    const { headers, query, body } = this.input;
    const secrets = [...redactor.under("header", this.plan.headers), ...redactor.under("query", this.plan.query), ...redactor.under("header", headers), ...redactor.under("query", query), ...redactor.under("field", body instanceof ReadableStream ? undefined : body)];
    const cause = redactor.cause(known.cause, secrets);
    if (cause !== known.cause) Object.defineProperty(known, "cause", { value: cause, configurable: true, writable: true, enumerable: false });
    const message = redactor.text(known.message, secrets);
    if (message !== known.message) Object.defineProperty(known, "message", { value: message, configurable: true, writable: true, enumerable: false });
    // What a retry loop saw of its last try is on the error; what this call knows as a whole completes it.
    completeError(known, { stitch: this.plan.name, method: this.plan.method, url: this.shownUrl, idempotencyKey: this.idempotencyKey, traceId: this.traceId, spanId: this.spanId, status: this.status });
    set(known, { attempts: this.attempts, elapsedMs: this.elapsedMs });
    if (known.sent === false && this.sent !== false && known.code !== "INPUT_INVALID" && known.code !== "CONFIG_INVALID") set(known, { sent: this.sent });
    return known;
  }

  /** No timer and no listener of this call is left. */
  end(): void {
    this.#forgetSignal?.();
    this.#forgetSignal = undefined;
    this.scope.end();
  }

  #follow(signal: AbortSignal): void {
    if (typeof (signal as { addEventListener?: unknown }).addEventListener !== "function") throw new StitchError("INPUT_INVALID", "signal must be an AbortSignal");
    const abort = (): void => this.scope.cancel(aborted(signal.reason));
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    this.#forgetSignal = () => signal.removeEventListener("abort", abort);
  }
}

export function aborted(reason: unknown): StitchError {
  return isStitchError(reason) ? reason : new StitchError("ABORTED", "the call was aborted", { cause: reason });
}

const TIMEOUTS: Readonly<Record<TimeoutPhase, string>> = {
  total: "the deadline of the call passed",
  attempt: "a try took longer than attemptMs",
  idle: "the body fell silent for longer than idleMs",
  connect: "no connection within connectMs",
  auth: "the deadline of the call passed while credentials were fetched",
  throttle: "the deadline of the call passed while it waited for its turn",
  store: "the deadline of the call passed while it waited for the store",
};
