/** The set of connections and topics of one server or one Durable Object. */

import { type Clock, type TimerHandle, steadyNow } from "../core/clock.ts";
import type { Events } from "../core/events.ts";
import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import type { Deadlines } from "../state/deadline.ts";
import { deadlinesOf } from "../state/deadlines.ts";
import { CLOSE, checkCloseCode, cutReason } from "./close-codes.ts";
import type { Codec } from "./codec.ts";
import { type Accepted, Connection } from "./connection.ts";
import { AuthContextBase, type Contexts, ContextBase, contextsWith } from "./context.ts";
import { compose } from "./dispatch.ts";
import { traceOf } from "./envelope.ts";
import { CloseError } from "./errors.ts";
import type { SocketEvent } from "./events.ts";
import { Frame, encodeFrame } from "./frame.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { HookName } from "./hooks.ts";
import { Job } from "./job.ts";
import { CONTROL, OPEN_TYPE } from "./names.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Program } from "./route.ts";
import type { ResolvedServer } from "./server-options.ts";
import { Slots } from "./slots.ts";
import { HubTopics } from "./topics/hub-topics.ts";
import type { Bridge } from "./topics/bridge.ts";
import { Takeovers } from "./takeover.ts";
import type { Transport } from "./transport.ts";
import type { ErrorContext, LimitInfo } from "./types.ts";

/** How often a congested socket without a drain signal is looked at, in ms. */
const CONGESTED_LOOK_MS = 20;
/** When a client should come back after a drain began, in ms. */
const RECONNECT_AFTER_MS = 1000;

export interface HubSource {
  readonly options: ResolvedOptions;
  readonly events: Events<SocketEvent>;
  /** The program as it is now; routes may be added later. */
  program(): Program;
  bridge(): Bridge | undefined;
  detach(hub: Hub): void;
}

export class Hub {
  readonly id: string;
  readonly options: ResolvedOptions;
  readonly server: ResolvedServer;
  readonly clock: Clock;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly deadlines: Deadlines;
  readonly events: Events<SocketEvent>;
  readonly connections: Map<string, Connection> = new Map();
  readonly topics: HubTopics;
  readonly slots: Slots;
  readonly takeovers: Takeovers;
  /** Told when the data of a connection changed; platforms that persist it set it. */
  onData: ((connection: Connection) => void) | undefined;
  /** Told when the topics of a connection changed. */
  onTopics: ((connection: Connection) => void) | undefined;
  /** Publishes of the server that are not delivered here yet. */
  publishTail: Promise<void> | undefined = undefined;
  draining = false;
  /** Nobody is waited for any more. */
  forced = false;
  readonly #source: HubSource;
  readonly #heartbeat: Heartbeat;
  readonly #congested = new Set<Connection>();
  readonly #forcers = new Set<() => void>();
  #lookTimer: TimerHandle;
  #contexts: { readonly program: Program; readonly contexts: Contexts } | undefined;
  #closing: Promise<void> | undefined;
  #empty: (() => void)[] = [];

  constructor(source: HubSource, server: ResolvedServer, clock: Clock = source.options.clock) {
    this.#source = source;
    this.options = source.options;
    this.server = server;
    this.clock = clock;
    const steady = steadyNow(clock);
    this.now = () => Math.floor(steady());
    this.monotonic = () => clock.monotonic();
    this.deadlines = deadlinesOf(clock);
    this.id = this.options.random.uuid();
    this.events = source.events;
    this.slots = new Slots(this);
    this.takeovers = new Takeovers(this);
    this.topics = new HubTopics(this, source.bridge());
    this.#heartbeat = new Heartbeat(this);
  }

  get program(): Program {
    return this.#source.program();
  }

