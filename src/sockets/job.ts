/** One message being handled: its deadline, its signal, and for a call the one answer. */

import { Deadline } from "../state/deadline.ts";
import type { Connection } from "./connection.ts";
import { type ErrorOptions, type ErrorPayload, allowsRetryAfter, isErrorCode, retryableByDefault } from "./errors.ts";
import { type Frame, type OutMeta, encodeFrame } from "./frame.ts";
import type { MessageContextBase } from "./context.ts";
import { CONTROL, ERROR_TYPE, OPEN_TYPE, RPC_ERROR_TYPE } from "./names.ts";
import { ProgressThrottle } from "./progress-throttle.ts";
import { redactDetails } from "./redact.ts";
import type { Route } from "./route.ts";
import { type AnySendOptions, sendFailure, transmit } from "./send.ts";
import type { SendResult } from "./types.ts";

/** Raised at a signal when the deadline has passed. */
function timeoutReason(): Error {
  return new DOMException("the deadline has passed", "TimeoutError");
}

export class Job extends Deadline {
  readonly connection: Connection;
  /** Undefined for lifecycle hooks. */
  readonly route: Route | undefined;
  readonly correlationId: string | undefined;
  readonly receivedAt: number;
  /** Monotonic instant of the deadline. */
  endsAt: number = Infinity;
  ctx!: MessageContextBase;
  /** The frame had a payload member. */
  hasPayload = false;
  started = false;
  /** Nothing waits for it any more: it has settled, or its deadline has passed. */
  finished = false;
  /** What the client was told: `OK` until an error is sent. */
  code = "OK";
  /** A call that has its terminal frame. */
  answered = false;
  /** What a handler that middleware did not wait for is still doing. */
  tail: Promise<unknown> | undefined = undefined;
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;
  #throttle: ProgressThrottle | undefined;
  #seq = 0;
  #refused = false;

  constructor(connection: Connection, route: Route | undefined, correlationId: string | undefined) {
    super();
    this.connection = connection;
    this.route = route;
    this.correlationId = correlationId;
    this.receivedAt = connection.hub.now();
  }

  get type(): string {
    return this.route?.descriptor.type ?? OPEN_TYPE;
  }

  get kind(): "event" | "rpc" | "lifecycle" {
    return this.route?.kind ?? "lifecycle";
  }

