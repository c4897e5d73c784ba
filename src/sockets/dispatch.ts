/** From a frame to a handler: checked, queued, validated and run; synchronous as long as everything in it is. */

import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import { quote } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import { handleControl } from "./control.ts";
import { type BadFrame, type Envelope, declaredMeta, isBad, knownMeta, readFrame, traceOf } from "./envelope.ts";
import { CloseError, SocketError, TopicError, topicFrameCode } from "./errors.ts";
import { fixedFrame } from "./frame.ts";
import { Job } from "./job.ts";
import { CONTROL, HEARTBEAT_ACK_TEXT, isReservedType } from "./names.ts";
import type { AnyMiddleware, Route } from "./route.ts";
import type { Issue, Validated } from "./validate.ts";
import { violation } from "./violation.ts";

const MAX_ISSUES = 10;
const MAX_TYPE_ECHO = 128;
/** The type of `message.in` for a message nobody handles. */
const UNKNOWN_TYPE = "_OTHER";
const NO_META: Readonly<Record<string, unknown>> = Object.freeze({});

export function dispatch(connection: Connection, data: string | Uint8Array, bytes: number): void {
  const { hub } = connection;
  const envelope = readFrame(data, connection.codec, hub.options.limits.maxDepth);
  if (isBad(envelope)) return refuseFrame(connection, envelope);
  const { type } = envelope;
  const first = type.charCodeAt(0);
  // "$" and "_": control types and reserved ones.
  if ((first === 36 || first === 95) && handleControl(connection, envelope)) return;
  if (isReservedType(type)) return violation(connection, `the type ${quote(type.slice(0, MAX_TYPE_ECHO))} is reserved`, envelope.correlationId, false);
  const route = hub.program.routes.get(type);
  // A type that nobody handles is a client's invention: figures are kept per type, and it may be as long as a message.
  if (hub.events.active) hub.events.emit({ type: "message.in", clientId: connection.clientId, at: hub.now(), messageType: route === undefined ? UNKNOWN_TYPE : type, bytes, ...traceOf(envelope.meta) });
  if (route === undefined) {
    hub.events.emit({ type: "message.unhandled", clientId: connection.clientId, at: hub.now(), messageType: type.slice(0, MAX_TYPE_ECHO) });
    return void connection.sendError("UNIMPLEMENTED", "no handler for this type", { type: type.slice(0, MAX_TYPE_ECHO) }, {}, envelope.correlationId, envelope.correlationId !== undefined);
  }
  const { correlationId } = envelope;
  const { work } = connection;
  if (route.kind === "rpc") {
    if (correlationId !== undefined) {
      // The call that runs answers both.
      if (work.call(correlationId) !== undefined) return;
      const answer = work.rememberedAnswer(correlationId);
      if (answer !== undefined) return void connection.outbox.write(answer);
    }
    if (work.callsInFlight >= hub.options.rpc.maxInFlight) return void connection.sendError("RESOURCE_EXHAUSTED", "too many calls in flight", { limit: hub.options.rpc.maxInFlight }, {}, correlationId, correlationId !== undefined);
  }
  const { maxPending } = hub.options.limits;
  if (work.pending >= maxPending) {
    hub.limitExceeded({ type: "backpressure", clientId: connection.clientId, ws: connection.socket, observed: work.pending + 1, limit: maxPending, direction: "in" });
    return void connection.sendError("RESOURCE_EXHAUSTED", "too many messages wait", undefined, {}, correlationId, route.kind === "rpc" && correlationId !== undefined);
  }
  work.admit(jobOf(connection, route, envelope), route.ordered);
}

function jobOf(connection: Connection, route: Route, envelope: Envelope): Job {
  const { hub } = connection;
  const job = new Job(connection, route, envelope.correlationId);
  const Context = route.kind === "rpc" ? hub.contexts.Rpc : hub.contexts.Event;
  job.ctx = new Context(job, envelope.payload, envelope.meta);
  job.hasPayload = envelope.hasPayload;
  if (route.kind === "rpc") {
    const { timeoutMs, maxTimeoutMs } = hub.options.rpc;
    const budget = envelope.meta["timeoutMs"] as number | undefined;
    const limit = Math.min(budget ?? Infinity, route.timeoutMs ?? Infinity, timeoutMs, maxTimeoutMs);
    if (limit !== Infinity) job.endsAt = hub.monotonic() + limit;
    if (hub.events.active) hub.events.emit({ type: "rpc.start", clientId: connection.clientId, at: job.receivedAt, messageType: job.type, correlationId: job.correlationId, ...traceOf(envelope.meta) });
  }
  return job;
}

