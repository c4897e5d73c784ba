// sluice/bun

type MaybePromise<T> = T | Promise<T>;
interface Servable {
  readonly fetch: (request: Request, env?: never, ctx?: never) => MaybePromise<Response>;
}
interface ListenOptions {
  readonly port?: number;
  readonly hostname?: string;
  readonly signal?: AbortSignal;
}
interface Listening {
  readonly port: number;
  readonly hostname: string;
  readonly url: string;
  close(options?: {
    readonly graceMs?: number;
  }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
interface ErrorOptions {
  readonly retryable?: boolean;
  readonly retryAfterMs?: number | null;
}
interface OfConnection {
  readonly clientId: string;
  readonly at: number;
}
type SocketEvent = (OfConnection & {
  readonly type: "connection.open";
  readonly ip: string | undefined;
  readonly protocol: string | undefined;
}) | (OfConnection & {
  readonly type: "connection.close";
  readonly code: number;
  readonly reason: string;
  readonly durationMs: number;
}) | (OfConnection & {
  readonly type: "connection.refused";
  readonly status: number;
  readonly reason: string;
  readonly ip: string | undefined;
}) | (OfConnection & {
  readonly type: "message.in";
  readonly messageType: string;
  readonly bytes: number;
  readonly traceparent?: string;
}) | (OfConnection & {
  readonly type: "message.out";
  readonly messageType: string;
  readonly bytes: number;
}) | (OfConnection & {
  readonly type: "message.end";
  readonly messageType: string;
  readonly durationMs: number;
  readonly code: string;
  readonly traceparent?: string;
}) | (OfConnection & {
  readonly type: "message.invalid";
  readonly messageType: string;
  readonly issues: number;
}) | (OfConnection & {
  readonly type: "message.unhandled";
  readonly messageType: string;
}) | (OfConnection & {
  readonly type: "rpc.start";
  readonly messageType: string;
  readonly correlationId: string | undefined;
  readonly traceparent?: string;
}) | (OfConnection & {
  readonly type: "rpc.end";
  readonly messageType: string;
  readonly correlationId: string | undefined;
  readonly code: string;
  readonly durationMs: number;
  readonly traceparent?: string;
}) | (OfConnection & {
  readonly type: "topic.subscribe" | "topic.unsubscribe";
  readonly topic: string;
}) | {
  readonly type: "topic.publish";
  readonly at: number;
  readonly topic: string;
  readonly messageType: string;
  readonly matched: number;
  readonly dropped: number;
  readonly clientId: string | undefined;
  readonly traceparent?: string;
} | (OfConnection & {
  readonly type: "topic.drop";
  readonly topic: string | undefined;
  readonly dropped: number;
}) | (OfConnection & {
  readonly type: "limit";
  readonly limit: LimitKind;
  readonly observed: number;
  readonly max: number;
}) | (OfConnection & {
  readonly type: "violation";
  readonly reason: string;
}) | {
  readonly type: "pubsub.gap";
  readonly at: number;
  readonly topic: string;
  readonly since?: number;
  readonly dropped?: number;
} | {
  readonly type: "error";
  readonly at: number;
  readonly clientId: string | undefined;
  readonly messageType: string | undefined;
  readonly code: string;
  readonly message: string;
};
type LimitKind = "payload" | "rate" | "connections" | "backpressure";
interface Logger {
  error(line: string): void;
  warn(line: string): void;
  info(line: string): void;
}
type Strictness = boolean | "strip";
interface Issue {
  readonly path: readonly string[];
  readonly message: string;
}
type Validated = {
  readonly issues?: undefined;
  readonly value: unknown;
} | {
  readonly issues: readonly Issue[];
};
type Validator = (value: unknown) => MaybePromise<Validated>;
interface MessageDescriptor<Type extends string = string> {
  readonly type: Type;
  readonly kind: "event" | "rpc";
  readonly strict: Strictness;
  toJSONSchema(): MessageJsonSchema;
}
interface MessageJsonSchema {
  readonly payload?: Record<string, unknown>;
  readonly meta?: Record<string, unknown>;
}
interface EventMessage<Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown> extends MessageDescriptor<Type> {
  readonly kind: "event";
  readonly "~types"?: {
    readonly in: In;
    readonly out: Out;
    readonly metaIn: MetaIn;
    readonly metaOut: MetaOut;
  } | undefined;
}
type AnyEvent = EventMessage<string, unknown, unknown, unknown, unknown>;
type Types<D> = D extends {
  readonly "~types"?: infer T;
} ? NonNullable<T> : never;
type Member<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : undefined;
type PayloadInput<D> = Member<Types<D>, "in">;
type MetaInput<D> = Member<Types<D>, "metaIn">;
interface CompiledMessage extends MessageDescriptor {
  readonly payload: Validator | undefined;
  readonly meta: Validator | undefined;
  readonly metaKeys: ReadonlySet<string> | undefined;
  readonly progress?: Validator;
  readonly response?: CompiledMessage;
  readonly timeoutMs?: number;
  readonly idempotent?: boolean;
  readonly source: {
    readonly payload: unknown;
    readonly meta: unknown;
    readonly progress?: unknown;
  };
}
type PublishErrorCode = "VALIDATION" | "INVALID_TOPIC" | "ACL_PUBLISH" | "STATE" | "UNSUPPORTED" | "PAYLOAD_TOO_LARGE" | "BACKPRESSURE" | "CONNECTION_CLOSED" | "ADAPTER_ERROR";
type PublishResult = {
  readonly ok: true;
  readonly matched: number;
  readonly capability: "exact" | "prefix" | "regex";
  readonly reach: "local" | "cluster";
  readonly dropped: number;
  readonly offset?: string;
} | {
  readonly ok: false;
  readonly error: PublishErrorCode;
  readonly retryable: boolean;
  readonly adapter?: string;
  readonly details?: object;
  readonly cause?: unknown;
  readonly matched: number;
};
interface PublishOptions {
  readonly excludeSelf?: boolean;
  readonly signal?: AbortSignal;
  readonly partitionKey?: string;
}
interface Codec {
  readonly name: string;
  readonly binary: boolean;
  encode(value: unknown): string | Uint8Array;
  decode(data: string | Uint8Array): unknown;
}
interface LogOptions {
  readonly size: number;
  readonly ttlMs: number;
  readonly maxBytes: number;
}
interface LogEntry {
  readonly offset: string;
  readonly body: string;
}
interface LogSlice {
  readonly entries: readonly LogEntry[];
  readonly gap: boolean;
  readonly last: string | undefined;
}
interface Announcement {
  readonly channel: string;
  readonly message: (offset: string) => object;
}
interface TopicHistory {
  readonly announces?: boolean;
  append(topic: string, body: string, options: LogOptions, announcement?: Announcement): MaybePromise<string>;
  read(topic: string, after: string | undefined, options: LogOptions, limit?: number): MaybePromise<LogSlice>;
}
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
interface EventSink<Event> {
  (event: Event): void;
  readonly detailed?: boolean;
}
interface EventSource<Event> {
  on(sink: EventSink<Event>, options?: {
    readonly detailed?: boolean;
  }): () => void;
}
interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  detail(event: Event): void;
  readonly detailed: boolean;
  readonly active: boolean;
}
interface Random {
  next(): number;
  uuid(): string;
}
interface PubSub {
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: (message: unknown) => void | Promise<void>): Promise<() => Promise<void>>;
  unsubscribe(channel: string): Promise<void>;
  close?(): Promise<void>;
}
interface SerializedMessage {
  readonly id: string;
  readonly origin: string;
  readonly topic: string;
  readonly type: string;
  readonly frame: string | Uint8Array;
  readonly exclude?: string;
}
interface PublishReport {
  readonly matched: number;
  readonly capability: "exact" | "prefix" | "regex";
  readonly reach?: "cluster";
}
interface PubSubAdapter {
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport>;
  list(clientId: string): MaybePromise<string[]>;
  disconnect?(clientId: string): MaybePromise<void>;
  start?(onRemote: (message: SerializedMessage) => void): MaybePromise<() => MaybePromise<void>>;
  close?(): MaybePromise<void>;
}
interface PublishInfo {
  readonly topic: string;
  readonly type: string;
  readonly matched: number;
  readonly dropped: number;
  readonly clientId: string | undefined;
}
interface PresenceChange {
  readonly topic: string;
  readonly id: string;
  readonly data: unknown;
}
interface RouterHooks<Data = ConnectionData> {
  readonly onLimitExceeded?: (info: LimitInfo) => MaybePromise<unknown>;
  readonly onOpen?: (ctx: BaseContext<Data>) => MaybePromise<unknown>;
  readonly onClose?: (ctx: CloseContext<Data>) => MaybePromise<unknown>;
  readonly onError?: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>;
  readonly onAuth?: (ctx: AuthContext<Data>) => MaybePromise<unknown>;
  readonly onPublish?: (info: PublishInfo) => MaybePromise<unknown>;
  readonly onJoin?: (change: PresenceChange) => MaybePromise<unknown>;
  readonly onLeave?: (change: PresenceChange) => MaybePromise<unknown>;
}
type HookName = keyof RouterHooks;
type HookLists = { readonly [K in HookName]: ((...args: never[]) => MaybePromise<unknown>)[] };
type TopicAction = "subscribe" | "unsubscribe" | "publish" | "presence" | "history";
interface TopicActor<Data> {
  readonly actor: "client" | "server";
  readonly clientId: string | undefined;
  readonly data: Data;
  readonly request: SocketRequest | undefined;
}
type TopicMatch = string | RegExp | ((topic: string) => boolean);
interface HistoryOptions {
  readonly match?: TopicMatch;
  readonly size?: number;
  readonly ttlMs?: number;
  readonly maxBytes?: number;
}
interface ResolvedTopics {
  readonly pattern: RegExp;
  readonly maxTopicLength: number;
  readonly maxTopicsPerConnection: number;
  readonly maxTopics: number;
  readonly normalize: ((topic: string, actor: TopicActor<never>) => string) | undefined;
  readonly validate: ((topic: string) => string | undefined | void) | undefined;
  readonly authorize: ((action: TopicAction, topic: string, actor: TopicActor<never>) => MaybePromise<boolean>) | undefined;
  readonly wildcards: boolean;
  readonly history: (Required<Omit<HistoryOptions, "match">> & {
    readonly matches: (topic: string) => boolean;
  }) | undefined;
  readonly presence: {
    readonly matches: (topic: string) => boolean;
    readonly ttlMs: number;
    readonly heartbeatMs: number;
    readonly identity: ((actor: TopicActor<never>) => string) | undefined;
    readonly announce: AnyEvent | undefined;
  } | undefined;
  readonly excludeSelfDefault: boolean;
  readonly given: ReadonlySet<string>;
}
type SlowConsumerPolicy = "close" | "drop-oldest" | "drop-newest" | "coalesce";
interface BackpressureOptions {
  readonly maxBufferedBytes?: number;
  readonly policy?: SlowConsumerPolicy;
  readonly closeCode?: number;
  readonly coalesceKey?: (topic: string, type: string, payload: unknown) => string;
  readonly topics?: readonly {
    readonly match: string | RegExp;
    readonly policy: SlowConsumerPolicy;
    readonly coalesceKey?: (topic: string, type: string, payload: unknown) => string;
  }[];
}
interface LimitOptions {
  readonly maxPayloadBytes?: number;
  readonly transportPayloadBytes?: number;
  readonly onExceeded?: "send" | "close" | "custom";
  readonly closeCode?: number;
  readonly closeReason?: string;
  readonly maxPending?: number;
  readonly handlerTimeoutMs?: number;
  readonly closeTimeoutMs?: number;
  readonly maxDepth?: number;
  readonly maxConnections?: number;
  readonly connectionsStatus?: 429 | 503;
  readonly maxConnectionsPerIp?: number;
  readonly maxConnectionsPerIdentity?: number;
  readonly connectionRate?: false | {
    readonly capacity: number;
    readonly tokensPerSecond: number;
  };
  readonly handshakeTimeoutMs?: number;
  readonly maxHeaderBytes?: number;
  readonly maxViolations?: number;
  readonly backpressure?: BackpressureOptions;
}
interface HeartbeatOptions {
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}
interface RpcLimits {
  readonly timeoutMs?: number;
  readonly maxTimeoutMs?: number;
  readonly maxInFlight?: number;
  readonly dedupeWindowMs?: number;
}
type ResolvedLimits = Required<Omit<LimitOptions, "backpressure" | "maxConnections">> & {
  readonly maxConnections: number | undefined;
  readonly backpressure: Required<Omit<BackpressureOptions, "coalesceKey">> & Pick<BackpressureOptions, "coalesceKey">;
};
interface ResolvedOptions {
  readonly limits: ResolvedLimits;
  readonly heartbeat: Required<HeartbeatOptions> | undefined;
  readonly topics: ResolvedTopics;
  readonly rpc: Required<RpcLimits>;
  readonly identity: {
    readonly key: ((data: never) => string | undefined) | undefined;
    readonly onConflict: "allow" | "replace" | "refuse";
    readonly takeoverTimeoutMs: number;
  };
  readonly codecs: readonly Codec[];
  readonly validateOutgoing: boolean;
  readonly redact: readonly string[];
  readonly exposeValidation: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly sinks: readonly EventSink<SocketEvent>[];
}
declare class Frame {
  readonly data: string | Uint8Array;
  readonly codec: Codec;
  readonly bytes: number;
  droppable: boolean;
  policy: SlowConsumerPolicy | undefined;
  coalesceKey: string | undefined;
  wire: unknown;
  constructor(data: string | Uint8Array, codec: Codec);
}
declare class ReplayGate {
  #private;
  get idle(): boolean;
  hold(topic: string): void;
  takes(topic: string, frame: Frame, offset: string | undefined): boolean;
  release(topic: string, slice?: LogSlice): Frame[];
  topics(): string[];
}
declare abstract class Deadline {
  dueAt: number;
  slot: number;
  before: Deadline | undefined;
  after: Deadline | undefined;
  abstract expire(): void;
}
interface Deadlines {
  arm(entry: Deadline, afterMs: number, now?: number): void;
  disarm(entry: Deadline): void;
}
type AnyMiddleware = (ctx: MessageContextBase, next: () => MaybePromise<void>) => MaybePromise<unknown>;
type AnyHandler = (ctx: MessageContextBase) => MaybePromise<unknown>;
interface Route {
  readonly descriptor: CompiledMessage;
  readonly kind: "event" | "rpc";
  readonly handler: AnyHandler;
  readonly ordered: boolean;
  readonly timeoutMs: number | undefined;
  readonly raw: readonly AnyMiddleware[];
  readonly middleware: readonly AnyMiddleware[];
}
interface Program {
  readonly routes: ReadonlyMap<string, Route>;
  readonly hooks: HookLists;
  readonly lifecycle: readonly AnyMiddleware[];
  readonly members: ReadonlyMap<string, (ctx: MessageContextBase) => unknown>;
}
interface AnySendOptions extends SendExtras {
  readonly meta?: Readonly<Record<string, unknown>>;
}
declare class Job extends Deadline {
  #private;
  readonly connection: Connection;
  readonly route: Route | undefined;
  readonly correlationId: string | undefined;
  readonly receivedAt: number;
  endsAt: number;
  ctx: MessageContextBase;
  hasPayload: boolean;
  started: boolean;
  finished: boolean;
  code: string;
  answered: boolean;
  tail: Promise<unknown> | undefined;
  constructor(connection: Connection, route: Route | undefined, correlationId: string | undefined);
  get type(): string;
  get kind(): "event" | "rpc" | "lifecycle";
  get isRpc(): boolean;
  get signal(): AbortSignal;
  get aborted(): boolean;
  get deadlineAt(): number;
  timeRemaining(): number;
  onCancel(callback: () => void): void;
  abort(reason: unknown): void;
  armDeadline(): void;
  expire(): void;
  cancel(): void;
  error(code: string, message?: string, details?: unknown, options?: ErrorOptions): void;
  fail(code: string, message: string, details?: unknown, options?: ErrorOptions): void;
  reply(payload: unknown, options?: AnySendOptions): Promise<SendResult>;
  progress(payload: unknown, options?: {
    readonly throttleMs?: number;
  }): Promise<SendResult>;
  release(): void;
}
type Options<Extras> = Extras & {
  readonly meta?: Readonly<Record<string, unknown>>;
};
declare class ContextBase {
  readonly _connection: Connection;
  constructor(connection: Connection);
  get clientId(): string;
  get data(): Record<string, unknown>;
  get request(): SocketRequest;
  get ws(): UniformSocket;
  get topics(): TopicSet;
  assignData(partial: object): void;
  send(descriptor: AnyEvent, payload?: unknown, options?: Options<SendExtras>): Promise<SendResult>;
  publish(topic: string, descriptor: AnyEvent, payload?: unknown, options?: Options<PublishOptions>): Promise<PublishResult>;
  close(code?: number, reason?: string): void;
}
declare class MessageContextBase extends ContextBase {
  readonly _job: Job;
  payload: unknown;
  meta: Readonly<Record<string, unknown>>;
  constructor(job: Job, payload: unknown, meta: Readonly<Record<string, unknown>>);
  get type(): string;
  get kind(): "event" | "rpc" | "lifecycle";
  get receivedAt(): number;
  get signal(): AbortSignal;
  get deadline(): number;
  timeRemaining(): number;
  onCancel(callback: () => void): void;
  error(code: string, message?: string, details?: unknown, options?: ErrorOptions): void;
  send(descriptor: AnyEvent, payload?: unknown, options?: Options<SendExtras>): Promise<SendResult>;
}
declare class RpcContextBase extends MessageContextBase {
  reply(payload?: unknown, options?: Options<SendExtras>): Promise<SendResult>;
  progress(payload: unknown, options?: {
    readonly throttleMs?: number;
  }): Promise<SendResult>;
}
interface Contexts {
  readonly Event: typeof MessageContextBase;
  readonly Rpc: typeof RpcContextBase;
}
interface AuthenticateInfo {
  readonly clientId: string;
  readonly ip: string | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}
