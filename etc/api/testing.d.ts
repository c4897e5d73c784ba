// sluice/testing

type MaybePromise<T> = T | Promise<T>;
interface ContractViolation {
  readonly rule: string;
  readonly detail: string;
  readonly seed?: number;
}
interface ContractReport {
  readonly name: string;
  readonly ok: boolean;
  readonly passed: string[];
  readonly violations: ContractViolation[];
  readonly skipped: {
    readonly rule: string;
    readonly reason: string;
  }[];
}
interface DrivenClock {
  now(): number;
  advance(ms: number): unknown;
  step?(ms: number): void;
}
interface ContractOptions {
  readonly ttlMs?: number;
  readonly clock?: DrivenClock;
  readonly skip?: Readonly<Record<string, string>>;
  readonly only?: readonly string[];
  readonly seed?: number;
  readonly timeoutMs?: number;
  readonly shared?: boolean;
}
declare class ConformanceError extends Error {
  readonly report: ContractReport;
  constructor(report: ContractReport);
  get name(): string;
}
declare function assertConformance(report: ContractReport): void;
declare function describeReport(report: ContractReport): string;
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
type Fault = {
  readonly kind: "delay";
  readonly ms: number;
}  | {
  readonly kind: "fail";
  readonly error?: unknown;
}  | {
  readonly kind: "drop";
  readonly error?: unknown;
}  | {
  readonly kind: "hang";
  readonly effect?: boolean;
}  | {
  readonly kind: "garbage";
  readonly value: unknown;
  readonly effect?: boolean;
};
interface FaultCall {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly nth: number;
  readonly total: number;
}
interface FaultRule {
  readonly method?: string | readonly string[];
  readonly nth?: number;
  readonly every?: number;
  readonly fault: Fault;
}
type FaultScript = readonly FaultRule[] | ((call: FaultCall) => Fault | undefined);
interface FailingStoreOptions {
  readonly clock?: Clock;
}
declare function failingStore<T extends object>(target: T, script: FaultScript, options?: FailingStoreOptions): T;
interface ManualClockOptions {
  readonly now?: number;
}
interface ManualClock extends Clock {
  readonly pendingTimers: number;
  readonly nextTimerMs: number | undefined;
  advance(ms: number): void;
  advanceAsync(ms: number): Promise<void>;
  runAll(limitMs?: number): Promise<void>;
  pending(): number;
  step(ms: number): void;
}
declare function manualClock(options?: ManualClockOptions | number): ManualClock;
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
interface Operation<Command = unknown> {
  readonly algorithm: Algorithm;
  readonly key: string;
  readonly commands: readonly Command[];
}
type Reply = unknown;
interface RunOptions {
  readonly signal?: AbortSignal;
  readonly aborted?: boolean;
}
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
interface StateDriver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  run(batch: readonly Operation[], options?: RunOptions): MaybePromise<Reply[][]>;
  runSync?<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  table?<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): MaybePromise<Uint8Array | undefined>;
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): MaybePromise<void>;
  delete(key: string, options?: RunOptions): MaybePromise<boolean>;
  close(): Promise<void>;
}
interface SyncTable<Command, R> {
  run(key: string, command: Command): R;
}
interface ScriptedDriverOptions {
  readonly clock?: Clock;
  readonly answer?: "hand" | "async" | "sync";
  readonly capabilities?: Partial<DriverCapabilities>;
  readonly name?: string;
}
interface ScriptedBatch {
  readonly operations: readonly Operation[];
  readonly commands: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  readonly settled: boolean;
  apply(): Reply[][];
  answer(): void;
  resolve(replies: unknown): void;
  reject(error: unknown): void;
}
interface ScriptedDriver extends StateDriver {
  readonly answerMode: "hand" | "async" | "sync";
  readonly batches: readonly ScriptedBatch[];
  readonly pending: readonly ScriptedBatch[];
  readonly closed: boolean;
  flush(): void;
}
declare function scriptedDriver(options?: ScriptedDriverOptions): ScriptedDriver;
interface Random {
  next(): number;
  uuid(): string;
}
interface SeededRandom extends Random {
  readonly seed: number;
  integer(min: number, max: number): number;
}
declare function seededRandom(seed: number): SeededRandom;
interface CommandSource<Reply> {
  random(): number;
  pick(low: number, high: number): number;
  readonly replies: readonly Reply[];
}
interface VerifyAlgorithmOptions<Command, Reply> {
  readonly commands: readonly Command[] | ((source: CommandSource<Reply>) => Command);
  readonly seed?: number;
  readonly histories?: number;
  readonly steps?: number;
  readonly startAt?: number;
  readonly isRefusal?: (reply: Reply) => boolean;
  readonly isPeek?: (command: Command) => boolean;
  readonly invalid?: readonly Command[];
  readonly comparable?: (reply: Reply) => unknown;
  readonly skip?: Readonly<Record<string, string>>;
}
declare function verifyAlgorithm<State, Command, Reply>(algorithm: Algorithm<State, Command, Reply>, options: VerifyAlgorithmOptions<Command, Reply>): Promise<ContractReport>;
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
interface CacheStoreContractOptions extends ContractOptions {
  readonly bounded?: (maxEntries: number) => MaybePromise<CacheStore>;
  readonly exclusive?: boolean;
}
declare const cacheStoreContractRules: readonly string[];
declare function verifyCacheStoreContract(makeStore: () => MaybePromise<CacheStore>, options?: CacheStoreContractOptions): Promise<ContractReport>;
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
type CircuitBreakerStoreContractOptions = ContractOptions;
declare const circuitBreakerStoreContractRules: readonly string[];
declare function verifyCircuitBreakerStoreContract(makeStore: () => MaybePromise<CircuitBreakerStore>, options?: CircuitBreakerStoreContractOptions): Promise<ContractReport>;
type DriverContractOptions = ContractOptions;
declare const driverContractAlgorithms: readonly Algorithm[];
declare const driverContractRules: readonly string[];
declare function verifyDriverContract(makeDriver: () => MaybePromise<StateDriver>, options?: DriverContractOptions): Promise<ContractReport>;
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
interface PubSubContractOptions extends ContractOptions {
  readonly idle?: (pubsub: PubSub) => boolean | Promise<boolean>;
}
declare const pubSubContractRules: readonly string[];
declare function verifyPubSubContract(makePubSub: () => MaybePromise<PubSub>, options?: PubSubContractOptions): Promise<ContractReport>;
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
interface RateLimitStoreContractOptions extends ContractOptions {
  readonly bounded?: (maxKeys: number) => MaybePromise<RateLimitStore>;
}
declare const rateLimitStoreContractRules: readonly string[];
declare function verifyRateLimitStoreContract(makeStore: () => MaybePromise<RateLimitStore>, options?: RateLimitStoreContractOptions): Promise<ContractReport>;
interface RateLimiterContractOptions extends ContractOptions {
  readonly bounded?: (policy: TokenBucketPolicy, maxKeys: number) => MaybePromise<RateLimiter>;
}
declare const rateLimiterContractRules: readonly string[];
declare function verifyRateLimiterContract(makeLimiter: (policy: TokenBucketPolicy) => MaybePromise<RateLimiter>, options?: RateLimiterContractOptions): Promise<ContractReport>;
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
interface StoreContractOptions extends ContractOptions {
  readonly foreign?: (key: string, text: string) => MaybePromise<void>;
  readonly prefixed?: (prefix: string) => MaybePromise<StitchStore>;
  readonly bounded?: (maxEntries: number) => MaybePromise<StitchStore>;
}
declare const storeContractRules: readonly string[];
declare function verifyStoreContract(makeStore: () => MaybePromise<StitchStore>, options?: StoreContractOptions): Promise<ContractReport>;
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
type StandardErrorCode = "UNAUTHENTICATED" | "PERMISSION_DENIED" | "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "NOT_FOUND" | "ALREADY_EXISTS" | "UNIMPLEMENTED" | "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "INTERNAL";
type ErrorCode = StandardErrorCode | (string & {});
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
interface Issue$1 {
  readonly path: readonly string[];
  readonly message: string;
}
type Validated = {
  readonly issues?: undefined;
  readonly value: unknown;
} | {
  readonly issues: readonly Issue$1[];
};
type Validator$1 = (value: unknown) => MaybePromise<Validated>;
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
type Member$1<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : undefined;
type PayloadInput<D> = Member$1<Types<D>, "in">;
type PayloadOutput<D> = Member$1<Types<D>, "out">;
type MetaInput<D> = Member$1<Types<D>, "metaIn">;
type MetaOutput<D> = Member$1<Types<D>, "metaOut">;
type ProgressInput<D> = Member$1<Types<D>, "progressIn">;
type ResponseOf<D> = D extends {
  readonly response: infer R;
} ? R : never;
interface CompiledMessage extends MessageDescriptor {
  readonly payload: Validator$1 | undefined;
  readonly meta: Validator$1 | undefined;
  readonly metaKeys: ReadonlySet<string> | undefined;
  readonly progress?: Validator$1;
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
  readonly onAuth?: (ctx: AuthContext$1<Data>) => MaybePromise<unknown>;
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
interface CloseContext<Data = ConnectionData> extends BaseContext<Data> {
  readonly code: number;
  readonly reason: string;
}
interface AuthContext$1<Data = ConnectionData> extends BaseContext<Data> {
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
interface Refusal {
  readonly refused: true;
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;
}
interface AsyncApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}
type AsyncApiDocument = Readonly<Record<string, unknown>>;
interface PluginSpec<Adds extends object = object> {
  readonly name: string;
  readonly context?: { readonly [K in keyof Adds]: (ctx: MiddlewareContext<never>) => Adds[K] };
  readonly setup?: (router: Router<never, never>) => void;
}
type Plugin<Adds extends object = object> = (PluginSpec<Adds> | ((router: Router<never, never>) => void)) & {
  readonly "~adds"?: Adds;
};
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
  onAuth(hook: (ctx: AuthContext$1<Data>) => MaybePromise<unknown>): Router<Data, Ext>;
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
interface DrivenSocketClock extends Clock {
  advance(ms: number): unknown;
  advanceAsync?(ms: number): Promise<void>;
}
interface TestRouterOptions<Data = ConnectionData> extends ServerOptions<Data> {
  readonly clock?: Clock;
}
interface TestConnectOptions {
  readonly data?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly ip?: string;
  readonly protocols?: readonly string[];
}
interface TestFrame {
  readonly type: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly payload?: unknown;
}
interface TestConnection {
  readonly clientId: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly topics: ReadonlySet<string>;
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D, object>): void;
  sendRaw(data: string | Uint8Array): void;
  request<D extends AnyRpc>(descriptor: D, ...args: SendArgs<D, {
    readonly correlationId?: string;
  }>): Promise<PayloadOutput<ResponseOf<D>>>;
  outgoing(type?: string): TestFrame[];
  take(): TestFrame[];
  close(code?: number, reason?: string): Promise<void>;
  drop(): Promise<void>;
  stall(): void;
  resume(): void;
  readonly closed: {
    readonly code: number;
    readonly reason: string;
  } | undefined;
}
interface TestRouter {
  connect(options?: TestConnectOptions): Promise<TestConnection>;
  settle(): Promise<void>;
  readonly connections: number;
  close(options?: {
    readonly drainMs?: number;
  }): Promise<void>;
}
declare class HandshakeRefused extends Error {
  readonly status: number;
  readonly code: string;
  constructor({
    status,
    code,
    title
  }: Refusal);
}
declare function createTestRouter<Data = ConnectionData>(router: RouterOf<Data> | (() => RouterOf<Data>), options?: TestRouterOptions<Data>): TestRouter;
type AdapterBody = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null;
interface AdapterRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AdapterBody;
  readonly signal: AbortSignal;
  onCancel(listener: (reason: unknown) => void): () => void;
  readonly stream: boolean;
  readonly maxResponseBytes: number | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly publicOnly: boolean;
  readonly mayFollow: boolean;
  onSending(): void;
  onHeaders(status: number): void;
}
type AdapterHeaders = Readonly<Record<string, string | readonly string[] | undefined>> | Headers | readonly string[];
interface AdapterResponse {
  readonly status: number;
  readonly headers?: AdapterHeaders;
  readonly body?: Uint8Array | ReadableStream<Uint8Array> | string | null;
  readonly url?: string | undefined;
}
interface AdapterCapabilities {
  readonly stream: boolean;
  readonly uploadProgress: boolean;
  readonly http2: boolean;
  readonly sending: boolean;
  readonly redirects: boolean;
}
interface Adapter {
  (request: AdapterRequest): Promise<AdapterResponse>;
  readonly capabilities?: Partial<AdapterCapabilities>;
  close?(): Promise<void>;
}
interface MockResponse {
  readonly status?: number;
  readonly headers?: AdapterHeaders;
  readonly body?: unknown;
  readonly stream?: Iterable<string | Uint8Array | Error> | AsyncIterable<string | Uint8Array | Error>;
  readonly delayMs?: number;
  readonly error?: unknown;
}
interface MockRoute {
  readonly method?: string;
  readonly match?: string | RegExp | ((request: AdapterRequest) => boolean);
  readonly respond: MockResponse | readonly MockResponse[] | ((request: AdapterRequest, nth: number) => MockResponse | Promise<MockResponse>);
}
interface MockCall {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AdapterRequest["body"];
}
interface MockAdapter extends Adapter {
  readonly calls: readonly MockCall[];
  readonly callCount: number;
  readonly lastRequest: MockCall | undefined;
  readonly inFlight: number;
  reset(): void;
}
interface MockAdapterOptions {
  readonly onUnmatched?: "throw" | MockResponse;
  readonly clock?: Clock;
}
declare function mockAdapter(routes: readonly MockRoute[] | MockRoute, options?: MockAdapterOptions): MockAdapter;
type ConformanceRuntime = "node" | "bun" | "deno" | "workerd";
declare function currentRuntime(): ConformanceRuntime;
declare function conformanceRouter(options?: RouterOptions): Router;
declare function conformanceAuthenticate(request: Request): {
  name: string;
} | undefined;
interface ClientSocketLike {
  binaryType: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "close" | "error", listener: (event: never) => void): void;
}
interface SocketsConformanceOptions {
  readonly url: string;
  readonly runtime: ConformanceRuntime;
  readonly connect: (url: string, protocols?: readonly string[]) => ClientSocketLike;
  readonly codec?: Codec;
}
interface SocketsConformanceReport {
  readonly runtime: string;
  readonly ok: boolean;
  readonly passed: readonly string[];
  readonly violations: readonly {
    readonly rule: string;
    readonly detail: string;
  }[];
  readonly transcript: Readonly<Record<string, readonly string[]>>;
}
declare function runSocketsConformance(options: SocketsConformanceOptions): Promise<SocketsConformanceReport>;
declare function assertSocketsConformance(options: SocketsConformanceOptions): Promise<SocketsConformanceReport>;
interface SseMessage {
  readonly data?: unknown;
  readonly event?: string;
  readonly id?: string;
  readonly retry?: number;
  readonly comment?: string;
}
declare function sseBody(messages: readonly (string | SseMessage | Error)[]): MockResponse;
declare function truncatedBody(whole: string | Uint8Array, keepBytes: number, headers?: Readonly<Record<string, string>>): MockResponse;
declare function adapterContractHandler(request: Request): Promise<Response>;
interface AdapterContractOptions extends ContractOptions {
  readonly baseUrl: string;
}
declare const adapterContractRules: readonly string[];
declare function verifyAdapterContract(adapter: Adapter, options: AdapterContractOptions): Promise<ContractReport>;
interface AuthLike {
  readonly name: string;
  readonly marks?: {
    readonly header?: string;
    readonly query?: string;
    readonly cookie?: string;
  };
  apply(request: never, context: never): unknown;
  shouldRefresh?(response: never, context: never): boolean;
  refresh?(context: never): unknown;
}
interface AuthContractOptions extends ContractOptions {
  readonly adapter?: Adapter;
  readonly timers?: Clock;
  readonly principal?: string;
  readonly secret?: string;
  readonly refusal?: number;
}
declare const authContractRules: readonly string[];
declare function verifyAuthContract(strategy: AuthLike, options?: AuthContractOptions): Promise<ContractReport>;
interface SinkLike {
  handle(event: never, context: never): unknown;
  flush?(): unknown;
  close?(): unknown;
  readonly payloads?: boolean;
  readonly maxBodyBytes?: number;
}
declare const sinkContractRules: readonly string[];
declare function verifySinkContract(makeSink: () => SinkLike | Promise<SinkLike>, options?: ContractOptions): Promise<ContractReport>;
declare const STITCH_ERROR_CODES: readonly ["CONFIG_INVALID", "INPUT_INVALID", "OUTPUT_INVALID", "HTTP_STATUS", "RESPONSE_REJECTED", "RATE_LIMITED", "THROTTLED", "TIMEOUT", "ABORTED", "NETWORK", "TLS", "BODY_TRUNCATED", "PROTOCOL_ERROR", "REDIRECT_REFUSED", "TOO_MANY_REDIRECTS", "RESPONSE_TOO_LARGE", "PARSE_FAILED", "BODY_NOT_REPLAYABLE", "CIRCUIT_OPEN", "ALL_FAILED", "PAGINATION_LOOP", "GRAPHQL_ERRORS", "AUTH_FAILED", "LOAD_FAILED", "STORE_UNAVAILABLE", "STORE_CAPABILITY", "STORE_WRONG_TYPE", "STORE_UNSERIALIZABLE", "STORE_VALUE_TOO_LARGE", "STORE_CONTENTION", "STORE_FULL", "CLOSED"];
type StitchErrorCode = (typeof STITCH_ERROR_CODES)[number];
type TimeoutPhase = "total" | "attempt" | "idle" | "connect" | "auth" | "throttle" | "store";
type AuthFailure = "invalid-credentials" | "rate-limited" | "network" | "protocol";
interface Issue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}
interface StitchErrorFacts {
  readonly stitch?: string;
  readonly method?: string;
  readonly url?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  readonly attempts?: number;
  readonly elapsedMs?: number;
  readonly sent?: boolean | "unknown";
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly phase?: TimeoutPhase;
  readonly issues?: readonly Issue[];
  readonly errors?: readonly unknown[];
  readonly data?: unknown;
  readonly category?: AuthFailure;
  readonly step?: "apply" | "refresh";
  readonly budgetExhausted?: boolean;
  readonly idempotencyKey?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly cause?: unknown;
}
interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
}
declare class StitchError extends SluiceError<StitchErrorCode> {
  readonly stitch: string | undefined;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly body: unknown;
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly sent: boolean | "unknown";
  readonly retryable: boolean;
  readonly phase: TimeoutPhase | undefined;
  readonly issues: readonly Issue[] | undefined;
  readonly errors: readonly unknown[] | undefined;
  readonly data: unknown;
  readonly category: AuthFailure | undefined;
  readonly step: "apply" | "refresh" | undefined;
  readonly budgetExhausted: boolean | undefined;
  readonly idempotencyKey: string | undefined;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  constructor(code: StitchErrorCode, message: string, facts?: StitchErrorFacts);
  get name(): string;
  toJSON(): Record<string, unknown>;
  toProblem(): Problem;
}
interface EventBase {
  readonly at: number;
  readonly elapsedMs: number;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attempt: number;
}
type ProgressPhase = "cache" | "throttled" | "auth" | "request" | "response" | "retry" | "hedge" | "reconnect" | "paginate" | "circuit";
interface Finding {
  readonly kind: "undeclared" | "coerced" | "defaulted" | "missing" | "invalid" | "flag";
  readonly severity: "verbose" | "info" | "warn" | "error";
  readonly path: string;
  readonly sample?: string;
}
type ResultSource = "live" | "cache" | "stale" | "revalidated" | "shared";
type EventFacts = {
  readonly type: "start";
  readonly method: string;
  readonly url: string;
} | {
  readonly type: "progress";
  readonly phase: ProgressPhase;
  readonly waitedMs?: number;
  readonly delayMs?: number;
  readonly status?: number;
  readonly detail?: string;
  readonly direction?: "upload" | "download";
  readonly loadedBytes?: number;
  readonly totalBytes?: number;
} | {
  readonly type: "info";
  readonly topic: string;
  readonly detail: string;
} | {
  readonly type: "drift";
  readonly finding: Finding;
} | {
  readonly type: "delta";
  readonly data: unknown;
  readonly id?: string;
  readonly event?: string;
} | {
  readonly type: "result";
  readonly data: unknown;
  readonly status: number;
  readonly source: ResultSource;
} | {
  readonly type: "error";
  readonly code: StitchErrorCode;
  readonly status?: number;
  readonly retryAfterMs?: number;
} | {
  readonly type: "done";
  readonly ok: boolean;
  readonly attempts: number;
};
type StitchEvent = EventBase & EventFacts;
interface SinkContext {
  readonly method: string;
  readonly template: string;
  readonly url: string;
  readonly principal: boolean;
  readonly requestBody?: string;
  readonly responseBody?: string;
  readonly error?: unknown;
}
interface TraceSink {
  handle(event: StitchEvent, context: SinkContext): void | Promise<void>;
  flush?(): void | Promise<void>;
  close?(): void | Promise<void>;
  readonly payloads?: boolean;
  readonly maxBodyBytes?: number;
}
type SafeResult<Out> = {
  readonly ok: true;
  readonly data: Out;
} | {
  readonly ok: false;
  readonly error: StitchError;
};
interface StitchResult<Out> extends PromiseLike<Out> {
  stream(): AsyncGenerator<StitchEvent, void, undefined>;
  safe(): Promise<SafeResult<Out>>;
  catch<T = never>(onRejected?: ((error: StitchError) => T | PromiseLike<T>) | null): Promise<Out | T>;
  finally(onFinally?: (() => void) | null): Promise<Out>;
}
interface CollectingSink extends TraceSink {
  readonly events: readonly StitchEvent[];
  readonly contexts: readonly SinkContext[];
  reset(): void;
}
declare function collectEvents(): CollectingSink;
declare function collectEvents(source: StitchResult<unknown> | AsyncIterable<StitchEvent>): Promise<StitchEvent[]>;
type Fields = Record<string, string>;
type ResponseFields = Readonly<Record<string, string | readonly string[]>>;
interface GuardEvent {
  readonly type: "store.down" | "store.up" | "store.error";
  readonly store: string;
  readonly code: string;
  readonly suppressed: number;
}
type Backoff = "exponential" | "linear" | "constant";
type Jitter = "full" | "equal" | "none";
interface RetryContext {
  readonly status?: number;
  readonly error?: unknown;
  readonly attempt: number;
  readonly method: string;
  readonly elapsedMs: number;
}
interface RetryOptions {
  readonly attempts?: number;
  readonly on?: readonly number[] | ((context: RetryContext) => boolean);
  readonly methods?: readonly string[];
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: Jitter;
  readonly respectRetryAfter?: boolean;
  readonly maxRetryAfterMs?: number;
  readonly budget?: false | {
    readonly ratio?: number;
    readonly minPerSecond?: number;
    readonly scope?: "stitch" | "seam";
  };
}
interface TimeoutOptions {
  readonly totalMs?: number | false;
  readonly attemptMs?: number | false;
  readonly idleMs?: number | false;
  readonly connectMs?: number;
}
interface ThrottleOptions {
  readonly rate?: string;
  readonly burst?: number;
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly pool?: "stitch" | "host";
  readonly cost?: (input: CallInput) => number;
  readonly key?: (input: CallInput) => string;
  readonly maxWaitMs?: number;
  readonly maxQueue?: number;
  readonly feedback?: false | {
    readonly on?: readonly number[];
    readonly rateLimitFields?: boolean;
    readonly maxPauseMs?: number;
  };
  readonly mode?: "wait" | "reject";
}
interface CircuitOptions {
  readonly failureThreshold?: number;
  readonly windowMs?: number;
  readonly cooldownMs?: number;
  readonly halfOpenMax?: number;
  readonly failureRate?: number;
  readonly minimumThroughput?: number;
  readonly slowMs?: number;
  readonly key?: string;
  readonly pool?: "stitch" | "host";
  readonly isFailure?: (outcome: {
    readonly status?: number;
    readonly error?: unknown;
  }) => boolean;
}
interface HedgeOptions {
  readonly delayMs: number | "p95";
  readonly max?: number;
}
interface IdempotencyOptions {
  readonly header?: string;
  readonly key?: (input: CallInput) => string;
  readonly methods?: readonly string[];
}
interface CacheOptions {
  readonly ttlMs?: number;
  readonly mode?: "http" | "ttl";
  readonly methods?: readonly string[];
  readonly tenancy?: "principal" | "app";
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  readonly coalesce?: "process" | "cluster" | false;
  readonly negativeTtlMs?: number;
  readonly version?: string | number;
  readonly maxBodyBytes?: number;
  readonly maxEntries?: number;
}
type FailMode = "local" | "open" | "closed";
interface FailModes {
  readonly throttle?: FailMode;
  readonly circuit?: FailMode;
  readonly cache?: "open" | "closed";
  readonly tokens?: "local" | "closed";
  readonly lock?: "open" | "closed";
}
interface RetryRules {
  readonly attempts: number;
  readonly on: ReadonlySet<number> | ((context: RetryContext) => boolean);
  readonly methods: ReadonlySet<string>;
  readonly backoff: {
    readonly backoff: Backoff;
    readonly baseDelayMs: number;
    readonly maxDelayMs: number;
    readonly jitter: Jitter;
  };
  readonly respectRetryAfter: boolean;
  readonly maxRetryAfterMs: number;
  readonly budget: false | {
    readonly ratio: number;
    readonly minPerSecond: number;
    readonly scope: "stitch" | "seam";
  };
}
interface TimeoutRules {
  readonly totalMs: number;
  readonly attemptMs: number;
  readonly idleMs: number;
  readonly connectMs: number | undefined;
  readonly explicitTotal: boolean;
}
interface IdempotencyRules {
  readonly header: string;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly methods: ReadonlySet<string>;
}
interface HedgeRules {
  readonly delayMs: number | "p95";
  readonly max: number;
}
type StoreFeature = "throttle" | "circuit" | "cache" | "tokens" | "lock";
interface StoreAccessOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly failMode: FailModes;
  readonly onChange: (event: GuardEvent) => void;
}
type PaceCommand = {
  readonly spacingMs: number;
  readonly burst: number;
  readonly cost: number;
  readonly maxWaitMs: number | undefined;
} | {
  readonly refund: LimitTicket;
  readonly spacingMs: number;
  readonly burst: number;
} | {
  readonly pauseMs: number;
  readonly spacingMs: number;
  readonly burst: number;
};
declare class StoreAccess {
  #private;
  readonly shared: boolean;
  readonly store: StitchStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly modes: Required<FailModes>;
  constructor(store: StitchStore | undefined, options: StoreAccessOptions);
  get(feature: StoreFeature, key: string): Promise<unknown>;
  set(feature: StoreFeature, key: string, value: unknown, ttlMs?: number): Promise<void>;
  compareAndSet(feature: StoreFeature, key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean>;
  reserve(key: string, command: PaceCommand): Promise<CursorReply>;
  get paces(): boolean;
  lease(key: string, token: string, limit: number, ttlMs: number): Promise<LeaseReply>;
  release(key: string, token: string): Promise<boolean>;
  run<R>(algorithm: Algorithm<unknown, unknown, R>, key: string, command: unknown): Promise<R>;
  guarded<T>(operation: string, run: () => MaybePromise<T>): Promise<T>;
  use<T>(feature: StoreFeature, operation: string, run: (store: StitchStore) => MaybePromise<T>, without: () => T): Promise<T>;
  exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T>;
  close(): Promise<void>;
  get timeoutMs(): number;
}
interface Encryption {
  encrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  decrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
}
interface Vault {
  key(...parts: readonly (string | undefined)[]): string;
  read(key: string): Promise<{
    readonly value: unknown;
    readonly stored: unknown;
  }>;
  write(key: string, value: unknown, ttlMs?: number): Promise<void>;
  replace(key: string, stored: unknown, value: unknown, ttlMs?: number): Promise<boolean>;
  delete(key: string): Promise<void>;
  exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T>;
}
interface SecretContext {
  readonly signal: AbortSignal;
  readonly principal: string | undefined;
}
interface AuthContext extends SecretContext {
  readonly vault: Vault;
  readonly clock: Clock;
  readonly adapter: Adapter;
  readonly stitch: string;
  hide(secret: string): void;
  info(topic: string, detail: string): void;
  memo: unknown;
  readonly random: {
    next(): number;
    uuid(): string;
  };
  background(work: Promise<unknown>): void;
}
interface AuthResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface AuthStrategy {
  readonly name: string;
  readonly origins?: readonly string[];
  readonly marks?: {
    readonly header?: string;
    readonly query?: string;
    readonly cookie?: string;
  };
  readonly scheme?: Readonly<Record<string, unknown>>;
  apply(request: HookRequest, context: AuthContext): MaybePromise<void>;
  learn?(response: AuthResponse, context: AuthContext): MaybePromise<void>;
  shouldRefresh?(response: AuthResponse, context: AuthContext): boolean;
  refresh?(context: AuthContext): MaybePromise<void>;
  attach?(open: (principal: string | undefined) => Promise<AuthContext>): void;
  check?(facts: {
    readonly method: string;
    readonly streams: boolean;
  }): void;
}
interface PageFacts {
  readonly data: unknown;
  readonly body: unknown;
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface PageState {
  readonly index: number;
  readonly items: number;
  readonly input: CallInput;
  readonly first: CallInput;
}
interface Paginator {
  readonly next: (page: PageFacts, state: PageState) => CallInput | undefined | Promise<CallInput | undefined>;
  readonly items?: (page: PageFacts) => readonly unknown[];
  readonly begin?: (input: CallInput) => CallInput;
  readonly maxPages?: number;
  readonly maxItems?: number;
}
interface Page<Out = unknown> {
  readonly data: Out;
  readonly items: readonly unknown[];
  readonly index: number;
  readonly resume: unknown;
}
interface RedactOptions {
  readonly headers?: readonly string[];
  readonly query?: readonly string[];
  readonly fields?: readonly string[];
}
declare class Redactor {
  #private;
  constructor(options: RedactOptions | undefined);
  hide(where: "header" | "query", name: string): void;
  learn(secret: string): void;
  get knowsSecrets(): boolean;
  hidesHeader(name: string): boolean;
  hidesQuery(name: string): boolean;
  hidesField(name: string): boolean;
  text(text: string, ofCall?: readonly string[]): string;
  url(url: string): string;
  value(value: unknown, depth?: number): unknown;
  under(kind: "header" | "query" | "field", record: unknown): string[];
  cause(cause: unknown, ofCall?: readonly string[]): unknown;
}
interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: {
      readonly input: Input;
      readonly output: Output;
    } | undefined;
  };
}
type SchemaResult<Output> = {
  readonly value: Output;
  readonly issues?: undefined;
} | {
  readonly issues: readonly SchemaIssue[];
};
interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | {
    readonly key: PropertyKey;
  })[] | undefined;
}
type Validator<T = unknown> = StandardSchema<unknown, T> | ((value: unknown) => boolean) | ((value: unknown) => value is T);
type ArrayFormat = "repeat" | "indices" | "brackets" | "comma";
type StitchKind = "http" | "graphql" | "sse" | "stream";
type BodyKind = "json" | "form" | "multipart" | "text" | "bytes" | "auto";
type ResponseKind = "auto" | "json" | "text" | "bytes" | "blob" | "raw";
interface CallInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>> | Headers | readonly (readonly [string, string])[];
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly direction: "upload" | "download";
    readonly loadedBytes: number;
    readonly totalBytes?: number;
  }) => void;
  readonly idempotencyKey?: string;
  readonly cost?: number;
  readonly resume?: unknown;
}
interface HookRequest {
  url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly attempt: number;
}
interface HookResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface Hooks {
  readonly onRequest?: (request: HookRequest) => unknown;
  readonly onResponse?: (response: HookResponse, request: HookRequest) => unknown;
  readonly onRetry?: (info: {
    readonly attempt: number;
    readonly delayMs: number;
    readonly status?: number;
    readonly error?: unknown;
  }) => unknown;
  readonly onError?: (error: StitchError) => unknown;
}
interface SseOptions {
  readonly reconnect?: boolean;
  readonly attempts?: number;
  readonly delayMs?: number;
  readonly lastEventId?: string;
  readonly parse?: "auto" | "json" | "text";
}
interface StreamOptions {
  readonly decode?: "ndjson" | "lines" | "bytes" | "json";
  readonly resume?: boolean;
}
interface SharedConfig {
  readonly name?: string;
  readonly kind?: StitchKind;
  readonly baseUrl?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: BodyKind;
  readonly response?: ResponseKind;
  readonly arrayFormat?: ArrayFormat;
  readonly operationName?: string;
  readonly partial?: boolean;
  readonly persisted?: boolean;
  readonly useGet?: boolean;
  readonly sse?: SseOptions;
  readonly stream?: StreamOptions;
  readonly auth?: AuthStrategy;
  readonly throttle?: string | ThrottleOptions | false;
  readonly retry?: number | RetryOptions | false;
  readonly timeout?: number | TimeoutOptions | false;
  readonly circuit?: CircuitOptions | true | false;
  readonly hedge?: HedgeOptions | false;
  readonly idempotency?: true | IdempotencyOptions | false;
  readonly cache?: number | CacheOptions | false;
  readonly acceptStatus?: number | readonly number[] | ((status: number) => boolean);
  readonly flag?: string;
  readonly sensitive?: boolean;
  readonly maxResponseBytes?: number;
  readonly redirect?: {
    readonly max?: number;
    readonly crossOrigin?: "strip" | "refuse";
  };
  readonly trace?: TraceSink | readonly TraceSink[] | false;
  readonly propagate?: false | "same-seam" | ((url: string) => boolean);
  readonly hooks?: Hooks;
  readonly extends?: readonly Partial<StitchConfig>[];
  readonly adapter?: Adapter;
  readonly store?: StitchStore;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly redact?: RedactOptions;
}
interface StitchConfig extends SharedConfig {
  readonly method?: string;
  readonly url?: string | (() => string);
  readonly path?: string;
  readonly document?: string;
  readonly input?: { readonly [Slot in "params" | "query" | "body" | "headers" | "variables"]?: Validator };
  readonly output?: Validator;
  readonly transform?: (body: never, response: {
    readonly status: number;
    readonly headers: ResponseFields;
  }) => unknown;
  readonly pick?: string;
  readonly paginate?: Paginator;
}
interface SeamConfig extends SharedConfig {
  readonly secretStore?: StitchStore;
  readonly encryption?: Encryption;
  readonly failMode?: FailModes;
  readonly storeTimeoutMs?: number;
  readonly allowHosts?: readonly string[];
  readonly denyPrivate?: boolean;
}
interface RetryBudget {
  first(): void;
  take(): boolean;
}
interface ThrottleRules {
  readonly spacingMs: number | undefined;
  readonly burst: number;
  readonly concurrency: number | undefined;
  readonly leaseMs: number;
  readonly pool: "stitch" | "host";
  readonly cost: ((input: CallInput) => number) | undefined;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly maxWaitMs: number;
  readonly maxQueue: number;
  readonly feedback: {
    readonly on: ReadonlySet<number>;
    readonly rateLimitFields: boolean;
    readonly maxPauseMs: number;
  } | undefined;
  readonly mode: "wait" | "reject";
}
interface CircuitRules {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly resetTimeoutMs: number;
  readonly halfOpenMax: number;
  readonly failureRate: number | undefined;
  readonly minimumThroughput: number;
  readonly slowMs: number | undefined;
  readonly key: string | undefined;
  readonly pool: "stitch" | "host";
  readonly isFailure: CircuitOptions["isFailure"];
}
interface CacheRules {
  readonly ttlMs: number | undefined;
  readonly mode: "http" | "ttl";
  readonly methods: ReadonlySet<string>;
  readonly tenancy: "principal" | "app";
  readonly explicitTenancy: boolean;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
  readonly coalesce: "process" | "cluster" | false;
  readonly negativeTtlMs: number | undefined;
  readonly version: string;
  readonly maxBodyBytes: number;
  readonly maxEntries: number;
}
declare class SinkLines {
  #private;
  readonly payloads: boolean;
  readonly maxBodyBytes: number;
  constructor(sinks: readonly TraceSink[]);
  get dropped(): number;
  keepRequest(call: Call, text: string | undefined): void;
  keepResponse(call: Call, bytes: Uint8Array): void;
  send(call: Call, told: StitchEvent, error: unknown): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}
