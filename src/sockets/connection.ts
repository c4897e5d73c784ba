/** One connection: its state, the way in and the way out. What is not used takes no memory: most connections are idle. */

import { CLOSE, cutReason } from "./close-codes.ts";
import type { Codec } from "./codec.ts";
import { CloseContextBase } from "./context.ts";
import type { ReplayGate } from "./topics/replay-gate.ts";
import { dispatch } from "./dispatch.ts";
import type { ErrorOptions } from "./errors.ts";
import { type Frame, fixedFrame, sizeOf } from "./frame.ts";
import type { Hub } from "./hub.ts";
import { errorFrame } from "./job.ts";
import { CLOSE_TYPE, HEARTBEAT_ACK_TEXT, HEARTBEAT_TEXT } from "./names.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { TopicSet } from "./topics/topic-set.ts";
import type { Transport } from "./transport.ts";
import type { SocketRequest, UniformSocket } from "./types.ts";
import { UniformHandle } from "./uniform-handle.ts";
import { Work } from "./work.ts";

const State = { opening: 0, open: 1, closing: 2, closed: 3 } as const;
/** How long a peer has to answer a close. */
const CLOSE_ANSWER_MS = 5000;

/** What the handshake found out. */
export interface Accepted {
  readonly clientId: string;
  readonly data: Record<string, unknown>;
  readonly request: SocketRequest;
  readonly codec: Codec;
  /** The subprotocol to answer with. */
  readonly protocol: string | undefined;
  readonly identity: string | undefined;
}

export class Connection implements OutboxOwner {
  readonly hub: Hub;
  readonly clientId: string;
  readonly request: SocketRequest;
  readonly codec: Codec;
  readonly protocol: string | undefined;
  readonly identity: string | undefined;
  readonly transport: Transport;
  readonly outbox: Outbox;
  readonly openedAt: number;
  data: Record<string, unknown>;
  /** Monotonic instant of the last sign of life. */
  lastSeenAt: number;
  pingedAt = 0;
  /** `onClose` is running: it may still publish. */
  inCloseHooks = false;
  /** Publishes of this connection that are not delivered here yet. */
  publishTail: Promise<void> | undefined = undefined;
  /** Topics that are being resumed: what comes live waits until the past has been sent. */
  gate: ReplayGate | undefined = undefined;
  violations = 0;
  violationsSince = 0;
  /** `onOpen` has been called, or will be: it is for `onClose` to follow. */
  openBegan = false;
  /** `onOpen` while it is waited for. */
  opening: Promise<void> | undefined = undefined;
  #state: 0 | 1 | 2 | 3 = State.opening;
  #work: Work | undefined;
  #topics: TopicSet | undefined;
  #socket: UniformSocket | undefined;
  #held: { readonly data: string | Uint8Array; readonly bytes: number }[] | undefined;
  #closeTimer: unknown;
  #dropped = 0;
  #dropReportedAt = -Infinity;
  #ended: Promise<void> | undefined;
  #goneWaiters: (() => void)[] | undefined;
  /** Undefined until the transport is gone. */
  closedWith: { readonly code: number; readonly reason: string } | undefined;

  constructor(hub: Hub, accepted: Accepted, transport: Transport) {
    this.hub = hub;
    this.clientId = accepted.clientId;
    this.data = accepted.data;
    this.request = accepted.request;
    this.codec = accepted.codec;
    this.protocol = accepted.protocol;
    this.identity = accepted.identity;
    this.transport = transport;
    this.outbox = new Outbox(this, hub.options.limits.backpressure);
    this.openedAt = this.lastSeenAt = hub.monotonic();
  }