  get isRpc(): boolean {
    return this.route?.kind === "rpc";
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get deadlineAt(): number {
    return this.endsAt === Infinity ? Infinity : this.connection.hub.now() + Math.max(0, this.endsAt - this.connection.hub.monotonic());
  }

  timeRemaining(): number {
    return this.endsAt === Infinity ? Infinity : Math.max(0, this.endsAt - this.connection.hub.monotonic());
  }

  onCancel(callback: () => void): void {
    const guarded = (): void => {
      try {
        callback();
      } catch (error) {
        this.connection.hub.reportError(error, this.connection, this.type);
      }
    };
    if (this.#aborted) guarded();
    else this.signal.addEventListener("abort", guarded, { once: true });
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  /** Starts the deadline; a call's began when it came. */
  armDeadline(): void {
    if (this.endsAt === Infinity || this.dueAt !== 0) return;
    const { deadlines, monotonic } = this.connection.hub;
    deadlines.arm(this, this.endsAt - monotonic());
  }

  /** The deadline has passed. */
  override expire(): void {
    if (this.finished) return;
    if (this.isRpc) this.fail("DEADLINE_EXCEEDED", "the deadline has passed");
    else this.connection.hub.reportError(new DOMException(`the handler of ${this.type} took longer than its limit`, "TimeoutError"), this.connection, this.type, "DEADLINE_EXCEEDED");
    this.abort(timeoutReason());
    this.connection.work.finish(this, "DEADLINE_EXCEEDED");
  }

  /** The client does not want the answer any more. */
  cancel(): void {
    if (this.answered || this.finished) return;
    this.fail("CANCELLED", "the call was aborted");
    this.abort(new DOMException("the call was aborted by the client", "AbortError"));
    this.connection.work.finish(this, "CANCELLED");
  }

  /** An error for the client: for a call the terminal frame, for an event one of several. */
  error(code: string, message = "", details?: unknown, options: ErrorOptions = {}): void {
    if (this.isRpc) {
      if (this.#refuseSecond()) return;
      this.fail(code, message, details, options);
    } else {
      this.code = code;
      this.connection.sendError(code, message, details, options, this.correlationId);
    }
  }

  /** @internal */
  fail(code: string, message: string, details?: unknown, options: ErrorOptions = {}): void {
    if (this.answered) return;
    this.#flushProgress();
    this.answered = true;
    this.code = code;
    this.#remember(this.connection.sendError(code, message, details, options, this.correlationId, true));
  }

  reply(payload: unknown, options?: AnySendOptions): Promise<SendResult> {
    if (this.#refuseSecond()) return sendFailure("ABORTED");
    this.#flushProgress();
    this.answered = true;
    const response = (this.route as Route).descriptor.response!;
    return transmit(
      this.connection, response, payload, this.#meta(), options,
      (error) => {
        this.connection.hub.reportError(error, this.connection, this.type, "OUTBOUND_VALIDATION");
        this.code = "INTERNAL";
        this.#remember(this.connection.sendError("INTERNAL", "the answer could not be sent", undefined, {}, this.correlationId, true));
      },
      undefined, response.type, (frame) => this.#remember(frame),
    );
  }

  progress(payload: unknown, options?: { readonly throttleMs?: number }): Promise<SendResult> {
    if (this.answered || this.finished) {
      this.#refuseSecond();
      return sendFailure("ABORTED");
    }
    const { descriptor } = this.route as Route;
    if (descriptor.progress === undefined) {
      this.connection.hub.reportError(new TypeError(`${descriptor.type} has no progress schema`), this.connection, this.type, "OUTBOUND_VALIDATION");
      return sendFailure("VALIDATION");
    }
    const throttleMs = options?.throttleMs ?? 0;
    if (throttleMs > 0) {
      this.#throttle ??= new ProgressThrottle(this.connection.hub.clock, (value) => this.#progress(value));
      return this.#throttle.offer(payload, throttleMs);
    }
    this.#flushProgress();
    return this.#progress(payload);
  }

  /** Ends what could still run on its own. */
  release(): void {
    this.connection.hub.deadlines.disarm(this);
    this.#throttle?.stop();
  }

  #progress(payload: unknown): Promise<SendResult> {
    const { descriptor } = this.route as Route;
    const meta = this.#meta();
    meta.seq = this.#seq;
    return transmit(
      this.connection, descriptor, payload, meta, undefined,
      (error) => this.connection.hub.reportError(error, this.connection, this.type, "OUTBOUND_VALIDATION"),
      descriptor.progress, CONTROL.progress, () => void this.#seq++,
    );
  }

  #flushProgress(): void {
    this.#throttle?.flush();
  }

  #meta(): OutMeta {
    const meta: OutMeta = { timestamp: this.connection.hub.now() };
    if (this.correlationId !== undefined) meta.correlationId = this.correlationId;
    return meta;
  }

  /** Output after the answer is dropped, and reported once. */
  #refuseSecond(): boolean {
    if (!this.answered && !this.finished) return false;
    if (!this.#refused && !this.#aborted) {
      this.#refused = true;
      this.connection.hub.reportError(new Error(`${this.type} was answered already: further output is dropped`), this.connection, this.type, "ALREADY_ANSWERED");
    }
    return true;
  }

  #remember(frame: Frame | undefined): void {
    if (frame !== undefined && this.correlationId !== undefined) this.connection.work.remember(this.correlationId, frame);
  }
}

/** The frame of an error. What may not be said is left out, and `dropped` is called when `retryAfterMs` may not. */
export function errorFrame(
  connection: Connection, code: string, message: string, details: unknown, options: ErrorOptions, correlationId: string | undefined, asRpc: boolean,
): { readonly frame: Frame; readonly complaint: string | undefined } {
  const { hub, codec } = connection;
  let complaint: string | undefined;
  const sent = isErrorCode(code) ? code : "INTERNAL";
  if (sent !== code) complaint = `${String(code)} is no error code: INTERNAL was sent`;
  let retryable = options.retryable ?? retryableByDefault(sent);
  const payload: { code: string; message: string; details?: unknown; retryable: boolean; retryAfterMs?: number } = { code: sent, message: sent === code ? String(message ?? "") : "internal error", retryable };
  const { retryAfterMs } = options;
  if (retryAfterMs === null) retryable = false;
  else if (retryAfterMs !== undefined) {
    if (!allowsRetryAfter(sent) || !Number.isFinite(retryAfterMs) || retryAfterMs < 0) complaint = `retryAfterMs does not go with ${sent}: it was dropped`;
    else payload.retryAfterMs = retryAfterMs;
  }
  payload.retryable = retryable;
  if (details !== undefined) payload.details = redactDetails(details, hub.options.redact);
  const meta: OutMeta = { timestamp: hub.now() };
  if (correlationId !== undefined) meta.correlationId = correlationId;
  return { frame: encodeFrame(codec, asRpc ? RPC_ERROR_TYPE : ERROR_TYPE, meta, payload satisfies ErrorPayload), complaint };
}