  get contexts(): Contexts {
    const { program } = this;
    if (this.#contexts?.program !== program) this.#contexts = { program, contexts: contextsWith(program.members) };
    return this.#contexts.contexts;
  }

  // ------------------------------------------------------------------------------------------------------------- open

  /** The upgrade is done. Messages that arrive while `onOpen` runs wait for it. */
  open(accepted: Accepted, transport: Transport): Connection {
    const connection = new Connection(this, accepted, transport);
    this.connections.set(connection.clientId, connection);
    this.slots.hold(connection);
    this.#heartbeat.watch();
    if (this.events.active) this.events.emit({ type: "connection.open", clientId: connection.clientId, at: this.now(), ip: connection.request.ip, protocol: connection.protocol });
    this.#runOpen(connection);
    return connection;
  }

  /** A connection that was open before this process knew it: hooks do not run again. */
  adopt(accepted: Accepted, transport: Transport): Connection {
    const connection = new Connection(this, accepted, transport);
    this.connections.set(connection.clientId, connection);
    this.slots.adopt(connection);
    connection.openBegan = true;
    connection.opened();
    this.#heartbeat.watch();
    return connection;
  }

  #runOpen(connection: Connection): void {
    const { onOpen, onAuth } = this.program.hooks;
    if (onOpen.length === 0 && onAuth.length === 0) {
      connection.openBegan = true;
      return connection.opened();
    }
    const job = new Job(connection, undefined, undefined);
    job.ctx = new this.contexts.Event(job, undefined, {});
    const fail = (error: unknown): void => {
      if (error instanceof CloseError || (error as Error | null)?.name === "CloseError") return this.closeByUser(connection, (error as CloseError).closeCode, (error as CloseError).reason);
      this.reportError(error, connection, OPEN_TYPE);
      connection.close(CLOSE.internal, "internal error");
    };
    let work: MaybePromise<unknown>;
    try {
      const auth = this.authHooks(connection, "connect");
      work = isPromise(auth) ? auth.then(() => this.#openHooks(connection, job)) : this.#openHooks(connection, job);
    } catch (error) {
      return fail(error);
    }
    if (!isPromise(work)) return connection.opened();
    connection.work.activate(job);
    const done = (this.within(work, this.server.authTimeoutMs) as Promise<unknown>).then(() => connection.opened(), fail).finally(() => {
      connection.opening = undefined;
      connection.work.settled(job);
    });
    connection.opening = done;
  }

  #openHooks(connection: Connection, job: Job): MaybePromise<unknown> {
    if (connection.isClosing) return undefined;
    connection.openBegan = true;
    const { hooks, lifecycle } = this.program;
    if (hooks.onOpen.length === 0) return undefined;
    return compose(lifecycle, job, () => this.#callAll(hooks.onOpen, job.ctx), 0);
  }

  #callAll(list: readonly ((...args: never[]) => MaybePromise<unknown>)[], ...args: unknown[]): MaybePromise<void> {
    const step = (at: number): MaybePromise<void> => {
      for (let i = at; i < list.length; i++) {
        const result = (list[i] as (...args: unknown[]) => MaybePromise<unknown>)(...args);
        if (isPromise(result)) return result.then(() => step(i + 1));
      }
    };
    return step(0);
  }

  async openSettled(connection: Connection): Promise<void> {
    const work = connection.opening;
    if (work === undefined) return;
    try {
      await this.within(work, this.forced ? 1 : this.options.limits.closeTimeoutMs);
    } catch {
      // It is not waited for any longer.
    }
  }

  authHooks(connection: Connection, cause: "connect" | "refresh"): MaybePromise<void> {
    const { onAuth } = this.program.hooks;
    return onAuth.length === 0 ? undefined : this.#callAll(onAuth, new AuthContextBase(connection, cause));
  }

  reauthenticate(connection: Connection, token: string): MaybePromise<unknown> {
    return this.server.reauthenticate?.(token, new ContextBase(connection) as never);
  }