/** Runs a job whose turn has come. */
export function runJob(job: Job): void {
  const { connection, route } = job as Job & { route: Route };
  job.started = true;
  if (job.isRpc) {
    if (job.endsAt <= connection.hub.monotonic()) return job.expire();
  } else {
    const { handlerTimeoutMs } = connection.hub.options.limits;
    if (handlerTimeoutMs !== Infinity) job.endsAt = connection.hub.monotonic() + handlerTimeoutMs;
  }
  let work: MaybePromise<unknown>;
  try {
    work = compose(route.raw, job, validated, 0);
  } catch (error) {
    return ended(job, error, true);
  }
  if (!isPromise(work) && job.tail === undefined) return ended(job, undefined, false);
  connection.work.activate(job);
  job.armDeadline();
  const tail = job.tail;
  Promise.resolve(work)
    // What a middleware did not wait for still belongs to the message.
    .then(() => (tail === undefined && job.tail === undefined ? undefined : job.tail))
    .then(() => ended(job, undefined, false), (error: unknown) => ended(job, error, true))
    .finally(() => connection.work.settled(job));
}

/** Middleware in order, then `last`. Without middleware there is nothing but `last`. */
export function compose(list: readonly AnyMiddleware[], job: Job, last: (job: Job) => MaybePromise<unknown>, at: number): MaybePromise<unknown> {
  if (at === list.length) return job.finished || job.connection.isClosing ? undefined : last(job);
  let called = false;
  return (list[at] as AnyMiddleware)(job.ctx, () => {
    if (called) throw new Error("next() was called twice");
    called = true;
    const work = compose(list, job, last, at + 1);
    if (isPromise(work)) {
      work.catch(() => undefined);
      job.tail = work;
    }
    return work as MaybePromise<void>;
  });
}

function validated(job: Job): MaybePromise<unknown> {
  const result = validateIncoming(job);
  if (isPromise(result)) return result.then((ok) => (ok ? afterValidation(job) : undefined));
  return result ? afterValidation(job) : undefined;
}

function afterValidation(job: Job): MaybePromise<unknown> {
  return compose((job.route as Route).middleware, job, invoke, 0);
}

function invoke(job: Job): MaybePromise<unknown> {
  const { handler } = job.route as Route;
  const result = handler(job.ctx);
  if (!job.isRpc) return result;
  if (isPromise(result)) return result.then((value) => answer(job, value));
  return answer(job, result);
}

function answer(job: Job, value: unknown): MaybePromise<unknown> {
  if (isGenerator(value)) return drainGenerator(job, value);
  if (job.answered) return undefined;
  // A handler that returns what `ctx.reply` gave has answered; one of a message without payload answers with nothing.
  if (value !== undefined || (job.route as Route).descriptor.response?.payload === undefined) void job.reply(value);
  return undefined;
}

function isGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, void> {
  return typeof value === "object" && value !== null && typeof (value as AsyncGenerator)[Symbol.asyncIterator] === "function" && typeof (value as AsyncGenerator).next === "function";
}

async function drainGenerator(job: Job, items: AsyncGenerator<unknown, unknown, void>): Promise<void> {
  for (;;) {
    const { done, value } = await items.next();
    if (job.finished || job.answered || job.connection.isClosing) {
      if (done !== true) await items.return(undefined);
      return;
    }
    if (done === true) {
      answer(job, value);
      return;
    }
    await job.progress(value);
    await job.connection.outbox.room();
  }
}

// ------------------------------------------------------------------------------------------------------------ incoming

/** Replaces payload and meta of the context by what the schemas make of them; false when the message was refused. */
function validateIncoming(job: Job): MaybePromise<boolean> {
  const { descriptor } = job.route as Route;
  const { ctx } = job;
  const raw = ctx.meta as Record<string, unknown>;
  if (descriptor.payload === undefined && job.hasPayload) return invalid(job, [{ path: ["payload"], message: "this message has no payload" }]);
  const payload: MaybePromise<Validated> = descriptor.payload === undefined ? { value: undefined } : descriptor.payload(ctx.payload);
  const meta: MaybePromise<Validated> = descriptor.meta === undefined ? { value: undefined } : validateMeta(descriptor.meta, raw, descriptor.metaKeys);
  if (isPromise(payload) || isPromise(meta)) return Promise.all([payload, meta]).then(([one, two]) => accept(job, one, two, raw));
  return accept(job, payload, meta, raw);
}

function validateMeta(validate: NonNullable<Route["descriptor"]["meta"]>, raw: Record<string, unknown>, keys: ReadonlySet<string> | undefined): MaybePromise<Validated> {
  if (keys !== undefined) return validate(declaredMeta(raw, false));
  // A whole schema may or may not have the members that are always known: without them first, then with them.
  const first = validate(declaredMeta(raw, true));
  const second = (result: Validated): MaybePromise<Validated> => (result.issues === undefined ? result : validate(declaredMeta(raw, false)));
  return isPromise(first) ? first.then(second) : second(first);
}

