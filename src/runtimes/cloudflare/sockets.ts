/** Sockets in a Durable Object: with hibernation where the object gives its state, classic where not. */

import { DurableObject } from "#workers";
import { OptionError } from "../../core/errors.ts";
import type { PubSub } from "../../state/contracts/pub-sub.ts";
import {
  type Admission, type Connection, type ConnectionData, type Frame, HEARTBEAT_ACK_TEXT, HEARTBEAT_TEXT, type Hub, type RouterCore, type RouterOf, type ServerOptions, type Transport,
  coreOf, handshake, isRouter, notAnUpgrade, refusalResponse, resolveServer, wireCode,
} from "../../sockets/adapter.ts";
import { ObjectTopicHistory } from "./sockets-history.ts";
import { MAX_ATTACHMENT_BYTES, MAX_OBJECT_SOCKETS, type SocketsObjectState, type WorkerSocket, workers } from "./sockets-platform.ts";

export interface DurableObjectSocketOptions<Data = ConnectionData> extends ServerOptions<Data> {
  /** The object's state: with it sockets hibernate. */
  readonly state?: SocketsObjectState;
}

/** Forward the object's methods to it. */
export interface DurableObjectSocketHandler {
  fetch(request: Request): Promise<Response>;
  webSocketMessage(socket: object, message: string | ArrayBuffer): Promise<void>;
  webSocketClose(socket: object, code: number, reason: string, wasClean?: boolean): Promise<void>;
  webSocketError(socket: object, error: unknown): Promise<void>;
  alarm(): Promise<void>;
  /** What the broker of `cloudflarePubSub` hands to the object. */
  deliverPubSub(delivery: object): Promise<unknown>;
}

/** A broker that has an end in each object. */
interface ObjectPubSub extends PubSub {
  inObject(state: SocketsObjectState): ObjectPubSub;
  receive(delivery: object): Promise<unknown>;
}

interface Attachment {
  readonly id: string;
  readonly data?: Record<string, unknown>;
  readonly topics?: readonly string[];
  readonly url?: string;
  readonly ip?: string | undefined;
  readonly protocol?: string | undefined;
  readonly identity?: string | undefined;
  /** The rest is in storage. */
  readonly stored?: true;
}

class WorkerTransport implements Transport {
  readonly raw: WorkerSocket;
  /** When the runtime last answered a heartbeat by itself, epoch ms. */
  readonly #answeredAt: () => number;
  readonly #hub: Hub;
  readonly #gone: () => void;

  constructor(raw: WorkerSocket, hub: Hub, answeredAt: () => number, gone: () => void) {
    this.raw = raw;
    this.#hub = hub;
    this.#answeredAt = answeredAt;
    this.#gone = gone;
  }

  get readyState(): number {
    return this.raw.readyState;
  }

  get bufferedAmount(): number | undefined {
    return this.raw.bufferedAmount;
  }

  seenAt(): number {
    const answered = this.#answeredAt();
    return answered === 0 ? 0 : this.#hub.monotonic() - Math.max(0, this.#hub.now() - answered);
  }

  send(frame: Frame): void {
    try {
      this.raw.send(frame.data);
    } catch {
      // It is closing: its close event tells the rest.
    }
  }

  close(code: number, reason: string): void {
    try {
      this.raw.close(code, reason);
    } catch {
      this.#gone();
    }
  }

  terminate(): void {
    this.close(1011, "");
    this.#gone();
  }
}

/** Where the parts of one object live, however many handlers it makes. */
class ObjectSockets {
  readonly hub: Hub;
  readonly #state: SocketsObjectState | undefined;
  readonly #history: ObjectTopicHistory | undefined;
  readonly #pubsub: ObjectPubSub | undefined;
  readonly #connections = new WeakMap<object, Connection>();
  readonly #probe: { readonly 0: WorkerSocket; readonly 1: WorkerSocket } | undefined;
  #ready: Promise<void> | undefined;
  #loaded = false;