  /** The value, or a rejection when it takes longer. */
  within<T>(value: MaybePromise<T>, limitMs: number): MaybePromise<T> {
    if (!isPromise(value)) return value;
    return new Promise<T>((resolve, reject) => {
      const timer = this.clock.setTimeout(() => reject(new DOMException(`no answer within ${limitMs} ms`, "TimeoutError")), limitMs);
      value.then(resolve, reject).finally(() => this.clock.clearTimeout(timer));
    });
  }

  // ------------------------------------------------------------------------------------------------------------ close

  /** A close asked for by a handler or a hook. */
  closeByUser(connection: Connection, code: number, reason: string): void {
    connection.close(checkCloseCode("code", code), cutReason(String(reason ?? "")));
  }

  /** Everything that is left of a connection goes. */
  async cleanUp(connection: Connection): Promise<void> {
    const { closedWith, clientId } = connection;
    await this.topics.leave(connection);
    this.connections.delete(clientId);
    this.#congested.delete(connection);
    this.slots.release(connection);
    if (this.events.active) this.events.emit({ type: "connection.close", clientId, at: this.now(), code: closedWith?.code ?? CLOSE.abnormal, reason: closedWith?.reason ?? "", durationMs: this.monotonic() - connection.openedAt });
    if (this.connections.size > 0) return;
    this.#heartbeat.stop();
    for (const wake of this.#empty.splice(0)) wake();
  }

  /** Called when the end of a drain has come. */
  onForce(callback: () => void): void {
    if (this.forced) callback();
    else this.#forcers.add(callback);
  }

  /**
   * Refuses newcomers, tells clients to come back, lets running handlers finish, closes with 1012, and after `drainMs` waits for
   * nobody. Resolves when every `onClose` has run.
   */
  drain(drainMs: number): Promise<void> {
    return (this.#closing ??= this.#drain(drainMs));
  }

  async #drain(drainMs: number): Promise<void> {
    this.draining = true;
    const gone = this.connections.size === 0 && this.slots.taken === 0 ? Promise.resolve() : new Promise<void>((resolve) => void this.#empty.push(resolve));
    const deadline = this.clock.setTimeout(() => this.#force(), drainMs, true);
    for (const connection of this.connections.values()) {
      connection.control(CONTROL.goaway, { reconnectAfterMs: RECONNECT_AFTER_MS });
      connection.ownWork?.refuseQueued();
      void connection.idle().then(() => connection.close(CLOSE.restart, "server restart"));
    }
    if (this.connections.size > 0) await gone;
    this.clock.clearTimeout(deadline);
    this.#heartbeat.stop();
    this.clock.clearTimeout(this.#lookTimer);
    this.#source.detach(this);
    await this.topics.close();
  }

  #force(): void {
    this.forced = true;
    const reason = new DOMException("the server is shutting down", "AbortError");
    for (const connection of this.connections.values()) {
      connection.ownWork?.abortAll(reason);
      connection.close(CLOSE.restart, "server restart");
      const { transport } = connection;
      // One turn for the close frame to leave.
      this.clock.setTimeout(() => transport.terminate(), 50, true);
    }
    for (const wake of this.#forcers) wake();
    this.#forcers.clear();
  }

  // ------------------------------------------------------------------------------------------------- reports and hooks

  reportError(error: unknown, connection: Connection | undefined, type: string | undefined, code = "INTERNAL"): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.events.active) this.events.emit({ type: "error", at: this.now(), clientId: connection?.clientId, messageType: type, code, message });
    const { onError } = this.program.hooks;
    const ctx: ErrorContext<Record<string, unknown>> = { clientId: connection?.clientId ?? "", data: connection?.data, type, code };
    if (onError.length === 0) return this.#log("error", `${code} clientId=${ctx.clientId} type=${type ?? "-"}: ${message}`);
    for (const hook of onError) this.#guarded("onError", () => (hook as (error: unknown, ctx: unknown) => unknown)(error, ctx));
  }

  limitExceeded(info: LimitInfo): void {
    if (this.events.active) this.events.emit({ type: "limit", clientId: info.clientId, at: this.now(), limit: info.type, observed: info.observed, max: info.limit });
    const { onLimitExceeded } = this.program.hooks;
    if (onLimitExceeded.length === 0) this.#log("warn", `limit ${info.type} clientId=${info.clientId} observed=${info.observed} limit=${info.limit}`);
    for (const hook of onLimitExceeded) this.#guarded("onLimitExceeded", () => (hook as (info: LimitInfo) => unknown)(info));
  }

  violated(connection: Connection, reason: string): void {
    const now = this.monotonic();
    if (this.events.active) this.events.emit({ type: "violation", clientId: connection.clientId, at: this.now(), reason });
    if (now - connection.violationsSince >= 60_000) {
      connection.violationsSince = now;
      connection.violations = 0;
    }
    if (++connection.violations > this.options.limits.maxViolations) connection.close(CLOSE.policy, "too many protocol violations");
  }

  /** Something was sent otherwise than asked for. */
  complain(connection: Connection, what: string): void {
    this.reportError(new Error(what), connection, undefined, "ERROR_FRAME");
  }

  /** Hooks whose failure changes nothing; awaited in order. */
  async runHooks(name: HookName, argument: unknown, connection: Connection | undefined, type: string | undefined): Promise<void> {
    for (const hook of this.program.hooks[name]) {
      try {
        const work = (hook as (argument: unknown) => MaybePromise<unknown>)(argument);
        if (isPromise(work)) await (name === "onClose" ? this.within(work, this.forced ? 1 : this.options.limits.handlerTimeoutMs) : work);
      } catch (error) {
        this.reportError(error, connection, type);
      }
    }
  }

  #log(level: "error" | "warn", text: string): void {
    try {
      this.options.logger[level](`sluice/sockets: ${text}`);
    } catch {
      // A logger that throws has nobody left to tell.
    }
  }

  #guarded(name: string, call: () => unknown): void {
    const failed = (error: unknown): void => {
      const message = error instanceof Error ? error.message : String(error);
      this.#log("error", `the hook ${name} failed: ${message}`);
      if (this.events.active) this.events.emit({ type: "error", at: this.now(), clientId: undefined, messageType: undefined, code: "HOOK", message });
    };
    try {
      const work = call();
      if (isPromise(work)) work.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  jobEnded(job: Job, code: string): void {
    if (!this.events.active || job.route === undefined) return;
    const { clientId } = job.connection;
    const at = this.now();
    const durationMs = at - job.receivedAt;
    if (job.isRpc) this.events.emit({ type: "rpc.end", clientId, at, messageType: job.type, correlationId: job.correlationId, code, durationMs, ...traceOf(job.ctx.meta) });
    else this.events.emit({ type: "message.end", clientId, at, messageType: job.type, code, durationMs, ...traceOf(job.ctx.meta) });
  }

  // ----------------------------------------------------------------------------------------------------------- frames

  controlFrame(codec: Codec, type: string, payload: unknown): Frame {
    return encodeFrame(codec, type, { timestamp: this.now() }, payload);
  }

  sendRaw(connection: Connection, data: string | Uint8Array): void {
    if (!connection.isClosing) connection.outbox.write(new Frame(data, connection.codec));
  }

  /** Looks at sockets whose runtime does not say when they have room again. */
  watchCongested(connection: Connection): void {
    this.#congested.add(connection);
    if (this.#lookTimer !== undefined) return;
    this.#lookTimer = this.clock.setTimeout(() => {
      this.#lookTimer = undefined;
      const list = [...this.#congested];
      this.#congested.clear();
      for (const waiting of list) if (!waiting.isGone) waiting.outbox.drained();
    }, CONGESTED_LOOK_MS);
  }

  /** Closes whom nobody has heard of for too long; gives when to look again. For platforms that drive it themselves. */
  sweep(): number | undefined {
    return this.#heartbeat.sweep();
  }
}
