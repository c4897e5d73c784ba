// sluice/nats

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
type MaybePromise<T> = T | Promise<T>;
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
type StateErrorCode = "CONFIG_INVALID" | "PAYLOAD_TOO_LARGE" | "STORE_CAPABILITY" | "STORE_CLOSED" | "STORE_CONTENTION" | "STORE_CORRUPT" | "STORE_FULL" | "STORE_OVERFLOW" | "STORE_OVERLOADED" | "STORE_READ_ONLY" | "STORE_SCHEMA" | "STORE_TIMEOUT" | "STORE_UNAVAILABLE" | "STORE_UNSERIALIZABLE" | "STORE_VALUE_TOO_LARGE" | "STORE_WRONG_TYPE";
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
declare class StoreError extends SluiceError<StateErrorCode> {
  get name(): string;
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
type GuardState = "up" | "suspended" | "probing";
interface GuardEvent {
  readonly type: "store.down" | "store.up" | "store.error";
  readonly store: string;
  readonly code: string;
  readonly suppressed: number;
}
interface GuardCallOptions<T = unknown> {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly abortable?: boolean;
  readonly validate?: (value: T) => boolean;
}
interface GuardStats {
  readonly state: GuardState;
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  readonly refused: number;
  readonly inFlight: number;
}
interface Guard {
  readonly name: string;
  readonly state: GuardState;
  readonly events: EventSource<GuardEvent>;
  call<T>(operation: string, run: (signal: AbortSignal | undefined) => MaybePromise<T>, options?: GuardCallOptions<T>): MaybePromise<T>;
  refusal(): StoreError | undefined;
  stats(): GuardStats;
}
interface CombinerOptions {
  readonly maxQueued?: number;
  readonly maxBatchKeys?: number;
  readonly maxBatchCommands?: number;
  readonly lanes?: number;
  readonly timeoutMs?: number;
  readonly guard?: Guard;
  readonly clock?: Clock;
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
interface DriverCacheStore extends CacheStore {
  get(key: string): Promise<Response | undefined>;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  read(key: string): Promise<CacheRecord | undefined>;
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): Promise<void>;
  lock(key: string, lockMs: number): Promise<CacheFill>;
  unlock(key: string, token: string): Promise<void>;
  open(key: string, lockMs: number): Promise<CacheOpening>;
  purge(target: CachePurge): Promise<number>;
  readonly capabilities: DriverCapabilities;
  destroy(): void;
}
interface DriverCircuitBreakerStore extends CircuitBreakerStore {
  acquire(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  isolate(key: string): MaybePromise<CircuitBreakerSnapshot>;
  disable(key: string): MaybePromise<CircuitBreakerSnapshot>;
  readonly capabilities: DriverCapabilities;
}
interface KeyValueStore extends Required<StitchStore> {
  readonly capabilities: DriverCapabilities;
  [Symbol.asyncDispose](): Promise<void>;
}
interface LeaseStats {
  readonly granted: number;
  readonly spent: number;
  readonly returned: number;
  readonly expired: number;
  readonly held: number;
  readonly inFlight: number;
  readonly roundTrips: number;
  readonly deniedCached: number;
  readonly degraded: number;
  readonly epochChanges: number;
}
interface DriverRateLimitStore extends RateLimitStore {
  check(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  reserve(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly capabilities: DriverCapabilities;
  leaseStats?(): LeaseStats;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
interface ClockStep {
  readonly type: "clock.step";
  readonly behindMs: number;
}
interface NatsKvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  readonly created?: Date;
  readonly operation: string;
}
interface NatsKv {
  get(key: string): Promise<NatsKvEntry | null>;
  put(key: string, value: Uint8Array, options?: {
    previousSeq?: number;
  }): Promise<number>;
  delete(key: string, options?: {
    previousSeq?: number;
  }): Promise<void>;
}
interface PubSubGap {
  readonly type: "pubsub.gap";
  readonly channel: string;
  readonly dropped?: number;
  readonly since?: number;
}
interface ChannelHandlersOptions {
  readonly maxQueued?: number;
  readonly onError?: (error: unknown, channel: string) => void;
}
type MessageHandler = (message: unknown) => void | Promise<void>;
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
interface BackendPubSubOptions extends ChannelHandlersOptions {
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}
interface BackendPubSub extends PubSub, PubSubAdapter {
  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: MessageHandler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  unsubscribe(clientId: string, topic: string): Promise<void>;
  list(clientId: string): Promise<string[]>;
  disconnect(clientId: string): Promise<void>;
  start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  readonly events: EventSource<PubSubGap>;
  readonly byChannel: true;
  readonly history: TopicHistory | undefined;
  readonly size: {
    readonly channels: number;
    readonly clients: number;
    readonly routers: number;
  };
}
interface NatsConnectionLike {
  readonly info?: {
    readonly max_payload?: number;
  };
  publish(subject: string, payload: string): void;
  subscribe(subject: string, options: {
    callback: (error: Error | null, message: {
      readonly data: Uint8Array;
    }) => void;
  }): {
    unsubscribe(): void;
  };
  flush(): Promise<void>;
  status(): AsyncIterable<{
    readonly type: string;
  }>;
}
interface NatsPubSubOptions extends BackendPubSubOptions {
  readonly prefix?: string;
}
interface NatsPubSub extends BackendPubSub {}
declare function natsPubSub(connection: NatsConnectionLike, options?: NatsPubSubOptions): NatsPubSub;
interface NatsAdapterOptions {
  readonly kv: NatsKv;
  readonly connection?: NatsConnectionLike;
  readonly prefix?: string;
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  readonly stores?: {
    readonly rateLimit?: boolean;
    readonly circuitBreaker?: boolean;
    readonly cache?: boolean;
    readonly store?: boolean;
    readonly pubsub?: boolean;
  };
  readonly maxEntryBytes?: number;
  readonly timeoutMs?: number;
  readonly combiner?: Omit<CombinerOptions, "clock">;
  readonly clock?: Clock;
  readonly random?: Random;
}
interface NatsAdapter extends GatewayAdapter {
  readonly rateLimitStore?: DriverRateLimitStore;
  readonly circuitBreakerStore?: DriverCircuitBreakerStore;
  readonly cacheStore?: DriverCacheStore;
  readonly store?: KeyValueStore;
  readonly pubsub?: NatsPubSub;
  rateLimiter(policy: TokenBucketPolicy): RateLimiter;
  cleanup(): Promise<number>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function natsAdapter(options: NatsAdapterOptions): NatsAdapter;
interface NatsDriverOptions {
  readonly prefix?: string;
  readonly maxValueBytes?: number;
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}
interface NatsDriver extends StateDriver {
  readonly events: EventSource<ClockStep>;
  cleanup(options?: RunOptions): Promise<number>;
}
declare function natsDriver(kv: NatsKv, options?: NatsDriverOptions): NatsDriver;
interface NatsStoreOptions extends Omit<NatsDriverOptions, "prefix"> {
  readonly keyPrefix?: string;
}
interface NatsStore extends KeyValueStore {
  cleanup(): Promise<number>;
}
declare function natsStore(kv: NatsKv, options?: NatsStoreOptions): NatsStore;
export { type ChannelHandlersOptions, type ClockStep, type DriverCacheStore, type DriverCircuitBreakerStore, type DriverRateLimitStore, type KeyValueStore, type MessageHandler, type NatsAdapter, type NatsAdapterOptions, type NatsConnectionLike, type NatsDriver, type NatsDriverOptions, type NatsKv, type NatsKvEntry, type NatsPubSub, type NatsPubSubOptions, type NatsStore, type NatsStoreOptions, type PubSubGap, natsAdapter, natsDriver, natsPubSub, natsStore };