  constructor(core: RouterCore, options: DurableObjectSocketOptions<never>) {
    const { state, ...server } = options;
    this.#state = state;
    core.serverHooks(server);
    const { topics, random, clock } = core.options;
    this.#history = state === undefined || topics.history === undefined ? undefined
      : new ObjectTopicHistory(state.storage, () => Math.floor(clock.now()), () => random.uuid().slice(0, 8), (error) => this.hub.reportError(error, undefined, undefined, "STORAGE"));
    const { pubsub } = core;
    if (state !== undefined && typeof (pubsub as Partial<ObjectPubSub> | undefined)?.inObject === "function") this.#pubsub = (pubsub as ObjectPubSub).inObject(state);
    this.hub = core.hub(resolveServer(server, [], { platformConnections: MAX_OBJECT_SOCKETS, timers: state === undefined ? "clock" : "none", history: this.#history }), undefined, this.#pubsub);
    if (state === undefined) {
      this.#probe = new (workers().WebSocketPair)();
      this.#probe[0].accept();
      this.#probe[1].accept();
      return;
    }
    state.setWebSocketAutoResponse(new (workers().WebSocketRequestResponsePair)(HEARTBEAT_TEXT, HEARTBEAT_ACK_TEXT) as never);
    this.hub.onData = this.hub.onTopics = (connection) => this.#keep(connection);
  }

  /** Whether the running code belongs to this object: the runtime refuses its sockets to all others. */
  isHere(): boolean {
    try {
      this.#probe?.[0].send("");
      return true;
    } catch {
      return false;
    }
  }

  /** Sockets that outlived the object are taken over, once. A storage that fails is asked again at the next event. */
  ready(): Promise<void> {
    if (this.#ready !== undefined) return this.#ready;
    const woken = this.#wake();
    this.#ready = woken;
    woken.catch(() => (this.#ready = undefined));
    return woken;
  }

  async #wake(): Promise<void> {
    if (!this.#loaded) await this.#history?.load();
    this.#loaded = true;
    for (const socket of (this.#state?.getWebSockets() ?? []) as WorkerSocket[]) {
      const kept = socket.deserializeAttachment?.() as Attachment | undefined;
      if (kept?.id === undefined || socket.readyState !== 1 || this.#connections.has(socket)) continue;
      const full = kept.stored === true ? ((await this.#state?.storage.get(storageKey(kept.id))) as Attachment | undefined) : kept;
      if (full === undefined) {
        // Who it is was never written: it comes back as somebody new.
        this.hub.reportError(new Error(`what is known of the connection ${kept.id} is not in the storage`), undefined, undefined, "STORAGE");
        answer(socket, CLOSE_NOT_STORED, NOT_STORED);
        continue;
      }
      if (kept.stored === true) this.#stored.add(kept.id);
      const { codecs } = this.hub.options;
      const admission: Admission = {
        clientId: full.id, data: full.data ?? {}, protocol: full.protocol, identity: full.identity, headers: {},
        codec: codecs.find(({ name }) => full.protocol?.endsWith(`+${name}`)) ?? codecs[0]!,
        request: { url: full.url ?? "", headers: new Headers(), ip: full.ip },
      };
      const connection = this.hub.adopt(admission, this.#transport(socket));
      this.#connections.set(socket, connection);
      connection.topics.restore(full.topics ?? []);
      await this.#listenAgain(connection);
    }
  }

  /** The broker is told once more what the sockets of the former life want; it may know it still. */
  async #listenAgain(connection: Connection): Promise<void> {
    try {
      for (const topic of connection.topics.list()) await this.hub.topics.attach(connection.clientId, topic);
    } catch (error) {
      this.hub.reportError(error, connection, undefined, "ADAPTER_ERROR");
    }
  }

  async deliver(delivery: object): Promise<unknown> {
    await this.ready();
    return this.#pubsub?.receive(delivery);
  }

  async fetch(request: Request): Promise<Response> {
    await this.ready();
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return refusalResponse(notAnUpgrade(request.headers));
    const result = await handshake(this.hub, { url: request.url, headers: request.headers, peer: request.headers.get("cf-connecting-ip") ?? undefined, request });
    if (result.refused === true) return refusalResponse(result);
    const { 0: client, 1: socket } = new (workers().WebSocketPair)();
    if (this.#state === undefined) socket.accept();
    else this.#state.acceptWebSocket(socket as never, [`conn:${result.clientId}`, ...(result.identity === undefined ? [] : [`user:${result.identity}`.slice(0, 256)])]);
    const connection = this.hub.open(result, this.#transport(socket));
    this.#connections.set(socket, connection);
    if (this.#state === undefined) this.#listen(socket, connection);
    else {
      this.#keep(connection);
      await this.#schedule();
    }
    const headers = { ...result.headers, ...(result.protocol === undefined ? {} : { "sec-websocket-protocol": result.protocol }) };
    return new Response(null, { status: 101, webSocket: client, headers } as ResponseInit);
  }

  #listen(socket: WorkerSocket, connection: Connection): void {
    socket.addEventListener("message", async (event: { readonly data: string | ArrayBuffer | Blob }) => {
      const { data } = event;
      connection.receive(typeof data === "string" ? data : new Uint8Array(data instanceof ArrayBuffer ? data : await data.arrayBuffer()));
    });
    socket.addEventListener("close", (event: { readonly code: number; readonly reason: string }) => {
      answer(socket, event.code, event.reason);
      void connection.closed(wireCode(event.code), event.reason);
    });
    socket.addEventListener("error", () => void connection.closed(1006, ""));
  }

  #transport(socket: WorkerSocket): WorkerTransport {
    return new WorkerTransport(socket, this.hub, () => this.#state?.getWebSocketAutoResponseTimestamp(socket as never)?.getTime() ?? 0, () => {
      const connection = this.#connections.get(socket);
      void connection?.closed(1006, "");
      void this.#forget(socket, connection);
    });
  }

  async message(socket: object, data: string | ArrayBuffer): Promise<void> {
    await this.ready();
    const connection = this.#connections.get(socket);
    connection?.receive(typeof data === "string" ? data : new Uint8Array(data));
    await connection?.idle();
  }

  async closed(socket: object, code: number, reason: string): Promise<void> {
    await this.ready();
    answer(socket as WorkerSocket, code, reason);
    const connection = this.#connections.get(socket);
    await connection?.closed(wireCode(code), reason);
    await this.#forget(socket as WorkerSocket, connection);
    if (this.hub.connections.size === 0) await this.#state?.storage.deleteAlarm();
  }

  async alarm(): Promise<void> {
    await this.ready();
    const next = this.hub.sweep();
    if (this.hub.connections.size > 0 && next !== undefined) await this.#state?.storage.setAlarm(this.hub.now() + Math.max(1000, next));
  }

  async #schedule(): Promise<void> {
    const { storage } = this.#state as SocketsObjectState;
    const { heartbeat } = this.hub.options;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(this.hub.now() + (heartbeat === undefined ? 60_000 : heartbeat.intervalMs + heartbeat.timeoutMs));
  }

  readonly #stored = new Set<string>();

  /** Writes down what the next life of the object has to know. */
  #keep(connection: Connection): void {
    const socket = connection.transport.raw as WorkerSocket;
    const { clientId: id, data, protocol, identity, request } = connection;
    const full: Attachment = { id, data, topics: connection.ownTopics?.list() ?? [], url: request.url, ip: request.ip, protocol, identity };
    if (JSON.stringify(full).length * 2 <= MAX_ATTACHMENT_BYTES) {
      socket.serializeAttachment?.(full);
      void this.#forget(socket, connection);
      return;
    }
    socket.serializeAttachment?.({ id, stored: true } satisfies Attachment);
    this.#stored.add(id);
    (async () => this.#state?.storage.put(storageKey(id), full))().catch((error: unknown) => {
      this.hub.reportError(error, connection, undefined, "STORAGE");
      // Its data and topics would be gone without a word after the next sleep.
      connection.close(CLOSE_NOT_STORED, NOT_STORED);
    });
  }

  /** Deletes what the storage has of a socket, if it has something. Never rejects: what stays is not found by anybody. */
  async #forget(socket: WorkerSocket, connection: Connection | undefined): Promise<void> {
    const kept = socket.deserializeAttachment?.() as Attachment | null | undefined;
    const id = connection?.clientId ?? kept?.id;
    if (id === undefined || (!this.#stored.delete(id) && kept?.stored !== true)) return;
    try {
      await this.#state?.storage.delete(storageKey(id));
    } catch (error) {
      this.hub.reportError(error, connection, undefined, "STORAGE");
    }
  }
}

/** Of a connection whose data and topics the storage does not take, or has lost. */
const CLOSE_NOT_STORED = 1011;
const NOT_STORED = "state not stored";

function storageKey(id: string): string {
  return `sluice:socket:${id}`;
}

/** A close is answered with its own code, where the runtime does not do it by itself. */
function answer(socket: WorkerSocket, code: number, reason: string): void {
  try {
    socket.close(code === 1005 || code === 1006 ? 1000 : code, reason);
  } catch {
    // It is closed already.
  }
}

const byState = new WeakMap<object, ObjectSockets>();
/** Objects without state, by router: several of them may live in one isolate. */
const byRouter = new WeakMap<object, ObjectSockets[]>();

/**
 * Serves a router in a Durable Object.
 *
 * ```ts fragment
 * const handler = createDurableObjectHandler({ router, state, authenticate });
 * fetch(request) { return handler.fetch(request); }
 * ```
 */
export function createDurableObjectHandler<Data = ConnectionData>(options: DurableObjectSocketOptions<Data> & { readonly router: RouterOf<Data> }): DurableObjectSocketHandler;
export function createDurableObjectHandler<Data = ConnectionData>(router: RouterOf<Data>, options?: DurableObjectSocketOptions<Data>): DurableObjectSocketHandler;
export function createDurableObjectHandler(first: object, second: object = {}): DurableObjectSocketHandler {
  const { router = first, ...options } = (isRouter(first) ? second : first) as DurableObjectSocketOptions<never> & { readonly router?: object };
  const core = coreOf(router);
  // Checked when the handler is made, not when the first client comes.
  const { state, ...server } = options as DurableObjectSocketOptions<never>;
  resolveServer(server);
  if (state !== undefined && typeof state.acceptWebSocket !== "function") throw new OptionError("state", state, "the state of a Durable Object");
  const here = (): ObjectSockets => {
    if (state !== undefined) {
      let found = byState.get(state);
      if (found === undefined) byState.set(state, (found = new ObjectSockets(core, options as DurableObjectSocketOptions<never>)));
      return found;
    }
    let list = byRouter.get(core);
    if (list === undefined) byRouter.set(core, (list = []));
    let found = list.find((sockets) => sockets.isHere());
    if (found === undefined) list.push((found = new ObjectSockets(core, options as DurableObjectSocketOptions<never>)));
    return found;
  };
  const enter = <T>(run: (sockets: ObjectSockets) => Promise<T>): Promise<T> => {
    const sockets = here();
    // A publish of the router from a handler means the object that runs it.
    core.currentHub = () => here0(core, state, sockets).hub;
    return run(sockets);
  };
  return {
    fetch: (request) => enter((sockets) => sockets.fetch(request)),
    webSocketMessage: (socket, message) => enter((sockets) => sockets.message(socket, message)),
    webSocketClose: (socket, code, reason) => enter((sockets) => sockets.closed(socket, code, reason)),
    webSocketError: (socket) => enter((sockets) => sockets.closed(socket, 1006, "")),
    alarm: () => enter((sockets) => sockets.alarm()),
    deliverPubSub: (delivery) => enter((sockets) => sockets.deliver(delivery)),
  };
}

/** The object whose code is running: of those without state the one whose sockets may be used, else the last that was entered. */
function here0(core: RouterCore, state: object | undefined, last: ObjectSockets): ObjectSockets {
  if (state !== undefined) return last;
  return byRouter.get(core)?.find((sockets) => sockets.isHere()) ?? last;
}

/** What a router is made of in an object that needs its bindings. */
export type RouterFactory<Data, Env> = (env: Env, state: SocketsObjectState) => RouterOf<Data>;

/**
 * A base class for objects that serve a router: one for all objects of the class, or one each, made with the object's bindings.
 *
 * ```ts fragment
 * export class Chat extends SocketsDO((env) => chat(cloudflarePubSub(env.PUBSUB)), { authenticate }) {}
 * ```
 */
export function SocketsDO<Data = ConnectionData, Env = never>(router: RouterOf<Data> | RouterFactory<Data, Env>, options: ServerOptions<Data> = {}): new (state: SocketsObjectState, env: unknown) => DurableObjectSocketHandler {
  return class extends DurableObject {
    readonly #handler: DurableObjectSocketHandler;

    constructor(state: SocketsObjectState, env: unknown) {
      super(state as never, env);
      const made = typeof router === "function" ? router(env as Env, state) : router;
      this.#handler = createDurableObjectHandler(made, { ...options, state });
    }

    fetch(request: Request): Promise<Response> {
      return this.#handler.fetch(request);
    }

    webSocketMessage(socket: object, message: string | ArrayBuffer): Promise<void> {
      return this.#handler.webSocketMessage(socket, message);
    }

    webSocketClose(socket: object, code: number, reason: string): Promise<void> {
      return this.#handler.webSocketClose(socket, code, reason);
    }

    webSocketError(socket: object, error: unknown): Promise<void> {
      return this.#handler.webSocketError(socket, error);
    }

    alarm(): Promise<void> {
      return this.#handler.alarm();
    }

    deliverPubSub(delivery: object): Promise<unknown> {
      return this.#handler.deliverPubSub(delivery);
    }
  };
}