declare class Scope extends Deadline {
  #private;
  cancelled: {
    readonly reason: unknown;
  } | undefined;
  constructor(deadlines: Deadlines, clock: Clock, onExpire: () => unknown, parent?: Scope);
  limit(ms: number): void;
  unlimit(): void;
  get remainingMs(): number;
  expire(): void;
  cancel(reason: unknown): void;
  end(): void;
  onCancel(listener: (reason: unknown) => void): () => void;
  get signal(): AbortSignal;
  throwIfCancelled(): void;
  bound<T>(value: MaybePromise<T>): MaybePromise<T>;
  sleep(ms: number): Promise<void>;
}
interface FeedbackResponse {
  readonly status: number;
  get(name: string): string | undefined;
}
interface Place {
  release(): void;
}
interface Turn {
  readonly waitedMs: number;
  refund(): void;
}
declare class Throttle {
  #private;
  readonly rules: ThrottleRules;
  constructor(name: string, rules: ThrottleRules, access: StoreAccess | undefined, clock: Clock, random: Random);
  keyOf(input: CallInput, host: string): string;
  costOf(input: CallInput): number;
  turn(key: string, cost: number, scope: Scope, onWait: (waitMs: number) => void): MaybePromise<Turn>;
  tryTurn(key: string, cost: number): MaybePromise<boolean>;
  place(key: string, scope: Scope, onWait: () => void): MaybePromise<Place>;
  heard(key: string, response: FeedbackResponse): number;
}
interface Member {
  readonly name: string;
  readonly stitch: unknown;
  invalidate(principal: string | undefined): Promise<void>;
}
declare class Runtime {
  #private;
  private readonly features;
  readonly adapter: Adapter;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly store: StitchStore | undefined;
  sinks: SinkLines | undefined;
  readonly config: SeamConfig;
  readonly seamName: string | undefined;
  readonly origin: string | undefined;
  readonly throttleRules: ThrottleRules | undefined;
  readonly members: Member[];
  readonly caches: Set<{
    dropUrl(call: Call, url: string): Promise<void>;
  }>;
  readonly onStoreChange: Set<(event: GuardEvent) => void>;
  constructor(config: SeamConfig, facts: {
    readonly seamName?: string;
    readonly origin?: string;
    readonly throttle?: ThrottleRules;
  });
  openSinks(): MaybePromise<void>;
  get closed(): boolean;
  join(member: Member): void;
  enter(): void;
  leave(): void;
  background(work: Promise<unknown>): void;
  access(): MaybePromise<StoreAccess>;
  vault(encryption?: Encryption | undefined): MaybePromise<Vault>;
  throttle(): MaybePromise<Throttle> | undefined;
  makeThrottle(name: string | undefined, rules: ThrottleRules): MaybePromise<Throttle>;
  budget(rules: Exclude<RetryRules["budget"], false>): RetryBudget;
  owns(adapter: Adapter): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}
