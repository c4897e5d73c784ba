// sluice/sockets/valibot

import * as v from "valibot";
type MaybePromise<T> = T | Promise<T>;
interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": StandardSchemaProps<Input, Output>;
}
interface StandardSchemaProps<Input = unknown, Output = Input> {
  readonly version: 1;
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  readonly types?: {
    readonly input: Input;
    readonly output: Output;
  } | undefined;
}
type StandardResult<Output> = {
  readonly value: Output;
  readonly issues?: undefined;
} | {
  readonly issues: readonly StandardIssue[];
};
interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | {
    readonly key: PropertyKey;
  })[] | undefined;
}
type SchemaInput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["input"];
type SchemaOutput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];
type Outcome = "not-applied" | "unknown";
interface SluiceErrorOptions {
  readonly cause?: unknown;
  readonly outcome?: Outcome;
  readonly retryAfterMs?: number;
}
declare class SluiceError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly outcome?: Outcome;
  readonly retryAfterMs?: number;
  constructor(code: Code, message: string, options?: SluiceErrorOptions);
  get name(): string;
}
declare class OptionError extends RangeError {
  readonly code: "CONFIG_INVALID";
  readonly option: string;
  readonly value: unknown;
  constructor(option: string, value: unknown, expected: string);
  get name(): string;
}
declare function isSluiceError(error: unknown): error is SluiceError;
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
type RateLimitPolicy = TokenBucketPolicy;
interface RateLimiter {
  consume(key: string, cost: number): Promise<RateLimitDecision>;
  consumeSync?(key: string, cost: number): RateLimitDecision;
  getPolicy(): Readonly<TokenBucketPolicy>;
  dispose?(): void;
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
type RawShape = Readonly<Record<string, StandardSchema>>;
type SchemaOrShape = StandardSchema | RawShape;
type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
type Simplify<T> = { [K in keyof T]: T[K] } & {};
type WithOptional<T> = Simplify<{ [K in Exclude<keyof T, OptionalKeys<T>>]: T[K] } & { [K in OptionalKeys<T>]?: T[K] }>;
type InputOf<S> = S extends StandardSchema ? SchemaInput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaInput<S[K]> }> : undefined;
type OutputOf<S> = S extends StandardSchema ? SchemaOutput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaOutput<S[K]> }> : undefined;
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
interface MessageOptions {
  readonly strict?: Strictness;
}
interface RpcOptions extends MessageOptions {
  readonly timeoutMs?: number;
  readonly idempotent?: boolean;
}
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
interface RpcMessage<Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown, Response extends AnyEvent = AnyEvent, ProgressIn = unknown, ProgressOut = unknown> extends MessageDescriptor<Type> {
  readonly kind: "rpc";
  readonly response: Response;
  readonly timeoutMs?: number;
  readonly idempotent: boolean;
  readonly "~types"?: {
    readonly in: In;
    readonly out: Out;
    readonly metaIn: MetaIn;
    readonly metaOut: MetaOut;
    readonly progressIn: ProgressIn;
    readonly progressOut: ProgressOut;
  } | undefined;
}
type AnyEvent = EventMessage<string, unknown, unknown, unknown, unknown>;
type AnyRpc = RpcMessage<string, unknown, unknown, unknown, unknown, AnyEvent, unknown, unknown>;
type AnyMessage = AnyEvent | AnyRpc;
type Types<D> = D extends {
  readonly "~types"?: infer T;
} ? NonNullable<T> : never;
type Member<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : undefined;
type PayloadInput<D> = Member<Types<D>, "in">;
type PayloadOutput<D> = Member<Types<D>, "out">;
type MetaInput<D> = Member<Types<D>, "metaIn">;
type MetaOutput<D> = Member<Types<D>, "metaOut">;
type ProgressInput<D> = Member<Types<D>, "progressIn">;
type ProgressOutput<D> = Member<Types<D>, "progressOut">;
type ResponseOf<D> = D extends {
  readonly response: infer R;
} ? R : never;
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
interface EventSpec<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
  readonly options?: MessageOptions;
}
declare function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(type: T, payload?: P, meta?: M): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
declare function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(spec: EventSpec<T, P, M>): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
interface RpcSide<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
}
interface RpcSpec<T extends string, P, M, RT extends string, RP, RM, G> {
  readonly req: RpcSide<T, P, M>;
  readonly res: RpcSide<RT, RP, RM>;
  readonly progress?: G;
  readonly options?: RpcOptions;
}
declare function rpc<const T extends string, P extends SchemaOrShape | undefined, const RT extends string, RP extends SchemaOrShape | undefined = undefined>(reqType: T, req: P, resType: RT, res?: RP, options?: RpcOptions): RpcMessage<T, InputOf<P>, OutputOf<P>, undefined, undefined, EventMessage<RT, InputOf<RP>, OutputOf<RP>, undefined, undefined>, never, never>;
declare function rpc<const T extends string, const RT extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined, RP extends SchemaOrShape | undefined = undefined, RM extends SchemaOrShape | undefined = undefined, G extends SchemaOrShape | undefined = undefined>(spec: RpcSpec<T, P, M, RT, RP, RM, G>): RpcMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>, EventMessage<RT, InputOf<RP>, OutputOf<RP>, InputOf<RM>, OutputOf<RM>>, G extends undefined ? never : InputOf<G>, G extends undefined ? never : OutputOf<G>>;
declare function isMessage(value: unknown): value is AnyMessage;
interface AsyncApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}
type AsyncApiDocument = Readonly<Record<string, unknown>>;
interface Codec {
  readonly name: string;
  readonly binary: boolean;
  encode(value: unknown): string | Uint8Array;
  decode(data: string | Uint8Array): unknown;
}
declare const jsonCodec: Codec;
declare function msgpackCodec(library: {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}): Codec;
type SinkLevel = "debug" | "info" | "warn" | "error";
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
type SocketEventType = SocketEvent["type"];
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
interface ConsoleSinkOptions {
  readonly level?: SinkLevel;
  readonly write?: (line: string, level: SinkLevel) => void;
}
declare function consoleSink(options?: ConsoleSinkOptions): EventSink<SocketEvent>;
type StandardErrorCode = "UNAUTHENTICATED" | "PERMISSION_DENIED" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "NOT_FOUND" | "ALREADY_EXISTS" | "UNIMPLEMENTED" | "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "INTERNAL";
type ErrorCode = StandardErrorCode | (string & {});
declare function isStandardErrorCode(code: unknown): code is StandardErrorCode;
declare const standardErrorCodes: readonly StandardErrorCode[];
declare function suggestedBackoffMs(code: string): number | undefined;
interface ErrorOptions {
  readonly retryable?: boolean;
  readonly retryAfterMs?: number | null;
}
interface ErrorPayload {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}
declare class SocketError extends SluiceError<string> {
  readonly details?: unknown;
  readonly retryable?: boolean;
  readonly retryAfter?: number | null;
  constructor(code: ErrorCode, message?: string, details?: unknown, options?: ErrorOptions & Pick<SluiceErrorOptions, "cause">);
  get name(): string;
}
declare class CloseError extends SluiceError<"CLOSE"> {
  readonly closeCode: number;
  readonly reason: string;
  constructor(closeCode: number, reason?: string);
  get name(): string;
}
type TopicErrorCode = "INVALID_TOPIC" | "ACL_SUBSCRIBE" | "TOPIC_LIMIT_EXCEEDED" | "ADAPTER_ERROR" | "CONNECTION_CLOSED" | "ABORTED" | "UNSUPPORTED";
interface TopicErrorDetails {
  readonly topic?: string;
  readonly reason?: "length" | "pattern" | "validate" | "wildcard";
  readonly limit?: number;
}
declare class TopicError extends SluiceError<TopicErrorCode> {
  readonly details: TopicErrorDetails;
  constructor(code: TopicErrorCode, message: string, details?: TopicErrorDetails, cause?: unknown);
  get name(): string;
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
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
interface Random {
  next(): number;
  uuid(): string;
}
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
interface PresenceOptions<Data> {
  readonly match?: TopicMatch;
  readonly ttlMs?: number;
  readonly heartbeatMs?: number;
  readonly identity?: (actor: TopicActor<Data>) => string;
  readonly announce?: AnyEvent;
}
interface TopicOptions<Data = unknown> {
  readonly pattern?: RegExp;
  readonly maxTopicLength?: number;
  readonly maxTopicsPerConnection?: number;
  readonly maxTopics?: number;
  readonly normalize?: (topic: string, actor: TopicActor<Data>) => string;
  readonly validate?: (topic: string) => string | undefined | void;
  readonly authorize?: (action: TopicAction, topic: string, actor: TopicActor<Data>) => MaybePromise<boolean>;
  readonly wildcards?: boolean;
  readonly history?: HistoryOptions;
  readonly presence?: PresenceOptions<Data>;
  readonly excludeSelfDefault?: boolean;
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
interface IdentityOptions<Data> {
  readonly key?: (data: Data) => string | undefined;
  readonly onConflict?: "allow" | "replace" | "refuse";
  readonly takeoverTimeoutMs?: number;
}
interface RouterOptions<Data = ConnectionData> {
  readonly limits?: LimitOptions;
  readonly hooks?: RouterHooks<Data>;
  readonly heartbeat?: false | HeartbeatOptions;
  readonly pubsub?: PubSub | PubSubAdapter;
  readonly topics?: TopicOptions<Data>;
  readonly rpc?: RpcLimits;
  readonly identity?: IdentityOptions<Data>;
  readonly codecs?: readonly Codec[];
  readonly validateOutgoing?: boolean;
  readonly errors?: {
    readonly redact?: readonly string[];
    readonly exposeValidation?: boolean;
  };
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger | false;
  readonly sinks?: readonly EventSink<SocketEvent>[];
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
interface KnownMeta {
  readonly timestamp?: number;
  readonly correlationId?: string;
  readonly timeoutMs?: number;
  readonly traceparent?: string;
  readonly tracestate?: string;
}
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
interface MiddlewareContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly type: string;
  readonly payload: unknown;
  readonly meta: KnownMeta & Readonly<Record<string, unknown>>;
  readonly receivedAt: number;
  readonly kind: "event" | "rpc" | "lifecycle";
  error(code: ErrorCode, message?: string, details?: unknown, options?: ErrorOptions): void;
  readonly signal: AbortSignal;
  readonly deadline: number;
  timeRemaining(): number;
  onCancel(callback: () => void): void;
}
interface EventContext<D extends AnyEvent | AnyRpc = AnyEvent, Data = ConnectionData> extends Omit<MiddlewareContext<Data>, "payload" | "meta" | "type"> {
  readonly type: D["type"];
  readonly payload: PayloadOutput<D>;
  readonly meta: MetaOutput<D> extends undefined ? KnownMeta : KnownMeta & Omit<MetaOutput<D>, never>;
}
interface RpcContext<D extends AnyRpc = AnyRpc, Data = ConnectionData> extends EventContext<D, Data> {
  reply(...args: SendArgs<ResponseOf<D>>): Promise<SendResult>;
  progress(payload: ProgressInput<D>, options?: {
    readonly throttleMs?: number;
  }): Promise<SendResult>;
}
type Handler<D extends AnyEvent, Data, Ext = unknown> = (ctx: EventContext<D, Data> & Ext) => MaybePromise<void>;
type Answer<D> = PayloadInput<ResponseOf<D>>;
type RpcHandler<D extends AnyRpc, Data, Ext = unknown> = (ctx: RpcContext<D, Data> & Ext) => MaybePromise<Answer<D> | SendResult | void> | AsyncGenerator<ProgressInput<D>, Answer<D> | void, void>;
type Next = () => MaybePromise<void>;
interface Middleware<Data = ConnectionData, Adds extends object = object> {
  (ctx: MiddlewareContext<Data> & Partial<Adds>, next: Next): MaybePromise<unknown>;
  readonly "~adds"?: Adds;
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
interface PluginSpec<Adds extends object = object> {
  readonly name: string;
  readonly context?: { readonly [K in keyof Adds]: (ctx: MiddlewareContext<never>) => Adds[K] };
  readonly setup?: (router: Router<never, never>) => void;
}
type Plugin<Adds extends object = object> = (PluginSpec<Adds> | ((router: Router<never, never>) => void)) & {
  readonly "~adds"?: Adds;
};
declare function definePlugin<Adds extends object = object>(spec: PluginSpec<Adds>): Plugin<Adds>;
interface OnOptions {
  readonly ordered?: boolean;
}
interface OnRpcOptions extends OnOptions {
  readonly timeoutMs?: number;
}
interface UseOptions {
  readonly stage?: "raw" | "validated";
}
interface MiddlewareFor<Data, Ext, Adds extends object> {
  (ctx: MiddlewareContext<Data> & Ext & Partial<Adds>, next: Next): MaybePromise<unknown>;
  readonly "~adds"?: Adds;
}
interface RouteBuilder<D extends AnyMessage, Data, Ext> {
  use<Adds extends object = object>(middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): RouteBuilder<D, Data, Ext & Adds>;
  on(handler: D extends AnyEvent ? Handler<D, Data, Ext> : never, options?: OnOptions): Router<Data, Ext>;
  rpc(handler: D extends AnyRpc ? RpcHandler<D, Data, Ext> : never, options?: OnRpcOptions): Router<Data, Ext>;
}
interface ConnectionInfo {
  readonly clientId: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly ip: string | undefined;
  readonly topics: readonly string[];
  readonly pending: number;
  readonly bufferedBytes: number;
  close(code?: number, reason?: string): void;
}
interface RouteInfo {
  readonly type: string;
  readonly kind: "event" | "rpc";
  readonly response?: string;
}
interface RouterTopics {
  list(): string[];
  count(topic: string): number;
  history(topic: string, options?: {
    readonly after?: string;
    readonly limit?: number;
  }): Promise<HistoryEntry[]>;
}
interface PrefixedMessages {
  <D extends AnyMessage>(descriptor: D): D;
  readonly [type: string]: MessageDescriptor;
}
interface RouterOf<Data = unknown> {
  readonly "~data"?: Data;
  routes(): RouteInfo[];
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
}
interface Router<Data = ConnectionData, Ext = unknown> extends RouterOf<Data> {
  on<D extends AnyEvent>(event: D, handler: Handler<D, Data, Ext>, options?: OnOptions): Router<Data, Ext>;
  rpc<D extends AnyRpc>(descriptor: D, handler: RpcHandler<D, Data, Ext>, options?: OnRpcOptions): Router<Data, Ext>;
  use<Adds extends object = object>(middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): Router<Data, Ext & Adds>;
  use<Adds extends object = object>(descriptor: AnyMessage, middleware: MiddlewareFor<Data, Ext, Adds>, options?: UseOptions): Router<Data, Ext>;
  route<D extends AnyMessage>(descriptor: D): RouteBuilder<D, Data, Ext>;
  merge(other: RouterOf<Data>, options?: {
    readonly onConflict?: "error" | "skip" | "replace";
  }): Router<Data, Ext>;
  mount(prefix: string, other: RouterOf<Data>, options?: {
    readonly onConflict?: "error" | "skip" | "replace";
  }): Router<Data, Ext>;
  prefixed(prefix: string): PrefixedMessages;
  plugin<Adds extends object = object>(plugin: Plugin<Adds>): Router<Data, Ext & Adds>;
  onOpen(hook: (ctx: BaseContext<Data> & Ext) => MaybePromise<unknown>): Router<Data, Ext>;
  onClose(hook: (ctx: CloseContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onError(hook: (error: unknown, ctx: ErrorContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onAuth(hook: (ctx: AuthContext<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
  onPublish(hook: (info: PublishInfo) => MaybePromise<unknown>): Router<Data, Ext>;
  onJoin(hook: (change: PresenceChange) => MaybePromise<unknown>): Router<Data, Ext>;
  onLeave(hook: (change: PresenceChange) => MaybePromise<unknown>): Router<Data, Ext>;
  onLimitExceeded(hook: NonNullable<RouterHooks<Data>["onLimitExceeded"]>): Router<Data, Ext>;
  observe(sink: EventSink<SocketEvent>): () => void;
  publish<D extends AnyEvent>(topic: string, descriptor: D, ...args: SendArgs<D, PublishOptions>): Promise<PublishResult>;
  readonly topics: RouterTopics;
  presence(topic: string): Promise<PresenceMember[]>;
  connections(): ConnectionInfo[];
  routes(): RouteInfo[];
  toAsyncAPI(info: AsyncApiInfo): AsyncApiDocument;
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
}
declare function createRouter<Data = ConnectionData>(options?: RouterOptions<Data>): Router<Data>;
interface DevtoolsOptions {
  readonly authorize?: (request: Request) => MaybePromise<unknown>;
  readonly payloads?: boolean;
  readonly messages?: readonly AnyEvent[];
}
interface Devtools {
  readonly fetch: (request: Request, peer?: {
    readonly ip: string | undefined;
  }) => Promise<Response>;
  close(): void;
}
declare function devtools<Data = ConnectionData>(router: RouterOf<Data>, options?: DevtoolsOptions): Devtools;
interface Metrics {
  readonly sink: EventSink<SocketEvent>;
  text(): string;
  values(): Readonly<Record<string, number>>;
}
declare function socketMetrics(): Metrics;
interface LoggingOptions {
  readonly logger?: Pick<Logger, "info" | "error">;
}
declare function logging<Data = ConnectionData>(options?: LoggingOptions): Middleware<Data>;
interface MessageMeasure {
  readonly type: string;
  readonly kind: "event" | "rpc" | "lifecycle";
  readonly durationMs: number;
  readonly code: string;
}
interface MetricsOptions {
  readonly record: (measure: MessageMeasure) => void;
  readonly clock?: Pick<Clock, "monotonic">;
}
declare function metrics<Data = ConnectionData>(options: MetricsOptions): Middleware<Data>;
declare function requireAuth<Data = ConnectionData>(predicate: (ctx: MiddlewareContext<Data>) => MaybePromise<unknown>): Middleware<Data>;
type Attributes = Record<string, string | number | boolean>;
interface SpanLike {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: {
    code: number;
    message?: string;
  }): unknown;
  end(endTime?: number): void;
}
interface TracerLike {
  startSpan(name: string, options?: {
    kind?: number;
    attributes?: Attributes;
    startTime?: number;
    root?: boolean;
  }, context?: unknown): SpanLike;
}
interface MeterLike$1 {
  createHistogram(name: string, options?: object): {
    record(value: number, attributes?: Attributes): void;
  };
  createCounter(name: string, options?: object): {
    add(value: number, attributes?: Attributes): void;
  };
}
interface MeterLike extends MeterLike$1 {
  createUpDownCounter(name: string, options?: object): {
    add(value: number, attributes?: Attributes): void;
  };
}
interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote: true;
}
type ContextOf = (parent: RemoteParent) => unknown;
interface TracingOptions {
  readonly tracer: TracerLike;
  readonly contextOf?: ContextOf;
  readonly within?: (span: SpanLike, work: () => MaybePromise<void>) => MaybePromise<void>;
}
declare function tracing<Data = ConnectionData>(options: TracingOptions): Middleware<Data, {
  readonly span: SpanLike;
}>;
interface OtelSinkOptions {
  readonly tracer?: TracerLike;
  readonly meter?: MeterLike;
  readonly contextOf?: ContextOf;
}
declare function otelSink(options: OtelSinkOptions): EventSink<SocketEvent>;
type RateLimitContext<Data> = Omit<MiddlewareContext<Data>, "payload"> & {
  readonly payload: unknown;
};
interface RateLimitOptions<Data = ConnectionData> {
  readonly limiter: RateLimiter;
  readonly key?: (ctx: RateLimitContext<Data>) => string;
  readonly cost?: (ctx: RateLimitContext<Data>) => number;
  readonly onFailure?: "local" | "open" | "closed";
  readonly stage?: "raw" | "validated";
}
declare function keyPerUserPerType(ctx: {
  readonly data: unknown;
  readonly clientId: string;
  readonly type: string;
}): string;
declare function keyPerUser(ctx: {
  readonly data: unknown;
  readonly clientId: string;
}): string;
declare function keyPerConnection(ctx: {
  readonly clientId: string;
}): string;
declare function keyPerIp(ctx: {
  readonly request: {
    readonly ip: string | undefined;
  };
  readonly clientId: string;
}): string;
declare function rateLimit<Data = ConnectionData>(options: RateLimitOptions<Data>): Middleware<Data>;
declare const defaultRedactedKeys: readonly string[];
declare function redactDetails(details: unknown, keys?: readonly string[]): unknown;
interface WithPubSubOptions<Data = ConnectionData> extends TopicOptions<Data> {
  readonly adapter: PubSub | PubSubAdapter;
}
declare function withPubSub<Data = ConnectionData>(options: WithPubSubOptions<Data>): Plugin;
declare function usePubSub<Data = ConnectionData>(options: {
  readonly hooks: Pick<TopicOptions<Data>, "normalize" | "validate" | "authorize">;
}): Middleware<Data>;
export { AnyEvent, AnyMessage, AnyRpc, ArgsOf, AsyncApiDocument, AsyncApiInfo, AuthContext, AuthenticateInfo, BackpressureOptions, BaseContext, CloseContext, CloseError, Codec, ConnectionData, ConnectionInfo, ConsoleSinkOptions, ContextOf, Devtools, DevtoolsOptions, ErrorCode, ErrorContext, ErrorOptions, ErrorPayload, EventContext, EventMessage, Handler, HeartbeatOptions, HistoryEntry, HistoryOptions, IdentityOptions, InputOf, KnownMeta, LimitInfo, LimitKind, LimitOptions, LogEntry, LogOptions, LogSlice, Logger, LoggingOptions, MaybePromise, MessageDescriptor, MessageJsonSchema, MessageMeasure, MessageOptions, MetaInput, MetaOutput, MeterLike, Metrics, MetricsOptions, Middleware, MiddlewareContext, MiddlewareFor, Next, OnOptions, OnRpcOptions, OptionError, OriginOptions, OtelSinkOptions, OutputOf, PayloadInput, PayloadOutput, Plugin, PluginSpec, PrefixedMessages, PresenceChange, PresenceMember, PresenceOptions, ProgressInput, ProgressOutput, PubSub, PubSubAdapter, PublishErrorCode, PublishInfo, PublishOptions, PublishReport, PublishResult, RateLimitContext, RateLimitDecision, RateLimitOptions, RateLimitPolicy, RateLimiter, RawShape, RemoteParent, ResponseOf, RouteBuilder, RouteInfo, Router, RouterHooks, RouterOf, RouterOptions, RouterTopics, RpcContext, RpcHandler, RpcLimits, RpcMessage, RpcOptions, SchemaOrShape, SendArgs, SendErrorCode, SendExtras, SendResult, SerializedMessage, ServerOptions, SinkLevel, SlowConsumerPolicy, SluiceError, SocketError, SocketEvent, SocketEventType, SocketRequest, SpanLike, StandardErrorCode, StandardIssue, StandardResult, StandardSchema, Strictness, TopicAction, TopicActor, TopicCallOptions, TopicChange, TopicError, TopicErrorCode, TopicErrorDetails, TopicHistory, TopicMatch, TopicOptions, TopicSet, TopicStatus, TracerLike, TracingOptions, TrustProxy, UniformSocket, UseOptions, WithPubSubOptions, consoleSink, createRouter, defaultRedactedKeys, definePlugin, devtools, isMessage, isSluiceError, isStandardErrorCode, jsonCodec, keyPerConnection, keyPerIp, keyPerUser, keyPerUserPerType, logging, message, metrics, msgpackCodec, otelSink, rateLimit, redactDetails, requireAuth, rpc, socketMetrics, standardErrorCodes, suggestedBackoffMs, tracing, usePubSub, v, withPubSub };
