// sluice/cloudflare

import { DurableObject } from "#workers";
type MaybePromise<T> = T | Promise<T>;
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
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
interface ApproximateRateLimitStore extends RateLimitStore {
  readonly capabilities: Partial<DriverCapabilities> & {
    readonly approximate: string;
  };
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
interface CacheStore {
  get(key: string): MaybePromise<Response | undefined | null>;
  put(key: string, response: Response, ttlSeconds: number): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  read?(key: string): MaybePromise<CacheRecord | undefined>;
  write?(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): MaybePromise<void>;
  lock?(key: string, lockMs: number): MaybePromise<CacheFill>;
  unlock?(key: string, token: string): MaybePromise<void>;
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
interface DurableObjectNamespaceLike {
  idFromName(name: string): unknown;
  get(id: any): DurableObjectStubLike;
}
interface DurableObjectStubLike {
  fetch(input: any, init?: any): Promise<any>;
}
interface KVNamespaceLike {
  get(key: string, options?: any): Promise<any>;
  put(key: string, value: any, options?: any): Promise<void>;
  delete(key: string): Promise<void>;
}
interface CacheLike {
  match(request: any, options?: any): Promise<any>;
  put(request: any, response: any): Promise<void>;
  delete(request: any, options?: any): Promise<boolean>;
}
interface RateLimitBindingLike {
  limit(options: {
    key: string;
  }): Promise<{
    success: boolean;
  }>;
}
interface ExecutionContextLike {
  waitUntil(promise: Promise<unknown>): void;
}
interface DurableObjectStateLike {
  readonly storage: DurableObjectStorageLike;
}
interface DurableObjectStorageLike {
  readonly sql: SqlStorageLike;
  get(keys: string[]): Promise<Map<string, unknown>>;
  put(key: string, value: unknown): Promise<void>;
  delete(keys: string[]): Promise<number>;
  deleteAll(): Promise<void>;
  list(options: {
    prefix?: string;
    startAfter?: string;
    limit?: number;
  }): Promise<Map<string, unknown>>;
  setAlarm(scheduledTime: number): Promise<void>;
  getAlarm(): Promise<number | null>;
  deleteAlarm(): Promise<void>;
}
interface SqlStorageLike {
  exec(query: string, ...bindings: unknown[]): SqlCursorLike;
}
interface SqlCursorLike {
  toArray(): Record<string, unknown>[];
  readonly rowsWritten: number;
}
type Outcome = "not-applied" | "unknown";
interface WireAlgorithm {
  readonly name: string;
  readonly version: number;
  readonly members?: readonly WireAlgorithm[];
}
interface WireOperation {
  readonly algorithm: WireAlgorithm;
  readonly key: string;
  readonly commands: readonly unknown[];
}
type WireReply = {
  readonly replies: readonly unknown[];
  readonly errors?: readonly (readonly [index: number, error: WireError])[];
} | {
  readonly error: WireError;
};
interface WireError {
  readonly code: string;
  readonly message: string;
  readonly outcome?: Outcome;
  readonly range?: boolean;
}
declare class StateObject extends DurableObject {
  #private;
  constructor(ctx: DurableObjectStateLike, env: unknown, algorithms: readonly Algorithm[], alarmEveryMs: number);
  run(batch: readonly WireOperation[]): WireReply[] | Promise<WireReply[]>;
  fetch(request: Request): Promise<Response>;
  alarm(): Promise<void>;
}
declare class CircuitBreakerDO extends StateObject {
  constructor(ctx: DurableObjectStateLike, env: unknown);
}
declare class RateLimiterDO extends StateObject {
  constructor(ctx: DurableObjectStateLike, env: unknown);
  increment(windowSeconds: number): Promise<{
    count: number;
    resetAt: number;
  }>;
  fetch(request: Request): Promise<Response>;
}
declare class StateDO extends StateObject {
  static readonly algorithms: readonly Algorithm[];
  constructor(ctx: DurableObjectStateLike, env: unknown);
}
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
interface DurableObjectOptions {
  readonly timeoutMs?: number;
  readonly maxQueued?: number;
  readonly clock?: Clock;
}
interface DurableObjectDriverOptions extends DurableObjectOptions {
  readonly shards?: number;
  readonly name?: string;
}
interface DurableObjectDriver extends StateDriver {
  readonly stats: {
    readonly requests: number;
    readonly commands: number;
  };
  [Symbol.asyncDispose](): Promise<void>;
}
declare function durableObjectDriver(namespace: DurableObjectNamespaceLike, options?: DurableObjectDriverOptions): DurableObjectDriver;
declare class DurableObjectRateLimitStore implements RateLimitStore {
  #private;
  readonly capabilities: DriverCapabilities;
  constructor(namespace: DurableObjectNamespaceLike, options?: DurableObjectOptions);
  get stats(): {
    readonly requests: number;
    readonly commands: number;
  };
  increment(key: string, windowSeconds: number): Promise<{
    count: number;
    resetAt: number;
  }>;
  check(key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision>;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]>;
  destroy(): void;
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
interface CircuitBreakerStoreOptions {
  readonly prefix?: string;
  readonly policy?: Partial<CircuitPolicy>;
  readonly random?: Random;
  readonly run?: Run;
}
interface DurableObjectCircuitBreakerStoreOptions extends DurableObjectOptions, Pick<CircuitBreakerStoreOptions, "policy" | "random"> {}
declare class DurableObjectCircuitBreakerStore implements CircuitBreakerStore {
  #private;
  readonly capabilities: DriverCapabilities;
  constructor(namespace: DurableObjectNamespaceLike, options?: DurableObjectCircuitBreakerStoreOptions);
  getState(key: string): Promise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): Promise<CircuitBreakerSnapshot>;
  recordFailure(key: string): Promise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot>;
  reset(key: string): Promise<void>;
  acquire(key: string, policy: CircuitPolicy): Promise<CircuitPermit | CircuitRefusal>;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): Promise<CircuitTransition | undefined>;
}
interface KeyValueStore extends Required<StitchStore> {
  readonly capabilities: DriverCapabilities;
  [Symbol.asyncDispose](): Promise<void>;
}
interface LeaseOptions {
  readonly targetMs?: number;
  readonly guardMs?: number;
  readonly drift?: number;
  readonly divisor?: number;
  readonly maxTokens?: number;
  readonly denyCacheMs?: number;
  readonly returnUnspent?: boolean;
}
interface StoreLeaseOptions extends LeaseOptions {
  readonly maxCost?: number;
  readonly clock?: Clock;
}
interface DriverRateLimiter extends RateLimiter {
  dispose(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
interface DurableObjectStoreOptions extends DurableObjectDriverOptions {
  readonly keyPrefix?: string;
}
declare function durableObjectStore(namespace: DurableObjectNamespaceLike, options?: DurableObjectStoreOptions): KeyValueStore;
interface DurableObjectRateLimiterOptions extends TokenBucketPolicy, Omit<DurableObjectDriverOptions, "shards"> {
  readonly shards?: number;
  readonly lease?: true | StoreLeaseOptions;
}
declare function durableObjectRateLimiter(namespace: DurableObjectNamespaceLike, options: DurableObjectRateLimiterOptions): DriverRateLimiter;
interface CloudflareAdapterOptions {
  readonly rateLimitDo?: DurableObjectNamespaceLike;
  readonly rateLimitKv?: KVNamespaceLike;
  readonly breakerDo?: DurableObjectNamespaceLike;
  readonly circuitBreakerDo?: DurableObjectNamespaceLike;
  readonly stateDo?: DurableObjectNamespaceLike;
  readonly shards?: number;
  readonly cache?: CacheLike;
  readonly cacheOrigin?: string;
  readonly executionCtx?: ExecutionContextLike;
  readonly env?: unknown;
  readonly timeoutMs?: number;
}
interface CloudflareAdapter extends GatewayAdapter {
  readonly rateLimitStore?: RateLimitStore;
  readonly circuitBreakerStore?: CircuitBreakerStore;
  readonly cacheStore?: CacheStore;
  readonly store?: KeyValueStore;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  privateState(gatewayName: string): Map<string, unknown>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function cloudflareAdapter(options?: CloudflareAdapterOptions): CloudflareAdapter;
interface CacheApiCacheStoreOptions {
  readonly origin?: string;
  readonly maxEntryBytes?: number;
  readonly clock?: Clock;
}
declare class CacheApiCacheStore implements CacheStore {
  #private;
  readonly name = "cache-api";
  readonly capabilities: DriverCapabilities;
  constructor(cache: CacheLike, options?: CacheApiCacheStoreOptions);
  read(key: string): Promise<CacheRecord | undefined>;
  write(key: string, record: CacheRecord): Promise<void>;
  get(key: string): Promise<Response | undefined>;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  destroy(): void;
  [Symbol.dispose](): void;
}
interface KVRateLimitStoreOptions {
  readonly prefix?: string;
  readonly maxKeys?: number;
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  readonly clock?: Clock;
}
declare class KVRateLimitStore implements ApproximateRateLimitStore {
  #private;
  readonly capabilities: ApproximateRateLimitStore["capabilities"];
  constructor(kv: KVNamespaceLike, options?: KVRateLimitStoreOptions);
  increment(key: string, windowSeconds: number): Promise<{
    count: number;
    resetAt: number;
  }>;
  destroy(): void;
}
interface CloudflareKvStoreOptions {
  readonly keyPrefix?: string;
  readonly clock?: Clock;
}
interface CloudflareKvStore extends StitchStore {
  readonly capabilities: DriverCapabilities;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function cloudflareKvStore(kv: KVNamespaceLike, options?: CloudflareKvStoreOptions): CloudflareKvStore;
interface RateLimitBindingOptions {
  readonly limit: number;
  readonly periodSeconds: number;
}
declare function rateLimitBinding(binding: RateLimitBindingLike, store: RateLimitStore, options: RateLimitBindingOptions): RateLimitStore;
export { CacheApiCacheStore, type CacheApiCacheStoreOptions, type CacheLike, CircuitBreakerDO, type CloudflareAdapter, type CloudflareAdapterOptions, type CloudflareKvStore, type CloudflareKvStoreOptions, DurableObjectCircuitBreakerStore, type DurableObjectCircuitBreakerStoreOptions, type DurableObjectDriver, type DurableObjectDriverOptions, type DurableObjectNamespaceLike, type DurableObjectOptions, DurableObjectRateLimitStore, type DurableObjectRateLimiterOptions, type DurableObjectStateLike, type DurableObjectStoreOptions, type DurableObjectStubLike, type ExecutionContextLike, type KVNamespaceLike, KVRateLimitStore, type KVRateLimitStoreOptions, type RateLimitBindingLike, type RateLimitBindingOptions, RateLimiterDO, StateDO, cloudflareAdapter, cloudflareKvStore, durableObjectDriver, durableObjectRateLimiter, durableObjectStore, rateLimitBinding };
