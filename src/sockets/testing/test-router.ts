/** A router without sockets: the code path of a server, driven by hand. */

import type { Clock } from "../../core/clock.ts";
import { checkNonNegative } from "../../core/check.ts";
import { type Admission, type Refusal, handshake } from "../handshake.ts";
import type { Connection } from "../connection.ts";
import { RpcError } from "../client-errors.ts";
import type { Frame } from "../frame.ts";
import type { Hub } from "../hub.ts";
import { type AnyEvent, type AnyRpc, type PayloadOutput, type ResponseOf, checkMessage } from "../message.ts";
import type { RouterOf } from "../router.ts";
import { coreOf, isRouter } from "../router-core.ts";
import { type ServerOptions, resolveServer } from "../server-options.ts";
import type { ConnectionData, SendArgs } from "../types.ts";
import { TestTransport } from "./test-transport.ts";

/** A clock that a test drives, such as `manualClock()`. */
export interface DrivenSocketClock extends Clock {
  advance(ms: number): unknown;
  advanceAsync?(ms: number): Promise<void>;
}

export interface TestRouterOptions<Data = ConnectionData> extends ServerOptions<Data> {
  /** Drives every timer. */
  readonly clock?: Clock;
}

export interface TestConnectOptions {
  /** Data of the connection, where the router has no `authenticate`. */
  readonly data?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly ip?: string;
  readonly protocols?: readonly string[];
}

/** A frame that the server sent, decoded. */
export interface TestFrame {
  readonly type: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly payload?: unknown;
}

export interface TestConnection {
  readonly clientId: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly topics: ReadonlySet<string>;
  /** Sends a message as a client. */
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D, object>): void;
  /** Sends a frame as it is. */
  sendRaw(data: string | Uint8Array): void;
  /** Calls; rejects with an `RpcError` for an error frame. */
  request<D extends AnyRpc>(descriptor: D, ...args: SendArgs<D, { readonly correlationId?: string }>): Promise<PayloadOutput<ResponseOf<D>>>;
  /** What the server sent so far, oldest first; with a type only those. */
  outgoing(type?: string): TestFrame[];
  /** Takes what was sent out of the list. */
  take(): TestFrame[];
  /** Closes as the client. */
  close(code?: number, reason?: string): Promise<void>;
  /** Drops the connection without a close frame. */
  drop(): Promise<void>;
  /** Reads nothing any more; `resume` reads it all. */
  stall(): void;
  resume(): void;
  /** How the server closed it. */
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
}

export interface TestRouter {
  /** Rejects with the refusal of the handshake. */
  connect(options?: TestConnectOptions): Promise<TestConnection>;
  /** Resolves when nothing can run without time passing. */
  settle(): Promise<void>;
  /** Connections that are open. */
  readonly connections: number;
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/** Why a connection was refused. */
export class HandshakeRefused extends Error {
  readonly status: number;
  readonly code: string;