type Path = readonly string[];
interface Expanded {
  readonly pathname: string;
  readonly search: string;
}
interface UrlTemplate {
  readonly text: string;
  readonly origin: string;
  readonly variables: ReadonlyMap<string, boolean>;
  readonly query: readonly (readonly [name: string, value: string])[];
  expand(params: Readonly<Record<string, unknown>> | undefined, runtime: Runtime): MaybePromise<Expanded>;
}
type InputSlot = "params" | "query" | "body" | "headers" | "variables";
interface Plan {
  readonly config: StitchConfig;
  readonly runtime: Runtime;
  readonly adapter: Adapter;
  readonly name: string;
  readonly kind: StitchKind;
  readonly method: string;
  readonly template: UrlTemplate | undefined;
  readonly urlOf: (() => string) | undefined;
  readonly headers: Fields;
  readonly query: Readonly<Record<string, unknown>>;
  readonly staticSearch: string;
  readonly bodyKind: BodyKind;
  readonly responseKind: ResponseKind;
  readonly arrayFormat: ArrayFormat;
  readonly input: Readonly<Partial<Record<InputSlot, Validator>>> | undefined;
  readonly output: Validator | undefined;
  readonly transform: StitchConfig["transform"];
  readonly pick: Path | undefined;
  readonly flag: Path | undefined;
  readonly retry: RetryRules;
  readonly budget: RetryBudget | undefined;
  readonly timeout: TimeoutRules;
  readonly throttle: ThrottleRules | undefined;
  readonly circuit: CircuitRules | undefined;
  readonly hedge: HedgeRules | undefined;
  readonly idempotency: IdempotencyRules | undefined;
  readonly cache: CacheRules | undefined;
  readonly accept: (status: number) => boolean;
  readonly explicitAccept: boolean;
  readonly sensitive: boolean;
  readonly maxResponseBytes: number;
  readonly redirect: {
    readonly max: number;
    readonly crossOrigin: "strip" | "refuse";
  };
  readonly propagate: false | "same-seam" | ((url: string) => boolean);
  readonly hooks: Hooks;
  readonly auth: AuthStrategy | undefined;
  readonly redactor: Redactor;
  readonly streams: boolean;
  readonly repeatable: boolean;
  readonly guarded: boolean;
}
interface TraceParent {
  readonly traceId: string;
  readonly spanId: string | undefined;
  readonly flags: number;
  readonly tracestate: string | undefined;
}
interface CallContext {
  readonly principal?: string;
  readonly parent?: TraceParent;
  readonly scope?: Scope;
  readonly bypassCache?: boolean;
  readonly inspect?: boolean;
  readonly onAnswer?: (response: {
    readonly status: number;
    readonly headers: ResponseFields;
    readonly url: string;
  }) => void;
}
declare class Call {
  #private;
  readonly plan: Plan;
  readonly runtime: Runtime;
  readonly input: CallInput;
  readonly context: CallContext;
  readonly scope: Scope;
  readonly startedAt: number;
  attempts: number;
  waitedMs: number;
  sent: boolean | "unknown";
  phase: TimeoutPhase;
  source: ResultSource;
  findings: Finding[] | undefined;
  status: number | undefined;
  shownUrl: string | undefined;
  idempotencyKey: string | undefined;
  requestBody: string | undefined;
  responseBody: string | undefined;
  listener: ((event: StitchEvent) => void) | undefined;
  last: {
    status: number;
    headers: unknown;
    raw: unknown;
  } | undefined;
  truncated: boolean;
  constructor(plan: Plan, input: CallInput, context: CallContext);
  get principal(): string | undefined;
  get traceId(): string;
  get spanId(): string;
  get elapsedMs(): number;
  get watched(): boolean;
  emit(facts: EventFacts, error?: unknown): void;
  find(finding: Finding): void;
  timeout(phase: TimeoutPhase): StitchError;
  fail(error: unknown): StitchError;
  end(): void;
}
type Args<In> = Record<never, never> extends In ? [input?: In] : [input: In];
interface Inspection<Out> {
  readonly ok: boolean;
  readonly data?: Out;
  readonly raw?: unknown;
  readonly status?: number;
  readonly headers?: ResponseFields;
  readonly error?: StitchError;
  readonly findings: readonly Finding[];
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly waitedMs: number;
  readonly source: ResultSource;
  readonly truncated?: boolean;
}
declare const INVOKE: unique symbol;
declare const PLAN: unique symbol;
interface Stitch<Out = unknown, In = CallInput> {
  (...input: Args<In>): StitchResult<Out>;
  stream(...input: Args<In>): AsyncGenerator<StitchEvent, void, undefined>;
  safe(...input: Args<In>): Promise<SafeResult<Out>>;
  inspect(input?: In, options?: {
    readonly cache?: boolean;
  }): Promise<Inspection<Out>>;
  pages(...input: Args<In>): AsyncGenerator<Page<Out>, void, undefined>;
  with<const P extends Partial<In>>(input: P & Record<Exclude<keyof P, keyof In>, never>): Stitch<Out, Omit<In, keyof P> & Partial<Pick<In, keyof P & keyof In>>>;
  invalidate(input?: In): Promise<void>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly [INVOKE]: (input: CallInput | undefined, context: CallContext) => StitchResult<Out>;
  readonly [PLAN]: Plan;
}
type StubStitch<Out, In> = Stitch<Out, In> & {
  readonly calls: readonly In[];
  reset(): void;
};
interface StubOptions {
  readonly name?: string;
  readonly config?: Partial<StitchConfig>;
}
declare function stubStitch<Out, In = CallInput>(answer: Out | ((input: In, nth: number) => Out | Promise<Out>), options?: StubOptions): StubStitch<Out, In>;
declare function failStitch<In = CallInput>(error: StitchError | StitchErrorCode, facts?: StitchErrorFacts, options?: StubOptions): StubStitch<never, In>;
export { type AdapterContractOptions, type AuthContractOptions, type AuthLike, type CacheStoreContractOptions, type CircuitBreakerStoreContractOptions, type ClientSocketLike, type CollectingSink, type CommandSource, ConformanceError, type ConformanceRuntime, type ContractOptions, type ContractReport, type ContractViolation, type DrivenClock, type DrivenSocketClock, type DriverContractOptions, type FailingStoreOptions, type Fault, type FaultCall, type FaultRule, type FaultScript, HandshakeRefused, type ManualClock, type ManualClockOptions, type MockAdapter, type MockAdapterOptions, type MockCall, type MockResponse, type MockRoute, type PubSubContractOptions, type RateLimitStoreContractOptions, type RateLimiterContractOptions, type ScriptedBatch, type ScriptedDriver, type ScriptedDriverOptions, type SeededRandom, type SinkLike, type SocketsConformanceOptions, type SocketsConformanceReport, type SseMessage, type StoreContractOptions, type StubOptions, type StubStitch, type TestConnectOptions, type TestConnection, type TestFrame, type TestRouter, type TestRouterOptions, type VerifyAlgorithmOptions, adapterContractHandler, adapterContractRules, assertConformance, assertSocketsConformance, authContractRules, cacheStoreContractRules, circuitBreakerStoreContractRules, collectEvents, conformanceAuthenticate, conformanceRouter, createTestRouter, currentRuntime, describeReport, driverContractAlgorithms, driverContractRules, failStitch, failingStore, manualClock, mockAdapter, pubSubContractRules, rateLimitStoreContractRules, rateLimiterContractRules, runSocketsConformance, scriptedDriver, seededRandom, sinkContractRules, sseBody, storeContractRules, stubStitch, truncatedBody, verifyAdapterContract, verifyAlgorithm, verifyAuthContract, verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyPubSubContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifySinkContract, verifyStoreContract };