interface OriginOptions {
  readonly allow?: readonly (string | RegExp)[];
  readonly required?: boolean;
}
type TrustProxy = boolean | number | ((address: string) => boolean);
interface ServerOptions<Data = ConnectionData> {
  readonly authenticate?: (request: Request, info: AuthenticateInfo) => MaybePromise<Partial<Data> | undefined | null | false | void>;
  readonly anonymous?: boolean;
  readonly reauthenticate?: (token: string, ctx: BaseContext<Data>) => MaybePromise<Partial<Data> | undefined | null | false | void>;
  readonly authTimeoutMs?: number;
  readonly path?: string;
  readonly origins?: readonly (string | RegExp)[] | OriginOptions;
  readonly trustProxy?: TrustProxy;
  readonly protocols?: readonly string[];
  readonly clientIdHeader?: string | false;
  readonly authRejection?: {
    readonly status?: 401 | 403;
    readonly title?: string;
  };
  readonly onUpgrade?: (request: SocketRequest) => MaybePromise<unknown>;
  readonly onOpen?: (ctx: BaseContext<Data>) => MaybePromise<unknown>;
  readonly onClose?: (ctx: CloseContext<Data>) => MaybePromise<unknown>;
  readonly onError?: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>;
}
interface ResolvedServer {
  readonly authenticate: ((request: Request, info: AuthenticateInfo) => MaybePromise<unknown>) | undefined;
  readonly reauthenticate: ((token: string, ctx: never) => MaybePromise<unknown>) | undefined;
  readonly authTimeoutMs: number;
  readonly path: string | undefined;
  readonly origins: {
    readonly allow: readonly (string | RegExp)[];
    readonly required: boolean;
  };
  readonly trustProxy: TrustProxy;
  readonly protocols: readonly string[];
  readonly clientIdHeader: string | undefined;
  readonly authRejection: {
    readonly status: 401 | 403;
    readonly title: string;
  };
  readonly onUpgrade: ((request: SocketRequest) => MaybePromise<unknown>) | undefined;
  readonly platformConnections: number;
  readonly timers: "clock" | "none";
  readonly history?: TopicHistory | undefined;
}
interface SlotRefusal {
  readonly observed: number;
  readonly limit: number;
  readonly retryAfterMs: number;
}
declare class Slots {
  #private;
  constructor(hub: Hub);
  get taken(): number;
  take(ip: string | undefined): SlotRefusal | undefined;
  giveBack(ip: string | undefined): void;
  ofIdentity(identity: string): readonly Connection[];
  hold(connection: Connection): void;
  adopt(connection: Connection): void;
  release(connection: Connection): void;
}
interface Bridge {
  readonly name: string;
  readonly shared: boolean;
  readonly history: TopicHistory | undefined;
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  disconnect(clientId: string, topics: readonly string[]): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport | void>;
  announcement(topic: string, message: SerializedMessage): Announcement | undefined;
  list(clientId: string): MaybePromise<string[]> | undefined;
  start(onRemote: (message: SerializedMessage | undefined, offset?: string, topic?: string) => void): MaybePromise<() => MaybePromise<void>>;
  onGap(listener: (gap: {
    readonly channel: string;
    readonly since?: number;
    readonly dropped?: number;
  }) => void): (() => void) | undefined;
}
interface PresenceMember {
  readonly id: string;
  readonly data: unknown;
  readonly connections: number;
  readonly since: number;
}
type Told = readonly [id: string, connections: number, since: number, data?: unknown];
type Telling = {
  readonly full?: boolean;
  readonly ask?: boolean;
  readonly topics: Readonly<Record<string, readonly Told[]>>;
};
declare class Presence {
  #private;
  constructor(topics: HubTopics, options: NonNullable<ResolvedTopics["presence"]>);
  covers(topic: string): boolean;
  members(topic: string): PresenceMember[];
  join(topic: string, connection: Connection): void;
  leave(topic: string, connection: Connection): void;
  track(topic: string, data: unknown, connection: Connection): void;
  begin(): void;
  ask(): void;
  receive(origin: string, telling: Telling): void;
  close(): void;
  tick(): void;
}
interface Transport {
  readonly raw: unknown;
  readonly readyState: number;
  readonly bufferedAmount: number | undefined;
  send(frame: Frame): void;
  fanOut?(frame: Frame): void;
  close(code: number, reason: string): void;
  terminate(): void;
  ping?(): void;
  seenAt?(): number;
  readonly signalsDrain?: boolean;
  wantsRoom?: boolean;
}
type Accepted$1 = "accepted" | "dropped" | "closed";
interface Slot {
  frame: Frame | undefined;
  ready: boolean;
  close: {
    readonly code: number;
    readonly reason: string;
  } | undefined;
  topic?: string;
}
interface OutboxOwner {
  readonly transport: Transport;
  onDropped(frames: number, buffered: number): void;
  onOverflow(buffered: number): void;
  onCongested(): void;
}
declare class Outbox {
  #private;
  constructor(owner: OutboxOwner, limits: ResolvedLimits["backpressure"]);
  get buffered(): number;
  get congested(): boolean;
  hold(): Slot;
  settle(slot: Slot, frame: Frame | undefined): void;
  write(frame: Frame, numberedIn?: string): Accepted$1;
  close(code: number, reason: string): void;
  discard(): void;
  drained(): void;
  room(): Promise<void> | undefined;
}
interface Message {
  readonly topic: string;
  readonly type: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly payload: unknown;
  readonly offset?: string | undefined;
  readonly exclude?: string | undefined;
  readonly frame?: Frame;
}
interface FannedOut {
  readonly matched: number;
  readonly dropped: number;
  readonly byPattern: boolean;
}
interface RemoteBody {
  readonly type: string;
  readonly meta?: Record<string, unknown>;
  readonly payload?: unknown;
}
declare class Sequencer {
  #private;
  constructor(topics: HubTopics);
  get size(): number;
  open(topic: string): MaybePromise<void>;
  settled(topic: string): void;
  append(topic: string, work: MaybePromise<string>): MaybePromise<string>;
  deliver(message: Message & {
    readonly offset: string;
  }, publisher: Connection | undefined, own: Slot | undefined): MaybePromise<FannedOut>;
  offer(topic: string, offset: string, body: RemoteBody | undefined, exclude: string | undefined): void;
  close(): void;
  catchUp(topic?: string): void;
}
declare class TopicIndex {
  #private;
  get size(): number;
  topics(): IterableIterator<string>;
  has(topic: string): boolean;
  count(topic: string): number;
  add(topic: string, connection: Connection): void;
  remove(topic: string, connection: Connection): void;
  exact(topic: string): ReadonlySet<Connection> | undefined;
  match(topic: string): {
    readonly connections: ReadonlySet<Connection>;
    readonly byPattern: boolean;
  };
}
interface HistoryEntry {
  readonly offset: string;
  readonly type: string;
  readonly payload: unknown;
  readonly meta: Readonly<Record<string, unknown>>;
}
declare class HubTopics {
  #private;
  readonly hub: Hub;
  readonly policy: ResolvedTopics;
  readonly index: TopicIndex;
  readonly bridge: Bridge | undefined;
  readonly history: TopicHistory | undefined;
  readonly presence: Presence | undefined;
  readonly sequencer: Sequencer | undefined;
  constructor(hub: Hub, bridge: Bridge | undefined);
  actor(connection: Connection | undefined): TopicActor<never>;
  normalise(topic: unknown, connection: Connection | undefined, publishing?: boolean): string;
  authorise(action: TopicAction, topic: string, connection: Connection | undefined): MaybePromise<void>;
  keepsHistory(topic: string): boolean;
  attach(clientId: string, topic: string): MaybePromise<void>;
  detach(clientId: string, topic: string): MaybePromise<void>;
  carrier(topic: string): string;
  joined(topic: string, connection: Connection): void;
  left(topic: string, connection: Connection): void;
  leave(connection: Connection): Promise<void>;
  ready(): MaybePromise<void>;
  tellHubs(type: string, body: unknown): void;
  announceTakeover(identity: string, _clientId: string): void;
  announcePresence(body: unknown): void;
  presenceOf(topic: string, connection: Connection | undefined): MaybePromise<PresenceMember[]>;
  track(topic: string, data: unknown, connection: Connection): MaybePromise<void>;
  readShared(topic: string, after: string): MaybePromise<LogSlice>;
  historyOf(topic: string, {
    after,
    limit
  }: {
    readonly after?: string;
    readonly limit?: number;
  }, connection: Connection | undefined): MaybePromise<HistoryEntry[]>;
  close(): Promise<void>;
}
declare class Takeovers {
  #private;
  constructor(hub: Hub);
  claim(identity: string, clientId: string, onConflict: "replace" | "refuse"): Promise<boolean>;
  replacedElsewhere(identity: string): void;
}
interface HubSource {
  readonly options: ResolvedOptions;
  readonly events: Events<SocketEvent>;
  program(): Program;
  bridge(): Bridge | undefined;
  detach(hub: Hub): void;
}
declare class Hub {
  #private;
  readonly id: string;
  readonly options: ResolvedOptions;
  readonly server: ResolvedServer;
  readonly clock: Clock;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly deadlines: Deadlines;
  readonly events: Events<SocketEvent>;
  readonly connections: Map<string, Connection>;
  readonly topics: HubTopics;
  readonly slots: Slots;
  readonly takeovers: Takeovers;
  onData: ((connection: Connection) => void) | undefined;
  onTopics: ((connection: Connection) => void) | undefined;
  publishTail: Promise<void> | undefined;
  draining: boolean;
  forced: boolean;
  constructor(source: HubSource, server: ResolvedServer, clock?: Clock);
  get program(): Program;
  get contexts(): Contexts;
  open(accepted: Accepted, transport: Transport): Connection;
  adopt(accepted: Accepted, transport: Transport): Connection;
  openSettled(connection: Connection): Promise<void>;
  authHooks(connection: Connection, cause: "connect" | "refresh"): MaybePromise<void>;
  reauthenticate(connection: Connection, token: string): MaybePromise<unknown>;
  within<T>(value: MaybePromise<T>, limitMs: number): MaybePromise<T>;
  closeByUser(connection: Connection, code: number, reason: string): void;
  cleanUp(connection: Connection): Promise<void>;
  onForce(callback: () => void): void;
  drain(drainMs: number): Promise<void>;
  reportError(error: unknown, connection: Connection | undefined, type: string | undefined, code?: string): void;
  limitExceeded(info: LimitInfo): void;
  violated(connection: Connection, reason: string): void;
  complain(connection: Connection, what: string): void;
  runHooks(name: HookName, argument: unknown, connection: Connection | undefined, type: string | undefined): Promise<void>;
  jobEnded(job: Job, code: string): void;
  controlFrame(codec: Codec, type: string, payload: unknown): Frame;
  sendRaw(connection: Connection, data: string | Uint8Array): void;
  watchCongested(connection: Connection): void;
  sweep(): number | undefined;
}
declare class Work {
  #private;
  pending: number;
  callsInFlight: number;
  constructor(connection: Connection);
  admit(job: Job, ordered: boolean): void;
  finish(job: Job, code: string): void;
  activate(job: Job): void;
  settled(job: Job): void;
  idle(): Promise<void>;
  end(limitMs: number): Promise<void>;
  abortAll(reason: unknown): void;
  dropQueue(): void;
  refuseQueued(): void;
  call(correlationId: string): Job | undefined;
  remember(correlationId: string, frame: Frame): void;
  rememberedAnswer(correlationId: string): Frame | undefined;
}
interface Accepted {
  readonly clientId: string;
  readonly data: Record<string, unknown>;
  readonly request: SocketRequest;
  readonly codec: Codec;
  readonly protocol: string | undefined;
  readonly identity: string | undefined;
}
declare class Connection implements OutboxOwner {
  #private;
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
  lastSeenAt: number;
  pingedAt: number;
  inCloseHooks: boolean;
  publishTail: Promise<void> | undefined;
  gate: ReplayGate | undefined;
  violations: number;
  violationsSince: number;
  openBegan: boolean;
  opening: Promise<void> | undefined;
  closedWith: {
    readonly code: number;
    readonly reason: string;
  } | undefined;
  constructor(hub: Hub, accepted: Accepted, transport: Transport);
  get socket(): UniformSocket;
  get work(): Work;
  get ownWork(): Work | undefined;
  get topics(): TopicSet;
  get ownTopics(): TopicSet | undefined;
  get isOpen(): boolean;
  get isClosing(): boolean;
  get isGone(): boolean;
  assignData(partial: object): void;
  receive(data: string | Uint8Array, bytes?: number): void;
  seen(): void;
  transportTooBig(observed: number): void;
  opened(): void;
  idle(): Promise<void>;
  whenGone(): Promise<void>;
  sendError(code: string, message: string, details: unknown, options: ErrorOptions, correlationId: string | undefined, asRpc?: boolean): Frame | undefined;
  sent(type: string | undefined, frame: Frame): void;
  onDropped(frames: number, buffered: number): void;
  onOverflow(buffered: number): void;
  onCongested(): void;
  close(code: number, reason: string): void;
  closed(code: number, reason: string): Promise<void>;
  control(type: string, payload: unknown): void;
}
interface TopicCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}
type TopicStatus = "subscribed" | "pending-subscribe" | "pending-unsubscribe" | "absent";
interface TopicChange {
  readonly added: number;
  readonly removed: number;
  readonly total: number;
}
declare class TopicSet implements ReadonlySet<string> {
  #private;
  constructor(connection: Connection);
  get size(): number;
  has(topic: string): boolean;
  list(): string[];
  forEach(callback: (value: string, key: string, set: ReadonlySet<string>) => void, thisArg?: unknown): void;
  keys(): SetIterator<string>;
  values(): SetIterator<string>;
  entries(): SetIterator<[string, string]>;
  [Symbol.iterator](): SetIterator<string>;
  status(topic: string): TopicStatus;
  subscribe(topic: string, options?: TopicCallOptions): Promise<void>;
  unsubscribe(topic: string, options?: TopicCallOptions): Promise<void>;
  subscribeMany(topics: Iterable<string>, options?: TopicCallOptions): Promise<{
    added: number;
    total: number;
  }>;
  unsubscribeMany(topics: Iterable<string>, options?: TopicCallOptions): Promise<{
    removed: number;
    total: number;
  }>;
  set(topics: Iterable<string>, options?: TopicCallOptions): Promise<TopicChange>;
  update(change: (draft: Set<string>) => void, options?: TopicCallOptions): Promise<TopicChange>;
  clear(options?: TopicCallOptions): Promise<{
    removed: number;
  }>;
  settle(_topic?: string): Promise<void>;
  verify(topic: string): Promise<"subscribed" | "unsubscribed" | "unsupported" | "error">;
  presence(topic: string): Promise<PresenceMember[]>;
  track(topic: string, data: unknown): Promise<void>;
  history(topic: string, options?: {
    readonly after?: string;
    readonly limit?: number;
  }): Promise<HistoryEntry[]>;
  restore(topics: Iterable<string>): void;
}
interface ConnectionData {
  [key: string]: unknown;
}
interface SocketRequest {
  readonly url: string;
  readonly headers: Headers;
  readonly ip: string | undefined;
}
interface UniformSocket {
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  readonly readyState: number;
  readonly bufferedAmount: number | undefined;
  readonly raw: unknown;
}
type SendErrorCode = "VALIDATION" | "SERIALIZATION" | "CONNECTION_CLOSED" | "BACKPRESSURE" | "ABORTED";
type SendResult = {
  readonly ok: true;
} | {
  readonly ok: false;
  readonly error: SendErrorCode;
};
interface SendExtras {
  readonly signal?: AbortSignal;
  readonly inheritCorrelationId?: boolean;
}
type NeedsMeta<M> = M extends undefined ? false : {} extends M ? false : true;
type WithMeta<M, Extras> = NeedsMeta<M> extends true ? Extras & {
  readonly meta: M;
} : Extras & {
  readonly meta?: M extends undefined ? Readonly<Record<string, unknown>> : M;
};
type ArgsOf<P, M, Extras> = NeedsMeta<M> extends true ? [payload: P, options: WithMeta<M, Extras>] : undefined extends P ? [payload?: P, options?: WithMeta<M, Extras>] : [payload: P, options?: WithMeta<M, Extras>];
type SendArgs<D, Extras = SendExtras> = ArgsOf<PayloadInput<D>, MetaInput<D>, Extras>;
interface BaseContext<Data = ConnectionData> {
  readonly clientId: string;
  readonly data: Data;
  assignData(partial: Partial<Data>): void;
  readonly request: SocketRequest;
  readonly ws: UniformSocket;
  readonly topics: TopicSet;
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D>): Promise<SendResult>;
  publish<D extends AnyEvent>(topic: string, descriptor: D, ...args: SendArgs<D, PublishOptions>): Promise<PublishResult>;
  close(code?: number, reason?: string): void;
}
interface CloseContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly code: number;
  readonly reason: string;
}
interface AuthContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly cause: "connect" | "refresh";
}
interface ErrorContext<Data = ConnectionData> {
  readonly clientId: string;
  readonly data: Data | undefined;
  readonly type: string | undefined;
  readonly code: string;
}
interface LimitInfo {
  readonly type: LimitKind;
  readonly clientId: string;
  readonly ws: UniformSocket | undefined;
  readonly observed: number;
  readonly limit: number;
  readonly retryAfterMs?: number | null;
  readonly direction?: "in" | "out";
}
interface RouteInfo {
  readonly type: string;
  readonly kind: "event" | "rpc";
  readonly response?: string;
}
interface RouterOf<Data = unknown> {
  readonly "~data"?: Data;
  routes(): RouteInfo[];
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
}
interface SocketTls {
  readonly key: string | Uint8Array;
  readonly cert: string | Uint8Array;
}
interface SocketServeOptions<Data = ConnectionData> extends ServerOptions<Data> {
  readonly port?: number;
  readonly hostname?: string;
  readonly tls?: SocketTls;
  readonly compression?: boolean;
  readonly fetch?: (request: Request, peer: {
    readonly ip: string | undefined;
  }) => MaybePromise<Response>;
  readonly signal?: AbortSignal;
}
interface SocketCapabilities {
  readonly runtime: "node" | "bun" | "deno" | "workerd";
  readonly backpressure: boolean;
  readonly compression: boolean;
  readonly ping: boolean;
}
interface SocketServer {
  readonly port: number;
  readonly hostname: string;
  readonly url: string;
  readonly connections: number;
  readonly capabilities: SocketCapabilities;
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
  drain(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
interface ServeAny<Options, Server, SocketExtra = object> {
  <Data = ConnectionData>(router: RouterOf<Data>, options?: SocketServeOptions<Data> & SocketExtra): Promise<SocketServer>;
  (app: Servable, options?: Options): Promise<Server>;
}
interface BunServeOptions extends ListenOptions {
  readonly idleTimeoutMs?: number;
}
declare const serve: ServeAny<BunServeOptions, Listening>;
interface BunSocketOptions<Data = ConnectionData> extends ServerOptions<Data>, Pick<SocketServeOptions<Data>, "compression" | "fetch"> {}
interface BunSocketHandler {
  readonly fetch: (request: Request, server: object) => Promise<Response | undefined> | Response | undefined;
  readonly websocket: object;
  readonly connections: number;
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
}
declare function createBunHandler<Data = ConnectionData>(router: RouterOf<Data>, options?: BunSocketOptions<Data>): BunSocketHandler;
interface Step<State, Reply> {
  readonly state: State | undefined;
  readonly reply: Reply;
  readonly expiresAt: number | undefined;
}
interface Algorithm<State = unknown, Command = unknown, Reply = unknown> {
  readonly name: string;
  readonly version: number;
  readonly maxStateBytes: number;
  step(state: State | undefined, command: Command, now: number): Step<State, Reply>;
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array): State;
  limiting?(state: State, now: number): boolean;
  readonly compact?: CompactState<State>;
  readonly row?: RowMachine<Command, Reply>;
  readonly members?: readonly Algorithm[];
}
interface CompactState<State> {
  readonly width: number;
  write(state: State, cells: Float64Array, at: number): boolean;
  read(cells: Float64Array, at: number): State;
}
interface RowMachine<Command, Reply> {
  readonly width: number;
  apply(cells: Float64Array, at: number, command: Command, now: number, reply: Reply): boolean;
  expiresAt(cells: Float64Array, at: number, command: Command): number | undefined;
  limiting(cells: Float64Array, at: number, now: number): boolean;
  reply(): Reply;
}
type Reply = unknown;
interface DriverCapabilities {
  readonly atomic: boolean;
  readonly clock: "backend" | "caller";
  readonly minTtlMs: number;
  readonly maxValueBytes: number;
  readonly shared: boolean;
  readonly approximate?: string;
  readonly durability?: "memory" | "async" | "sync";
  readonly native?: readonly string[];
  readonly maxBatchKeys?: number;
  readonly maxBatchCommands?: number;
  readonly lanes?: number;
  readonly spreadKeys?: number;
  readonly multiKey?: boolean;
  readonly cacheFills?: boolean;
  readonly replicas?: boolean;
  readonly combining?: boolean;
}
type LimitPolicy = {
  readonly algorithm: "fixed-window";
  readonly max: number;
  readonly windowMs: number;
} | {
  readonly algorithm: "sliding-window";
  readonly max: number;
  readonly windowMs: number;
  readonly buckets?: number;
  readonly dynamic?: boolean;
} | {
  readonly algorithm: "token-bucket";
  readonly capacity: number;
  readonly max: number;
  readonly windowMs: number;
  readonly maxDebt?: number;
};
interface LimitDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  retryAfterMs: number | null;
  resetAfterMs: number;
  debt: number;
  ticket?: LimitTicket;
}
interface LimitTicket {
  readonly era: number;
  readonly at: number;
  readonly need: number;
}
interface RateLimitStore {
  increment(key: string, windowSeconds: number): MaybePromise<{
    count: number;
    resetAt: number;
  }>;
  check?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll?(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  reserve?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle?(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly leased?: boolean;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
type RateLimitDecision = {
  readonly allowed: true;
  readonly remaining: number;
} | {
  readonly allowed: false;
  readonly remaining: number;
  readonly retryAfterMs: number | null;
};
interface TokenBucketPolicy {
  readonly capacity: number;
  readonly tokensPerSecond: number;
  readonly prefix?: string;
}
interface RateLimiter {
  consume(key: string, cost: number): Promise<RateLimitDecision>;
  consumeSync?(key: string, cost: number): RateLimitDecision;
  getPolicy(): Readonly<TokenBucketPolicy>;
  dispose?(): void;
}
interface CacheRecord {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly storedAt: number;
  readonly freshUntil: number;
  readonly keepUntil: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
}
type CacheFill = {
  readonly kind: "fill";
  readonly token: string;
} | {
  readonly kind: "wait";
  readonly waitMs: number;
};
interface CacheOpening {
  readonly record?: CacheRecord | undefined;
  readonly fill?: CacheFill | undefined;
}
interface CacheStore {
  get(key: string): MaybePromise<Response | undefined | null>;
  put(key: string, response: Response, ttlSeconds: number): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  read?(key: string): MaybePromise<CacheRecord | undefined>;
  write?(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): MaybePromise<void>;
  lock?(key: string, lockMs: number): MaybePromise<CacheFill>;
  unlock?(key: string, token: string): MaybePromise<void>;
  open?(key: string, lockMs: number): MaybePromise<CacheOpening>;
  purge?(target: CachePurge): MaybePromise<number>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
type CachePurge = {
  readonly tags: readonly string[];
} | {
  readonly prefix: string;
} | {
  readonly all: true;
};
interface WebSocketPeer {
  readonly protocol: string;
  send(data: string | Uint8Array): void | Promise<void>;
  close(code?: number, reason?: string): void;
  terminate(): void;
  pause?(): void;
  resume?(): void;
  listen(onMessage: (data: string | Uint8Array) => void, onClose: (code: number, reason: string) => void): void;
}
interface WebSocketConnectOptions {
  readonly protocols: readonly string[];
  readonly headers: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}
interface WebSocketRuntime {
  connect(url: string, options: WebSocketConnectOptions): Promise<WebSocketPeer>;
  accept(request: Request, protocol: string): Promise<{
    readonly peer: WebSocketPeer;
    readonly response: Response;
  }>;
}
type CircuitState = "closed" | "open" | "half-open";
interface CircuitBreakerSnapshot {
  readonly state: CircuitState;
  readonly failureCount: number;
  readonly successCount: number;
  readonly lastFailureTime: number;
  readonly lastStateChange: number;
}
interface CircuitPolicy {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly failureRate?: number;
  readonly minimumThroughput: number;
  readonly slowCallMs?: number;
  readonly slowCallRate?: number;
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs?: number;
  readonly halfOpenMax: number;
  readonly successThreshold: number;
  readonly probeTimeoutMs: number;
}
interface CircuitPermit {
  readonly allowed: true;
  readonly state: CircuitState;
  readonly epoch: number;
  readonly token?: string;
  readonly transition?: CircuitTransition;
}
interface CircuitRefusal {
  readonly allowed: false;
  readonly state: CircuitState;
  readonly retryAfterMs: number;
}
interface CircuitTransition {
  readonly from: CircuitState;
  readonly to: CircuitState;
}
type CircuitOutcome = "success" | "failure" | "slow" | "unused";
interface CircuitBreakerStore {
  getState(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordFailure(key: string): MaybePromise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): MaybePromise<CircuitBreakerSnapshot>;
  reset(key: string): MaybePromise<void>;
  acquire?(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  report?(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
interface CursorCommand {
  readonly spacingMs: number;
  readonly burst?: number;
  readonly cost?: number;
  readonly maxWaitMs?: number;
}
interface CursorReply {
  readonly granted: boolean;
  readonly waitMs: number;
  readonly ticket?: LimitTicket;
}
interface LeaseReply {
  readonly held: boolean;
  readonly fence: number;
  readonly retryInMs: number;
  readonly renewed?: true;
}
interface StitchStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs?: number): Promise<void>;
  incr(key: string, ttlMs?: number): Promise<number>;
  increment?(key: string, ttlMs?: number): Promise<number>;
  compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean>;
  reserve?(key: string, command: CursorCommand | {
    readonly refund: LimitTicket;
    readonly spacingMs: number;
  } | {
    readonly pauseMs: number;
    readonly spacingMs: number;
  }): Promise<CursorReply>;
  lease?(key: string, command: {
    readonly token: string;
    readonly limit: number;
    readonly ttlMs: number;
  }): Promise<LeaseReply>;
  release?(key: string, token: string): Promise<boolean>;
  readonly capabilities?: Partial<DriverCapabilities>;
  close?(): Promise<void>;
}
interface GatewayAdapter {
  rateLimitStore?: RateLimitStore;
  circuitBreakerStore?: CircuitBreakerStore;
  cacheStore?: CacheStore;
  waitUntil?: (promise: Promise<unknown>) => void;
  dispatchBinding?: (service: string, request: Request) => Promise<Response>;
  webSockets?: WebSocketRuntime;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  privateState?(gatewayName: string): Map<string, unknown>;
  close?(): Promise<void>;
}
interface CombinerCallOptions<R = Reply> {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
  readonly onLateReply?: (reply: R) => void;
}
type Run = <State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>) => MaybePromise<R>;
interface KeyValueStore extends Required<StitchStore> {
  readonly capabilities: DriverCapabilities;
  [Symbol.asyncDispose](): Promise<void>;
}
interface MemoryCacheOptions {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly clock?: Clock;
}
interface CircuitBreakerStoreOptions {
  readonly prefix?: string;
  readonly policy?: Partial<CircuitPolicy>;
  readonly random?: Random;
  readonly run?: Run;
}
interface MemoryDriverOptions {
  readonly maxKeys?: number;
  readonly clock?: Clock;
  readonly cleanupIntervalMs?: number;
}
interface InMemoryCircuitBreakerStoreOptions extends MemoryDriverOptions, Omit<CircuitBreakerStoreOptions, "prefix"> {}
declare class InMemoryCircuitBreakerStore implements CircuitBreakerStore {
  #private;
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  constructor(options?: InMemoryCircuitBreakerStoreOptions);
  get size(): number;
  acquire(key: string, policy: CircuitPolicy): CircuitPermit | CircuitRefusal;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined;
  getState(key: string): Promise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): Promise<CircuitBreakerSnapshot>;
  recordFailure(key: string): Promise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot>;
  reset(key: string): Promise<void>;
  isolate(key: string): Promise<CircuitBreakerSnapshot>;
  disable(key: string): Promise<CircuitBreakerSnapshot>;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
declare class InMemoryRateLimitStore implements RateLimitStore {
  #private;
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  constructor(options?: MemoryDriverOptions);
  get size(): number;
  increment(key: string, windowSeconds: number): Promise<{
    count: number;
    resetAt: number;
  }>;
  check(key: string, policy: LimitPolicy, cost: number): LimitDecision;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): LimitDecision[];
  reserve(key: string, policy: LimitPolicy, cost: number): LimitDecision;
  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): LimitDecision;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
interface MemoryAdapterOptions {
  readonly maxKeys?: number;
  readonly cache?: MemoryCacheOptions | CacheStore;
  readonly clock?: Clock;
  readonly waitUntil?: (promise: Promise<unknown>) => void;
}
interface MemoryAdapter extends GatewayAdapter {
  readonly rateLimitStore: InMemoryRateLimitStore;
  readonly circuitBreakerStore: InMemoryCircuitBreakerStore;
  readonly cacheStore: CacheStore;
  readonly store: KeyValueStore;
  readonly pubsub: PubSub & PubSubAdapter;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function memoryAdapter(options?: MemoryAdapterOptions): MemoryAdapter;
export { type MemoryAdapter as BunAdapter, type MemoryAdapterOptions as BunAdapterOptions, type BunServeOptions, type BunSocketHandler, type BunSocketOptions, type ListenOptions, type Listening, type Servable, type ServeAny, type SocketCapabilities, type SocketServeOptions, type SocketServer, type SocketTls, memoryAdapter as bunAdapter, createBunHandler, serve };