function accept(job: Job, payload: Validated, meta: Validated, raw: Record<string, unknown>): boolean {
  if (payload.issues !== undefined || meta.issues !== undefined) {
    return invalid(job, [
      ...(payload.issues ?? []).map(({ path, message }) => ({ path: ["payload", ...path], message })),
      ...(meta.issues ?? []).map(({ path, message }) => ({ path: ["meta", ...path], message })),
    ]);
  }
  if (job.finished || job.connection.isClosing) return false;
  job.ctx.payload = payload.value;
  let any = false;
  for (const _ in raw) {
    any = true;
    break;
  }
  const declared = meta.value as Record<string, unknown> | undefined;
  if (!any && declared === undefined) job.ctx.meta = NO_META;
  else job.ctx.meta = declared === undefined ? knownMeta(raw) : { ...knownMeta(raw), ...declared };
  return true;
}

function invalid(job: Job, issues: readonly Issue[]): false {
  const { connection, correlationId } = job;
  const { hub } = connection;
  hub.events.emit({ type: "message.invalid", clientId: connection.clientId, at: hub.now(), messageType: job.type, issues: issues.length });
  const details = hub.options.exposeValidation ? { issues: issues.slice(0, MAX_ISSUES) } : undefined;
  if (job.isRpc && correlationId !== undefined) job.fail("INVALID_ARGUMENT", "the message does not fit its schema", details);
  else {
    job.answered = true;
    job.code = "INVALID_ARGUMENT";
    connection.sendError("INVALID_ARGUMENT", "the message does not fit its schema", details, {}, correlationId);
  }
  return false;
}

function refuseFrame(connection: Connection, { bad, type, correlationId }: BadFrame): void {
  // The heartbeat may carry more than it needs.
  if (type === CONTROL.heartbeat) return void connection.outbox.write(fixedFrame(connection.codec, HEARTBEAT_ACK_TEXT));
  const route = type === undefined ? undefined : connection.hub.program.routes.get(type);
  const reserved = type !== undefined && isReservedType(type);
  violation(connection, bad, correlationId, !reserved && (route === undefined || route.kind === "rpc"));
}

// ----------------------------------------------------------------------------------------------------------------- end

/** The work of a job is done: what it threw becomes what the client hears. */
function ended(job: Job, error: unknown, failed: boolean): void {
  const { connection } = job;
  let thrown: string | undefined;
  if (failed && !(job.finished && job.aborted)) thrown = explain(job, error);
  if (job.isRpc && !job.answered && !job.finished && !connection.isClosing) {
    connection.hub.reportError(new Error(`the handler of ${job.type} ended without an answer`), connection, job.type, "INTERNAL");
    job.fail("INTERNAL", "the call ended without an answer");
  }
  connection.work.finish(job, thrown ?? job.code);
}

/** Sends what an error of a handler means, and gives its code. */
function explain(job: Job, error: unknown): string {
  const { connection } = job;
  const { hub } = connection;
  const tell = (code: string, message: string, details?: unknown, options = {}): void => {
    if (job.isRpc) job.fail(code, message, details, options);
    else connection.sendError(code, message, details, options, job.correlationId);
  };
  if (isNamed(error, "CloseError")) {
    const { closeCode, reason } = error as CloseError;
    hub.closeByUser(connection, closeCode, reason);
    return "CLOSE";
  }
  if (isNamed(error, "TopicError")) {
    const { code, message, details } = error as TopicError;
    const frameCode = topicFrameCode[code];
    if (frameCode !== undefined) tell(frameCode, message, details);
    else job.answered = true;
    return frameCode ?? code;
  }
  // What a handler throws because its signal was aborted is no failure of its own.
  if (job.aborted && (error as { name?: unknown } | undefined)?.name === "AbortError") return "CANCELLED";
  if (isNamed(error, "SocketError")) {
    const { code, message, details, retryable, retryAfter } = error as SocketError;
    tell(code, message, details, { retryable, retryAfterMs: retryAfter });
    hub.reportError(error, connection, job.type, code);
    return code;
  }
  tell("INTERNAL", "internal error");
  hub.reportError(error, connection, job.type, "INTERNAL");
  return "INTERNAL";
}

const classes = { CloseError, SocketError, TopicError };

/** By class, or by name where two copies of this package are loaded. */
function isNamed(error: unknown, name: keyof typeof classes): boolean {
  return error instanceof classes[name] || (typeof error === "object" && error !== null && (error as Error).name === name && (error as Record<symbol, unknown>)[Symbol.for("sluice.error")] === true);
}
