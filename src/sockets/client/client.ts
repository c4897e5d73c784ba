/** The client: one connection that comes back, for browsers and servers. */

import { type Clock, systemClock } from "../../core/clock.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import { checked, frameText, invalid } from "./payload.ts";
import { Listeners } from "./listeners.ts";
import { TopicPositions } from "./positions.ts";
import { type Target, targetOf } from "./target.ts";
import { type DatedToken, TokenRenewal, datedToken } from "./token.ts";
import type { CompiledMessage, MessageDescriptor } from "../message.ts";
import { Call } from "./calls.ts";
import { ClientError, RpcError, abortError, queueFullError, unauthenticatedError, validationError } from "../client-errors.ts";
import type { ClientEvents, ClientOptions, ClientSendResult, ClientState, PendingCall, RequestExtras, SocketClient, WebSocketLike } from "./client-types.ts";

type Frame = { readonly type: string; readonly meta?: Record<string, unknown>; readonly payload?: unknown };
type Queued = { readonly text: string; readonly call: Call | undefined };
type Extras = RequestExtras & { readonly meta?: Record<string, unknown> };

/** A connection that lived so long, or answered, starts the count of attempts anew. */
const STABLE_MS = 10_000;
const FINAL: readonly number[] = [1000, 1008, 1009, 4403, 4409];
const HEARTBEAT = '{"type":"__heartbeat"}';

/**
 * Makes a client.
 *
 * ```ts
 * const client = createClient({ url: "ws://127.0.0.1:8787" });
 * await client.connect();
 * const { sum } = await client.request(Add, { a: 1, b: 2 });
 * ```
 */
export function createClient(options: ClientOptions): SocketClient {
  if (typeof options?.url !== "string" && typeof options?.url !== "function") throw new RangeError(`url must be a text or a function, got ${String(options?.url)}`);
  return new Client(options) as unknown as SocketClient;
}