  /** What a handler sees of it. */
  get socket(): UniformSocket {
    return (this.#socket ??= new UniformHandle(this));
  }

  get work(): Work {
    return (this.#work ??= new Work(this));
  }

  /** The work, if there ever was any. */
  get ownWork(): Work | undefined {
    return this.#work;
  }

  get topics(): TopicSet {
    return (this.#topics ??= new TopicSet(this));
  }

  /** The topics, if there ever were any. */
  get ownTopics(): TopicSet | undefined {
    return this.#topics;
  }

  get isOpen(): boolean {
    return this.#state === State.open;
  }

  /** A close has begun: nothing is sent or handled any more. */
  get isClosing(): boolean {
    return this.#state >= State.closing;
  }

  /** The socket is gone. */
  get isGone(): boolean {
    return this.#state === State.closed;
  }

  assignData(partial: object): void {
    const next = { ...this.data };
    for (const key of Object.keys(partial ?? {})) {
      if (key === "__proto__" || key === "clientId") continue;
      next[key] = (partial as Record<string, unknown>)[key];
    }
    this.data = next;
    this.hub.onData?.(this);
  }

  // ---------------------------------------------------------------------------------------------------------- inbound

  /** A message from the wire. */
  receive(data: string | Uint8Array, bytes: number = sizeOf(data)): void {
    if (this.isClosing) return;
    const { hub } = this;
    this.lastSeenAt = hub.monotonic();
    const { limits } = hub.options;
    if (bytes > limits.maxPayloadBytes) return this.#tooBig(bytes);
    if (data === HEARTBEAT_TEXT && !this.codec.binary) {
      this.outbox.write(fixedFrame(this.codec, HEARTBEAT_ACK_TEXT));
      return;
    }
    if (this.#state === State.open) {
      dispatch(this, data, bytes);
      return;
    }
    this.#held ??= [];
    if (this.#held.length >= limits.maxPending) {
      hub.limitExceeded({ type: "backpressure", clientId: this.clientId, ws: this.socket, observed: this.#held.length + 1, limit: limits.maxPending, direction: "in" });
      this.sendError("RESOURCE_EXHAUSTED", "too many messages wait", undefined, {}, undefined);
      return;
    }
    this.#held.push({ data, bytes });
  }

  /** A sign of life that is no message. */
  seen(): void {
    this.lastSeenAt = this.hub.monotonic();
  }

  /** The runtime refused a message that was larger than its own cap. */
  transportTooBig(observed: number): void {
    const { limits } = this.hub.options;
    this.hub.limitExceeded({ type: "payload", clientId: this.clientId, ws: this.socket, observed, limit: limits.maxPayloadBytes });
  }

  #tooBig(observed: number): void {
    const { limits } = this.hub.options;
    this.hub.limitExceeded({ type: "payload", clientId: this.clientId, ws: this.socket, observed, limit: limits.maxPayloadBytes });
    if (observed > limits.transportPayloadBytes) this.close(CLOSE.tooBig, "Message too big");
    else if (limits.onExceeded === "send") this.sendError("RESOURCE_EXHAUSTED", "the message is too big", { limit: limits.maxPayloadBytes, observed }, { retryable: false }, undefined);
    else if (limits.onExceeded === "close") this.close(limits.closeCode, cutReason(limits.closeReason));
  }

  /** `onOpen` is done: what waited is handled. */
  opened(): void {
    if (this.#state !== State.opening) return;
    this.#state = State.open;
    const held = this.#held;
    this.#held = undefined;
    for (const { data, bytes } of held ?? []) if (this.#state === State.open) dispatch(this, data, bytes);
  }

  /** Resolves when the running handlers have settled. */
  idle(): Promise<void> {
    return this.#work?.idle() ?? Promise.resolve();
  }

  /** Resolves when the connection is gone and cleaned up. */
  whenGone(): Promise<void> {
    return this.#ended ?? new Promise((resolve) => void (this.#goneWaiters ??= []).push(resolve));
  }

  // --------------------------------------------------------------------------------------------------------- outbound

  /** Writes an error; gives the frame. */
  sendError(code: string, message: string, details: unknown, options: ErrorOptions, correlationId: string | undefined, asRpc = false): Frame | undefined {
    if (this.isClosing) return undefined;
    const { frame, complaint } = errorFrame(this, code, message, details, options, correlationId, asRpc);
    if (complaint !== undefined) this.hub.complain(this, complaint);
    this.sent(asRpc ? "RPC_ERROR" : "ERROR", frame);
    this.outbox.write(frame);
    return frame;
  }

  sent(type: string | undefined, frame: Frame): void {
    const { events } = this.hub;
    if (events.active) events.emit({ type: "message.out", clientId: this.clientId, at: this.hub.now(), messageType: type ?? "", bytes: frame.bytes });
  }

  onDropped(frames: number, buffered: number): void {
    const { hub } = this;
    const now = hub.monotonic();
    this.#dropped += frames;
    if (hub.events.active) hub.events.emit({ type: "topic.drop", clientId: this.clientId, at: hub.now(), topic: undefined, dropped: frames });
    if (now - this.#dropReportedAt < 1000) return;
    this.#dropReportedAt = now;
    hub.limitExceeded({ type: "backpressure", clientId: this.clientId, ws: this.socket, observed: Math.max(buffered, this.#dropped), limit: hub.options.limits.backpressure.maxBufferedBytes, direction: "out" });
    this.#dropped = 0;
  }

  onOverflow(buffered: number): void {
    const { backpressure } = this.hub.options.limits;
    this.hub.limitExceeded({ type: "backpressure", clientId: this.clientId, ws: this.socket, observed: buffered, limit: backpressure.maxBufferedBytes, direction: "out" });
    this.close(backpressure.closeCode, "slow consumer");
  }

  onCongested(): void {
    const { transport } = this;
    if (transport.signalsDrain !== true) this.hub.watchCongested(this);
    else if (transport.wantsRoom === false) transport.wantsRoom = true;
  }

  // ------------------------------------------------------------------------------------------------------------- close

  /** Begins the close: what was sent before leaves first. */
  close(code: number, reason: string): void {
    if (this.isClosing) return;
    this.#state = State.closing;
    this.#held = undefined;
    this.#work?.dropQueue();
    this.outbox.close(code, reason);
    this.#closeTimer = this.hub.clock.setTimeout(() => this.transport.terminate(), CLOSE_ANSWER_MS);
  }

  /** The socket is gone. Resolves when `onClose` has run and nothing is left. Called by the platform. */
  closed(code: number, reason: string): Promise<void> {
    return (this.#ended ??= this.#end(code, reason));
  }

  async #end(code: number, reason: string): Promise<void> {
    const { hub } = this;
    const hadOpened = this.#state !== State.opening || this.openBegan;
    this.#state = State.closed;
    this.closedWith = { code, reason };
    this.#held = undefined;
    hub.clock.clearTimeout(this.#closeTimer);
    this.outbox.discard();
    this.#work?.dropQueue();
    this.#work?.abortAll(new DOMException("the connection is closed", "AbortError"));
    await hub.openSettled(this);
    await this.#work?.end(hub.forced ? 0 : hub.options.limits.closeTimeoutMs);
    if (hadOpened) {
      this.inCloseHooks = true;
      await hub.runHooks("onClose", new CloseContextBase(this, code, reason), this, CLOSE_TYPE);
      this.inCloseHooks = false;
    }
    await hub.cleanUp(this);
    for (const wake of this.#goneWaiters ?? []) wake();
  }

  /** Writes a control frame. */
  control(type: string, payload: unknown): void {
    if (this.isClosing) return;
    this.outbox.write(this.hub.controlFrame(this.codec, type, payload));
  }
}
