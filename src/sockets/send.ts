/** Sending: validated, in call order, an outcome that never rejects. */

import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import type { Connection } from "./connection.ts";
import { type Frame, type OutMeta, encodeFrame, mergeMeta } from "./frame.ts";
import type { Job } from "./job.ts";
import { type AnyMessage, type CompiledMessage, compiledOf, isMessage } from "./message.ts";
import type { SendErrorCode, SendExtras, SendResult } from "./types.ts";
import type { Validated, Validator } from "./validate.ts";

export interface AnySendOptions extends SendExtras {
  readonly meta?: Readonly<Record<string, unknown>>;
}

const OK: Promise<SendResult> = /* @__PURE__ */ Promise.resolve(Object.freeze({ ok: true as const }));
const failures = new Map<SendErrorCode, Promise<SendResult>>();

export function sendFailure(error: SendErrorCode): Promise<SendResult> {
  let failure = failures.get(error);
  if (failure === undefined) failures.set(error, (failure = Promise.resolve(Object.freeze({ ok: false as const, error }))));
  return failure;
}

/** An outgoing message does not fit its own schema, or cannot be written. */
export class OutboundError extends Error {
  readonly code = "OUTBOUND_VALIDATION" as const;
  readonly sendCode: "VALIDATION" | "SERIALIZATION";
  readonly issues: readonly { readonly path: readonly string[]; readonly message: string }[] | undefined;

  constructor(type: string, sendCode: "VALIDATION" | "SERIALIZATION", detail: Validated | unknown) {
    const issues = (detail as { issues?: OutboundError["issues"] } | undefined)?.issues;
    super(`${type} was not sent: ${issues === undefined ? "it cannot be encoded" : issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "payload"}: ${message}`).join("; ")}`, issues === undefined ? { cause: detail } : undefined);
    this.sendCode = sendCode;
    this.issues = issues;
  }

  override get name(): string {
    return "OutboundError";
  }
}

const nothing: Validated = Object.freeze({ value: undefined });

/** Whether payload and meta fit, or what is wrong with them. */
export function checkOutgoing(descriptor: CompiledMessage, payload: unknown, meta: Readonly<Record<string, unknown>> | undefined, validator: Validator | undefined = descriptor.payload): MaybePromise<Validated> {
  try {
    const first: MaybePromise<Validated> = validator !== undefined ? validator(payload) : payload === undefined ? nothing : { issues: [{ path: [], message: "this message has no payload" }] };
    if (descriptor.meta === undefined) return first;
    const second = descriptor.meta(meta ?? {});
    if (!isPromise(first) && !isPromise(second)) return join(first, second);
    return Promise.all([first, second]).then(([one, two]) => join(one, two));
  } catch (error) {
    return { issues: [{ path: [], message: `the schema threw: ${String((error as Error)?.message ?? error)}` }] };
  }
}

function join(payload: Validated, meta: Validated): Validated {
  if (payload.issues !== undefined) return payload;
  return meta.issues === undefined ? payload : { issues: meta.issues.map(({ path, message }) => ({ path: ["meta", ...path], message })) };
}

/**
 * Validates, encodes and writes, now or in its place in the order. `onFailure` is told once what was wrong. `progress` of a call has
 * a validator and a type of its own.
 */
export function transmit(
  connection: Connection, descriptor: CompiledMessage, payload: unknown, own: OutMeta, options: AnySendOptions | undefined,
  onFailure: (error: OutboundError) => void, validator?: Validator, type: string = descriptor.type, onFrame?: (frame: Frame) => void,
): Promise<SendResult> {
  if (connection.isClosing) return sendFailure("CONNECTION_CLOSED");
  if (options?.signal?.aborted === true) return sendFailure("ABORTED");
  const encode = (): Frame | OutboundError => {
    try {
      return encodeFrame(connection.codec, type, mergeMeta(own, options?.meta), payload);
    } catch (error) {
      return new OutboundError(type, "SERIALIZATION", error);
    }
  };
  if (!connection.hub.options.validateOutgoing) return deliver(connection, encode(), onFailure, onFrame);
  const checked = checkOutgoing(descriptor, payload, options?.meta, validator);
  if (!isPromise(checked)) return deliver(connection, checked.issues === undefined ? encode() : new OutboundError(type, "VALIDATION", checked), onFailure, onFrame);
  const slot = connection.outbox.hold();
  return checked.catch((error: unknown): Validated => ({ issues: [{ path: [], message: String((error as Error)?.message ?? error) }] })).then((result) => {
    if (connection.isGone) return sendFailure("CONNECTION_CLOSED");
    if (options?.signal?.aborted === true) {
      connection.outbox.settle(slot, undefined);
      return sendFailure("ABORTED");
    }
    const made = result.issues === undefined ? encode() : new OutboundError(type, "VALIDATION", result);
    if (made instanceof OutboundError) {
      connection.outbox.settle(slot, undefined);
      onFailure(made);
      return sendFailure(made.sendCode);
    }
    onFrame?.(made);
    connection.sent(type, made);
    connection.outbox.settle(slot, made);
    return OK;
  });
}

function deliver(connection: Connection, made: Frame | OutboundError, onFailure: (error: OutboundError) => void, onFrame: ((frame: Frame) => void) | undefined): Promise<SendResult> {
  if (made instanceof OutboundError) {
    onFailure(made);
    return sendFailure(made.sendCode);
  }
  onFrame?.(made);
  connection.sent(undefined, made);
  return connection.outbox.write(made) === "closed" ? sendFailure("BACKPRESSURE") : OK;
}

/** `ctx.send`. */
export function sendEvent(connection: Connection, descriptor: AnyMessage, payload: unknown, options: AnySendOptions | undefined, job: Job | undefined): Promise<SendResult> {
  const report = (error: unknown): void => connection.hub.reportError(error, connection, job?.type, "OUTBOUND_VALIDATION");
  if (!isMessage(descriptor) || descriptor.kind !== "event") {
    report(new TypeError("send takes a descriptor made by message()"));
    return sendFailure("VALIDATION");
  }
  const meta: OutMeta = { timestamp: connection.hub.now() };
  if (options?.inheritCorrelationId === true && job?.correlationId !== undefined) meta.correlationId = job.correlationId;
  return transmit(connection, compiledOf(descriptor), payload, meta, options, report);
}