class Client {
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Listeners();
  readonly #calls = new Map<string, Call>();
  readonly #positions: TopicPositions;
  #queue: Queued[] = [];
  #state: ClientState = "closed";
  #socket: WebSocketLike | undefined;
  /** Rises with every attempt and close: what belongs to an older one is nobody's. */
  #epoch = 0;
  #attempt = 0;
  #connecting: Promise<void> | undefined;
  #timer: unknown;
  #beat: unknown;
  #openedAt = 0;
  #heardAt = 0;
  #hintMs = 0;
  #refusedOnce = false;
  #closed: (() => void) | undefined;
  readonly #renewal: TokenRenewal;
  #wasOpen = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#positions = new TopicPositions((topic) => this.#emit("gap", { topic }));
    this.#renewal = new TokenRenewal(this.#clock, options.auth?.refreshBeforeMs ?? 30_000, () => this.#renew());
  }

  get state(): ClientState {
    return this.#state;
  }

  // ------------------------------------------------------------------------------------------------------------ events

  on(first: string | MessageDescriptor, handler: (event: never) => void): () => void {
    return this.#listeners.on(first, handler);
  }

  #emit<K extends keyof ClientEvents>(name: K, event: ClientEvents[K]): void {
    this.#listeners.emit(name, event);
  }

  #become(state: ClientState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit("state", { state });
  }

  // -------------------------------------------------------------------------------------------------------- connection

  connect(): Promise<void> {
    if (this.#state === "open") return Promise.resolve();
    if (this.#connecting !== undefined) return this.#connecting;
    this.#clock.clearTimeout(this.#timer);
    this.#become("connecting");
    const work = this.#try();
    this.#connecting = work;
    const done = (): void => {
      if (this.#connecting === work) this.#connecting = undefined;
    };
    work.then(done, done);
    return work;
  }

  async #try(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#attempt++;
    try {
      const { url, protocols, headers, token } = await this.#target(epoch);
      if (epoch !== this.#epoch) throw abortError(false);
      await this.#open(epoch, url, protocols, headers);
      if (token !== undefined && epoch === this.#epoch && this.#state === "open") this.#renewal.watch(token);
    } catch (error) {
      if (epoch === this.#epoch) this.#lost(epoch, (error as { closeCode?: number }).closeCode ?? 1006, (error as Error).message ?? "", true);
      throw error;
    }
  }

  /** The next token on the live connection. */
  async #renew(): Promise<DatedToken | undefined> {
    const epoch = this.#epoch;
    try {
      const given = await this.#options.auth?.getToken();
      if (given === undefined || epoch !== this.#epoch || this.#socket?.readyState !== 1) return undefined;
      const next = datedToken(given);
      this.#socket.send(JSON.stringify({ type: "$ws:auth", payload: { token: next.token } }));
      return next;
    } catch (error) {
      if (epoch !== this.#epoch) return undefined;
      this.#emit("auth", { error });
      throw error;
    }
  }

  #target(epoch: number): Promise<Target> {
    return targetOf(this.#options, (error) => {
      if (epoch === this.#epoch) this.#emit("auth", { error });
    });
  }

  #open(epoch: number, url: string, protocols: string[], headers: Record<string, string> | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const make = this.#options.wsFactory ?? ((to: string, names: readonly string[]) => new (globalThis as unknown as { WebSocket: new (url: string, protocols: readonly string[]) => WebSocketLike }).WebSocket(to, names));
      const socket = make(url, protocols, headers);
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const late = this.#clock.setTimeout(() => {
        if (socket.readyState === 0) this.#drop(socket, "no connection in time");
      }, this.#options.connectTimeoutMs ?? 10_000);
      let opened = false;
      socket.onopen = () => {
        this.#clock.clearTimeout(late);
        if (epoch !== this.#epoch) return socket.close();
        opened = true;
        this.#opened(epoch, socket);
        resolve();
      };
      socket.onmessage = (event: { data: unknown }) => {
        if (epoch === this.#epoch && typeof event.data === "string") this.#receive(event.data);
      };
      socket.onerror = () => undefined;
      socket.onclose = (event: { code: number; reason: string }) => {
        this.#clock.clearTimeout(late);
        if (this.#socket === socket) this.#socket = undefined;
        const code = event.code || 1006;
        if (!opened) reject(Object.assign(new ClientError("DisconnectedError", "DISCONNECTED", `the connection could not be made (${code})`), { closeCode: code }));
        else if (epoch === this.#epoch) this.#lost(epoch, code, event.reason ?? "", false);
        else this.#closed?.();
      };
    });
  }

  /** A socket nobody waits for any more: its close may never come. */
  #drop(socket: WebSocketLike, reason: string): void {
    const { onclose } = socket;
    socket.close();
    socket.onclose = null;
    (onclose as ((event: unknown) => void) | null)?.({ code: 1006, reason });
  }

  #opened(epoch: number, socket: WebSocketLike): void {
    this.#openedAt = this.#heardAt = this.#clock.monotonic();
    const resumed = this.#options.resume !== false && this.#positions.size > 0;
    if (resumed) socket.send(JSON.stringify({ type: "$ws:resume", payload: this.#positions.ask() }));
    else this.#positions.fresh();
    this.#become("open");
    this.#emit("connected", { resumed, attempt: this.#attempt });
    this.#wasOpen = true;
    if (epoch !== this.#epoch || this.#state !== "open") return;
    for (const call of this.#calls.values()) call.sent = false;
    for (const { text, call } of this.#queue.splice(0)) if (call?.ended !== true) this.#write(text, call);
    this.#watch(epoch);
  }

  #watch(epoch: number): void {
    const { heartbeat = {} } = this.#options;
    if (heartbeat === false) return;
    const { intervalMs = 25_000, timeoutMs = 5000 } = heartbeat;
    const look = (): void => {
      if (epoch !== this.#epoch || this.#socket === undefined) return;
      const silent = this.#clock.monotonic() - this.#heardAt;
      if (silent >= intervalMs + timeoutMs) return this.#drop(this.#socket, "the server is silent");
      if (silent >= intervalMs) this.#socket.send(HEARTBEAT);
      this.#beat = this.#clock.setTimeout(look, silent >= intervalMs ? intervalMs + timeoutMs - silent : intervalMs - silent);
    };
    this.#beat = this.#clock.setTimeout(look, intervalMs);
  }

  #lost(epoch: number, code: number, reason: string, attempt: boolean): void {
    this.#clock.clearTimeout(this.#beat);
    this.#renewal.stop();
    const { reconnect = {}, shouldReconnect, auth } = this.#options;
    if (!attempt) this.#emit("disconnected", { code, reason });
    if (epoch !== this.#epoch) return;
    if (this.#wasOpen && this.#clock.monotonic() - this.#openedAt >= STABLE_MS) this.#attempt = 0;
    this.#wasOpen = false;
    for (const call of Array.from(this.#calls.values())) {
      if (!call.sent) continue;
      if (call.idempotent) this.#requeue(call);
      else call.disconnected();
    }
    const refused = code === 4401 || code === 401;
    const again = refused ? auth !== undefined && !this.#refusedOnce : (shouldReconnect?.({ code, reason }) ?? !FINAL.includes(code));
    this.#refusedOnce = refused;
    if (reconnect.enabled === false || !again || this.#attempt >= (reconnect.maxAttempts ?? Infinity)) return this.#finish(code, reason, true, refused ? unauthenticatedError() : undefined);
    const { initialDelayMs = 300, maxDelayMs = 10_000, jitter = "full" } = reconnect;
    const most = Math.min(maxDelayMs, initialDelayMs * 2 ** Math.max(0, this.#attempt - 1));
    const delayMs = Math.max(this.#hintMs, jitter === "full" ? this.#random.next() * most : most);
    this.#hintMs = 0;
    this.#become("reconnecting");
    this.#emit("reconnecting", { attempt: this.#attempt + 1, delayMs });
    if (this.#state !== "reconnecting") return;
    this.#timer = this.#clock.setTimeout(() => {
      const work = this.#try();
      this.#connecting = work;
      const done = (): void => void (this.#connecting === work && (this.#connecting = undefined));
      work.then(done, done);
    }, delayMs, true);
  }

  #finish(code: number, reason: string, final: boolean, error?: unknown): void {
    this.#epoch++;
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#beat);
    this.#renewal.stop();
    this.#queue = [];
    this.#positions.clear();
    for (const call of Array.from(this.#calls.values())) {
      if (error !== undefined) call.fail(error, false);
      else call.disconnected();
    }
    this.#become("closed");
    this.#emit("closed", { code, reason, final });
  }

  async close(code = 1000, reason = ""): Promise<void> {
    const socket = this.#socket;
    if (this.#state === "closed" && socket === undefined) return;
    this.#epoch++;
    this.#connecting = undefined;
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#beat);
    this.#renewal.stop();
    this.#become("closing");
    for (const call of Array.from(this.#calls.values())) call.disconnected();
    this.#queue = [];
    if (socket !== undefined && socket.readyState < 3) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimeout(resolve, 5000);
        this.#closed = () => {
          this.#clock.clearTimeout(timer);
          resolve();
        };
        try {
          socket.close(code, reason);
        } catch {
          socket.close();
        }
        if (socket.readyState === 3) this.#closed();
      });
    }
    this.#closed = undefined;
    this.#socket = undefined;
    if (this.#state === "closing") this.#finish(code, reason, true);
  }

  // ----------------------------------------------------------------------------------------------------------- inbound

  #receive(text: string): void {
    this.#heardAt = this.#clock.monotonic();
    this.#attempt = 0;
    this.#refusedOnce = false;
    let frame: Frame;
    try {
      frame = JSON.parse(text) as Frame;
    } catch (error) {
      return this.#emit("error", { error });
    }
    const { type, meta = {}, payload } = frame;
    const { topic, offset, correlationId } = meta;
    if (typeof topic === "string" && typeof offset === "string" && !this.#positions.advance(topic, offset)) return;
    if (type === "__heartbeat_ack") return;
    if (type === "$ws:goaway") return void (this.#hintMs = Number((payload as { reconnectAfterMs?: unknown } | undefined)?.reconnectAfterMs) || 0);
    if (type === "$ws:resumed") return this.#positions.resumed(payload as never);
    const call = typeof correlationId === "string" ? this.#calls.get(correlationId) : undefined;
    if (call !== undefined) return this.#answer(call, type, payload);
    this.#deliver(type, payload, meta);
  }

  #answer(call: Call, type: string, payload: unknown): void {
    if (type === "RPC_ERROR" || type === "ERROR") return call.fail(new RpcError(payload as never), false);
    const progress = type === "$ws:rpc-progress";
    try {
      const value = call.check(payload, progress);
      const use = (result: unknown): void => (progress ? call.item(result) : call.answer(result));
      if (isPromise(value)) value.then(use, (error: unknown) => call.fail(error, false));
      else use(value);
    } catch (error) {
      call.fail(error, false);
    }
  }

  #deliver(type: string, payload: unknown, meta: Record<string, unknown>): void {
    const handlers = this.#listeners.messages(type);
    if (handlers === undefined || handlers.size === 0) return this.#emit("unhandled", { type, payload });
    for (const { check, run } of handlers) {
      const use = (value: unknown): void => {
        try {
          run({ type, payload: value as never, meta });
        } catch (error) {
          this.#emit("error", { error });
        }
      };
      try {
        const value = checked(check, payload);
        if (isPromise(value)) value.then(use, (error: unknown) => this.#emit("error", { error }));
        else use(value);
      } catch (error) {
        this.#emit("error", { error });
      }
    }
  }

  // ---------------------------------------------------------------------------------------------------------- outbound

  send(descriptor: MessageDescriptor, payload?: unknown, options?: { readonly meta?: Record<string, unknown> }): ClientSendResult {
    if (!this.#mayQueue()) return { ok: false, error: "CLOSED" };
    const wrong = invalid((descriptor as CompiledMessage).payload, payload);
    if (wrong) return { ok: false, error: "VALIDATION" };
    const text = frameText(descriptor.type, { ...options?.meta }, payload);
    if (this.#state === "open") {
      this.#write(text, undefined);
      return { ok: true };
    }
    return this.#enqueue({ text, call: undefined }) ? { ok: true } : { ok: false, error: "QUEUE_FULL" };
  }

  request(descriptor: MessageDescriptor, payload?: unknown, third?: MessageDescriptor | Extras, fourth?: Extras): PendingCall<unknown, unknown> {
    const given = third !== undefined && "kind" in third ? (third as CompiledMessage) : undefined;
    const options = (given === undefined ? (third as Extras | undefined) : fourth) ?? {};
    const compiled = descriptor as CompiledMessage;
    const answer = given ?? compiled.response;
    const { timeoutMs = this.#options.timeoutMs ?? 30_000, correlationId = this.#random.uuid(), idempotent = compiled.idempotent ?? false, signal } = options;
    const taken = this.#calls.has(correlationId);
    const call = new Call(correlationId, timeoutMs, idempotent, signal, this.#clock, (value, progress) => checked(progress ? compiled.progress : answer?.payload, value), (ended, tell) => this.#ended(ended, tell));
    if (taken) return rejected(call, validationError(`the id ${correlationId} is in use`));
    if (signal?.aborted === true) return rejected(call, abortError(false));
    if (this.#calls.size >= (this.#options.pendingRequestsLimit ?? 1000)) return rejected(call, queueFullError());
    if (invalid(compiled.payload, payload)) return rejected(call, validationError(`the payload does not fit ${compiled.type}`));
    if (!this.#mayQueue()) {
      call.disconnected();
      return call.promise;
    }
    this.#calls.set(correlationId, call);
    texts.set(call, { type: compiled.type, meta: { ...options.meta }, payload });
    if (this.#state === "open") this.#write(this.#textOf(call), call);
    else if (!this.#enqueue({ text: "", call })) call.fail(queueFullError(), false);
    return call.promise;
  }

  #textOf(call: Call): string {
    const { type, meta, payload } = texts.get(call) as { type: string; meta: Record<string, unknown>; payload: unknown };
    return frameText(type, { ...meta, correlationId: call.id, timeoutMs: Math.max(0, Math.ceil(call.endsAt - this.#clock.monotonic())) }, payload);
  }

  #mayQueue(): boolean {
    if (this.#state === "closed" && this.#options.autoConnect === true) this.connect().catch(() => undefined);
    return this.#state === "open" || this.#state === "connecting" || this.#state === "reconnecting";
  }

  #enqueue(entry: Queued): boolean {
    const { queue = "drop-newest", queueSize = 1000 } = this.#options;
    if (queue === "off") return false;
    if (this.#queue.length >= queueSize) {
      if (queue === "drop-newest") return false;
      const oldest = this.#queue.shift();
      oldest?.call?.fail(queueFullError(), false);
    }
    this.#queue.push(entry);
    return true;
  }

  #requeue(call: Call): void {
    call.sent = false;
    if (!this.#enqueue({ text: "", call })) call.fail(queueFullError(), false);
  }

  #write(text: string, call: Call | undefined): void {
    if (call !== undefined) call.sent = true;
    this.#socket?.send(call === undefined ? text : this.#textOf(call));
  }

  #ended(call: Call, tellServer: boolean): void {
    if (this.#calls.get(call.id) === call) this.#calls.delete(call.id);
    // A request that was rejected is never sent afterwards.
    this.#queue = this.#queue.filter((entry) => entry.call !== call);
    if (tellServer && call.sent && this.#state === "open") this.#socket?.send(frameText("$ws:abort", { correlationId: call.id }, undefined));
  }
}

const texts: WeakMap<Call, { readonly type: string; readonly meta: Record<string, unknown>; readonly payload: unknown }> = /* @__PURE__ */ new WeakMap();

function rejected(call: Call, error: unknown): PendingCall<unknown, unknown> {
  call.fail(error, false);
  return call.promise;
}
