// sluice/memory

type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
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
interface EventSink<Event> {
  (event: Event): void;
  readonly detailed?: boolean;
}
interface EventSource<Event> {
  on(sink: EventSink<Event>, options?: {
    readonly detailed?: boolean;
  }): () => void;
}
interface Random {
  next(): number;
  uuid(): string;
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
declare function createMemoryCacheStore(options?: MemoryCacheOptions): InMemoryCacheStore;
declare class InMemoryCacheStore implements CacheStore {
  #private;
  readonly name = "memory-cache";
  readonly capabilities: Partial<DriverCapabilities>;
  constructor(options?: MemoryCacheOptions);
  get size(): number;
  get bytes(): number;
  read(key: string): CacheRecord | undefined;
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): void;
  get(key: string): Response | undefined;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): boolean;
  lock(key: string, lockMs: number): CacheFill;
  unlock(key: string, token: string): void;
  purge(target: CachePurge): number;
  destroy(): void;
  [Symbol.dispose](): void;
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
interface MemoryDriver extends StateDriver {
  runSync<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  run(batch: readonly Operation[], options?: RunOptions): Reply[][];
  table<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): Uint8Array | undefined;
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): void;
  delete(key: string, options?: RunOptions): boolean;
  readonly size: number;
  readonly held: number;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function memoryDriver(options?: MemoryDriverOptions): MemoryDriver;
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
interface MemoryPubSubOptions extends ChannelHandlersOptions {}
interface MemoryPubSub extends PubSub, PubSubAdapter {
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
  readonly size: {
    readonly channels: number;
    readonly clients: number;
    readonly routers: number;
  };
}
declare function memoryPubSub(options?: MemoryPubSubOptions): MemoryPubSub;
interface DriverRateLimiter extends RateLimiter {
  dispose(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
interface SyncRateLimiter extends DriverRateLimiter {
  consumeSync(key: string, cost: number): RateLimitDecision;
}
interface MemoryRateLimiterOptions {
  readonly maxKeys?: number;
  readonly clock?: Clock;
}
declare function memoryRateLimiter(policy: TokenBucketPolicy, options?: MemoryRateLimiterOptions): SyncRateLimiter;
interface MemoryStoreOptions {
  readonly maxEntries?: number;
  readonly keyPrefix?: string;
  readonly clock?: Clock;
  readonly cleanupIntervalMs?: number;
}
declare function memoryStore(options?: MemoryStoreOptions): KeyValueStore;
export { InMemoryCacheStore, InMemoryCircuitBreakerStore, type InMemoryCircuitBreakerStoreOptions, InMemoryRateLimitStore, type KeyValueStore, type MemoryAdapter, type MemoryAdapterOptions, type MemoryCacheOptions, type MemoryDriver, type MemoryDriverOptions, type MemoryPubSub, type MemoryPubSubOptions, type MemoryRateLimiterOptions, type MemoryStoreOptions, type MessageHandler, type PubSubGap, type SyncRateLimiter, createMemoryCacheStore, memoryAdapter, memoryDriver, memoryPubSub, memoryRateLimiter, memoryStore };