  constructor({ status, code, title }: Refusal) {
    super(`${status} ${title}`);
    this.status = status;
    this.code = code;
  }
}

let pipes = 0;

/** Serves `router` to connections made by `connect`. */
export function createTestRouter<Data = ConnectionData>(router: RouterOf<Data> | (() => RouterOf<Data>), options: TestRouterOptions<Data> = {}): TestRouter {
  const { clock, ...server } = options;
  const core = coreOf(isRouter(router) ? router : (router as () => unknown)());
  const given = new Map<string, object>();
  // Data given to connect() goes the way of an authenticated one.
  const anonymous = server.authenticate === undefined;
  const resolved = resolveServer<Data>(anonymous ? { ...server, anonymous: undefined, authenticate: (request: Request) => ({ ...given.get(request.headers.get("x-test-connection") ?? "") }) as never } : server);
  core.serverHooks(server);
  const hub = core.hub({ ...resolved, origins: { allow: ["*"], required: false } }, clock ?? core.options.clock);
  return {
    get connections() {
      return hub.connections.size;
    },
    async connect({ data, headers = {}, url = "ws://test/", ip = "127.0.0.1", protocols = [] } = {}) {
      const pipe = String(pipes++);
      if (data !== undefined) given.set(pipe, data);
      const fields = new Headers({ host: new URL(url).host, upgrade: "websocket", ...headers });
      if (protocols.length > 0) fields.set("sec-websocket-protocol", protocols.join(", "));
      if (anonymous) fields.set("x-test-connection", pipe);
      const admission: Admission | Refusal = await handshake(hub, { url, headers: fields, peer: ip });
      given.delete(pipe);
      if (admission.refused === true) throw new HandshakeRefused(admission);
      const transport = new TestTransport();
      const connection = hub.open(admission, transport);
      transport.connection = connection;
      const made = new Piped(hub, connection, transport);
      await settled();
      return made;
    },
    settle: settled,
    async close(closeOptions = {}) {
      const drained = hub.drain(checkNonNegative("drainMs", closeOptions.drainMs ?? 0));
      if (closeOptions.drainMs === undefined) (clock as Partial<DrivenSocketClock> | undefined)?.advance?.(100);
      await drained;
    },
  };
}

class Piped implements TestConnection {
  readonly #hub: Hub;
  readonly #connection: Connection;
  readonly #transport: TestTransport;
  #calls = 0;

  constructor(hub: Hub, connection: Connection, transport: TestTransport) {
    this.#hub = hub;
    this.#connection = connection;
    this.#transport = transport;
  }

  get clientId(): string {
    return this.#connection.clientId;
  }

  get data(): Readonly<Record<string, unknown>> {
    return this.#connection.data;
  }

  get topics(): ReadonlySet<string> {
    return this.#connection.topics;
  }

  get closed(): { readonly code: number; readonly reason: string } | undefined {
    return this.#transport.closed;
  }

  send<D extends AnyEvent>(descriptor: D, ...[payload, options]: SendArgs<D, object>): void {
    this.#send({ type: checkMessage("descriptor", descriptor, "event").type, ...((options as { meta?: object } | undefined)?.meta === undefined ? {} : { meta: (options as { meta?: object }).meta }), ...(payload === undefined ? {} : { payload }) });
  }

  sendRaw(data: string | Uint8Array): void {
    this.#connection.receive(data);
  }

  async request<D extends AnyRpc>(descriptor: D, ...[payload, options]: SendArgs<D, { readonly correlationId?: string }>): Promise<PayloadOutput<ResponseOf<D>>> {
    const { type } = checkMessage("descriptor", descriptor, "rpc");
    const { meta, correlationId = `call-${++this.#calls}` } = (options ?? {}) as { meta?: object; correlationId?: string };
    const answer = this.#transport.answerTo(correlationId, this.#connection.codec);
    this.#send({ type, meta: { ...meta, correlationId }, ...(payload === undefined ? {} : { payload }) });
    const frame = await answer;
    if (frame.type !== "RPC_ERROR") return frame.payload as PayloadOutput<ResponseOf<D>>;
    throw new RpcError(frame.payload as never);
  }

  #send(envelope: object): void {
    this.#connection.receive(this.#connection.codec.encode(envelope));
  }

  outgoing(type?: string): TestFrame[] {
    return this.#transport.frames.map((frame) => this.#decode(frame)).filter((frame) => type === undefined || frame.type === type);
  }

  take(): TestFrame[] {
    return this.#transport.frames.splice(0).map((frame) => this.#decode(frame));
  }

  #decode(frame: Frame): TestFrame {
    return this.#connection.codec.decode(frame.data) as TestFrame;
  }

  async close(code = 1000, reason = ""): Promise<void> {
    this.#transport.peerClosed(code, reason);
    await this.#connection.whenGone();
    await settled();
  }

  async drop(): Promise<void> {
    this.#transport.terminate();
    await settled();
  }

  stall(): void {
    this.#transport.stalled = true;
  }

  resume(): void {
    this.#transport.resume();
    void this.#hub;
  }
}

/** Turns of the microtask queue that any chain of a test is likely to fit into. */
const TURNS = 200;

async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await undefined;
}
